#include "landline/server/terms_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "landline/proto/invite.h"
#include "lib/base/limits.h"

int terms_set_root(void *object, const char *value) {
    struct terms *terms = object;
    return value[0] == '/' ? terms_text(&terms->root, value) : LL_EFORMAT;
}

int terms_set_as(void *object, const char *value) {
    struct terms *terms = object;
    bool fits = strlen(value) <= LIMIT_USER_NAME && value[0] != '-';
    for (const char *c = value; fits && *c != '\0'; c++)
        fits = *c > ' ' && *c < 0x7f && strchr(":/,", *c) == NULL;
    return fits ? terms_text(&terms->as, value) : LL_EFORMAT;
}

int terms_set_argv(void *object, const char *value) {
    struct terms *terms = object;
    return terms->argv_count < LIMIT_GRANT_PATTERNS ? terms_add_argv(terms, value) : LL_EFORMAT;
}

int terms_set_runs(void *object, const char *value) {
    struct terms *terms = object;
    char *end;
    errno = 0;
    unsigned long n = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || n == 0 || n > LIMIT_RUNS)
        return LL_EFORMAT;
    terms->runs = (uint32_t)n;
    return 0;
}

int terms_set_environment(void *object, const char *value) {
    struct terms *terms = object;
    terms->any_environment = true;
    return strcmp(value, "any") == 0 ? 0 : LL_EFORMAT;
}

int terms_set_verbs(void *object, const char *value) {
    struct terms *terms = object;
    if (strcmp(value, "none") == 0)
        return 0;
    return invite_verbs_parse(value, &terms->verbs);
}

void terms_write(struct buf *out, const struct terms *terms) {
    char text[INVITE_VERBS_TEXT];
    invite_verbs_print(terms->verbs, text);
    record_line(out, "verbs", text[0] != '\0' ? text : "none");
    if (terms->root != NULL)
        record_line(out, "root", terms->root);
    if (terms->as != NULL)
        record_line(out, "as", terms->as);
    for (size_t i = 0; i < terms->argv_count; i++)
        record_line(out, "argv", terms->argv[i]);
    if (terms->runs != 0) {
        snprintf(text, sizeof text, "%u", terms->runs);
        record_line(out, "runs", text);
    }
    if (terms->any_environment)
        record_line(out, "environment", "any");
}
