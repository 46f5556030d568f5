/* landline/proto/session.h: what two sessions say to each other. */
#include "tests/unit/proto/pair.h"

static void greeting(void **state) {
    (void)state;
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
    struct session_event event;
    session_set_clock(client, 999);
    session_set_clock(client, 1000);
    assert_true(session_untouched(client));
    pass(client, server, 5, &event, MESSAGE_HELLO);
    session_set_clock(client, 1001); /* HELLO has gone */
    assert_memory_equal(event.u.hello.agent.data, "client/1", 8);
    assert_int_equal(event.u.hello.clock_ms, 1000);
    assert_false(session_untouched(client));
    assert_int_equal(session_state(server), MESSAGE_OPENED_STATE);
    pass(server, client, 5, &event, MESSAGE_WELCOME);
    assert_int_equal(event.u.welcome.verbs, 3);
    assert_int_equal(event.u.welcome.horizon_s, 77);
    assert_memory_equal(event.u.welcome.name.data, "box", 3);
    assert_int_equal(session_max_streams(client), LIMIT_STREAMS);
    session_free(client);
    session_free(server);
}

/* A whole request: OPEN in the first flight, data both ways, ends, result, done. */
static void request(void **state) {
    (void)state;
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
    struct session_event event;
    int64_t stream = session_open(client, 0, text_slice("run"), text_slice("req"), SESSION_BULK);
    assert_int_equal(stream, 1);
    assert_int_equal(session_room(client, 1, 0), 65536);
    assert_int_equal(session_data(client, 1, 0, "input", 5), 5);
    struct buf wire;
    buf_init(&wire, 1 << 20);
    take_output(client, &wire);
    size_t used, at = 0;
    const int types[] = {MESSAGE_HELLO, MESSAGE_OPEN, MESSAGE_DATA};
    for (int i = 0; i < 3; i++, at += used) {
        assert_int_equal(session_next(server, wire.data + at, buf_size(&wire) - at, 0, &used, &event), 1);
        assert_int_equal(event.type, types[i]);
    }
    assert_int_equal(event.u.data.offset, 0);
    assert_memory_equal(event.u.data.bytes.data, "input", 5);
    assert_ptr_equal(event.u.data.bytes.data, wire.data + at - 5); /* in place */
    session_set_tag(server, 1, &wire);

    const struct session_start start = {.window0 = 1 << 20};
    assert_int_equal(session_opened(server, 1, &start, text_slice("resp")), 0);
    assert_int_equal(session_data(server, 1, 1, "out", 3), 3);
    assert_int_equal(session_data(server, 1, 2, "err", 3), 3);
    assert_int_equal(session_result(server, 1, text_slice("x")), -22); /* the outputs have not ended */
    assert_int_equal(session_end(server, 1, 1), 0);
    assert_int_equal(session_end(server, 1, 1), 0);
    assert_int_equal(session_end(server, 1, 2), 0);
    assert_int_equal(session_data(server, 1, 1, "no", 2), 0);
    assert_int_equal(session_result(server, 1, text_slice("result")), 0);
    pass(server, client, 0, &event, MESSAGE_RESULT);
    assert_memory_equal(event.u.result.data, "result", 6);
    assert_int_equal(session_streams(client), 1);
    assert_int_equal(session_done(client, 1), 0);
    assert_int_equal(session_done(client, 1), -2);
    pass(client, server, 0, &event, MESSAGE_DONE);
    assert_ptr_equal(event.tag, &wire);
    assert_int_equal(session_streams(server), 0);
    buf_free(&wire);
    session_free(client);
    session_free(server);
}

static void enrolment(void **state) {
    (void)state;
    struct session *client = make_client(true), *server = make_server(SESSION_NOT_ENROLLED, 0);
    struct session_event event;
    struct message_enrol enrol = {.name = text_slice("me")};
    assert_int_equal(session_open(client, 0, text_slice("run"), text_slice(""), SESSION_BULK), -22);
    assert_int_equal(session_enrol(client, &enrol), 0);
    assert_int_equal(session_enrol(client, &enrol), -22);
    pass(client, server, 0, &event, MESSAGE_ENROL);
    assert_memory_equal(event.u.enrol.name.data, "me", 2);
    assert_int_equal(session_state(server), MESSAGE_ENROLLING);
    assert_int_equal(session_enrolled(server, 9), 0);
    assert_int_equal(session_enrolled(server, 9), -22);
    pass(server, client, 0, &event, MESSAGE_WELCOME);
    assert_int_equal(event.u.welcome.verbs, 9);
    open_stream(client, server, 0);
    session_free(client);
    session_free(server);
}

static void turned_away(void **state) {
    (void)state;
    const struct {
        enum session_access access;
        int error;
        uint16_t code;
    } cases[] = {{SESSION_NOT_ENROLLED, LL_ENOTENROLLED, CODE_NOT_ENROLLED},
                 {SESSION_REVOKED, LL_EREVOKED, CODE_REVOKED}};
    for (size_t i = 0; i < 2; i++) {
        struct session *client = make_client(false), *server = make_server(cases[i].access, 0);
        struct session_event event;
        session_open(client, 0, text_slice("run"), text_slice(""), SESSION_BULK);
        struct buf wire;
        buf_init(&wire, 4096);
        take_output(client, &wire);
        assert_int_equal(feed(server, wire.data, buf_size(&wire), 0, &event, 0), cases[i].error);
        pass(server, client, 0, &event, MESSAGE_CLOSE);
        assert_int_equal(event.u.close.code, cases[i].code);
        assert_int_equal(session_close_code(client), cases[i].code);
        assert_true(session_close_by_peer(client));
        assert_true(session_untouched(client)); /* nothing was looked at */
        assert_int_equal(feed(client, "x", 1, 0, &event, 0), LL_EOF);
        assert_int_equal(session_open(client, 0, text_slice("a"), text_slice(""), SESSION_BULK), LL_ECLOSED);
        buf_free(&wire);
        session_free(client);
        session_free(server);
    }
}

static void no_common_version(void **state) {
    (void)state;
    for (uint16_t v = 0; v <= 2; v++) {
        struct session *server = make_server(SESSION_ENROLLED, 0);
        struct session_event event;
        struct buf wire;
        buf_init(&wire, 4096);
        const struct message_hello hello = {.version_min = v, .version_max = v};
        size_t mark = message_begin(&wire, MESSAGE_HELLO, 0, 0);
        message_put_hello(&wire, &hello);
        message_finish(&wire, mark);
        assert_int_equal(feed(server, wire.data, buf_size(&wire), 0, &event, v == 1 ? MESSAGE_HELLO : 0),
                         v == 1 ? 1 : LL_EVERSION);
        buf_free(&wire);
        session_free(server);
    }
}

/* What was sent along with HELLO had no effect: the client may send it again as new. */
static void full(void **state) {
    (void)state;
    const struct session_server_config config = {.greeting_deadline = INT64_MAX, .busy_ms = 1500};
    struct session *client = make_client(false), *server = session_new_server(&config, 0);
    struct session_event event;
    struct buf wire;
    buf_init(&wire, 4096);
    assert_int_equal(session_open(client, 0, text_slice("run"), text_slice("r"), SESSION_BULK), 1);
    take_output(client, &wire);
    assert_int_equal(feed(server, wire.data, buf_size(&wire), 0, &event, 0), LL_EOF);
    assert_int_equal(session_state(server), MESSAGE_CLOSED);
    pass(server, client, 0, &event, MESSAGE_BUSY);
    assert_int_equal(event.u.busy.retry_after_ms, 1500);
    assert_int_equal(session_output(server).size, 0);
    assert_true(session_untouched(client));
    buf_free(&wire);
    session_free(client);
    session_free(server);
}

static void busy(void **state) {
    (void)state;
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
    struct session_event event;
    assert_int_equal(session_busy(server, 1500, "full"), 0);
    pass(server, client, 0, &event, MESSAGE_BUSY);
    assert_int_equal(event.u.busy.retry_after_ms, 1500);
    assert_true(session_untouched(client));
    session_free(client);
    session_free(server);
}

static void resume(void **state) {
    (void)state;
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
    struct session_event event;
    greet(client, server);
    uint32_t stream = open_stream(client, server, MESSAGE_RESUME);
    assert_int_equal(session_room(client, stream, 0), 0);
    assert_int_equal(session_end(client, stream, 0), -22);
    const struct session_start start = {.start0 = 100, .start1 = 200, .start2 = 300, .window0 = 70000};
    assert_int_equal(session_opened(server, stream, &start, text_slice("")), 0);
    pass(server, client, 0, &event, MESSAGE_OPENED);
    assert_int_equal(event.u.opened.start0, 100);
    assert_int_equal(session_offset(client, stream, 0), 100);
    assert_int_equal(session_room(client, stream, 0), 70000);
    assert_int_equal(session_room(server, stream, 1), LIMIT_WINDOW_BULK);
    assert_int_equal(session_data(server, stream, 2, "x", 1), 1);
    pass(server, client, 0, &event, MESSAGE_DATA);
    assert_int_equal(event.u.data.offset, 300);
    session_free(client);
    session_free(server);
}

/* STOP is answered with END; what was under way is dropped; STOP before OPENED counts too. */
static void stop(void **state) {
    (void)state;
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
    struct session_event event;
    greet(client, server);
    uint32_t stream = open_stream(client, server, 0);
    assert_int_equal(session_stop(client, stream, 2, CODE_ENDED), 0);
    pass(client, server, 0, &event, MESSAGE_STOP);
    assert_int_equal(event.channel, 2);
    assert_int_equal(event.u.code, CODE_ENDED);
    const struct session_start start = {.window0 = 65536};
    assert_int_equal(session_opened(server, stream, &start, text_slice("")), 0);
    pass(server, client, 0, &event, MESSAGE_END); /* behind OPENED */
    assert_int_equal(event.channel, 2);
    assert_int_equal(session_room(server, stream, 2), 0);
    session_data(server, stream, 1, "lost", 4);
    assert_int_equal(session_stop(client, stream, 1, CODE_NONE), 0);
    pass(client, server, 0, &event, MESSAGE_STOP);
    pass(server, client, 0, &event, MESSAGE_END); /* no DATA before it */
    assert_int_equal(event.channel, 1);
    assert_int_equal(event.u.total, 4);
    assert_int_equal(session_stop(server, stream, 0, CODE_ENDED), 0);
    session_data(client, stream, 0, "more", 4);
    pass(server, client, 0, &event, MESSAGE_STOP);
    assert_int_equal(session_room(client, stream, 0), 0);
    pass(client, server, 0, &event, MESSAGE_END);
    assert_int_equal(event.u.total, 4);
    session_free(client);
    session_free(server);
}

/* REFUSED and DONE: what is under way for the stream is ignored on both sides. */
static void gone(void **state) {
    (void)state;
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
    struct session_event event;
    greet(client, server);
    uint32_t stream = open_stream(client, server, 0);
    assert_int_equal(session_refuse(server, stream, CODE_NO_GRANT, 13, "no"), 0);
    assert_int_equal(session_refuse(server, stream, CODE_NO_GRANT, 13, "no"), -2);
    session_data(client, stream, 0, "x", 1);
    session_end(client, stream, 0);
    session_control(client, stream, 1, "\x0f", 1);
    pass(client, server, 0, &event, 0);
    pass(server, client, 0, &event, MESSAGE_REFUSED);
    assert_int_equal(event.u.refused.code, CODE_NO_GRANT);
    assert_int_equal(event.u.refused.error, 13);
    assert_int_equal(session_streams(client), 0);

    stream = open_stream(client, server, 0);
    answer_stream(client, server, stream);
    session_data(server, stream, 1, "x", 1);
    session_end(server, stream, 1);
    session_end(server, stream, 2);
    session_result(server, stream, text_slice(""));
    session_done(client, stream);
    pass(server, client, 0, &event, 0);
    pass(client, server, 0, &event, MESSAGE_DONE);
    session_free(client);
    session_free(server);
}

static void keepalive(void **state) {
    (void)state;
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
    struct session_event event;
    greet(client, server);
    assert_true(session_deadline(client) == 15 * SECOND);
    assert_int_equal(session_tick(client, 15 * SECOND - 1), 0);
    assert_int_equal(session_output(client).size, 0);
    assert_int_equal(session_tick(client, 15 * SECOND), 0);
    pass(client, server, 15 * SECOND + 5, &event, 0);
    pass(server, client, 15 * SECOND + 9, &event, 0); /* PONG is no event */
    assert_true(session_rtt(client) == 9);
    assert_true(session_deadline(client) == 30 * SECOND + 9);
    assert_int_equal(session_tick(client, 60 * SECOND + 8), 0);
    assert_int_equal(session_state(client), MESSAGE_OPENED_STATE);
    assert_int_equal(session_tick(client, 60 * SECOND + 9), LL_ETIMEOUT);
    pass(client, server, 60 * SECOND, &event, MESSAGE_CLOSE);
    assert_int_equal(event.u.close.code, CODE_TIMEOUT);
    session_free(client);
    session_free(server);

    server = make_server(SESSION_ENROLLED, 0);
    assert_int_equal(session_tick(server, 10 * SECOND - 1), 0);
    assert_int_equal(session_tick(server, 10 * SECOND), LL_ETIMEOUT);
    assert_int_equal(session_tick(server, 11 * SECOND), 0);
    session_free(server);
}

/* Many PINGs before the output is taken: one PONG, with the last value. */
static void ping_flood(void **state) {
    (void)state;
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
    struct session_event event;
    greet(client, server);
    struct buf wire;
    buf_init(&wire, 1 << 20);
    for (unsigned i = 0; i < 1000; i++)
        put_frame(&wire, MESSAGE_PING, 0, 0, (uint8_t[8]){[6] = (uint8_t)(i >> 8), [7] = (uint8_t)i}, 8);
    assert_int_equal(feed(server, wire.data, buf_size(&wire), 0, &event, 0), 0);
    struct slice out = session_output(server);
    assert_int_equal(out.size, 28);
    assert_memory_equal(out.data + 12, "\0\0\0\0\0\0\x03\xe7", 8);
    assert_int_equal(session_ping(client, 100), 0);
    assert_int_equal(session_ping(client, 100), -22);
    pass(client, server, 0, &event, 0);
    pass(server, client, 350, &event, MESSAGE_PONG);
    assert_int_equal(event.u.pong.rtt_ns, 250);
    buf_free(&wire);
    session_free(client);
    session_free(server);
}

/* A server asks once a minute what the client's clock shows, however busy the connection is, and pairs the answer with the time of
 * its question, not of the answer. */
static void clocks(void **state) {
    (void)state;
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
    struct session_event event;
    greet(client, server);
    uint64_t ours = 0, theirs = 0;
    unsigned pairs = 0;
    for (int64_t s = 1; s <= 125; s++) {
        session_open(client, 0, text_slice("run"), text_slice("req"), SESSION_BULK); /* never silent */
        pass(client, server, s * SECOND, &event, MESSAGE_OPEN);
        session_set_clock(server, (uint64_t)s);
        assert_int_equal(session_tick(server, s * SECOND), 0);
        session_refuse(server, event.stream, CODE_FULL, 0, "");
        session_set_clock(server, (uint64_t)s + 1000);
        session_set_clock(client, (uint64_t)s + 5000);
        pass(server, client, s * SECOND, &event, MESSAGE_REFUSED);
        session_set_clock(client, (uint64_t)s + 5001);
        struct buf wire;
        buf_init(&wire, 4096);
        take_output(client, &wire);
        if (feed(server, wire.data, buf_size(&wire), s * SECOND, &event, MESSAGE_PONG) == 1) {
            pairs++;
            ours = event.u.pong.clocks.ours_ms;
            theirs = event.u.pong.clocks.theirs_ms;
            assert_int_equal(theirs, ours + 5001);
            assert_int_equal(ours, s);
        }
        buf_free(&wire);
    }
    assert_int_equal(pairs, 2);
    /* an answer that nobody asked for tells nothing */
    struct buf wire;
    buf_init(&wire, 4096);
    put_frame(&wire, MESSAGE_PONG, 0, 0, (const uint8_t[16]){0}, 16);
    assert_int_equal(feed(server, wire.data, buf_size(&wire), 126 * SECOND, &event, MESSAGE_PONG), 0);
    buf_free(&wire);
    session_free(client);
    session_free(server);
}

/* 10,000 streams one after another, then many at once, and visiting them while they go. */
static void many_streams(void **state) {
    (void)state;
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
    struct session_event event;
    greet(client, server);
    size_t before = 0;
    for (int i = 0; i < 10000; i++) {
        uint32_t stream = open_stream(client, server, 0);
        answer_stream(client, server, stream);
        session_end(server, stream, 1);
        session_end(server, stream, 2);
        session_result(server, stream, text_slice("r"));
        pass(server, client, 0, &event, MESSAGE_RESULT);
        session_done(client, stream);
        pass(client, server, 0, &event, MESSAGE_DONE);
        if (i == 0)
            before = session_memory(server) + session_memory(client);
    }
    assert_int_equal(session_memory(server) + session_memory(client), before);
    assert_true(before < 4096);
    for (int i = 0; i < 3000; i++)
        open_stream(client, server, 0);
    assert_int_equal(session_streams(server), 3000);
    int seen = 0;
    for (uint32_t at = 0; (at = session_each(server, at)) != 0; seen++)
        if (seen % 2 == 0)
            session_refuse(server, at, CODE_INTERNAL, 0, "");
    assert_int_equal(seen, 3000);
    assert_int_equal(session_streams(server), 1500);
    session_free(client);
    session_free(server);
}

/* A frame in two pieces, of which the second lies where it belongs. */
static void contents_apart(void **unused) {
    (void)unused;
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
    struct session_event event;
    uint8_t head[MESSAGE_DATA_HEAD], bytes[100] = "contents", channel;
    greet(client, server);
    uint32_t stream = open_stream(client, server, 0);
    answer_stream(client, server, stream);
    session_set_tag(server, stream, &event);
    assert_int_equal(session_data_head(client, stream, 0, sizeof bytes, head), 0);
    assert_ptr_equal(session_expects(server, head, sizeof bytes, &channel), &event);
    assert_int_equal(channel, 0);
    assert_null(session_expects(server, head, sizeof bytes - 1, &channel)); /* not the whole frame */
    assert_null(session_expects(server, head, sizeof bytes + 1, &channel));
    assert_int_equal(session_next_apart(server, head, bytes, sizeof bytes, 0, &event), 1);
    assert_int_equal(event.type, MESSAGE_DATA);
    assert_int_equal(event.stream, stream);
    assert_int_equal(event.u.data.offset, 0);
    assert_ptr_equal(event.u.data.bytes.data, bytes);
    assert_int_equal(event.u.data.bytes.size, sizeof bytes);

    /* The next in the usual way; in the midst of it nothing is expected. */
    size_t used;
    assert_int_equal(session_data_head(client, stream, 0, sizeof bytes, head), 0);
    assert_int_equal(session_next(server, head, sizeof head, 0, &used, &event), 0);
    assert_null(session_expects(server, head, sizeof bytes, &channel));
    assert_int_equal(session_next(server, bytes, sizeof bytes, 0, &used, &event), 1);
    assert_int_equal(event.u.data.offset, sizeof bytes);

    /* Other messages, and streams that are not there. */
    message_data_head(head, 0, stream + 1, 0, sizeof bytes);
    assert_null(session_expects(server, head, sizeof bytes, &channel));
    message_data_head(head, 0, stream, 2 * sizeof bytes, sizeof bytes);
    head[4] = MESSAGE_PING;
    assert_null(session_expects(server, head, sizeof bytes, &channel));

    /* The rules are the same: this one is at the wrong place. */
    message_data_head(head, 0, stream, 7, sizeof bytes);
    assert_int_equal(session_next_apart(server, head, bytes, sizeof bytes, 0, &event), LL_EPROTOCOL);
    assert_null(session_expects(server, head, sizeof bytes, &channel));
    assert_int_equal(session_next_apart(server, head, bytes, sizeof bytes, 0, &event), LL_EPROTOCOL);
    session_free(client);
    session_free(server);
}

static void apart_and_no_data(void **unused) {
    (void)unused;
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
    struct session_event event;
    uint8_t head[MESSAGE_DATA_HEAD] = {0, 0, 0, 8, MESSAGE_PING}, bytes[8] = {0};
    greet(client, server);
    assert_int_equal(session_next_apart(server, head, bytes, sizeof bytes, 0, &event), LL_EPROTOCOL);
    session_free(client);
    session_free(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greeting),
        cmocka_unit_test(request),
        cmocka_unit_test(enrolment),
        cmocka_unit_test(turned_away),
        cmocka_unit_test(no_common_version),
        cmocka_unit_test(full),
        cmocka_unit_test(busy),
        cmocka_unit_test(resume),
        cmocka_unit_test(stop),
        cmocka_unit_test(gone),
        cmocka_unit_test(keepalive),
        cmocka_unit_test(ping_flood),
        cmocka_unit_test(clocks),
        cmocka_unit_test(many_streams),
        cmocka_unit_test(contents_apart),
        cmocka_unit_test(apart_and_no_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
