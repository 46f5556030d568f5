/* Responses, controls, results and records of the run family, docs/PROTOCOL.md sections 7.2 and 7.5. */
#include "landline/proto/run.h"

#include <errno.h>
#include <stdlib.h>

#include "landline/error.h"
#include "landline/proto/run_fields.h"
#include "lib/base/limits.h"

void run_response_put(struct buf *b, const struct run_response *r) {
    buf_add_u8(b, r->state);
    buf_add_u64(b, r->started);
    buf_add_u32(b, r->pid);
    buf_add_u64(b, r->dropped1);
    buf_add_u64(b, r->dropped2);
    run_id_put(b, &r->id);
}

int run_response_get(struct slice payload, struct run_response *out) {
    struct reader r = reader_of(payload.data, payload.size);
    out->state = reader_u8(&r);
    out->started = reader_u64(&r);
    out->pid = reader_u32(&r);
    out->dropped1 = reader_u64(&r);
    out->dropped2 = reader_u64(&r);
    out->id = run_fields_get_id(&r);
    if (out->state < RUN_STARTED || out->state > RUN_FINISHED)
        reader_fail(&r);
    return reader_end(&r);
}

void run_signal_put(struct buf *body, uint8_t signal) {
    buf_add_u8(body, signal);
}

int run_signal_get(struct slice body, uint8_t *signal) {
    struct reader r = reader_of(body.data, body.size);
    *signal = reader_u8(&r);
    if (*signal == 0 || *signal > 64)
        reader_fail(&r);
    return reader_end(&r);
}

void run_window_size_put(struct buf *body, const struct run_window_size *size) {
    run_fields_put_size(body, size);
}

int run_window_size_get(struct slice body, struct run_window_size *size) {
    struct reader r = reader_of(body.data, body.size);
    *size = run_fields_get_size(&r);
    return reader_end(&r);
}

void run_result_put(struct buf *b, const struct run_result *r) {
    buf_add_u8(b, r->kind);
    buf_add_u32(b, r->code);
    buf_add_u8(b, r->flags);
    buf_add_u32(b, r->error);
    const uint64_t numbers[] = {r->started, r->ended,    r->total0,   r->total1,  r->total2,    r->digest1,
                                r->digest2, r->dropped1, r->dropped2, r->user_us, r->system_us, r->maxrss_kib};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        buf_add_u64(b, numbers[i]);
    buf_add_str16(b, r->text.data, r->text.size > LIMIT_TEXT_PAYLOAD ? LIMIT_TEXT_PAYLOAD : r->text.size);
}

int run_result_get(struct slice payload, struct run_result *out) {
    struct reader r = reader_of(payload.data, payload.size);
    out->kind = reader_u8(&r);
    out->code = reader_u32(&r);
    out->flags = reader_u8(&r);
    out->error = reader_u32(&r);
    uint64_t *const numbers[] = {&out->started,  &out->ended,   &out->total0,    &out->total1,
                                 &out->total2,   &out->digest1, &out->digest2,   &out->dropped1,
                                 &out->dropped2, &out->user_us, &out->system_us, &out->maxrss_kib};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        *numbers[i] = reader_u64(&r);
    out->text = reader_str16(&r);
    if (out->kind < RUN_EXITED || out->kind > RUN_UNWATCHED)
        reader_fail(&r);
    return reader_end(&r);
}

void run_kill_put(struct buf *b, const struct run_kill *k) {
    run_id_put(b, &k->id);
    buf_add_u8(b, k->signal);
}

int run_kill_get(struct slice payload, struct run_kill *k) {
    struct reader r = reader_of(payload.data, payload.size);
    k->id = run_fields_get_id(&r);
    k->signal = reader_u8(&r);
    if (k->signal == 0 || k->signal > 64)
        reader_fail(&r);
    return reader_end(&r);
}

static void put_cut_argv(struct buf *b, const struct run_record *r) {
    size_t left = LIMIT_RECORD_ARGV;
    uint32_t n = 0;
    for (size_t sum = 0; n < r->argc && sum < LIMIT_RECORD_ARGV; n++)
        sum += r->argv[n].size + 4;
    buf_add_u32(b, n);
    for (uint32_t i = 0; i < n; i++) {
        size_t size = left < 4 ? 0 : left - 4;
        if (size > r->argv[i].size)
            size = r->argv[i].size;
        buf_add_str32(b, r->argv[i].data, size);
        left -= size + 4 < left ? size + 4 : left;
    }
}

void run_record_put(struct buf *b, const struct run_record *r) {
    size_t mark = buf_size(b);
    buf_add_u32(b, 0);
    run_id_put(b, &r->id);
    buf_add_u8(b, r->state);
    buf_add_u64(b, r->started);
    buf_add_u64(b, r->total1);
    buf_add_u64(b, r->total2);
    buf_add_u64(b, r->kept);
    buf_add_u64(b, r->expires);
    buf_add_u16(b, r->watchers);
    buf_add_str8(b, r->name.data, r->name.size);
    buf_add_str16(b, r->owner.data, r->owner.size);
    put_cut_argv(b, r);
    buf_add_str32(b, r->result.data, r->result.size);
    if (b->failed != 0)
        return;
    size_t size = buf_size(b) - mark - 4;
    for (unsigned i = 0; i < 4; i++)
        buf_front(b)[mark + i] = (uint8_t)(size >> (8 * (3 - i)));
}

static int record_argv(struct reader *r, struct run_record *out) {
    out->argc = reader_u32(r);
    if (r->failed || out->argc > reader_left(r) / 4) {
        out->argc = 0;
        return LL_EFORMAT;
    }
    if (out->argc == 0)
        return 0;
    struct slice *argv = malloc(out->argc * sizeof *argv);
    if (argv == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < out->argc; i++)
        argv[i] = reader_str32(r);
    out->memory = argv;
    out->argv = argv;
    return 0;
}

int run_record_get(struct slice payload, struct run_record *out) {
    *out = (struct run_record){0};
    struct reader r = reader_of(payload.data, payload.size);
    out->id = run_fields_get_id(&r);
    out->state = reader_u8(&r);
    out->started = reader_u64(&r);
    out->total1 = reader_u64(&r);
    out->total2 = reader_u64(&r);
    out->kept = reader_u64(&r);
    out->expires = reader_u64(&r);
    out->watchers = reader_u16(&r);
    out->name = reader_str8(&r);
    out->owner = reader_str16(&r);
    int e = record_argv(&r, out);
    if (e < 0)
        return e;
    out->result = reader_str32(&r);
    if (out->state != RUN_RUNNING && out->state != RUN_FINISHED)
        reader_fail(&r);
    return reader_end(&r);
}

void run_record_free(struct run_record *r) {
    free(r->memory);
    r->memory = NULL;
    r->argv = NULL;
    r->argc = 0;
}
