/* Finished runs on disk: an append-only log in segments, and where in it each id lies.
 *
 *   results.N     records: u32 magic, u32 length, then `length` bytes, of which the first 16 are the id
 *
 * A record is one write, into the page cache: it survives this process, not a power cut, after which a torn end is cut
 * off. A segment goes when its last record is older than LIMIT_RESULTS_AGE, the oldest also when all of them are larger than
 * LIMIT_RESULTS_SIZE. In memory a record costs 32 bytes. */
#ifndef LANDLINE_SERVICE_RESULTS_H
#define LANDLINE_SERVICE_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/proto/run.h"
#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/base/map.h"

struct results_segment {
    uint32_t number;
    uint64_t size, extra;       /* bytes of it, and of files that belong to its records */
    uint64_t first_ms, last_ms; /* unix_ms of its first and last record */
};

struct results {
    const char *folder;
    int fd; /* of the last segment, for appending; -1: none */
    struct results_segment segments[LIMIT_RESULT_SEGMENTS];
    size_t count;
    struct map index;
};

/* Called with a record; `arg` is the caller's. */
typedef void results_fn(void *arg, struct slice record);

/* Reads what is there. `folder` must stay valid. 0, -ENOMEM, -errno. */
int results_open(struct results *r, const char *folder);
void results_close(struct results *r);

/* Appends a record (which begins with the id); `extra` is the size of files that belong to it. 0, or -errno and nothing
 * was written. */
int results_put(struct results *r, const struct buf *record, uint64_t extra, uint64_t unix_ms);
bool results_has(const struct results *r, const struct run_id *id);
/* The record of an id: 1 and its bytes in `out`, 0 where there is none, -errno. */
int results_get(const struct results *r, const struct run_id *id, struct buf *out);
/* All records, oldest first. */
void results_each(const struct results *r, results_fn *each, void *arg);
/* Drops segments that are too old or too much; `dropped` is told every record that goes. */
void results_expire(struct results *r, uint64_t unix_ms, results_fn *dropped, void *arg);

#endif
