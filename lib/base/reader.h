/* A checked reader over bytes it does not own: it cannot run past the end.
 *
 * Errors stick: after the first short read every getter returns 0 or NULL and reader_end() says LL_EFORMAT, so a
 * decoder reads all its fields in a straight line and checks once. Left-over bytes are an error too. */
#ifndef LIB_BASE_READER_H
#define LIB_BASE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *at, *end;
    bool failed;
};

struct slice {
    const uint8_t *data;
    size_t size;
};

static inline struct reader reader_of(const void *bytes, size_t n) {
    return (struct reader){.at = bytes, .end = (const uint8_t *)bytes + n};
}
static inline size_t reader_left(const struct reader *r) {
    return (size_t)(r->end - r->at);
}

uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* n bytes in place, valid as long as the bytes under the reader; {NULL, 0} when there are fewer. */
struct slice reader_bytes(struct reader *r, size_t n);
/* A blob behind its length. */
struct slice reader_str8(struct reader *r);
struct slice reader_str16(struct reader *r);
struct slice reader_str32(struct reader *r);
/* All that is left. */
struct slice reader_rest(struct reader *r);
/* For decoders that find a value out of range: the same sticking error. */
void reader_fail(struct reader *r);
/* 0 when everything was read and nothing is left over, else LL_EFORMAT. */
int reader_end(const struct reader *r);

#endif
