/* landline/proto/relay.h: several clients, one server, and the relay between them. */
#include "landline/proto/relay.h"

#include "tests/unit/proto/pair.h"

enum { CLIENTS = 3, WELCOME_MS = 4242, INPUT = 300000 };

/* A client behind the relay, and what it has got. */
struct end {
    struct session *session;
    struct relay_port *port;
    uint64_t input, output; /* bytes sent on 0, received on 1 */
    int results, refusals;
    uint64_t welcome_ms;
    int error; /* of relay_from_port() */
};

struct field {
    struct session *server;
    struct relay *relay;
    struct end ends[CLIENTS];
    unsigned seed; /* of the pieces that bytes travel in; 0: whole */
    uint32_t last_open;
    int opens, dones;
    bool holds_back; /* the server reads and says nothing */
};

static size_t piece(struct field *f, size_t n) {
    size_t cut = f->seed == 0 ? n : 1 + (size_t)rand_r(&f->seed) % 5000;
    return cut < n ? cut : n;
}

static uint8_t byte_at(uint32_t who, uint64_t offset) {
    return (uint8_t)(offset * 7 + offset / 251 + who * 31);
}

/* The server echoes channel 0 on channel 1, and ends when it ends. The service's request says who asks. */
static void serve(struct field *f, const struct session_event *event) {
    const struct session_start start = {.window0 = 65536};
    if (event->type == MESSAGE_OPEN) {
        assert_true(event->stream > f->last_open); /* never used twice, rising */
        f->last_open = event->stream;
        f->opens++;
        if (f->holds_back)
            return;
        if (event->u.open.request.size == 2) {
            assert_int_equal(session_refuse(f->server, event->stream, CODE_NO_GRANT, 0, "no"), 0);
            return;
        }
        assert_int_equal(session_opened(f->server, event->stream, &start, text_slice("yes")), 0);
    } else if (event->type == MESSAGE_DATA) {
        size_t n = event->u.data.bytes.size;
        assert_int_equal(session_data(f->server, event->stream, 1, event->u.data.bytes.data, n), n);
        session_consumed(f->server, event->stream, 0, event->u.data.offset + n);
    } else if (event->type == MESSAGE_END) {
        session_end(f->server, event->stream, 1);
        session_end(f->server, event->stream, 2);
        session_result(f->server, event->stream, text_slice("over"));
    } else if (event->type == MESSAGE_DONE) {
        f->dones++;
    }
}

static void hear(struct end *end, uint32_t who, const struct session_event *event) {
    if (event->type == MESSAGE_WELCOME) {
        end->welcome_ms = event->u.welcome.unix_ms;
        assert_memory_equal(event->u.welcome.instance, "0123456789abcde", 16);
        assert_memory_equal(event->u.welcome.name.data, "box", 3);
        assert_memory_equal(event->u.welcome.agent.data, "server/1", 8);
        assert_int_equal(event->u.welcome.horizon_s, 77);
    } else if (event->type == MESSAGE_DATA) {
        assert_int_equal(event->u.data.offset, end->output);
        for (size_t i = 0; i < event->u.data.bytes.size; i++)
            assert_int_equal(event->u.data.bytes.data[i], byte_at(who, end->output + i));
        end->output += event->u.data.bytes.size;
        session_consumed(end->session, event->stream, 1, end->output);
    } else if (event->type == MESSAGE_RESULT) {
        assert_memory_equal(event->u.result.data, "over", 4);
        end->results++;
        session_done(end->session, event->stream);
    } else if (event->type == MESSAGE_REFUSED) {
        end->refusals++;
    }
}

/* All of it, as a broker does whose clients take everything: nothing was passed on before WELCOME is there to be sent. */
static int to_port(struct field *f, struct relay_port *port, const uint8_t *bytes, size_t n) {
    size_t used, at = 0, before = buf_size(relay_up(f->relay));
    int e;
    while ((e = relay_from_port(port, bytes + at, n - at, WELCOME_MS, &used)) == 1) {
        assert_int_equal(buf_size(relay_up(f->relay)), before);
        at += used;
        assert_true(at <= n && buf_size(relay_port_out(port)) > 0);
    }
    return e;
}

/* Everything of a session that waits, in pieces. True when there was something. */
static bool up(struct field *f, uint32_t who) {
    struct end *end = &f->ends[who];
    struct slice out = session_output(end->session);
    size_t n = piece(f, out.size);
    if (n == 0 || end->error != 0)
        return false;
    end->error = to_port(f, end->port, out.data, n);
    session_sent(end->session, n);
    return true;
}

static bool give(struct field *f, struct session *to, uint32_t who, struct buf *from) {
    size_t n = piece(f, buf_size(from)), used;
    struct session_event event;
    const uint8_t *at = buf_front(from);
    for (size_t left = n; left > 0; left -= used, at += used) {
        int e = session_next(to, at, left, 0, &used, &event);
        assert_true(e >= 0 || e == LL_EOF);
        if (e == 1 && to == f->server)
            serve(f, &event);
        else if (e == 1)
            hear(&f->ends[who], who, &event);
        if (e < 0)
            break;
    }
    buf_consume(from, n);
    return n > 0;
}

static bool down(struct field *f) {
    struct slice out = session_output(f->server);
    size_t n = piece(f, out.size);
    if (n == 0 || f->holds_back)
        return false;
    assert_int_equal(relay_from_server(f->relay, out.data, n, 1), 0);
    session_sent(f->server, n);
    return true;
}

/* Until nothing moves. What has to be sent is only looked for where the relay says that there is something. */
static void settle(struct field *f) {
    bool moved = true, dirty[CLIENTS] = {false};
    while (moved) {
        struct end *end;
        moved = false;
        for (uint32_t i = 0; i < CLIENTS; i++)
            moved |= f->ends[i].session != NULL && f->ends[i].port != NULL && up(f, i);
        moved |= give(f, f->server, 0, relay_up(f->relay));
        moved |= down(f);
        while ((end = relay_next_dirty(f->relay)) != NULL)
            dirty[end - f->ends] = true;
        for (uint32_t i = 0; i < CLIENTS; i++)
            if (dirty[i] && f->ends[i].port != NULL)
                moved |= give(f, f->ends[i].session, i, relay_port_out(f->ends[i].port));
    }
}

static struct field *field_open(uint32_t max_streams, unsigned seed) {
    struct field *f = calloc(1, sizeof *f);
    struct session *first = make_client(false);
    struct session_event event;
    assert_non_null(f);
    f->server = make_server(SESSION_ENROLLED, max_streams);
    f->seed = seed;
    pass(first, f->server, 0, &event, MESSAGE_HELLO);
    pass(f->server, first, 0, &event, MESSAGE_WELCOME);
    struct message_welcome welcome = event.u.welcome;
    uint32_t used = open_stream(first, f->server, 0); /* the first call had a stream of its own */
    session_done(first, used);
    f->relay = relay_new(&(struct message_welcome){.version = welcome.version,
                                                   .instance = "0123456789abcde",
                                                   .verbs = welcome.verbs,
                                                   .max_streams = welcome.max_streams,
                                                   .horizon_s = welcome.horizon_s,
                                                   .agent = text_slice("server/1"),
                                                   .name = text_slice("box")},
                         session_last_stream(first));
    assert_non_null(f->relay);
    pass(first, f->server, 0, &event, MESSAGE_DONE);
    f->last_open = used;
    session_free(first);
    return f;
}

static void join(struct field *f, uint32_t who) {
    struct end *end = &f->ends[who];
    end->session = make_client(false);
    end->port = relay_port_new(f->relay, end);
    assert_non_null(end->port);
}

static void field_close(struct field *f) {
    for (size_t i = 0; i < CLIENTS; i++)
        session_free(f->ends[i].session);
    relay_free(f->relay);
    session_free(f->server);
    free(f);
}

/* As much as credit allows; true when all of it has been sent. */
static bool feed_input(struct end *end, uint32_t who, uint32_t stream) {
    uint8_t bytes[8000];
    uint64_t room;
    while (end->input < INPUT && (room = session_room(end->session, stream, 0)) > 0) {
        size_t n = sizeof bytes;
        n = room < n ? (size_t)room : n;
        n = INPUT - end->input < n ? (size_t)(INPUT - end->input) : n;
        for (size_t i = 0; i < n; i++)
            bytes[i] = byte_at(who, end->input + i);
        assert_int_equal(session_data(end->session, stream, 0, bytes, n), n);
        end->input += n;
    }
    if (end->input == INPUT)
        session_end(end->session, stream, 0);
    return end->input == INPUT;
}

/* Three clients send much and get it back, each its own, in whatever pieces the bytes travel. */
static void to_whom_it_belongs(void **state) {
    (void)state;
    for (unsigned seed = 0; seed < 20; seed++) {
        struct field *f = field_open(0, seed);
        uint32_t streams[CLIENTS];
        bool all = false;
        for (uint32_t i = 0; i < CLIENTS; i++) {
            join(f, i);
            streams[i] =
                (uint32_t)session_open(f->ends[i].session, 0, text_slice("echo"), text_slice("r"), SESSION_BULK);
            assert_int_equal(streams[i], 1); /* each begins with one */
        }
        while (!all) {
            all = true;
            for (uint32_t i = 0; i < CLIENTS; i++)
                all &= feed_input(&f->ends[i], i, streams[i]);
            settle(f);
        }
        for (uint32_t i = 0; i < CLIENTS; i++) {
            assert_int_equal(f->ends[i].output, INPUT);
            assert_int_equal(f->ends[i].results, 1);
            assert_int_equal(f->ends[i].welcome_ms, WELCOME_MS);
            assert_int_equal(f->ends[i].error, 0);
        }
        assert_int_equal(f->opens, CLIENTS);
        assert_int_equal(f->dones, CLIENTS);
        assert_int_equal(session_streams(f->server), 0);
        assert_int_equal(relay_streams(f->relay), 0);
        field_close(f);
    }
}

/* A client that is gone has left its streams; what the server still says of them is nobody's. */
static void who_goes_has_left(void **state) {
    (void)state;
    struct field *f = field_open(0, 0);
    join(f, 0);
    join(f, 1);
    for (int i = 0; i < 3; i++)
        session_open(f->ends[0].session, 0, text_slice("echo"), text_slice("r"), SESSION_BULK);
    session_open(f->ends[1].session, 0, text_slice("echo"), text_slice("r"), SESSION_BULK);
    settle(f);
    assert_int_equal(relay_streams(f->relay), 4);
    assert_int_equal(session_streams(f->server), 4);
    assert_int_equal(session_data(f->server, 2, 1, "late", 4), 4); /* the first of the client that goes */
    relay_port_free(f->ends[0].port);
    f->ends[0].port = NULL;
    settle(f);
    assert_int_equal(f->dones, 3);
    assert_int_equal(relay_streams(f->relay), 1);
    assert_int_equal(session_streams(f->server), 1);
    field_close(f);
}

static void a_refusal_ends_a_stream(void **state) {
    (void)state;
    struct field *f = field_open(0, 3);
    join(f, 0);
    session_open(f->ends[0].session, 0, text_slice("echo"), text_slice("no"), SESSION_BULK);
    settle(f);
    assert_int_equal(f->ends[0].refusals, 1);
    assert_int_equal(relay_streams(f->relay), 0);
    session_open(f->ends[0].session, 0, text_slice("echo"), text_slice("r"), SESSION_BULK);
    settle(f);
    assert_int_equal(relay_streams(f->relay), 1);
    field_close(f);
}

/* One that finds no stream left is turned away before it has been heard, so that it may ask elsewhere. */
static void no_stream_left(void **state) {
    (void)state;
    for (uint32_t open = 3; open <= 5; open++) {
        struct field *f = field_open(4, 0);
        join(f, 0);
        for (uint32_t i = 0; i < open && i < 4; i++)
            session_open(f->ends[0].session, 0, text_slice("echo"), text_slice("r"), SESSION_BULK);
        settle(f);
        join(f, 1);
        session_open(f->ends[1].session, 0, text_slice("echo"), text_slice("r"), SESSION_BULK);
        int before = f->opens;
        settle(f);
        assert_int_equal(f->ends[1].error, open < 4 ? 0 : LL_EOF);
        assert_int_equal(f->opens - before, open < 4);
        assert_int_equal(session_untouched(f->ends[1].session), open >= 4);
        field_close(f);
    }
}

/* What a client may not say ends it, and nobody else. */
static void a_client_that_breaks_the_rules(void **state) {
    (void)state;
    static const struct {
        uint8_t type, channel;
        uint32_t stream;
        size_t n;
        bool greeted;
        int error;
    } cases[] = {
        {MESSAGE_OPEN, 0, 1, 10, false, LL_EPROTOCOL},                              /* before HELLO */
        {MESSAGE_WELCOME, 0, 0, 40, true, LL_EPROTOCOL},                            /* not for a client to say */
        {MESSAGE_HELLO, 0, 0, 14, true, LL_EPROTOCOL},                              /* twice */
        {MESSAGE_HELLO, 0, 0, 13, false, LL_EPROTOCOL},                             /* too short */
        {MESSAGE_HELLO, 0, 0, LIMIT_TEXT_PAYLOAD + 1, false, LL_ELIMIT},            /* too long */
        {MESSAGE_ENROL, 0, 0, 41, true, LL_EPROTOCOL},                              /* never through a broker */
        {MESSAGE_DATA, 0, 1, LIMIT_DATA_FRAME - MESSAGE_HEAD + 1, true, LL_ELIMIT}, /* … */
        {MESSAGE_DATA, 0, 1, 9, true, LL_EOF},                                      /* a stream that was not opened */
        {MESSAGE_DONE, 0, 7, 0, true, LL_EOF},
        {MESSAGE_OPEN, 0, 0, 10, true, LL_EOF}, /* numbers begin with one */
        {MESSAGE_CLOSE, 0, 0, 4, true, LL_EOF},
        {0x55, 0, 0, 0, true, LL_EPROTOCOL}, /* no message */
        {0xd5, 0, 0, 5, true, 0},            /* optional: skipped */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct field *f = field_open(0, 0);
        uint8_t zeros[LIMIT_DATA_FRAME] = {0};
        struct buf frame;
        buf_init(&frame, 1 << 20);
        join(f, 0);
        join(f, 1);
        if (cases[i].greeted)
            settle(f);
        put_frame(&frame, cases[i].type, cases[i].channel, cases[i].stream, zeros, cases[i].n);
        int e = to_port(f, f->ends[0].port, buf_front(&frame), buf_size(&frame));
        assert_int_equal(e, cases[i].error);
        assert_int_equal(buf_size(relay_up(f->relay)), 0);
        relay_port_free(f->ends[0].port);
        f->ends[0].port = NULL;
        session_open(f->ends[1].session, 0, text_slice("echo"), text_slice("r"), SESSION_BULK);
        settle(f);
        assert_int_equal(f->opens, 1);
        buf_free(&frame);
        field_close(f);
    }
}

static void hello_of(struct buf *to, uint8_t flags, uint16_t lowest, uint16_t highest) {
    const struct message_hello hello = {
        .flags = flags, .version_min = lowest, .version_max = highest, .agent = text_slice("x")};
    size_t mark = message_begin(to, MESSAGE_HELLO, 0, 0);
    message_put_hello(to, &hello);
    message_finish(to, mark);
}

static void who_cannot_be_served(void **state) {
    (void)state;
    static const struct {
        uint8_t flags;
        uint16_t lowest, highest;
        int error;
    } cases[] = {
        {0, 1, 1, 0}, {0, 0, 9, 0}, {0, 2, 9, LL_EOF}, {0, 0, 0, LL_EOF}, {MESSAGE_ENROL_FOLLOWS, 1, 1, LL_EOF}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct field *f = field_open(0, 0);
        struct buf hello;
        buf_init(&hello, 1 << 10);
        join(f, 0);
        hello_of(&hello, cases[i].flags, cases[i].lowest, cases[i].highest);
        assert_int_equal(to_port(f, f->ends[0].port, buf_front(&hello), buf_size(&hello)), cases[i].error);
        struct message_head answer = message_head_read(buf_front(relay_port_out(f->ends[0].port)));
        assert_int_equal(answer.type, cases[i].error == 0 ? MESSAGE_WELCOME : MESSAGE_CLOSE);
        assert_ptr_equal(relay_next_dirty(f->relay), &f->ends[0]);
        assert_null(relay_next_dirty(f->relay));
        buf_free(&hello);
        field_close(f);
    }
}

static void ping_is_answered_on_either_side(void **state) {
    (void)state;
    static const uint8_t value[] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct field *f = field_open(0, 0);
    struct buf ping;
    buf_init(&ping, 1 << 10);
    put_frame(&ping, MESSAGE_PING, 0, 0, value, sizeof value);
    assert_int_equal(relay_from_server(f->relay, buf_front(&ping), buf_size(&ping), 0x0102), 0);
    assert_int_equal(message_head_read(buf_front(relay_up(f->relay))).type, MESSAGE_PONG);
    assert_memory_equal(buf_front(relay_up(f->relay)) + MESSAGE_HEAD, value, sizeof value);
    assert_memory_equal(buf_front(relay_up(f->relay)) + MESSAGE_HEAD + 8, "\0\0\0\0\0\0\1\2", 8);
    join(f, 0);
    settle(f);
    assert_int_equal(to_port(f, f->ends[0].port, buf_front(&ping), buf_size(&ping)), 0);
    assert_int_equal(message_head_read(buf_front(relay_port_out(f->ends[0].port))).type, MESSAGE_PONG);
    relay_ping(f->relay);
    assert_int_equal(message_head_read(buf_front(relay_up(f->relay))).type, MESSAGE_PING);
    settle(f); /* and the PONG is the relay's, not a client's */
    assert_int_equal(f->ends[0].error, 0);
    buf_free(&ping);
    field_close(f);
}

static void the_server_ends(void **state) {
    (void)state;
    static const struct {
        uint8_t type;
        uint32_t stream;
        size_t n;
        int error;
    } cases[] = {{MESSAGE_CLOSE, 0, 4, LL_EOF},
                 {MESSAGE_BUSY, 0, 6, LL_EOF},
                 {MESSAGE_END, 9, 8, LL_EPROTOCOL},
                 {MESSAGE_WELCOME, 0, 40, LL_EPROTOCOL},
                 {MESSAGE_END, 1, 8, 0},
                 {MESSAGE_OPENED, 1, LIMIT_SERVICE_PAYLOAD + 1, LL_ELIMIT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const uint8_t zeros[LIMIT_SERVICE_PAYLOAD + 1] = {0};
        struct field *f = field_open(0, 0);
        struct buf frame;
        buf_init(&frame, 1 << 20);
        put_frame(&frame, cases[i].type, cases[i].type == MESSAGE_END ? 1 : 0, cases[i].stream, zeros, cases[i].n);
        assert_int_equal(relay_from_server(f->relay, buf_front(&frame), buf_size(&frame), 1), cases[i].error);
        buf_free(&frame);
        field_close(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_whom_it_belongs),
        cmocka_unit_test(who_goes_has_left),
        cmocka_unit_test(a_refusal_ends_a_stream),
        cmocka_unit_test(no_stream_left),
        cmocka_unit_test(a_client_that_breaks_the_rules),
        cmocka_unit_test(who_cannot_be_served),
        cmocka_unit_test(ping_is_answered_on_either_side),
        cmocka_unit_test(the_server_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
