/* From paths as people write them to the folders and names that the engines work with. */
#ifndef LANDLINE_TRANSFER_PLACE_H
#define LANDLINE_TRANSFER_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/error.h"
#include "landline/transfer/source.h"

struct place_base {
    int dir;       /* where relative paths and ~ begin */
    bool confined; /* `dir` is all there is: absolute paths begin there too, nothing leads out of it */
};

/* The sources that a path names: one, or with `patterns` as many as fit a path with *, ? or [ in its components, sorted.
 * A symbolic link that is named itself stands for what it points to; links in a folder are sent as links.
 * Appends to *roots (grown with realloc), the caller frees with place_free(). 0; -ENOENT where nothing is there or fits, other
 * codes of open(2), LL_ELIMIT for too many; `info` (may be NULL) has the path. */
struct place_sources {
    struct source_root *roots;
    size_t count;
};
int place_sources(const struct place_base *base, const char *path, bool patterns, struct place_sources *out,
                  struct ll_error_info *info);
void place_free(struct place_sources *sources);
/* Takes out each that has the name of an earlier one, since both would become the same thing at the other side, and tells of it. How
 * many, or -ENOMEM. */
int64_t place_drop_twins(struct place_sources *sources, void (*tell)(void *arg, const char *name), void *arg);

/* Where things go that are sent to `path`: into a folder, or under a new name in one.
 * `into`: it must be a folder, and is made if it is missing (its parent must be there). */
struct place_target {
    int dir;      /* the caller's to close */
    char *rename; /* to be freed; NULL: things keep their names */
};
int place_target(const struct place_base *base, const char *path, bool into, struct place_target *out,
                 struct ll_error_info *info);

#endif
