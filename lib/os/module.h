/* A part of the program that is loaded when it is first needed: a shared object of which the program carries a copy. */
#ifndef LIB_OS_MODULE_H
#define LIB_OS_MODULE_H

#include <stddef.h>

#include "landline/error.h"

struct module {
    const char *name;          /* for messages, and of the file */
    const char *symbol;        /* what it exports: one object */
    const void *copy;          /* the whole of it, stripped, as the program carries it; MODULE_HEAD bytes at least */
    size_t size;               /* of the copy */
    const char *const *places; /* files that may be the same, best first; then NULL */
};

/* So many first bytes are compared. They hold the build-id (link with --build-id), a digest of everything. */
enum { MODULE_HEAD = 4096 };

/* Loads it for as long as the process lives, and returns its symbol; or NULL, with -errno or LL_ENOTSUP in `info` (not
 * NULL) when there is no memory, no /proc, or something forbids to execute what this process has written.
 *
 * Taken is the first of the files that is of this very build (stripped or not), root's or of the program's owner, and written by
 * nobody else; if there is none, which is no failure, the copy, by way of memory, which costs the writing of it. The name of a file
 * is seen from the folder of the program, unless it is absolute. Everything is bound before it returns, so a sandbox may
 * close then. One module a process, in one call. */
const void *module_load(const struct module *module, struct ll_error_info *info);

#endif
