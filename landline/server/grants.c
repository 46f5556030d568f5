#include "landline/server/grants.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/escape.h"
#include "lib/base/limits.h"

static int set_pin(void *object, const char *value) {
    return tls_pin_parse(&((struct grant *)object)->pin, value);
}

static int set_label(void *object, const char *value) {
    struct grant *grant = object;
    if (strlen(value) >= sizeof grant->label)
        return LL_EFORMAT;
    snprintf(grant->label, sizeof grant->label, "%s", value);
    return 0;
}

static int set_created(void *object, const char *value) {
    char *end;
    errno = 0;
    ((struct grant *)object)->created = strtoull(value, &end, 10);
    return value[0] >= '0' && value[0] <= '9' && *end == '\0' && errno == 0 ? 0 : LL_EFORMAT;
}

static int set_revoked(void *object, const char *value) {
    ((struct grant *)object)->revoked = true;
    return strcmp(value, "yes") == 0 ? 0 : LL_EFORMAT;
}

static const struct record_word words[] = {
    {"grant", set_pin, true, false},
    {"label", set_label, true, false},
    {"created", set_created, true, false},
    {"revoked", set_revoked, false, false},
    TERMS_WORDS,
    {0},
};

static void *add(void *list) {
    struct grants *grants = list;
    if (grants->count >= LIMIT_GRANTS)
        return NULL;
    struct grant *grown = realloc(grants->list, (grants->count + 1) * sizeof *grown);
    if (grown == NULL)
        return NULL;
    grants->list = grown;
    struct grant *grant = &grown[grants->count++];
    *grant = (struct grant){0};
    return grant;
}

void grants_free(struct grants *grants) {
    for (size_t i = 0; i < grants->count; i++)
        terms_free(&grants->list[i].terms);
    free(grants->list);
    *grants = (struct grants){0};
}

int grants_parse(struct grants *grants, const char *name, const void *text, size_t n, struct ll_error_info *info) {
    static_assert(LIMIT_GRANTS == 10000, "the sentence says how many");
    static const struct record_format format = {
        .words = words, .most = LIMIT_GRANTS, .full = "more than 10000 grants", .add = add};
    return record_parse(&format, grants, name, text, n, info);
}

void grants_write(struct buf *out, const struct grants *grants) {
    char text[TLS_PIN_TEXT];
    for (size_t i = 0; i < grants->count; i++) {
        const struct grant *grant = &grants->list[i];
        tls_pin_format(&grant->pin, text);
        record_start(out, "grant", text);
        record_line(out, "label", grant->label);
        snprintf(text, sizeof text, "%llu", (unsigned long long)grant->created);
        record_line(out, "created", text);
        if (grant->revoked)
            record_line(out, "revoked", "yes");
        terms_write(out, &grant->terms);
    }
}

struct grant *grants_find(const struct grants *grants, const struct tls_pin *pin) {
    for (size_t i = 0; i < grants->count; i++)
        if (memcmp(grants->list[i].pin.bytes, pin->bytes, sizeof pin->bytes) == 0)
            return &grants->list[i];
    return NULL;
}

static struct grant *find_label(const struct grants *grants, const char *label, const struct grant *but) {
    for (size_t i = 0; i < grants->count; i++)
        if (&grants->list[i] != but && strcmp(grants->list[i].label, label) == 0)
            return &grants->list[i];
    return NULL;
}

struct grant *grants_find_name(const struct grants *grants, const char *name) {
    struct tls_pin pin;
    if (tls_pin_parse(&pin, name) == 0)
        return grants_find(grants, &pin);
    return find_label(grants, name, NULL);
}

static void choose_label(struct grants *grants, struct grant *grant, const void *label, size_t n) {
    char wanted[GRANT_LABEL - 8];
    escape_bytes(wanted, sizeof wanted, label, n);
    for (char *c = wanted; *c != '\0'; c++)
        if (*c == '\\' || *c == ' ')
            *c = '_';
    if (!record_value_ok(wanted))
        snprintf(wanted, sizeof wanted, "client");
    snprintf(grant->label, sizeof grant->label, "%s", wanted);
    for (unsigned i = 2; find_label(grants, grant->label, grant) != NULL; i++)
        snprintf(grant->label, sizeof grant->label, "%s-%u", wanted, i);
}

struct grant *grants_add(struct grants *grants, const struct tls_pin *pin, const void *label, size_t n) {
    struct grant *grant = grants_find(grants, pin);
    if (grant == NULL)
        grant = add(grants);
    if (grant == NULL)
        return NULL;
    terms_free(&grant->terms);
    *grant = (struct grant){.pin = *pin};
    choose_label(grants, grant, label, n);
    return grant;
}
