/* Records over a ring of shared memory (lib/os/ring.h), or over two descriptors: one to read from, one to write to. Blocking;
 * what is written is gathered until it is worth a wake-up, or a system call. */
#ifndef LANDLINE_TRANSFER_IO_H
#define LANDLINE_TRANSFER_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/transfer/lines.h"
#include "lib/base/buf.h"
#include "lib/base/reader.h"

struct transfer_io {
    struct ring *from, *to; /* NULL: descriptors. Else the rings that are read and written now */
    struct lines *lines;    /* … and all of them, where there may be more than one */
    unsigned number;        /* that of `to`, and … */
    size_t run;             /* … how much went there since it has its turn */
    bool spreads; /* the engine is a source: what it writes goes over all streams, what it reads comes on the first */
    size_t lent;  /* bytes of `from` that the last record lies in: given back with the next one */
    int in, out;
    struct buf writing; /* records not yet written: append with tree_put_…() */
    uint8_t *incoming;  /* read and not yet taken: incoming[start … end) */
    size_t start, end;
    uint64_t rate;        /* most bytes a second to write; 0: no limit */
    int64_t paced_until;  /* with a rate: when the next byte may go, CLOCK_MONOTONIC ns */
    int64_t write_ns;     /* time spent writing, and … */
    uint64_t write_bytes; /* … how much: what the line carries, for the choice of compression */
};

/* The descriptors stay the caller's. 0 or -ENOMEM. */
int transfer_io_init(struct transfer_io *io, int in, int out);
/* The same over a ring, which stays the caller's. */
int transfer_io_init_ring(struct transfer_io *io, struct ring *ring);
/* … and over all rings that there are and will be. */
int transfer_io_init_lines(struct transfer_io *io, struct lines *lines);
void transfer_io_free(struct transfer_io *io);

/* Writes what is gathered. 0; LL_ELOST when nobody reads any more; other codes of write(2). */
int transfer_io_flush(struct transfer_io *io);
/* The same once it is worth it. */
int transfer_io_settle(struct transfer_io *io);
/* A record whose payload is `front` and then `bytes`, behind what is gathered, without copying `bytes`. */
int transfer_io_send(struct transfer_io *io, uint8_t kind, struct slice front, struct slice bytes);

/* A record that is made in place: room for a payload of n bytes (at most TREE_RECORD), behind what is gathered. NULL over descriptors, or where
 * nobody reads any more. transfer_io_commit() sends it with the first `size` of them. */
uint8_t *transfer_io_reserve(struct transfer_io *io, size_t n);
void transfer_io_commit(struct transfer_io *io, uint8_t kind, size_t size);

/* The next record. 1 with *kind and *payload (valid until the next call); 0 when there is none yet and `wait` is false;
 * LL_EOF when the other side has ended between two records, LL_ELOST when within one; LL_ELIMIT, -errno. */
int transfer_io_next(struct transfer_io *io, bool wait, uint8_t *kind, struct slice *payload);

#endif
