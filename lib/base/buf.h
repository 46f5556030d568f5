/* A bounded, growing byte buffer: bytes are added at the end and taken from the front.
 *
 * Errors stick: once an append would pass the limit or memory runs out, `failed` holds LL_ELIMIT or -ENOMEM, later
 * appends do nothing, and the caller checks once, at the end. What was appended before stays valid. */
#ifndef LIB_BASE_BUF_H
#define LIB_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data; /* storage; the contents are data[start] … data[end - 1] */
    size_t start, end;
    size_t capacity;
    size_t limit; /* the most bytes the contents may have */
    int failed;   /* 0 or the first error */
};

void buf_init(struct buf *b, size_t limit);
/* Frees the storage; the buffer is empty and usable again. */
void buf_free(struct buf *b);
/* Empties it and forgets an error; keeps the storage. */
void buf_clear(struct buf *b);

static inline size_t buf_size(const struct buf *b) {
    return b->end - b->start;
}
static inline uint8_t *buf_front(const struct buf *b) {
    return b->start == 0 ? b->data : b->data + b->start; /* data may be NULL: nothing is added to that */
}

/* Room for n more bytes at the end, not yet part of the contents; NULL on failure (and `failed` is set). Valid until
 * the next call that changes the buffer. buf_commit() makes the first n of them contents. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
/* Takes n bytes (at most buf_size) from the front. */
void buf_consume(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_add_u8(struct buf *b, uint8_t v);
/* Integers are big-endian, as everywhere on the wire. */
void buf_add_u16(struct buf *b, uint16_t v);
void buf_add_u32(struct buf *b, uint32_t v);
void buf_add_u64(struct buf *b, uint64_t v);
/* A string or blob behind its length; one too long for its length field sets LL_ELIMIT. */
void buf_add_str8(struct buf *b, const void *bytes, size_t n);
void buf_add_str16(struct buf *b, const void *bytes, size_t n);
void buf_add_str32(struct buf *b, const void *bytes, size_t n);

#endif
