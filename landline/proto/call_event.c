/* What a call makes of the server's messages. */
#include "landline/proto/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"
#include "landline/proto/call_state.h"

/* The server broke the contract, or we cannot go on: whatever happened to the command, nobody can be believed. */
static int lost(struct call *call, int error) {
    call->outcome = CALL_UNKNOWN;
    call->refusal = (struct message_refused){0};
    if (call->session != NULL)
        session_done(call->session, call->stream);
    call->sent_before = true;
    call_cut(call);
    return error;
}

static int keep_text(struct call *call, struct slice *text) {
    free(call->text);
    call->text = malloc(text->size + 1);
    if (call->text == NULL)
        return -ENOMEM;
    if (text->size > 0)
        memcpy(call->text, text->data, text->size);
    call->text[text->size] = 0;
    text->data = call->text;
    return 0;
}

/* --- OPENED --- */

/* A named shell that was there already: from now on it is that run which this call follows. */
static int follow(struct call *call, const struct run_id *id) {
    const struct run_attach attach = {
        .id = *id, .flags = call->no_input ? 0 : RUN_TAKE_INPUT, .call = call->own, .size = call->size};
    call->named = false;
    buf_clear(&call->request);
    run_attach_put(&call->request, &attach);
    call->attach = true;
    memcpy(call->service, "attach", sizeof "attach");
    call->id = *id;
    return call->request.failed;
}

/* The shell of the name is this call's own: it is asked for by its id alone from now on, for when the server forgets it another
 * one may have the name. */
static int forget_name(struct call *call) {
    struct run_request r;
    struct buf nameless;
    call->named = false;
    int e = run_request_get((struct slice){buf_front(&call->request), buf_size(&call->request)}, &r);
    if (e < 0)
        return e;
    r.name = (struct slice){NULL, 0};
    buf_init(&nameless, LIMIT_OPEN_PAYLOAD);
    run_request_put(&nameless, &r);
    run_request_free(&r);
    buf_free(&call->request);
    call->request = nameless;
    return nameless.failed;
}

static int start_output(struct call *call, int i, uint64_t start, uint64_t dropped) {
    struct call_stream *out = &call->out[i];
    if (start < out->have)
        return LL_EPROTOCOL;
    uint64_t gap = start - out->have;
    bool from_now = call->from_now && !call->ever_opened;
    if (!from_now && gap != dropped)
        return LL_EPROTOCOL;
    if (gap > 0)
        out->unverifiable = true;
    if (!from_now)
        out->dropped += gap;
    out->have = start;
    return 0;
}

/* Where the input goes on. Bytes that were acknowledged cannot be asked for again; a place beyond what this call ever sent
 * means that another client has fed the run since. */
static int start_input(struct call *call, uint64_t start) {
    if (call->input_floating) {
        call->input_base = start;
        call->input_floating = false;
        return 0;
    }
    if (start < call->input_base)
        return LL_EPROTOCOL;
    uint64_t skip = start - call->input_base;
    if (skip > buf_size(&call->input)) {
        call->input_taken = !call->input_gone;
        skip = buf_size(&call->input);
    }
    buf_consume(&call->input, (size_t)skip);
    call->input_base = start;
    return 0;
}

static int on_opened(struct call *call, const struct message_opened *opened) {
    struct run_response response;
    if (run_response_get(opened->response, &response) < 0)
        return lost(call, LL_EPROTOCOL);
    int e1 = start_output(call, 0, opened->start1, response.dropped1);
    int e2 = start_output(call, 1, opened->start2, response.dropped2);
    bool again = call->attach || call->sent_before || call->input_floating;
    if (response.state == RUN_FINISHED)
        call->input_gone = true; /* and nobody may know how far it came */
    int e0 = again && !call->input_gone ? start_input(call, opened->start0) : 0;
    if (e0 < 0 || e1 < 0 || e2 < 0)
        return lost(call, LL_EPROTOCOL);
    bool named = call->attach && run_id_is_zero(&call->id);
    if (!run_id_equal(&response.id, &call->id) && !named && (call->attach || strcmp(call->service, "shell") != 0))
        return lost(call, LL_EPROTOCOL);
    call->response = response;
    call->opened = call->ever_opened = true;
    call->refusal = (struct message_refused){0};
    int e = 0;
    if (!run_id_equal(&response.id, &call->id))
        e = follow(call, &response.id);
    else if (call->named)
        e = forget_name(call);
    if (e < 0)
        return lost(call, e);
    return CALL_OPENED;
}

/* --- output --- */

static int on_data(struct call *call, const struct session_event *event, struct call_output *output) {
    struct call_stream *out = &call->out[event->channel - 1];
    struct slice bytes = event->u.data.bytes;
    if (event->u.data.offset != out->have)
        return lost(call, LL_EPROTOCOL);
    XXH64_update(&out->hash, bytes.data, bytes.size);
    *output = (struct call_output){event->channel, out->have, bytes};
    out->have += bytes.size;
    return CALL_OUTPUT;
}

static int on_end(struct call *call, const struct session_event *event, struct call_output *output) {
    struct call_stream *out = &call->out[event->channel - 1];
    *output = (struct call_output){event->channel, out->have, {NULL, 0}};
    if (out->end_told)
        return CALL_NOTHING;
    out->end_told = true;
    return CALL_OUTPUT_END;
}

/* --- the end --- */

/* Whether an output is what the program wrote. A lost run's totals and digests died with the server. */
static bool proved(const struct call_stream *out, uint8_t kind, uint64_t total, uint64_t digest) {
    if (out->stopped || kind == RUN_LOST)
        return true;
    return out->have == total && (out->unverifiable || XXH64_digest(&out->hash) == digest);
}

static int on_result(struct call *call, struct slice payload) {
    struct run_result r;
    if (run_result_get(payload, &r) < 0)
        return lost(call, LL_EPROTOCOL);
    if (!proved(&call->out[0], r.kind, r.total1, r.digest1) || !proved(&call->out[1], r.kind, r.total2, r.digest2))
        return lost(call, LL_EDIGEST);
    if (keep_text(call, &r.text) < 0)
        return lost(call, -ENOMEM);
    session_done(call->session, call->stream);
    call->result = r;
    call->outcome = CALL_RESULT;
    call_cut(call);
    return CALL_OVER;
}

/* What a refusal proves. BEHIND, INTERNAL, LIMIT and FULL say nothing about the command: ask again. The others say that
 * this request did not start it; but only if no earlier one can have. */
static int on_refused(struct call *call, const struct message_refused *refused) {
    call->refusal = *refused;
    if (keep_text(call, &call->refusal.text) < 0)
        call->refusal.text = (struct slice){NULL, 0};
    bool first = !call->sent_before && !call->opened;
    bool full = refused->code == CODE_LIMIT || refused->code == CODE_FULL;
    bool passing = refused->code == CODE_BEHIND || refused->code == CODE_INTERNAL || (full && !first);
    if (passing) {
        call->sent_before = true;
        call_cut(call);
        return CALL_RESUME;
    }
    bool certain = first || (call->attach && !call->ever_opened) || (refused->code == CODE_CONFLICT && !call->opened);
    call->outcome = certain ? CALL_REFUSED : CALL_UNKNOWN;
    call_cut(call);
    return CALL_OVER;
}

static int on_credit(struct call *call, uint64_t consumed) {
    if (!call->input_gone && consumed > call->input_base) {
        buf_consume(&call->input, (size_t)(consumed - call->input_base));
        call->input_base = consumed;
    }
    return CALL_NOTHING;
}

static int on_stop(struct call *call) {
    call->input_gone = true;
    buf_free(&call->input);
    return CALL_NOTHING;
}

int call_event(struct call *call, const struct session_event *event, struct call_output *output) {
    if (call->session == NULL || event->stream != call->stream)
        return CALL_NOTHING;
    switch (event->type) {
    case MESSAGE_OPENED:
        return on_opened(call, &event->u.opened);
    case MESSAGE_REFUSED:
        return on_refused(call, &event->u.refused);
    case MESSAGE_DATA:
        return on_data(call, event, output);
    case MESSAGE_END:
        return on_end(call, event, output);
    case MESSAGE_CREDIT:
        return on_credit(call, event->u.credit.consumed);
    case MESSAGE_STOP:
        return on_stop(call);
    case MESSAGE_RESULT:
        return on_result(call, event->u.result);
    case MESSAGE_NOTICE:
        return CALL_NOTICE;
    default:
        return CALL_NOTHING;
    }
}
