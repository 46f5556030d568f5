/* A call against a server that says anything, over as many sessions as it takes; and calls restored from any bytes.
 *
 * The first byte: 0 restores the rest; else steps as pairs of frames: type, channel, size, payload. Type 0 cuts the session. */
#include "landline/proto/call.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice text_slice(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void restore(struct slice saved) {
    struct call *call, *again;
    struct buf b;
    buf_init(&b, 16 << 20);
    if (call_restore(&call, saved, "") < 0)
        return;
    call_save(call, "", 1, 1, &b);
    if (b.failed == 0 && call_restore(&again, (struct slice){buf_front(&b), buf_size(&b)}, "") == 0)
        call_free(again);
    else
        abort();
    call_free(call);
    buf_free(&b);
}

struct world {
    struct call *call;
    struct session *session;
    uint64_t have[2];
};

static struct session *connect(struct call *call) {
    const struct session_client_config config = {.greeting_deadline = 1};
    struct session *s = session_new_client(&config, 0);
    if (s == NULL)
        abort();
    call_open(call, s, 1000, 1000);
    session_sent(s, session_output(s).size);
    return s;
}

static void on_event(struct world *w, const struct session_event *event) {
    struct call_output output;
    int e = call_event(w->call, event, &output);
    if (e == CALL_OUTPUT) {
        int i = output.channel - 1;
        if (i < 0 || i > 1 || output.offset < w->have[i])
            abort();
        w->have[i] = output.offset + output.bytes.size;
        if (w->have[i] != call_have(w->call, output.channel))
            abort();
        call_consumed(w->call, output.channel, w->have[i]);
    }
    if ((e == CALL_OVER || e < 0) != (call_outcome(w->call) != CALL_PENDING) && e != CALL_NOTHING)
        abort();
    if (e == CALL_RESUME)
        call_open(w->call, w->session, 2000, 2000);
}

static void feed(struct world *w, uint8_t type, uint8_t channel, struct slice payload) {
    struct buf b;
    buf_init(&b, 1000);
    uint32_t stream = type < MESSAGE_OPEN ? 0 : call_stream(w->call);
    size_t mark = message_begin(&b, type, channel, stream), used;
    buf_add(&b, payload.data, payload.size);
    message_finish(&b, mark);
    const uint8_t *at = buf_front(&b);
    size_t n = buf_size(&b);
    for (int e = 1; e == 1 && n > 0; at += used, n -= used) {
        struct session_event event;
        e = session_next(w->session, at, n, 0, &used, &event);
        if (e == 1)
            on_event(w, &event);
    }
    buf_free(&b);
}

static void input(struct world *w) {
    uint8_t head[MESSAGE_DATA_HEAD];
    struct slice payload;
    call_input(w->call, "some input", 10);
    while (call_data(w->call, head, &payload))
        if (payload.size == 0 || payload.data == NULL)
            abort();
    session_sent(w->session, session_output(w->session).size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(data, size);
    uint8_t kind = reader_u8(&r);
    if (kind == 0) {
        restore(reader_rest(&r));
        return 0;
    }
    const struct slice argv = text_slice("x");
    struct run_request request = run_request_default();
    request.argc = 1;
    request.argv = &argv;
    struct world w = {0};
    const struct run_attach attach = {.id = {{1}}, .flags = kind & 2 ? RUN_FROM_NOW : RUN_TAKE_INPUT};
    int e = kind & 1 ? call_new_run(&w.call, kind & 4 ? "shell" : "run", &request) : call_new_attach(&w.call, &attach);
    if (e < 0)
        abort();
    w.session = connect(w.call);
    while (reader_left(&r) > 0 && !r.failed) {
        uint8_t type = reader_u8(&r), channel = reader_u8(&r);
        feed(&w, type, channel, reader_str8(&r));
        input(&w);
        if (type != 0)
            continue;
        call_cut(w.call);
        session_free(w.session);
        w.session = connect(w.call);
    }
    call_give_up(w.call);
    call_free(w.call);
    session_free(w.session);
    return 0;
}
