#include "landline/proto/run_fields.h"

#include <string.h>

void run_fields_put_size(struct buf *b, const struct run_window_size *size) {
    buf_add_u16(b, size->rows);
    buf_add_u16(b, size->columns);
    buf_add_u16(b, size->xpixel);
    buf_add_u16(b, size->ypixel);
}

struct run_window_size run_fields_get_size(struct reader *r) {
    struct run_window_size size = {.rows = reader_u16(r)};
    size.columns = reader_u16(r);
    size.xpixel = reader_u16(r);
    size.ypixel = reader_u16(r);
    return size;
}

struct run_id run_fields_get_id(struct reader *r) {
    struct run_id id = {{0}};
    struct slice s = reader_bytes(r, RUN_ID_SIZE);
    if (s.data != NULL)
        memcpy(id.bytes, s.data, RUN_ID_SIZE);
    return id;
}

bool run_fields_has_nul(struct slice s) {
    return s.size > 0 && memchr(s.data, 0, s.size) != NULL;
}

void run_fields_write_u64(uint8_t *out, uint64_t v) {
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (8 * (7 - i)));
}
