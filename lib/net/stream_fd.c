#include "landline/stream.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/os/flow.h"

struct stream_fd {
    ll_stream stream;
    int fd;
    bool is_socket, shut;
};

static ssize_t fd_read(ll_stream *stream, void *to, size_t size) {
    struct stream_fd *s = (struct stream_fd *)stream;
    ssize_t n = flow_read(s->fd, s->is_socket, to, size);
    /* The master of a terminal whose other side was closed says EIO: the end, as far as bytes go. */
    return n == 0 || n == -EIO ? LL_EOF : n;
}

static ssize_t fd_writev(ll_stream *stream, const struct iovec *parts, int count) {
    struct stream_fd *s = (struct stream_fd *)stream;
    return s->shut ? -EPIPE : flow_writev(s->fd, s->is_socket, parts, count);
}

static int fd_shutdown_write(ll_stream *stream) {
    struct stream_fd *s = (struct stream_fd *)stream;
    if (s->shut)
        return 0;
    int e = s->is_socket ? flow_shutdown_write(s->fd) : LL_ENOTSUP;
    s->shut = e == 0;
    return e;
}

static int fd_fileno(const ll_stream *stream) {
    return ((const struct stream_fd *)stream)->fd;
}

static unsigned fd_wants(const ll_stream *stream, unsigned events) {
    (void)stream;
    return events;
}

static unsigned fd_ready(const ll_stream *stream, unsigned events) {
    (void)stream;
    (void)events;
    return 0;
}

static void fd_close(ll_stream *stream) {
    struct stream_fd *s = (struct stream_fd *)stream;
    flow_close(s->fd);
    free(s);
}

static const struct ll_stream_kind over_fd = {
    .read = fd_read,
    .writev = fd_writev,
    .shutdown_write = fd_shutdown_write,
    .fileno = fd_fileno,
    .wants = fd_wants,
    .ready = fd_ready,
    .close = fd_close,
};

int ll_stream_fd(int fd, ll_stream **out) {
    *out = NULL;
    int e;
    struct stream_fd *s = calloc(1, sizeof *s);
    if (s == NULL) {
        e = -ENOMEM;
        goto no_memory;
    }
    *s = (struct stream_fd){.stream.kind = &over_fd, .fd = fd};
    e = flow_prepare(fd, &s->is_socket);
    if (e < 0)
        goto not_usable;
    *out = &s->stream;
    return 0;
not_usable:
    free(s);
no_memory:
    if (fd >= 0)
        flow_close(fd);
    return e;
}
