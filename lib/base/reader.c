#include "lib/base/reader.h"

#include "landline/error.h"

struct slice reader_bytes(struct reader *r, size_t n) {
    if (r->failed || n > reader_left(r)) {
        r->failed = true;
        return (struct slice){NULL, 0};
    }
    struct slice s = {r->at, n};
    r->at += n;
    return s;
}

static uint64_t integer(struct reader *r, size_t width) {
    struct slice s = reader_bytes(r, width);
    uint64_t v = 0;
    for (size_t i = 0; i < s.size; i++)
        v = v << 8 | s.data[i];
    return v;
}

uint8_t reader_u8(struct reader *r) {
    return (uint8_t)integer(r, 1);
}
uint16_t reader_u16(struct reader *r) {
    return (uint16_t)integer(r, 2);
}
uint32_t reader_u32(struct reader *r) {
    return (uint32_t)integer(r, 4);
}
uint64_t reader_u64(struct reader *r) {
    return integer(r, 8);
}

struct slice reader_str8(struct reader *r) {
    return reader_bytes(r, reader_u8(r));
}
struct slice reader_str16(struct reader *r) {
    return reader_bytes(r, reader_u16(r));
}
struct slice reader_str32(struct reader *r) {
    return reader_bytes(r, reader_u32(r));
}

struct slice reader_rest(struct reader *r) {
    return reader_bytes(r, r->failed ? 0 : reader_left(r));
}

void reader_fail(struct reader *r) {
    r->failed = true;
}

int reader_end(const struct reader *r) {
    return r->failed || r->at != r->end ? LL_EFORMAT : 0;
}
