/* The streams that carry one transfer (docs/PROTOCOL.md section 7.7), each a ring: the first, and those that join while it runs.
 * Whoever has the other ends, a thread or a process, sends the engine its end of each over `control`, with the stream's number. */
#ifndef LANDLINE_TRANSFER_LINES_H
#define LANDLINE_TRANSFER_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/proto/tree.h"
#include "lib/os/ring.h"

/* A lane of the ring of each stream, where there may be several. */
enum { LINES_RING = 3 * RING_STEP };
_Static_assert(LINES_RING / 2 > TREE_HEAD + TREE_RECORD_SPLIT,
               "who fills it may wait for half of it: then a whole record lies there, which can be taken");

struct line {
    struct ring ring; /* its bell is ours, too */
    bool used;        /* it has had its turn: when it is lost, so is something that it carried */
    bool was;         /* it has been open at some time */
};

struct lines {
    struct ring *first; /* number 0: the caller's */
    int control;        /* the caller's; -1: no others will come */
    struct line joined[TREE_STREAMS];
};

void lines_begin(struct lines *lines, struct ring *first, int control);
/* Closes those that have joined. */
void lines_end(struct lines *lines);

/* The stream with that number, which is going to be used. 0; LL_ELOST: it was there, and is not any more; LL_EPROTOCOL: it never
 * joined. */
int lines_use(struct lines *lines, unsigned number, struct ring **ring);
/* The next one behind `after`, around to itself, that has room for so much: 1, 0 where none has, LL_EPROTOCOL. */
int lines_next(const struct lines *lines, unsigned after, size_t want, unsigned *number);
/* As ring_want_room() on all of them: true if none has so much. */
bool lines_want_room(struct lines *lines, size_t room);
/* Waits until a bell rings or a stream joins. False: one that is needed is gone. */
bool lines_wait(struct lines *lines);

#endif
