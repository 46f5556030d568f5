#include "landline/service/terms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Names, or beginnings of names where they end in '*', by which a program is made to load or run something else than it
 * was meant to. A list of what is known, so a grant that restricts argv should come with a program that ignores its
 * environment. */
static const char *const loading[] = {
    "LD_*",      "GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES", "IFS",        "LOCALDOMAIN",
    "LOCPATH",   "MALLOC_*",   "NLSPATH",     "NIS_PATH",       "RES_OPTIONS", "RESOLV_*",   "PROMPT_COMMAND",
    "TZDIR",     "BASH_ENV",   "BASH_FUNC_*", "BASHOPTS",       "ENV",         "PS4",        "SHELLOPTS",
    "PERL5*",    "PERLLIB",    "PERLIO*",     "PYTHON*",        "RUBY*",       "NODE_*",     "JAVA_TOOL_*",
    "CLASSPATH", "LUA_*",      "GIT_*",       "EDITOR_*",       "OPENSSL_*",   "LANDLINE_*",
};

void terms_free(struct terms *terms) {
    free(terms->root);
    free(terms->as);
    for (size_t i = 0; i < terms->argv_count; i++)
        free(terms->argv[i]);
    free(terms->argv);
    *terms = (struct terms){0};
}

int terms_text(char **to, const char *value) {
    free(*to);
    *to = strdup(value);
    return *to != NULL ? 0 : -ENOMEM;
}

int terms_add_argv(struct terms *terms, const char *pattern) {
    char **grown = realloc(terms->argv, (terms->argv_count + 1) * sizeof *grown);
    if (grown == NULL)
        return -ENOMEM;
    terms->argv = grown;
    terms->argv[terms->argv_count] = NULL;
    int e = terms_text(&terms->argv[terms->argv_count], pattern);
    if (e == 0)
        terms->argv_count++;
    return e;
}

int terms_copy(struct terms *to, const struct terms *from) {
    *to = (struct terms){.verbs = from->verbs, .runs = from->runs, .any_environment = from->any_environment};
    int e = from->root != NULL ? terms_text(&to->root, from->root) : 0;
    if (e == 0 && from->as != NULL)
        e = terms_text(&to->as, from->as);
    for (size_t i = 0; e == 0 && i < from->argv_count; i++)
        e = terms_add_argv(to, from->argv[i]);
    if (e != 0)
        terms_free(to);
    return e;
}

static int hex_digit(char c) {
    const char digits[] = "0123456789ABCDEF";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* Whether the pattern's word [at, at + n) stands for the argument. */
static bool word_matches(const char *at, size_t n, struct slice argument) {
    if (n == 1 && at[0] == '*')
        return true;
    const char *end = at + n;
    size_t i = 0;
    for (; at < end; i++) {
        int high = -1, low = -1;
        if (*at == '%' && end - at >= 3) {
            high = hex_digit(at[1]);
            low = hex_digit(at[2]);
        }
        bool escaped = high >= 0 && low >= 0;
        uint8_t meant = escaped ? (uint8_t)(high * 16 + low) : (uint8_t)*at;
        if (i >= argument.size || argument.data[i] != meant)
            return false;
        at += escaped ? 3 : 1;
    }
    return i == argument.size;
}

static bool pattern_matches(const char *pattern, const struct slice *argv, size_t count) {
    size_t i = 0;
    while (*pattern != '\0') {
        size_t n = strcspn(pattern, " ");
        bool last = pattern[n] == '\0';
        if (last && n == 3 && memcmp(pattern, "...", 3) == 0)
            return true;
        if (i >= count || !word_matches(pattern, n, argv[i]))
            return false;
        i++;
        pattern += n;
        pattern += strspn(pattern, " ");
    }
    return i == count;
}

bool terms_allow_argv(const struct terms *terms, const struct slice *argv, size_t count) {
    bool allowed = terms->argv_count == 0;
    for (size_t i = 0; !allowed && i < terms->argv_count; i++)
        allowed = pattern_matches(terms->argv[i], argv, count);
    return allowed;
}

bool terms_allow_name(const struct terms *terms, struct slice name) {
    if (terms->any_environment)
        return true;
    for (size_t i = 0; i < sizeof loading / sizeof loading[0]; i++) {
        size_t n = strlen(loading[i]);
        bool prefix = loading[i][n - 1] == '*';
        size_t compared = prefix ? n - 1 : n;
        if ((prefix ? name.size >= compared : name.size == compared) && memcmp(name.data, loading[i], compared) == 0)
            return false;
    }
    return true;
}
