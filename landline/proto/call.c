#include "landline/proto/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"
#include "landline/proto/call_state.h"

static struct call *make(const char *service) {
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return NULL;
    size_t n = strlen(service);
    memcpy(call->service, service, n <= CALL_SERVICE ? n : CALL_SERVICE);
    buf_init(&call->request, LIMIT_OPEN_PAYLOAD - 10 - CALL_SERVICE);
    buf_init(&call->input, LIMIT_CALL_INPUT);
    for (int i = 0; i < CALL_OUTPUTS; i++)
        XXH64_reset(&call->out[i].hash, 0);
    return call;
}

static int hand_over(struct call *call, struct call **out) {
    *out = call;
    int e = call->request.failed;
    if (e < 0) {
        call_free(call);
        *out = NULL;
    }
    return e;
}

int call_new_run(struct call **out, const char *service, const struct run_request *request) {
    struct call *call = make(service);
    *out = NULL;
    if (call == NULL)
        return -ENOMEM;
    run_request_put(&call->request, request);
    call->id = call->own = request->id;
    call->terminal = (request->flags & RUN_TTY) != 0;
    call->no_input = (request->flags & RUN_NO_STDIN) != 0;
    call->named = call->input_floating =
        request->name.size > 0; /* a shell that may be there already, with input of its own */
    return hand_over(call, out);
}

int call_new_attach(struct call **out, const struct run_attach *attach) {
    struct call *call = make("attach");
    *out = NULL;
    if (call == NULL)
        return -ENOMEM;
    call->attach = true;
    run_attach_put(&call->request, attach);
    call->id = attach->id;
    call->own = attach->call;
    call->terminal = attach->size.rows > 0;
    call->no_input = (attach->flags & RUN_TAKE_INPUT) == 0;
    call->from_now = (attach->flags & RUN_FROM_NOW) != 0;
    call->input_floating = true;
    const uint64_t have[CALL_OUTPUTS] = {attach->have1, attach->have2};
    for (int i = 0; i < CALL_OUTPUTS; i++) {
        call->out[i].have = have[i];
        call->out[i].unverifiable = have[i] > 0;
    }
    return hand_over(call, out);
}

void call_free(struct call *call) {
    if (call == NULL)
        return;
    buf_free(&call->request);
    buf_free(&call->input);
    free(call->text);
    free(call);
}

/* --- sessions --- */

/* A machine that was halted as a whole, as a virtual one is, has a clock that did not see it; the time of day was mostly set right
 * since. Whichever says that the first time is longer ago counts. */
static void set_sent(struct call *call, uint64_t unix_ms, uint64_t clock_ms) {
    if (!call->sent_before) {
        call->sent_ms = clock_ms;
        call->sent_unix_ms = unix_ms;
    }
    uint64_t passed = clock_ms > call->sent_ms ? clock_ms - call->sent_ms : 0;
    uint64_t by_day = unix_ms > call->sent_unix_ms ? unix_ms - call->sent_unix_ms : 0;
    if (by_day <= passed || call->sent_ms == 0)
        return;
    uint64_t unseen = by_day - passed;
    call->sent_ms = call->sent_ms > unseen ? call->sent_ms - unseen : 0;
}

static void prepare(struct call *call, uint64_t unix_ms, uint64_t clock_ms) {
    uint8_t *bytes = buf_front(&call->request);
    uint64_t have1 = call->out[0].have, have2 = call->out[1].have;
    uint64_t birth = run_id_birth(&call->own), age = unix_ms > birth ? unix_ms - birth : 0;
    /* The server goes by the greatest: a clock that was set back must not make a request that was held up as young as this one. */
    if (age > call->age_ms)
        call->age_ms = age;
    else if (call->sent_before)
        call->age_ms++;
    if (call->attach) {
        run_attach_aged(bytes, buf_size(&call->request), call->age_ms);
        if (call->ever_opened)
            run_attach_again(bytes, buf_size(&call->request), have1, have2);
        if (call->input_gone || call->input_taken) /* it has lost the input, and must not take it from who has it now */
            run_attach_look_on(bytes, buf_size(&call->request));
        return;
    }
    set_sent(call, unix_ms, clock_ms);
    run_request_again(bytes, call->age_ms, call->sent_ms, have1, have2);
}

static void say_again(struct call *call) {
    for (uint8_t i = 0; i < CALL_OUTPUTS; i++)
        if (call->out[i].stopped)
            session_stop(call->session, call->stream, (uint8_t)(i + 1), CODE_ENDED);
    if (call->size_known)
        call_window_size(call, &call->size);
}

int call_open(struct call *call, struct session *session, uint64_t unix_ms, uint64_t clock_ms) {
    call_cut(call);
    if (call->outcome != CALL_PENDING)
        return -EINVAL;
    prepare(call, unix_ms, clock_ms);
    struct slice service = {(const uint8_t *)call->service, strlen(call->service)};
    struct slice request = {buf_front(&call->request), buf_size(&call->request)};
    uint8_t flags = call->attach || call->sent_before || call->input_floating ? MESSAGE_RESUME : 0;
    int64_t stream = session_open(session, flags, service, request, call->terminal ? SESSION_TERMINAL : SESSION_BULK);
    if (stream < 0)
        return (int)stream;
    call->session = session;
    call->stream = (uint32_t)stream;
    call->opened = false;
    say_again(call);
    return 0;
}

void call_cut(struct call *call) {
    if (call->session == NULL)
        return;
    if (!session_untouched(call->session))
        call->sent_before = true;
    call->session = NULL;
    call->stream = 0;
    call->opened = false;
}

void call_detach(struct call *call) {
    if (call->session == NULL)
        return;
    session_done(call->session, call->stream);
    call->sent_before = true;
    call_cut(call);
}

uint32_t call_stream(const struct call *call) {
    return call->stream;
}

bool call_was_sent(const struct call *call) {
    return call->sent_before || (call->session != NULL && !session_untouched(call->session));
}

void call_give_up(struct call *call) {
    if (call->outcome == CALL_PENDING)
        call->outcome = call_was_sent(call) ? CALL_UNKNOWN : CALL_REFUSED;
    call_cut(call);
}

/* --- input --- */

size_t call_input_room(const struct call *call) {
    if (!call_input_wanted(call) || call->input_end)
        return 0;
    return LIMIT_CALL_INPUT - buf_size(&call->input);
}

int64_t call_input(struct call *call, const void *bytes, size_t n) {
    size_t room = call_input_room(call);
    if (n > room)
        n = room;
    buf_add(&call->input, bytes, n);
    if (call->input.failed == 0)
        return (int64_t)n;
    call->input.failed = 0;
    return -ENOMEM;
}

void call_input_end(struct call *call) {
    call->input_end = true;
}

bool call_input_wanted(const struct call *call) {
    return !call->no_input && !call->input_gone && !call->input_taken && call->outcome == CALL_PENDING;
}

int call_data(struct call *call, uint8_t head[MESSAGE_DATA_HEAD], struct slice *payload) {
    if (call->session == NULL || call->no_input || call->input_taken || call->outcome != CALL_PENDING)
        return 0;
    if (call->input_floating && !call->opened)
        return 0;
    uint64_t at = session_offset(call->session, call->stream, 0), room = session_room(call->session, call->stream, 0);
    uint64_t left = call->input_gone ? 0 : call->input_base + buf_size(&call->input) - at;
    if (left == 0) {
        if (call->input_end || call->input_gone)
            session_end(call->session, call->stream, 0); /* refused before OPENED of a resume: tried again later */
        return 0;
    }
    size_t n = left < MESSAGE_DATA_MAX ? (size_t)left : MESSAGE_DATA_MAX;
    if (n > room)
        n = (size_t)room;
    if (n == 0 || session_data_head(call->session, call->stream, 0, n, head) < 0)
        return 0;
    *payload = (struct slice){buf_front(&call->input) + (at - call->input_base), n};
    return 1;
}

/* --- output, control --- */

void call_consumed(struct call *call, uint8_t channel, uint64_t offset) {
    if (call->session != NULL)
        session_consumed(call->session, call->stream, channel, offset);
}

int call_stop_output(struct call *call, uint8_t channel) {
    if (channel < 1 || channel > CALL_OUTPUTS)
        return -EINVAL;
    call->out[channel - 1].stopped = true;
    return call->session != NULL ? session_stop(call->session, call->stream, channel, CODE_ENDED) : 0;
}

int call_signal(struct call *call, uint8_t signal) {
    return call->session != NULL ? session_control(call->session, call->stream, RUN_SIGNAL, &signal, 1) : -ENOTCONN;
}

int call_window_size(struct call *call, const struct run_window_size *size) {
    call->size = *size;
    call->size_known = true;
    if (call->session == NULL)
        return 0;
    struct buf body;
    buf_init(&body, 16);
    run_window_size_put(&body, size);
    int e = body.failed;
    if (e == 0)
        e = session_control(call->session, call->stream, RUN_WINSIZE, buf_front(&body), buf_size(&body));
    buf_free(&body);
    return e;
}

/* --- what it is --- */

enum call_outcome call_outcome(const struct call *call) {
    return call->outcome;
}

const struct run_id *call_id(const struct call *call) {
    return &call->id;
}

struct run_response call_response(const struct call *call) {
    return call->response;
}

const struct run_result *call_result(const struct call *call) {
    return &call->result;
}

const struct message_refused *call_refusal(const struct call *call) {
    return &call->refusal;
}

static const struct call_stream *output(const struct call *call, uint8_t channel) {
    return &call->out[channel == 2];
}

uint64_t call_have(const struct call *call, uint8_t channel) {
    return output(call, channel)->have;
}

uint64_t call_dropped(const struct call *call, uint8_t channel) {
    return output(call, channel)->dropped;
}

bool call_verified(const struct call *call, uint8_t channel) {
    return call->outcome == CALL_RESULT && call->result.kind != RUN_LOST && !output(call, channel)->unverifiable &&
           !output(call, channel)->stopped;
}
