#include "lib/base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"

enum { SMALLEST = 256 };

void buf_init(struct buf *b, size_t limit) {
    *b = (struct buf){.limit = limit};
}

void buf_free(struct buf *b) {
    free(b->data);
    buf_init(b, b->limit);
}

void buf_clear(struct buf *b) {
    b->start = b->end = 0;
    b->failed = 0;
}

/* Moves the contents to the front of storage that has room for `need` bytes in all. */
static int make_room(struct buf *b, size_t need) {
    size_t held = buf_size(b);
    if (need > b->capacity) {
        size_t capacity = b->capacity < SMALLEST ? SMALLEST : b->capacity;
        while (capacity < need)
            capacity *= 2;
        uint8_t *data = malloc(capacity);
        if (data == NULL)
            return -ENOMEM;
        if (held > 0)
            memcpy(data, buf_front(b), held);
        free(b->data);
        b->data = data;
        b->capacity = capacity;
    } else if (held > 0) {
        memmove(b->data, buf_front(b), held);
    }
    b->start = 0;
    b->end = held;
    return 0;
}

uint8_t *buf_reserve(struct buf *b, size_t n) {
    size_t held = buf_size(b);
    if (b->failed == 0 && (n > b->limit || held > b->limit - n))
        b->failed = LL_ELIMIT;
    if (b->failed == 0 && (b->data == NULL || b->capacity - b->end < n))
        b->failed = make_room(b, held + n);
    return b->failed == 0 ? b->data + b->end : NULL;
}

void buf_commit(struct buf *b, size_t n) {
    b->end += n;
}

void buf_consume(struct buf *b, size_t n) {
    b->start += n;
    if (b->start == b->end)
        b->start = b->end = 0;
}

void buf_add(struct buf *b, const void *bytes, size_t n) {
    uint8_t *to = buf_reserve(b, n);
    if (to == NULL || n == 0)
        return;
    memcpy(to, bytes, n);
    buf_commit(b, n);
}

static void add_integer(struct buf *b, uint64_t v, size_t width) {
    uint8_t *to = buf_reserve(b, width);
    if (to == NULL)
        return;
    for (size_t i = 0; i < width; i++)
        to[i] = (uint8_t)(v >> (8 * (width - 1 - i)));
    buf_commit(b, width);
}

void buf_add_u8(struct buf *b, uint8_t v) {
    add_integer(b, v, 1);
}
void buf_add_u16(struct buf *b, uint16_t v) {
    add_integer(b, v, 2);
}
void buf_add_u32(struct buf *b, uint32_t v) {
    add_integer(b, v, 4);
}
void buf_add_u64(struct buf *b, uint64_t v) {
    add_integer(b, v, 8);
}

static void add_string(struct buf *b, const void *bytes, size_t n, size_t width) {
    if (width < 8 && (uint64_t)n >> (8 * width) != 0 && b->failed == 0)
        b->failed = LL_ELIMIT;
    add_integer(b, n, width);
    buf_add(b, bytes, n);
}

void buf_add_str8(struct buf *b, const void *bytes, size_t n) {
    add_string(b, bytes, n, 1);
}
void buf_add_str16(struct buf *b, const void *bytes, size_t n) {
    add_string(b, bytes, n, 2);
}
void buf_add_str32(struct buf *b, const void *bytes, size_t n) {
    add_string(b, bytes, n, 4);
}
