#include "landline/proto/run.h"

#include "landline/error.h"
#include "landline/proto/run_fields.h"

enum {
    AT_NAME = 16,
    /* Behind the flags. */
    AT_AGE = 1 + RUN_ID_SIZE,
    AT_HAVE = AT_AGE + 8,
    FIXED = AT_HAVE + 16,
};

void run_attach_put(struct buf *b, const struct run_attach *a) {
    run_id_put(b, &a->id);
    buf_add_str8(b, a->name.data, a->name.size);
    buf_add_u8(b, a->flags);
    run_id_put(b, &a->call);
    buf_add_u64(b, a->age_ms);
    buf_add_u64(b, a->have1);
    buf_add_u64(b, a->have2);
    run_fields_put_size(b, &a->size);
}

int run_attach_get(struct slice payload, struct run_attach *a) {
    struct reader r = reader_of(payload.data, payload.size);
    a->id = run_fields_get_id(&r);
    a->name = reader_str8(&r);
    a->flags = reader_u8(&r);
    a->call = run_fields_get_id(&r);
    a->age_ms = reader_u64(&r);
    a->have1 = reader_u64(&r);
    a->have2 = reader_u64(&r);
    a->size = run_fields_get_size(&r);
    bool named = a->name.size > 0;
    if ((a->flags & ~(RUN_FROM_NOW | RUN_TAKE_INPUT)) != 0 || named != run_id_is_zero(&a->id) ||
        run_fields_has_nul(a->name))
        reader_fail(&r);
    return reader_end(&r);
}

void run_attach_aged(uint8_t *bytes, size_t size, uint64_t age_ms) {
    size_t flags = AT_NAME + 1 + bytes[AT_NAME];
    if (flags + FIXED <= size)
        run_fields_write_u64(bytes + flags + AT_AGE, age_ms);
}

void run_attach_again(uint8_t *bytes, size_t size, uint64_t have1, uint64_t have2) {
    size_t flags = AT_NAME + 1 + bytes[AT_NAME];
    if (flags + FIXED > size)
        return;
    bytes[flags] = (uint8_t)(bytes[flags] & ~RUN_FROM_NOW);
    run_fields_write_u64(bytes + flags + AT_HAVE, have1);
    run_fields_write_u64(bytes + flags + AT_HAVE + 8, have2);
}

void run_attach_look_on(uint8_t *bytes, size_t size) {
    size_t flags = AT_NAME + 1 + bytes[AT_NAME];
    if (flags < size)
        bytes[flags] = (uint8_t)(bytes[flags] & ~RUN_TAKE_INPUT);
}
