/* The text files of the server's folder: records of lines "word value".
 *
 *     # a comment
 *     grant SHA256:…
 *       label box
 *       verbs run,shell
 *
 * A record starts with a line that is not indented, and has at most one line of each word unless the word may repeat.
 * Words and values are separated by one run of spaces or tabs; the value is the rest of the line, printable UTF-8. What
 * is not understood is an error with its line, never passed over: a mistyped restriction must not become a permission. */
#ifndef LANDLINE_SERVER_RECORD_H
#define LANDLINE_SERVER_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "landline/error.h"
#include "lib/base/buf.h"

/* Takes one value into `object`: 0, LL_EFORMAT, -ENOMEM. */
typedef int record_set(void *object, const char *value);

struct record_word {
    const char *word; /* NULL ends the table; the first row's word starts a record */
    record_set *set;
    bool needed, repeats;
};

struct record_format {
    const struct record_word *words;
    size_t most;      /* records that a file may have … */
    const char *full; /* … and what is said of one with more */
    /* A new object for the next record, part of `list`; NULL when memory runs out. */
    void *(*add)(void *list);
};

/* Parses the whole text into `list`. 0, LL_EFORMAT, LL_ELIMIT or -ENOMEM with the reason and "name:line" in `info` (may be NULL);
 * what was parsed before an error stays in the list, for the caller to free. */
int record_parse(const struct record_format *format, void *list, const char *name, const void *text, size_t n,
                 struct ll_error_info *info);

/* Writers. A line of a record: indented, unless it is the first of it. */
void record_start(struct buf *out, const char *word, const char *value);
void record_line(struct buf *out, const char *word, const char *value);

/* Whether a value can stand in a file: printable UTF-8, no line break, no space at either end, not empty, and no longer
 * than LIMIT_STORE_LINE. */
bool record_value_ok(const char *value);

#endif
