#include "landline/transfer/io.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "landline/error.h"
#include "landline/proto/tree.h"
#include "lib/base/limits.h"
#include "lib/os/clock.h"

enum {
    TURN = TREE_HEAD + 1,                     /* a record of that kind */
    RUN = 128 * 1024,                         /* on one stream, before another has its turn */
    GATHER = 128 * 1024,                      /* written at once when so much has come together */
    INCOMING = 2 * (TREE_HEAD + TREE_RECORD), /* so that a long record and what follows fit one read */
};

int transfer_io_init(struct transfer_io *io, int in, int out) {
    *io = (struct transfer_io){.in = in, .out = out};
    buf_init(&io->writing, LIMIT_TRANSFER_GATHER);
    io->incoming = malloc(INCOMING);
    return io->incoming == NULL ? -ENOMEM : 0;
}

int transfer_io_init_ring(struct transfer_io *io, struct ring *ring) {
    int e = transfer_io_init(io, -1, -1);
    io->from = io->to = ring;
    return e;
}

int transfer_io_init_lines(struct transfer_io *io, struct lines *lines) {
    int e = transfer_io_init_ring(io, lines->first);
    io->lines = lines;
    return e;
}

void transfer_io_free(struct transfer_io *io) {
    buf_free(&io->writing);
    free(io->incoming);
    io->incoming = NULL;
}

/* ---- writing ---- */

/* Waits until the rate allows more; what was sent moves the point by as much time as it may take. */
static void pace(struct transfer_io *io, size_t n) {
    if (io->rate == 0)
        return;
    int64_t now = clock_now();
    if (io->paced_until > now) {
        struct timespec until = {.tv_sec = io->paced_until / 1000000000, .tv_nsec = io->paced_until % 1000000000};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
            ;
        now = io->paced_until;
    }
    io->paced_until = now + (int64_t)((double)n * 1e9 / (double)io->rate);
}

/* Waits at the bell of a ring, and at those of all others. False: one is gone. */
static bool wait_at(struct transfer_io *io, struct ring *ring) {
    return io->lines != NULL ? lines_wait(io->lines) : ring_wait(ring);
}

/* Waits until the ring has so much room: how much it has, or LL_ELOST, LL_EPROTOCOL. */
static int64_t wait_for_room(struct transfer_io *io, size_t want) {
    for (;;) {
        int64_t room = ring_room(io->to);
        if (room < 0 || (size_t)room >= want)
            return room;
        if (ring_want_room(io->to, want) && !wait_at(io, io->to))
            return LL_ELOST;
    }
}

/* What follows goes to another stream: the last word on this one. */
static int turn(struct transfer_io *io, unsigned number) {
    struct ring *next;
    int e = lines_use(io->lines, number, &next);
    if (e != 0)
        return e;
    tree_head(ring_back(io->to), TREE_TURN, 1);
    ring_back(io->to)[TREE_HEAD] = (uint8_t)number;
    ring_put(io->to, TURN);
    ring_tell(io->to);
    io->to = next;
    io->number = number;
    io->run = 0;
    return 0;
}

/* Chooses the stream for the next n bytes, which are whole records: after each run the next one that has room. So each gets what it
 * carries, and what the other side has to keep of one while it waits for another is little. */
static int choose_stream(struct transfer_io *io, size_t n) {
    size_t half = io->to != NULL ? io->to->size / 2 : 0, want = n + TURN < half ? n + TURN : half;
    unsigned next = 0;
    while (io->lines != NULL && io->spreads) {
        int64_t here = ring_room(io->to);
        int there = lines_next(io->lines, io->number, want, &next);
        if (here < 0 || there < 0)
            return LL_EPROTOCOL;
        if ((size_t)here >= want && (io->run < RUN || next == io->number)) {
            io->run += n;
            return 0;
        }
        if (here >= TURN && there > 0) {
            int e = turn(io, next);
            io->run = n;
            return e;
        }
        bool wait = here < TURN ? ring_want_room(io->to, TURN) : lines_want_room(io->lines, want);
        if (wait && !lines_wait(io->lines))
            return LL_ELOST;
    }
    return 0;
}

static int put_all(struct transfer_io *io, const struct iovec *iov, int count) {
    int64_t before = clock_now();
    size_t all = 0;
    for (int i = 0; i < count; i++)
        all += iov[i].iov_len;
    int e = choose_stream(io, all);
    if (e != 0)
        return e;
    for (; count > 0; iov++, count--) {
        const uint8_t *bytes = iov->iov_base;
        for (size_t left = iov->iov_len; left > 0;) {
            int64_t room = wait_for_room(io, 1);
            if (room < 0)
                return (int)room;
            size_t n = left < (size_t)room ? left : (size_t)room;
            memcpy(ring_back(io->to), bytes, n);
            ring_put(io->to, n);
            bytes += n;
            left -= n;
        }
        io->write_bytes += iov->iov_len;
    }
    ring_tell(io->to);
    io->write_ns += clock_now() - before;
    return 0;
}

static int write_all(struct transfer_io *io, struct iovec *iov, int count) {
    if (io->to != NULL)
        return put_all(io, iov, count);
    int64_t before = clock_now();
    while (count > 0) {
        ssize_t n = writev(io->out, iov, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EPIPE || errno == ECONNRESET ? LL_ELOST : -errno;
        io->write_bytes += (uint64_t)n;
        for (; count > 0 && (size_t)n >= iov->iov_len; iov++, count--)
            n -= (ssize_t)iov->iov_len;
        if (count > 0) {
            iov->iov_base = (uint8_t *)iov->iov_base + n;
            iov->iov_len -= (size_t)n;
        }
    }
    io->write_ns += clock_now() - before;
    return 0;
}

int transfer_io_flush(struct transfer_io *io) {
    if (io->writing.failed != 0)
        return io->writing.failed;
    size_t n = buf_size(&io->writing);
    if (n == 0 && io->to != NULL)
        ring_tell(io->to);
    if (n == 0)
        return 0;
    pace(io, n);
    int e = write_all(io, &(struct iovec){buf_front(&io->writing), n}, 1);
    buf_clear(&io->writing);
    return e;
}

int transfer_io_settle(struct transfer_io *io) {
    return io->writing.failed != 0 || buf_size(&io->writing) >= GATHER ? transfer_io_flush(io) : 0;
}

int transfer_io_send(struct transfer_io *io, uint8_t kind, struct slice front, struct slice bytes) {
    uint8_t head[TREE_HEAD];
    tree_head(head, kind, (uint32_t)(front.size + bytes.size));
    buf_add(&io->writing, head, sizeof head);
    buf_add(&io->writing, front.data, front.size);
    if (io->writing.failed != 0)
        return io->writing.failed;
    size_t gathered = buf_size(&io->writing);
    pace(io, gathered + bytes.size);
    struct iovec iov[] = {{buf_front(&io->writing), gathered}, {(void *)(uintptr_t)bytes.data, bytes.size}};
    int e = write_all(io, iov, 2);
    buf_clear(&io->writing);
    return e;
}

uint8_t *transfer_io_reserve(struct transfer_io *io, size_t n) {
    if (io->to == NULL || transfer_io_flush(io) != 0)
        return NULL;
    pace(io, n);
    int64_t before = clock_now();
    if (choose_stream(io, TREE_HEAD + n) != 0 || wait_for_room(io, TREE_HEAD + n) < 0)
        return NULL;
    io->write_ns += clock_now() - before;
    io->write_bytes += n;
    return ring_back(io->to) + TREE_HEAD;
}

void transfer_io_commit(struct transfer_io *io, uint8_t kind, size_t size) {
    tree_head(ring_back(io->to), kind, (uint32_t)size);
    ring_put(io->to, TREE_HEAD + size);
    ring_tell_of_much(io->to);
}

/* ---- reading ---- */

/* Takes the record that lies whole in the buffer, if one does. */
static int take(struct transfer_io *io, uint8_t *kind, struct slice *payload) {
    uint32_t length;
    size_t held = io->end - io->start;
    if (held < TREE_HEAD)
        return 0;
    int e = tree_head_read(io->incoming + io->start, kind, &length);
    if (e != 0 || held - TREE_HEAD < length)
        return e;
    *payload = (struct slice){io->incoming + io->start + TREE_HEAD, length};
    io->start += TREE_HEAD + length;
    return 1;
}

/* Makes room for a whole record behind what is held: moved to the front only when it has to be. */
static void make_room(struct transfer_io *io) {
    if (io->start == io->end)
        io->start = io->end = 0;
    if (INCOMING - io->start >= TREE_HEAD + TREE_RECORD)
        return;
    memmove(io->incoming, io->incoming + io->start, io->end - io->start);
    io->end -= io->start;
    io->start = 0;
}

static bool readable(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) != 0;
}

/* Waits for more than `have` bytes. 1; 0 where it may not wait; LL_EOF or LL_ELOST when there will be none. */
static int wait_for_bytes(struct transfer_io *io, bool wait, size_t have) {
    if (!wait)
        return 0;
    ring_tell(io->to); /* of contents that nobody was told of yet */
    bool there = !ring_want_bytes(io->from, have) || wait_at(io, io->from);
    if (ring_readable(io->from) != (int64_t)have || (there && !ring_has_ended(io->from)))
        return 1;
    return have == 0 ? LL_EOF : LL_ELOST;
}

/* Waits for a whole record at the front of the ring. 1 with its head; else as transfer_io_next(). */
static int await_record(struct transfer_io *io, bool wait, uint8_t *kind, uint32_t *length) {
    uint8_t head[TREE_HEAD];
    for (;;) {
        int64_t held = ring_readable(io->from);
        int e = held < 0 ? (int)held : 0;
        if (held >= TREE_HEAD) {
            memcpy(head, ring_front(io->from), sizeof head);
            e = tree_head_read(head, kind, length);
            e = e == 0 && *length > io->from->size / 2 - TREE_HEAD ? LL_ELIMIT
                                                                   : e; /* more than may go over this stream */
        }
        if (e != 0)
            return e;
        if (held >= TREE_HEAD && (size_t)held - TREE_HEAD >= *length)
            return 1;
        e = wait_for_bytes(io, wait, (size_t)held);
        if (e <= 0)
            return e;
    }
}

/* In the ring. Contents are used where they lie; every other record is copied first, since the other side might change it between a
 * check and its use. */
static int next_in_ring(struct transfer_io *io, bool wait, uint8_t *kind, struct slice *payload) {
    uint32_t length;
    uint8_t number;
    ring_take(io->from, io->lent);
    io->lent = 0;
    for (;;) {
        int e = await_record(io, wait, kind, &length);
        if (e <= 0)
            return e;
        *payload = (struct slice){ring_front(io->from) + TREE_HEAD, length};
        if (*kind == TREE_DATA) {
            io->lent = TREE_HEAD + length;
            return 1;
        }
        memcpy(io->incoming, payload->data, length);
        payload->data = io->incoming;
        ring_take(io->from, TREE_HEAD + length);
        if (*kind != TREE_TURN || io->lines == NULL || io->spreads)
            return 1;
        struct ring *next = NULL;
        e = tree_get_turn(*payload, &number);
        if (e == 0)
            e = lines_use(io->lines, number, &next);
        if (e != 0)
            return e;
        io->from = next;
    }
}

int transfer_io_next(struct transfer_io *io, bool wait, uint8_t *kind, struct slice *payload) {
    if (io->to != NULL)
        return next_in_ring(io, wait, kind, payload);
    for (;;) {
        int taken = take(io, kind, payload);
        if (taken != 0)
            return taken;
        make_room(io);
        if (!wait && !readable(io->in))
            return 0;
        ssize_t n = read(io->in, io->incoming + io->end, INCOMING - io->end);
        if (n < 0 && errno != EINTR)
            return errno == ECONNRESET ? LL_ELOST : -errno;
        if (n == 0)
            return io->start == io->end ? LL_EOF : LL_ELOST;
        if (n > 0)
            io->end += (size_t)n;
    }
}
