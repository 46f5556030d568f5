/* What a grant allows: any bytes as the lines that state it, and any command judged by it. What is taken keeps the rules
 * of its words, is written and taken again the same, and says of a command what its copy says.
 *
 * The first byte, modulo 8, counts the words of the command; each is a byte of length and so many bytes. Then the lines. */
#include "landline/service/terms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "landline/server/terms_record.h"
#include "lib/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_WORDS = 8 };

struct one {
    struct terms terms; /* first: see TERMS_WORDS */
};

struct command {
    struct slice words[MOST_WORDS];
    size_t count;
};

static void demand(bool holds) {
    if (!holds)
        abort();
}

static int set_nothing(void *object, const char *value) {
    (void)object;
    (void)value;
    return 0;
}

static void *add(void *list) {
    return list;
}

static int parse(struct one *one, const struct buf *text) {
    static const struct record_word words[] = {{"grant", set_nothing, true, false}, TERMS_WORDS, {0}};
    static const struct record_format format = {.words = words, .most = 1, .full = "more than one", .add = add};
    struct ll_error_info info = {0};
    return record_parse(&format, one, "terms", buf_front(text), buf_size(text), &info);
}

static void write_terms(struct buf *out, const struct terms *terms) {
    buf_init(out, LIMIT_BUFFER);
    record_start(out, "grant", "one");
    terms_write(out, terms);
    demand(out->failed == 0);
}

static void check_rules(const struct terms *t) {
    demand(t->root == NULL || t->root[0] == '/');
    demand(t->as == NULL || (t->as[0] != '\0' && t->as[0] != '-' && strlen(t->as) <= LIMIT_USER_NAME));
    demand(t->as == NULL || strpbrk(t->as, ":/, \t\n") == NULL);
    demand(t->argv_count <= LIMIT_GRANT_PATTERNS && t->runs <= LIMIT_RUNS);
}

/* Both say the same of every beginning of the command, and of its words as names. */
static void check_alike(const struct terms *a, const struct terms *b, const struct command *c) {
    for (size_t n = 0; n <= c->count; n++)
        demand(terms_allow_argv(a, c->words, n) == terms_allow_argv(b, c->words, n));
    for (size_t i = 0; i < c->count; i++)
        demand(terms_allow_name(a, c->words[i]) == terms_allow_name(b, c->words[i]));
}

/* A pattern that spells the command out allows it, and nothing shorter. */
static void check_spelled(const struct command *c) {
    char pattern[MOST_WORDS * 256 * 3], *to = pattern;
    struct terms terms = {0};
    for (size_t i = 0; i < c->count; i++) {
        if (c->words[i].size == 0)
            return; /* no pattern has an empty word */
        for (size_t k = 0; k < c->words[i].size; k++)
            to += snprintf(to, 4, "%%%02X", c->words[i].data[k]);
        *to++ = ' ';
    }
    to[to > pattern ? -1 : 0] = '\0';
    demand(terms_add_argv(&terms, pattern) == 0 && terms_allow_argv(&terms, c->words, c->count));
    demand(c->count == 0 || !terms_allow_argv(&terms, c->words, c->count - 1));
    terms_free(&terms);
}

static void as_terms(const struct buf *text, const struct command *c) {
    struct one first = {0}, again = {0};
    struct terms copy;
    struct buf one, two, three;
    if (parse(&first, text) == 0) {
        check_rules(&first.terms);
        demand(terms_copy(&copy, &first.terms) == 0);
        write_terms(&one, &first.terms);
        write_terms(&two, &copy);
        demand(parse(&again, &one) == 0);
        write_terms(&three, &again.terms);
        demand(buf_size(&one) == buf_size(&two) && memcmp(buf_front(&one), buf_front(&two), buf_size(&one)) == 0);
        demand(buf_size(&one) == buf_size(&three) && memcmp(buf_front(&one), buf_front(&three), buf_size(&one)) == 0);
        check_alike(&first.terms, &copy, c);
        check_alike(&first.terms, &again.terms, c);
        terms_free(&copy);
        buf_free(&one);
        buf_free(&two);
        buf_free(&three);
    }
    terms_free(&first.terms);
    terms_free(&again.terms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(data, size);
    struct command command = {0};
    struct buf text;
    size_t count = reader_u8(&r) % MOST_WORDS;
    while (command.count < count)
        command.words[command.count++] = reader_str8(&r);
    if (r.failed)
        return 0;
    buf_init(&text, LIMIT_BUFFER);
    record_start(&text, "grant", "one");
    struct slice lines = reader_rest(&r);
    buf_add(&text, lines.data, lines.size);
    check_spelled(&command);
    as_terms(&text, &command);
    buf_free(&text);
    return 0;
}
