/* Windows of receiving channels, over a line of a given rate and delay in virtual time. */
#include "tests/unit/proto/pair.h"

/* A line in one direction: bytes go in, and come out when the rate and the delay allow. */
struct line {
    struct buf bytes;
    int64_t delay;  /* ns */
    double ns_byte; /* ns per byte */
    int64_t busy_until;
    struct {
        int64_t at;
        size_t n;
    } queue[4096];
    size_t head, tail;
};

static void line_put(struct line *l, struct slice bytes, int64_t now) {
    if (bytes.size == 0)
        return;
    int64_t begin = l->busy_until > now ? l->busy_until : now;
    l->busy_until = begin + (int64_t)(l->ns_byte * (double)bytes.size);
    buf_add(&l->bytes, bytes.data, bytes.size);
    l->queue[l->tail % 4096].at = l->busy_until + l->delay;
    l->queue[l->tail++ % 4096].n = bytes.size;
    assert_true(l->tail - l->head < 4096);
}

struct world {
    struct session *client, *server;
    struct line up, down;
    uint32_t stream;
    uint64_t received, acknowledged;
    uint64_t keeps; /* bytes that the server can keep until they are acknowledged */
    int64_t now;
};

/* What has arrived by now. */
static void deliver(struct world *w, struct line *l, struct session *to) {
    while (l->head < l->tail && l->queue[l->head % 4096].at <= w->now) {
        size_t left = l->queue[l->head % 4096].n, used;
        while (left > 0) {
            struct session_event event;
            int e = session_next(to, buf_front(&l->bytes), left, w->now, &used, &event);
            assert_true(e >= 0);
            if (e == 1 && event.type == MESSAGE_DATA && to == w->client) {
                w->received = event.u.data.offset + event.u.data.bytes.size;
                session_consumed(w->client, event.stream, event.channel, w->received);
            }
            if (e == 1 && event.type == MESSAGE_CREDIT && to == w->server)
                w->acknowledged = event.u.credit.consumed;
            buf_consume(&l->bytes, used);
            left -= used;
        }
        l->head++;
    }
}

static void flush(struct world *w, struct session *from, struct line *l) {
    struct slice out = session_output(from);
    line_put(l, out, w->now);
    session_sent(from, out.size);
}

/* What the server may send, and has. */
static uint64_t server_room(const struct world *w) {
    uint64_t room = session_room(w->server, w->stream, 1);
    uint64_t kept = session_offset(w->server, w->stream, 1) - w->acknowledged;
    uint64_t more = kept < w->keeps ? w->keeps - kept : 0;
    return room < more ? room : more;
}

/* The server floods channel 1; time goes on in steps. */
static void run_until(struct world *w, int64_t end, int64_t step) {
    static uint8_t bytes[MESSAGE_DATA_MAX];
    for (; w->now < end; w->now += step) {
        deliver(w, &w->up, w->server);
        deliver(w, &w->down, w->client);
        assert_int_equal(session_tick(w->client, w->now), 0);
        flush(w, w->client, &w->up);
        flush(w, w->server, &w->down);
        uint64_t room;
        while ((room = server_room(w)) > 0 && w->down.tail - w->down.head < 4000) {
            size_t n = room < 1024 ? (size_t)room : room < sizeof bytes ? 1024 : sizeof bytes;
            session_data(w->server, w->stream, 1, bytes, n);
            flush(w, w->server, &w->down);
        }
    }
}

static void begin(struct world *w, enum session_flow flow, int64_t delay, double bytes_per_second) {
    memset(w, 0, sizeof *w);
    w->keeps = UINT64_MAX;
    w->client = make_client(false);
    w->server = make_server(SESSION_ENROLLED, 0);
    greet(w->client, w->server);
    w->up.delay = w->down.delay = delay;
    w->up.ns_byte = w->down.ns_byte = 1e9 / bytes_per_second;
    buf_init(&w->up.bytes, 64 << 20);
    buf_init(&w->down.bytes, 64 << 20);
    struct session_event event;
    w->stream = (uint32_t)session_open(w->client, 0, text_slice("run"), text_slice(""), flow);
    pass(w->client, w->server, 0, &event, MESSAGE_OPEN);
    answer_stream(w->client, w->server, w->stream);
}

static void end(struct world *w) {
    session_free(w->client);
    session_free(w->server);
    buf_free(&w->up.bytes);
    buf_free(&w->down.bytes);
}

#define MS INT64_C(1000000)

/* 100 MB/s and 100 ms round trip need 10 MB under way: the first window of 256 KiB would carry 2.6 MB/s. */
static void bulk_grows(void **unused) {
    (void)unused;
    struct world w;
    begin(&w, SESSION_BULK, 50 * MS, 100e6);
    run_until(&w, 3 * SECOND, MS);
    uint64_t before = w.received;
    run_until(&w, 5 * SECOND, MS);
    assert_true(w.received - before > 150 * 1000 * 1000); /* of 200 possible */
    assert_true(session_rtt(w.client) >= 100 * MS);
    end(&w);
}

/* On a short line the window stays small: what it carries does not need more. */
static void bulk_stays(void **unused) {
    (void)unused;
    struct world w;
    begin(&w, SESSION_BULK, MS, 20e6);
    run_until(&w, 2 * SECOND, MS / 4);
    assert_true(w.received > 30 * 1000 * 1000);
    assert_true(session_room(w.server, w.stream, 1) + (session_offset(w.server, w.stream, 1) - w.received) <= 2 << 20);
    end(&w);
}

/* A window that has grown far beyond what the sender keeps: the acknowledgements come all the same as bytes are consumed,
 * not only when time has passed. */
static void acknowledged_to_one_who_keeps_little(void **unused) {
    (void)unused;
    struct world w;
    begin(&w, SESSION_BULK, 50 * MS, 100e6);
    run_until(&w, 3 * SECOND, MS);
    assert_true(session_room(w.server, w.stream, 1) + (session_offset(w.server, w.stream, 1) - w.received) > 4 << 20);
    w.keeps = 1 << 20;
    run_until(&w, 4 * SECOND, MS);
    uint64_t before = w.received;
    run_until(&w, 9 * SECOND, MS);
    assert_true(w.received - before > 35 << 20); /* of 1 MiB a round trip of 100 ms: 50 MiB */
    end(&w);
}

/* 64 kbit/s: what lies between the program and the screen during a flood is shown within 2 s, from the first moment on. */
static void terminal_on_a_slow_line(void **unused) {
    (void)unused;
    struct world w;
    begin(&w, SESSION_TERMINAL, 100 * MS, 8000);
    for (int i = 0; i < 60; i++) {
        run_until(&w, w.now + SECOND / 2, MS);
        uint64_t under_way = session_offset(w.server, w.stream, 1) - w.received;
        assert_true(under_way < (i < 10 ? 12000 : 8000)); /* bytes at 8000 a second */
    }
    assert_true(w.received > 30 * 8000 * 8 / 10); /* and the line is used */
    end(&w);
}

/* A quick line: the window grows to 64 KiB and no further. */
static void terminal_on_a_quick_line(void **unused) {
    (void)unused;
    struct world w;
    begin(&w, SESSION_TERMINAL, 10 * MS, 10e6);
    uint64_t most = 0;
    for (int i = 0; i < 100; i++) {
        run_until(&w, w.now + 20 * MS, MS);
        uint64_t under_way = session_offset(w.server, w.stream, 1) - w.received;
        most = under_way > most ? under_way : most;
    }
    assert_true(most > 32 << 10 && most <= LIMIT_WINDOW_TERMINAL);
    end(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bulk_grows),
        cmocka_unit_test(bulk_stays),
        cmocka_unit_test(acknowledged_to_one_who_keeps_little),
        cmocka_unit_test(terminal_on_a_slow_line),
        cmocka_unit_test(terminal_on_a_quick_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
