/* Streams in memory: two rings, one for each direction, which both ends share. */
#include "landline/stream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct direction {
    size_t first, held; /* data[first …], `held` bytes, around the end */
    bool ended;         /* its writer will write no more */
    bool unread;        /* its reader has gone */
    int broken;         /* 0, or what its reader gets behind the last byte, and its writer at once */
    uint8_t *data;
};

struct pair {
    int ends; /* how many are still open */
    size_t capacity;
    struct direction way[2]; /* way[i] is written by end i */
    uint8_t storage[];
};

struct stream_mem {
    ll_stream stream;
    struct pair *pair;
    int side;
    struct ll_stream_faults faults;
    uint32_t calls;
    uint64_t written;
};

static struct direction *out_of(const struct stream_mem *s) {
    return &s->pair->way[s->side];
}
static struct direction *into(const struct stream_mem *s) {
    return &s->pair->way[!s->side];
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Cuts the link where the faults say so; the code that this end gives from then on, else 0. */
static int cut_here(struct stream_mem *s) {
    const struct ll_stream_faults *f = &s->faults;
    if (f->cut && s->written >= f->cut_at && out_of(s)->broken == 0) {
        int e = f->cut_error != 0 ? f->cut_error : -ECONNRESET;
        out_of(s)->broken = into(s)->broken = e;
        into(s)->held = 0; /* what was under way to this end is lost with the link */
    }
    return out_of(s)->broken;
}

/* 0, or the fault that this call meets. */
static int fault(struct stream_mem *s) {
    int e = cut_here(s);
    if (e == 0 && s->faults.again_every != 0 && ++s->calls % s->faults.again_every == 0)
        e = -EAGAIN;
    return e;
}

static ssize_t mem_read(ll_stream *stream, void *to, size_t size) {
    struct stream_mem *s = (struct stream_mem *)stream;
    struct direction *d = into(s);
    int e = fault(s);
    if (e == -EAGAIN)
        return e;
    if (d->held == 0)
        return d->broken != 0 ? d->broken : d->ended ? LL_EOF : -EAGAIN;
    size_t n = smaller(size, d->held);
    if (s->faults.read_most != 0)
        n = smaller(n, s->faults.read_most);
    size_t until_end = smaller(n, s->pair->capacity - d->first);
    memcpy(to, d->data + d->first, until_end);
    memcpy((uint8_t *)to + until_end, d->data, n - until_end);
    d->first = (d->first + n) % s->pair->capacity;
    d->held -= n;
    return (ssize_t)n;
}

static void append(struct pair *p, struct direction *d, const uint8_t *bytes, size_t n) {
    size_t end = (d->first + d->held) % p->capacity;
    size_t until_end = smaller(n, p->capacity - end);
    memcpy(d->data + end, bytes, until_end);
    memcpy(d->data, bytes + until_end, n - until_end);
    d->held += n;
}

/* How much this end may write now. */
static size_t room(const struct stream_mem *s) {
    size_t n = s->pair->capacity - out_of(s)->held;
    if (s->faults.write_most != 0)
        n = smaller(n, s->faults.write_most);
    if (s->faults.cut && s->faults.cut_at - s->written < n)
        n = (size_t)(s->faults.cut_at - s->written);
    return n;
}

static ssize_t mem_writev(ll_stream *stream, const struct iovec *parts, int count) {
    struct stream_mem *s = (struct stream_mem *)stream;
    struct direction *d = out_of(s);
    int e = fault(s);
    if (e != 0)
        return e == LL_EOF ? -EPIPE : e;
    if (d->ended || d->unread)
        return -EPIPE;
    size_t left = room(s), done = 0;
    for (int i = 0; i < count && left > 0; i++) {
        size_t n = smaller(parts[i].iov_len, left);
        if (n > 0)
            append(s->pair, d, parts[i].iov_base, n);
        left -= n;
        done += n;
    }
    s->written += done;
    cut_here(s);
    return done > 0 ? (ssize_t)done : -EAGAIN;
}

static int mem_shutdown_write(ll_stream *stream) {
    out_of((struct stream_mem *)stream)->ended = true;
    return 0;
}

static int mem_fileno(const ll_stream *stream) {
    (void)stream;
    return LL_ENOTSUP;
}

static unsigned mem_wants(const ll_stream *stream, unsigned events) {
    (void)stream;
    return events;
}

static unsigned mem_ready(const ll_stream *stream, unsigned events) {
    const struct stream_mem *s = (const struct stream_mem *)stream;
    const struct direction *in = into(s), *out = out_of(s);
    bool read = in->held > 0 || in->ended || in->broken != 0;
    bool write = out->held < s->pair->capacity || out->ended || out->unread || out->broken != 0;
    return events & ((read ? LL_READ : 0U) | (write ? LL_WRITE : 0U));
}

static void mem_close(ll_stream *stream) {
    struct stream_mem *s = (struct stream_mem *)stream;
    out_of(s)->ended = true;
    into(s)->unread = true;
    if (--s->pair->ends == 0)
        free(s->pair);
    free(s);
}

static const struct ll_stream_kind in_memory = {
    .read = mem_read,
    .writev = mem_writev,
    .shutdown_write = mem_shutdown_write,
    .fileno = mem_fileno,
    .wants = mem_wants,
    .ready = mem_ready,
    .close = mem_close,
};

static struct stream_mem *end_of(struct pair *pair, int side) {
    struct stream_mem *s = calloc(1, sizeof *s);
    if (s != NULL)
        *s = (struct stream_mem){.stream.kind = &in_memory, .pair = pair, .side = side};
    return s;
}

int ll_stream_pair(size_t capacity, ll_stream **a, ll_stream **b) {
    *a = *b = NULL;
    if (capacity == 0)
        return -EINVAL;
    size_t size;
    if (__builtin_mul_overflow(capacity, 2, &size) || __builtin_add_overflow(size, sizeof(struct pair), &size))
        return -ENOMEM;
    struct pair *pair = calloc(1, size);
    struct stream_mem *first = end_of(pair, 0), *second = end_of(pair, 1);
    if (pair == NULL || first == NULL || second == NULL) {
        free(first);
        free(second);
        free(pair);
        return -ENOMEM;
    }
    pair->ends = 2;
    pair->capacity = capacity;
    pair->way[0].data = pair->storage;
    pair->way[1].data = pair->storage + capacity;
    *a = &first->stream;
    *b = &second->stream;
    return 0;
}

int ll_stream_set_faults(ll_stream *stream, const struct ll_stream_faults *faults) {
    if (stream->kind != &in_memory)
        return -EINVAL;
    ((struct stream_mem *)stream)->faults = *faults;
    return 0;
}
