/* The checks that every kind of stream has in common. */
#include "landline/stream.h"

#include <errno.h>

enum { MOST_PARTS = 1024 }; /* IOV_MAX of Linux */

ssize_t ll_stream_read(ll_stream *s, void *to, size_t size) {
    return size == 0 ? 0 : s->kind->read(s, to, size);
}

ssize_t ll_stream_writev(ll_stream *s, const struct iovec *parts, int count) {
    if (count < 0 || count > MOST_PARTS)
        return -EINVAL;
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    return size == 0 ? 0 : s->kind->writev(s, parts, count);
}

ssize_t ll_stream_write(ll_stream *s, const void *bytes, size_t size) {
    return ll_stream_writev(s, &(struct iovec){(void *)bytes, size}, 1);
}

int ll_stream_shutdown_write(ll_stream *s) {
    return s->kind->shutdown_write(s);
}

int ll_stream_fileno(const ll_stream *s) {
    return s->kind->fileno(s);
}

unsigned ll_stream_wants(const ll_stream *s, unsigned events) {
    return s->kind->wants(s, events);
}

unsigned ll_stream_ready(const ll_stream *s, unsigned events) {
    return s->kind->ready(s, events);
}

void ll_stream_close(ll_stream *s) {
    if (s != NULL)
        s->kind->close(s);
}
