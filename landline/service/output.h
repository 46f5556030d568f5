/* One output of a run: what the program wrote, kept until it is acknowledged and, as far as the cap allows, longer
 * (PROTOCOL 7.4).
 *
 * The first LIMIT_RUN_HEAP bytes lie in memory. When more come, everything moves to a ring file of the cap's size, mapped:
 * byte o lies at o % size. The program's pipe is read straight into it, the gate reads from its own mapping of the file. The ring can
 * be replaced by one of another size (run_ring.c says when).
 * Space on the disk is reserved piece by piece before it is touched, so that a full disk is -ENOSPC here. */
#ifndef LANDLINE_SERVICE_OUTPUT_H
#define LANDLINE_SERVICE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define XXH_STATIC_LINKING_ONLY /* for the size of the state */
#include <xxhash.h>

#include "landline/error.h"
#include "landline/proto/spool.h"
#include "lib/base/reader.h"

struct output {
    struct spool spool;
    uint8_t *memory;   /* the heap block, or the mapping once ring >= 0 */
    uint64_t size;     /* of it; 0: none */
    uint64_t reserved; /* bytes of the ring file that have their place on the disk */
    uint64_t first;    /* offset of the byte that lies first in the heap block */
    int ring;          /* descriptor of the file, -1: none yet */
    char *path;        /* of the file, NULL: it has no name */
    XXH64_state_t digest;
};

void output_init(struct output *o, enum run_overflow overflow);
/* Frees it; its file goes too. */
void output_free(struct output *o);

/* Takes what the descriptor has, once, and at most `room` bytes, which the owner computes so that nothing is overwritten that
 * somebody still reads. The count, 0 at its end, -EAGAIN (nothing there, or no room), -ENOSPC, -EIO. `path` is where the
 * ring would be made. */
ssize_t output_read(struct output *o, int fd, uint64_t room, const char *path);

/* Moves what is kept, and at most `size` bytes of it, to a ring file of that size, which is made under the name `path` and then has the
 * name of the one before. That one must have had a name, and what is not acknowledged must fit. 0, or -errno and nothing has
 * changed. Whoever has mapped the one before still finds there what it held. */
int output_resize(struct output *o, uint64_t size, const char *path);

/* An output that had ended, as it was: its bytes from `base` to `end`, given, or in the ring file at `path` of `size`
 * bytes. 0, -ENOMEM, -errno where the file cannot be had. */
int output_restore(struct output *o, uint64_t base, uint64_t end, uint64_t dropped, uint64_t size, struct slice bytes,
                   const char *path);
/* Frees it and leaves its file. */
void output_leave(struct output *o);

/* The bytes from `offset` on that lie in one piece, at most `n`; offset must be kept. */
struct slice output_at(const struct output *o, uint64_t offset, uint64_t n);

uint64_t output_digest(const struct output *o);

/* Bytes of memory and disk it takes. */
uint64_t output_cost(const struct output *o);

#endif
