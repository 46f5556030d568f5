#include "landline/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"

enum {
    KEEP = 2 << 10
}; /* storage above this is given back once its frame was handed out: idle connections stay small */

struct ll_frame_decoder {
    struct ll_frame_format format;
    uint8_t header[LL_FRAME_HEADER_MAX];
    size_t have;        /* bytes of the header that is being put together; header_size: it was measured */
    size_t want;        /* payload size of the frame under way, once its header was measured */
    struct buf payload; /* what has arrived of it */
    bool handed_out;    /* the frame in `payload` was returned and may be forgotten */
    int failed;
};

int ll_frame_decoder_new(const struct ll_frame_format *format, ll_frame_decoder **out) {
    *out = NULL;
    if (format->header_size == 0 || format->header_size > LL_FRAME_HEADER_MAX || format->measure == NULL)
        return -EINVAL;
    ll_frame_decoder *d = calloc(1, sizeof *d);
    if (d == NULL)
        return -ENOMEM;
    d->format = *format;
    buf_init(&d->payload, format->limit);
    *out = d;
    return 0;
}

void ll_frame_decoder_free(ll_frame_decoder *d) {
    if (d == NULL)
        return;
    buf_free(&d->payload);
    free(d);
}

static int measure(ll_frame_decoder *d, const uint8_t *header) {
    size_t size = 0;
    int e = d->format.measure(d->format.arg, header, &size);
    if (e == 0 && size > d->format.limit)
        e = LL_ELIMIT;
    d->want = size;
    return e;
}

static void take(const uint8_t **bytes, size_t *size, size_t n) {
    *bytes += n;
    *size -= n;
}

/* The quick way: no frame is under way and the next one lies whole in the bytes. 1 if so. */
static int in_place(ll_frame_decoder *d, const uint8_t **bytes, size_t *size, struct ll_frame *frame) {
    size_t head = d->format.header_size;
    if (d->have > 0 || *size < head)
        return 0;
    int e = measure(d, *bytes);
    if (e < 0)
        return e;
    if (*size - head < d->want) {
        memcpy(d->header, *bytes, head);
        d->have = head;
        take(bytes, size, head);
        return 0;
    }
    *frame = (struct ll_frame){.header = *bytes, .payload = *bytes + head, .size = d->want};
    take(bytes, size, head + d->want);
    return 1;
}

/* Puts the header together from pieces. 1 when it is whole and measured. */
static int gather_header(ll_frame_decoder *d, const uint8_t **bytes, size_t *size) {
    size_t missing = d->format.header_size - d->have;
    if (missing == 0)
        return 1;
    size_t n = missing < *size ? missing : *size;
    memcpy(d->header + d->have, *bytes, n);
    d->have += n;
    take(bytes, size, n);
    if (n < missing)
        return 0;
    int e = measure(d, d->header);
    return e < 0 ? e : 1;
}

/* Puts the payload together. 1 when it is whole. */
static int gather_payload(ll_frame_decoder *d, const uint8_t **bytes, size_t *size, struct ll_frame *frame) {
    size_t missing = d->want - buf_size(&d->payload);
    size_t n = missing < *size ? missing : *size;
    if (n == d->want) { /* all of it is here, only the header was cut */
        *frame = (struct ll_frame){.header = d->header, .payload = *bytes, .size = n};
    } else {
        buf_add(&d->payload, *bytes, n);
        if (d->payload.failed < 0)
            return d->payload.failed;
        *frame = (struct ll_frame){.header = d->header, .payload = buf_front(&d->payload), .size = d->want};
    }
    take(bytes, size, n);
    d->handed_out = n == missing;
    return d->handed_out;
}

static void forget(ll_frame_decoder *d) {
    d->have = d->want = 0;
    d->handed_out = false;
    if (d->payload.capacity > KEEP)
        buf_free(&d->payload);
    else
        buf_clear(&d->payload);
}

int ll_frame_next(ll_frame_decoder *d, const uint8_t **bytes, size_t *size, struct ll_frame *frame) {
    if (d->failed < 0)
        return d->failed;
    if (d->handed_out)
        forget(d);
    if (*size == 0)
        return 0;
    int e = in_place(d, bytes, size, frame);
    if (e == 0) {
        e = gather_header(d, bytes, size);
        if (e > 0)
            e = gather_payload(d, bytes, size, frame);
    }
    if (e < 0)
        d->failed = e;
    return e;
}

int ll_frame_end(const ll_frame_decoder *d) {
    if (d->failed < 0)
        return d->failed;
    return ll_frame_held(d) > 0 ? LL_EFORMAT : 0;
}

size_t ll_frame_held(const ll_frame_decoder *d) {
    return d->handed_out ? 0 : d->have + buf_size(&d->payload);
}
