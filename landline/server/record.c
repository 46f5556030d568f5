#include "landline/server/record.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/escape.h"
#include "lib/base/limits.h"

enum { MOST_WORDS = 32 };

struct parse {
    const struct record_format *format;
    void *list, *object;
    const char *name;
    unsigned line;
    size_t count;  /* records so far */
    uint32_t seen; /* bit i: word i stood in this record */
    struct ll_error_info *info;
};

static int fail(const struct parse *p, int code, const char *why) {
    char place[120];
    snprintf(place, sizeof place, "%s:%u", p->name, p->line);
    return error_at(p->info, code, why, place);
}

bool record_value_ok(const char *value) {
    char printed[4 * LIMIT_STORE_LINE + 1];
    size_t n = strlen(value);
    if (n == 0 || n > LIMIT_STORE_LINE || value[0] == ' ' || value[n - 1] == ' ')
        return false;
    for (size_t i = 0; i < n; i++)
        if (value[i] == '\\')
            return false;
    return escape_bytes(printed, sizeof printed, value, n) == n && memcmp(printed, value, n) == 0;
}

/* The record that ends here has all it needs. */
static int finish(struct parse *p) {
    if (p->object == NULL)
        return 0;
    for (size_t i = 0; p->format->words[i].word != NULL; i++)
        if (p->format->words[i].needed && (p->seen >> i & 1) == 0)
            return fail(p, LL_EFORMAT, "the record before this line lacks a needed word");
    p->object = NULL;
    return 0;
}

static int take(struct parse *p, size_t index, const char *value) {
    const struct record_word *word = &p->format->words[index];
    if (index == 0) {
        int e = finish(p);
        if (e != 0)
            return e;
        if (++p->count > p->format->most)
            return fail(p, LL_ELIMIT, p->format->full);
        p->seen = 0;
        p->object = p->format->add(p->list);
        if (p->object == NULL)
            return fail(p, -ENOMEM, "read");
    } else if (p->object == NULL) {
        return fail(p, LL_EFORMAT, "no record has started");
    }
    if ((p->seen >> index & 1) != 0 && !word->repeats)
        return fail(p, LL_EFORMAT, "a word stands twice in one record");
    p->seen |= (uint32_t)1 << index;
    int e = word->set(p->object, value);
    return e != 0 ? fail(p, e, "the value is not understood") : 0;
}

static int take_line(struct parse *p, char *line) {
    bool indented = line[0] == ' ' || line[0] == '\t';
    line += strspn(line, " \t");
    size_t n = strlen(line);
    while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t'))
        line[--n] = '\0';
    if (n == 0 || line[0] == '#')
        return 0;
    size_t length = strcspn(line, " \t");
    if (line[length] == '\0')
        return fail(p, LL_EFORMAT, "a word without a value");
    line[length] = '\0';
    const char *value = line + length + 1 + strspn(line + length + 1, " \t");
    if (!record_value_ok(value))
        return fail(p, LL_EFORMAT, "the value does not print");
    for (size_t i = 0; i < MOST_WORDS && p->format->words[i].word != NULL; i++)
        if (strcmp(p->format->words[i].word, line) == 0)
            return indented == (i > 0) ? take(p, i, value) : fail(p, LL_EFORMAT, "wrong indentation");
    return fail(p, LL_EFORMAT, "an unknown word");
}

int record_parse(const struct record_format *format, void *list, const char *name, const void *text, size_t n,
                 struct ll_error_info *info) {
    struct parse p = {.format = format, .list = list, .name = name, .info = info};
    char line[LIMIT_STORE_LINE + 64];
    const char *at = n > 0 ? text : "", *end = at + n; /* an empty buffer has no address */
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop != NULL ? stop : end) - at);
        p.line++;
        if (length >= sizeof line)
            return fail(&p, LL_EFORMAT, "a line too long");
        if (memchr(at, '\0', length) != NULL)
            return fail(&p, LL_EFORMAT, "a line with a zero byte");
        memcpy(line, at, length);
        line[length] = '\0';
        int e = take_line(&p, line);
        if (e != 0)
            return e;
        at += length + 1;
    }
    return finish(&p);
}

static void add_text(struct buf *out, const char *text) {
    buf_add(out, text, strlen(text));
}

void record_start(struct buf *out, const char *word, const char *value) {
    add_text(out, word);
    add_text(out, " ");
    add_text(out, value);
    add_text(out, "\n");
}

void record_line(struct buf *out, const char *word, const char *value) {
    add_text(out, "  ");
    record_start(out, word, value);
}
