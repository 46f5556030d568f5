/* landline/stream.h: the small contract of a two-way flow of bytes: a socket, a pipe, memory, TLS.
 *
 * A stream never blocks: what cannot go on now returns -EAGAIN, and ll_stream_wants() says what to wait for. So one
 * piece of code works over a descriptor in an event loop, over TLS, and over memory in a test that cuts it at every
 * byte. One stream belongs to one thread at a time; the two ends of a pair in memory belong to the same thread.
 *
 * All functions return 0 or a count, or a negative code of landline/error.h. No call raises SIGPIPE; an interrupted
 * system call is repeated.
 *
 * Sources: POSIX.1-2008 read, write, shutdown; the return values are those of recv and send, but for the end of the
 * stream, which is a code of its own, so that 0 never has to be guessed about.
 */
#ifndef LANDLINE_STREAM_H
#define LANDLINE_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "landline/error.h"
#include "landline/events.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ll_stream ll_stream;

/* What every kind of stream provides, and what a program of yours fills in for its own kind. The functions below
 * check their arguments and then come here, so `size` and `count` are never 0. The text of each is that of its
 * ll_stream_...() below. */
struct ll_stream_kind {
    ssize_t (*read)(ll_stream *stream, void *to, size_t size);
    ssize_t (*writev)(ll_stream *stream, const struct iovec *parts, int count);
    int (*shutdown_write)(ll_stream *stream);
    int (*fileno)(const ll_stream *stream);
    unsigned (*wants)(const ll_stream *stream, unsigned events);
    unsigned (*ready)(const ll_stream *stream, unsigned events);
    void (*close)(ll_stream *stream);
};

/* The first member of your own kind of stream. */
struct ll_stream {
    const struct ll_stream_kind *kind;
};

/* Reads what is there, at most `size` bytes. Returns how many (1 … size); 0 only for size 0; LL_EOF after the last
 * byte once the peer has ended its direction, every time; -EAGAIN when nothing is there yet. Any other code means that
 * the stream is broken and stays so: -ECONNRESET, LL_ELOST, … */
LL_API ssize_t ll_stream_read(ll_stream *stream, void *to, size_t size);

/* Writes as much of the bytes as fits now. Returns how many (1 … size), 0 only for size 0; -EAGAIN when there is no
 * room; -EPIPE after ll_stream_shutdown_write() or when the peer does not read any more; any other code as above. */
LL_API ssize_t ll_stream_write(ll_stream *stream, const void *bytes, size_t size);
/* The same for parts[0 … count - 1], in order, as if they were one piece. Parts may be empty; a count outside
 * 0 … 1024 is -EINVAL. */
LL_API ssize_t ll_stream_writev(ll_stream *stream, const struct iovec *parts, int count);

/* Ends the own direction: the peer reads LL_EOF after what was written before. Reading goes on. A second call does
 * nothing. LL_ENOTSUP where the kind has no half-close (a pipe, a terminal); -EAGAIN where something must be written
 * first (TLS): wait, and call again. */
LL_API int ll_stream_shutdown_write(ll_stream *stream);

/* The descriptor to wait for; it stays the stream's. LL_ENOTSUP for a stream that has none (memory). */
LL_API int ll_stream_fileno(const ll_stream *stream);

/* To go on with `events` (LL_READ for a read, LL_WRITE for a write), wait for these events of the
 * descriptor. Mostly the same; TLS may have to write in order to read. */
LL_API unsigned ll_stream_wants(const ll_stream *stream, unsigned events);

/* Which of `events` will get on without any waiting, as far as the stream can tell without asking the system: bytes
 * that are already decrypted, a buffer with room. A program that waits for the descriptor asks this first, or it
 * sleeps on bytes that it holds. A plain descriptor says 0: ask the system. */
LL_API unsigned ll_stream_ready(const ll_stream *stream, unsigned events);

/* Closes it, whatever was not written is lost, and frees it. NULL is fine. */
LL_API void ll_stream_close(ll_stream *stream);

/* ---- over a descriptor ---- */

/* Makes a stream of `fd`, which belongs to the stream from here on, also when this fails (it is closed then). Sockets
 * are used without blocking whatever their mode is; any other descriptor is put into non-blocking mode, which others
 * who share it will notice. Errors: -EBADF, -ENOMEM. */
LL_API int ll_stream_fd(int fd, ll_stream **out);

/* ---- in memory ---- */

/* Makes two connected ends; what one writes the other reads. Each direction holds at most `capacity` bytes (1 or more,
 * else -EINVAL), taken at once. Closing one end is to the other what a peer's close is: it reads what was written,
 * then LL_EOF, and its writes are -EPIPE. Errors: -ENOMEM. */
LL_API int ll_stream_pair(size_t capacity, ll_stream **a, ll_stream **b);

/* Faults for one end of a pair, as a bad network makes them. Zero means none of that kind. */
struct ll_stream_faults {
    size_t read_most;     /* a read gives at most so many bytes */
    size_t write_most;    /* a write takes at most so many bytes */
    uint32_t again_every; /* each so many-th call of read or write does nothing and says -EAGAIN; 1: every call */
    int cut;              /* 1: the link is cut once this end has written `cut_at` bytes in total … */
    uint64_t cut_at;
    int cut_error; /* … and then this end's reads and writes, and the other's once it has read all that came before
                    * the cut, give this code; 0: -ECONNRESET. LL_EOF looks like a peer that closed */
};
/* Sets the faults of an end from now on. -EINVAL for a stream that is not in memory. */
LL_API int ll_stream_set_faults(ll_stream *stream, const struct ll_stream_faults *faults);

#ifdef __cplusplus
}
#endif
#endif
