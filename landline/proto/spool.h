/* Which bytes of an output are kept: the arithmetic of docs/PROTOCOL.md section 7.4, without the bytes.
 *
 *      0 ........ base ........ acknowledged ........ end
 *        gone          kept, may go      kept, must stay (block) or may be dropped (drop)
 */
#ifndef LANDLINE_PROTO_SPOOL_H
#define LANDLINE_PROTO_SPOOL_H

#include <stdint.h>

#include "landline/proto/run.h"

struct spool {
    uint64_t base;         /* offset of the first byte kept */
    uint64_t end;          /* bytes that the program has written so far */
    uint64_t acknowledged; /* bytes that every watcher, or the last one that left, has had */
    uint64_t dropped;      /* bytes that went before they were acknowledged */
    uint64_t cap;          /* the most bytes to keep */
    uint8_t overflow;      /* enum run_overflow */
};

struct spool spool_make(uint64_t cap, enum run_overflow overflow);

/* How many bytes may be taken from the program now: 0 means that it has to wait. Never 0 with RUN_DROP. */
uint64_t spool_room(const struct spool *s);
/* n bytes (at most the room) were taken. Bytes below base may be forgotten now. */
void spool_add(struct spool *s, uint64_t n);
/* A watcher has everything below `offset`: never lowers. With several watchers pass the smallest of theirs. */
void spool_acknowledge(struct spool *s, uint64_t offset);
/* Keeps at most `cap` bytes from now on, at least all that are not acknowledged. */
void spool_set_cap(struct spool *s, uint64_t cap);
/* Where a watcher that has `have` bytes goes on; LL_EFORMAT (as a negative) when it claims more than was written. What it misses
 * is *missed. */
int spool_start(const struct spool *s, uint64_t have, uint64_t *start, uint64_t *missed);
/* Bytes kept. */
uint64_t spool_kept(const struct spool *s);

#endif
