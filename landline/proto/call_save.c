/* A call as bytes. The state of a digest is stored as the hash library has it, and its version with it: another one
 * cannot go on from there, and the digest is not verified then. */
#include "landline/proto/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"
#include "landline/proto/call_state.h"
#include "landline/proto/run_fields.h"

enum {
    FORMAT = 3,
    SAVED_ATTACH = 1,
    SAVED_TERMINAL = 2,
    SAVED_NO_INPUT = 4,
    SAVED_FROM_NOW = 8,
    SAVED_OPENED = 16,
};

static void save_output(const struct call_stream *out, struct buf *b) {
    buf_add_u64(b, out->have);
    buf_add_u64(b, out->dropped);
    buf_add_u8(b, out->unverifiable);
    buf_add_u8(b, out->stopped);
    buf_add_str8(b, &out->hash, sizeof out->hash);
}

void call_save(const struct call *call, const char *boot, uint64_t unix_ms, uint64_t clock_ms, struct buf *b) {
    buf_add_u8(b, FORMAT);
    buf_add_u32(b, XXH_versionNumber());
    buf_add_str8(b, call->service, strlen(call->service));
    buf_add_u8(b, (uint8_t)((call->attach ? SAVED_ATTACH : 0) | (call->terminal ? SAVED_TERMINAL : 0) |
                            (call->no_input ? SAVED_NO_INPUT : 0) | (call->from_now ? SAVED_FROM_NOW : 0) |
                            (call->ever_opened ? SAVED_OPENED : 0)));
    run_id_put(b, &call->id);
    buf_add_u64(b, call->age_ms);
    bool timed = call->sent_before || call->sent_ms > 0;
    buf_add_u64(b, timed ? call->sent_ms : clock_ms);
    buf_add_u64(b, timed ? call->sent_unix_ms : unix_ms);
    buf_add_str8(b, boot, strlen(boot));
    buf_add_str32(b, buf_front(&call->request), buf_size(&call->request));
    for (int i = 0; i < CALL_OUTPUTS; i++)
        save_output(&call->out[i], b);
}

static void restore_output(struct reader *r, bool same_hash, struct call_stream *out) {
    out->have = reader_u64(r);
    out->dropped = reader_u64(r);
    out->unverifiable = reader_u8(r) != 0;
    out->stopped = reader_u8(r) != 0;
    struct slice hash = reader_str8(r);
    XXH64_reset(&out->hash, 0);
    if (out->have == 0)
        return;
    XXH64_state_t state;
    bool usable = same_hash && hash.size == sizeof state;
    if (usable)
        memcpy(&state, hash.data, sizeof state);
    if (usable && state.memsize < sizeof state.mem64)
        out->hash = state;
    else
        out->unverifiable = true;
}

/* 0 if the request is as long as its kind needs, so that it can be changed in place when it is sent again. */
static int check_request(struct call *call, struct slice request) {
    if (call->attach) {
        struct run_attach attach;
        int e = run_attach_get(request, &attach);
        call->own = attach.call;
        return e;
    }
    struct run_request run;
    int e = run_request_get(request, &run);
    call->own = run.id;
    call->named = run.name.size > 0;
    run_request_free(&run);
    return e == 0 || e == -ENOMEM ? e : LL_EFORMAT;
}

int call_restore(struct call **out, struct slice saved, const char *boot) {
    struct call *call = calloc(1, sizeof *call);
    *out = NULL;
    if (call == NULL)
        return -ENOMEM;
    buf_init(&call->request, LIMIT_OPEN_PAYLOAD - 10 - CALL_SERVICE);
    buf_init(&call->input, LIMIT_CALL_INPUT);
    struct reader r = reader_of(saved.data, saved.size);
    bool known = reader_u8(&r) == FORMAT;
    bool same_hash = reader_u32(&r) == XXH_versionNumber();
    struct slice service = reader_str8(&r);
    uint8_t flags = reader_u8(&r);
    call->attach = (flags & SAVED_ATTACH) != 0;
    call->terminal = (flags & SAVED_TERMINAL) != 0;
    call->no_input = (flags & SAVED_NO_INPUT) != 0;
    call->from_now = (flags & SAVED_FROM_NOW) != 0;
    call->ever_opened = (flags & SAVED_OPENED) != 0;
    call->sent_before = call->input_floating = true;
    struct slice id = reader_bytes(&r, RUN_ID_SIZE);
    call->age_ms = reader_u64(&r);
    call->sent_ms = reader_u64(&r);
    call->sent_unix_ms = reader_u64(&r);
    struct slice then = reader_str8(&r);
    if (then.size == 0 || then.size != strlen(boot) || memcmp(then.data, boot, then.size) != 0)
        call->sent_ms = 0;
    struct slice request = reader_str32(&r);
    for (int i = 0; i < CALL_OUTPUTS; i++)
        restore_output(&r, same_hash, &call->out[i]);
    int e = reader_end(&r);
    if (e == 0 && (!known || service.size == 0 || service.size > CALL_SERVICE || run_fields_has_nul(service)))
        e = LL_EFORMAT;
    if (e == 0)
        e = check_request(call, request);
    if (e == 0) {
        memcpy(call->service, service.data, service.size);
        memcpy(call->id.bytes, id.data, RUN_ID_SIZE);
        buf_add(&call->request, request.data, request.size);
        e = call->request.failed;
    }
    if (e < 0)
        call_free(call);
    else
        *out = call;
    return e;
}
