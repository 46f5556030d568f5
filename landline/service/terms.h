/* Terms: what a client's key may do. Closed by default: a zeroed struct allows nothing. */
#ifndef LANDLINE_SERVICE_TERMS_H
#define LANDLINE_SERVICE_TERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/reader.h"

struct terms {
    uint32_t verbs; /* bits of WELCOME (PROTOCOL 5) */
    char *root;     /* files beneath it, runs start in it; NULL: the home folder */
    char *as;       /* the user it becomes; NULL: the server's own, which must not be root */
    char **argv;    /* patterns, one of which a command must match; none: any command */
    size_t argv_count;
    uint32_t runs;        /* how many may run at once; 0: the server's limit */
    bool any_environment; /* also names that change how a program is loaded (LD_PRELOAD, …) */
};

void terms_free(struct terms *terms);
/* A deep copy: 0, -ENOMEM (and `to` is empty). */
int terms_copy(struct terms *to, const struct terms *from);

/* Puts a copy of the text in place of *to, or a copy of the pattern behind the others: 0, -ENOMEM. */
int terms_text(char **to, const char *text);
int terms_add_argv(struct terms *terms, const char *pattern);

/* Whether a command is allowed. A pattern is words separated by spaces: "*" stands for any one word, "..." at the end for
 * any number, every other word for itself, bytes that do not print and spaces as %XX. */
bool terms_allow_argv(const struct terms *terms, const struct slice *argv, size_t count);

/* Whether the client may set this name: not those by which the loader or a shell takes code from elsewhere, unless
 * any_environment. */
bool terms_allow_name(const struct terms *terms, struct slice name);

#endif
