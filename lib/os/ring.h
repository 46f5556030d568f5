/* Two byte pipes in shared memory, one each way, between two threads or two processes: what is written is read where it
 * lies, and no system call is made while neither side has to wait.
 *
 *      first end                                second end
 *      ring_back(), ring_put()  ──  lane 0  ──▶ ring_front(), ring_take()
 *      ring_front(), ring_take() ◀──  lane 1  ── ring_back(), ring_put()
 *
 * Who has to wait says so in the memory and waits at its bell, one of a pair of connected stream sockets; the other side rings
 * it. The socket also tells when the other side is gone. So one end may belong to an event loop, which watches the bell, and the other
 * to a thread that blocks.
 *
 * Each lane's memory is mapped twice, one behind the other, so that a piece never breaks at the end.
 *
 * The other side is not trusted: what it says is checked each time, and an end never reads or writes outside its memory. But the bytes
 * between ring_front() and what was put may change while they are looked at: who parses them copies them first.
 *
 * Thread rule: one end, one thread at a time. */
#ifndef LIB_OS_RING_H
#define LIB_OS_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/error.h"

enum {
    RING_SIZE = 1 << 20,  /* bytes that one lane holds, at most … */
    RING_STEP = 64 << 10, /* … and always a multiple of this, so that it is whole pages, whatever a page is */
};

struct ring_lane;

struct ring {
    void *map; /* NULL: not open */
    struct ring_lane *in_lane, *out_lane;
    uint8_t *in, *out;
    size_t size;         /* of a lane */
    bool beside;         /* the mapping is another end's */
    uint64_t taken, put; /* by this end, in all */
    uint64_t told;       /* of what was put: the other side knows, or was to find it itself */
    int bell;            /* the caller's */
};

/* Memory for a pair of ends with lanes of `size` bytes (RING_STEP … RING_SIZE, whole steps), for ever: a descriptor, close-on-exec, or
 * -errno. */
int ring_memory(size_t size);

/* Sends it over a bell, as the first thing that comes out at the other; and takes it there, without waiting: the descriptor,
 * which is the caller's, -EAGAIN when it has not come yet, LL_ELOST when it never will, or -errno. */
int ring_send(int bell, int memory);
int ring_receive(int bell);
/* Sends a whole end, with a number, over any stream socket: its bell and the memory; and takes it there: 0, or as above. The sender's
 * descriptors stay its own. */
int ring_send_end(int socket, uint8_t number, int bell, int memory);
int ring_receive_end(int socket, uint8_t *number, int *bell, int *memory);

/* Maps it. `first` says which end this is; `bell` is this end's socket. 0 or -errno (-EINVAL: it is no such memory). The
 * descriptor of the memory can be closed then. */
int ring_open(struct ring *ring, int memory, int bell, bool first);
/* The second end of one that is open in this process, in the same mapping, so that no page counts twice for it. The first end must
 * outlive it. */
void ring_open_beside(struct ring *ring, const struct ring *first, int bell);
/* Unmaps it; harmless on one that is not open. */
void ring_close(struct ring *ring);

/* --- reading --- */

/* Bytes that can be read at ring_front(); LL_EPROTOCOL where the other side's word cannot be true. */
int64_t ring_readable(const struct ring *ring);
static inline const uint8_t *ring_front(const struct ring *ring) {
    return ring->in + ring->taken % ring->size;
}
/* n of them (at most ring_readable()) are done with; their place is the writer's again. */
void ring_take(struct ring *ring, size_t n);
/* Whether the writer has said that nothing follows what ring_readable() tells afterwards. */
bool ring_has_ended(const struct ring *ring);
/* About to wait for bytes: true if there are no more than `have` and nothing has ended, so that waiting is right. */
bool ring_want_bytes(struct ring *ring, size_t have);

/* --- writing --- */

/* Bytes that can be written at ring_back(); LL_EPROTOCOL as above. */
int64_t ring_room(const struct ring *ring);
static inline uint8_t *ring_back(const struct ring *ring) {
    return ring->out + ring->put % ring->size;
}
/* The first n of them (at most ring_room()) were written. Does not ring: ring_tell() does. */
void ring_put(struct ring *ring, size_t n);
/* Wakes a reader that waits, where there is something new. */
void ring_tell(struct ring *ring);
/* The same once so much is unread that waking it is worth it: for a writer that has more. It must not wait for an answer
 * before ring_tell(). */
void ring_tell_of_much(struct ring *ring);
/* Nothing follows. */
void ring_end(struct ring *ring);
/* About to wait for room: true if there is less than `room`, so that waiting is right. */
bool ring_want_room(struct ring *ring, size_t room);

/* --- the bell --- */

/* Silences it, without waiting. False: the other side is gone. */
bool ring_hear(struct ring *ring);
/* Waits until it rings, and silences it. False as above. */
bool ring_wait(struct ring *ring);

#endif
