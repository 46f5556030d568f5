/* landline/proto/session.h: what a session does not let pass. Every type in every state of both roles, each limit at
 * limit - 1, limit and limit + 1, and every way to cut a stream of bytes. */
#include "tests/unit/proto/pair.h"

/* A session of `role` in `state`, with stream 1 opened (and answered) where streams can be. */
static struct session *bring(enum message_role role, enum message_state state) {
    struct session *client = make_client(state == MESSAGE_ENROLLING);
    struct session *server = make_server(state == MESSAGE_ENROLLING ? SESSION_NOT_ENROLLED : SESSION_ENROLLED, 0);
    struct session_event event;
    if (state == MESSAGE_ENROLLING)
        pass(client, server, 0, &event, MESSAGE_HELLO);
    if (state == MESSAGE_OPENED_STATE) {
        greet(client, server);
        answer_stream(client, server, open_stream(client, server, 0));
    }
    struct session *wanted = role == MESSAGE_CLIENT ? client : server,
                   *other = role == MESSAGE_CLIENT ? server : client;
    if (state == MESSAGE_CLOSED)
        session_close(wanted, CODE_NONE, "");
    session_sent(wanted, session_output(wanted).size);
    session_free(other);
    return wanted;
}

/* A payload that is right for the type, sent to `role`; what section 4 and 5 say of it, written down a second time. */
struct expectation {
    uint8_t type;
    const char *payload;
    size_t size;
    uint8_t channel_to_server, channel_to_client;
    uint32_t stream;
    const char *at_server, *at_client; /* states that accept it: G, E, O */
};

#define BYTES(text) text, sizeof text - 1
#define ZERO8       "\0\0\0\0\0\0\0\0"

static const struct expectation table[] = {
    {MESSAGE_HELLO, BYTES("\0\0\1\0\1" ZERO8 "\0"), 0, 0, 0, "G", ""},
    {MESSAGE_WELCOME, BYTES("\0\1" ZERO8 ZERO8 ZERO8 "\0\0\0\1\0\0\0\1\0\0\0\0\0\0"), 0, 0, 0, "", "G"},
    {MESSAGE_ENROL, BYTES(ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 "\0"), 0, 0, 0, "E", ""},
    {MESSAGE_PING, BYTES(ZERO8), 0, 0, 0, "EO", "GO"},
    {MESSAGE_PONG, BYTES(ZERO8 ZERO8), 0, 0, 0, "EO", "GO"},
    {MESSAGE_BUSY, BYTES("\0\0\0\1\0\0"), 0, 0, 0, "", "GO"},
    {MESSAGE_CLOSE, BYTES("\0\0\0\0"), 0, 0, 0, "EO", "GO"},
    {MESSAGE_OPEN, BYTES("\0\0\0\0\0\0\0\0\0\0"), 0, 0, 2, "O", ""},
    {MESSAGE_OPENED, BYTES(ZERO8 "\0\0\0\0\0\1\0\0" ZERO8 ZERO8), 0, 0, 1, "", ""}, /* stream 1 has had it */
    {MESSAGE_REFUSED, BYTES("\0\1\0\0\0\0\0\0"), 0, 0, 1, "", "O"},
    {MESSAGE_DATA, BYTES(ZERO8 "x"), 0, 1, 1, "O", "O"},
    {MESSAGE_CREDIT, BYTES(ZERO8 "\0\0\0\0\1\0\0\0"), 1, 0, 1, "O", "O"},
    {MESSAGE_END, BYTES(ZERO8), 0, 2, 1, "O", "O"},
    {MESSAGE_STOP, BYTES("\0\0"), 2, 0, 1, "O", "O"},
    {MESSAGE_RESULT, BYTES(""), 0, 0, 1, "", ""}, /* the outputs have not ended */
    {MESSAGE_CONTROL, BYTES("\1"), 0, 0, 1, "O", ""},
    {MESSAGE_DONE, BYTES(""), 0, 0, 1, "O", ""},
    {MESSAGE_NOTICE, BYTES("\0\0"), 0, 0, 1, "", "O"},
};

static const char state_letters[] = "GEOC";

static bool expected(const struct expectation *known, enum message_role role, enum message_state state, int type) {
    if (state == MESSAGE_CLOSED)
        return false;
    if (known != NULL)
        return strchr(role == MESSAGE_SERVER ? known->at_server : known->at_client, state_letters[state]) != NULL;
    /* unknown and optional: where CLOSE is accepted */
    return type >= 0x80 && !(role == MESSAGE_SERVER && state == MESSAGE_GREETING);
}

static void check_one(enum message_role role, enum message_state state, int type) {
    const struct expectation *known = NULL;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].type == type)
            known = &table[i];
    struct session *s = bring(role, state);
    struct buf wire;
    buf_init(&wire, 4096);
    uint8_t channel = known == NULL ? 0 : role == MESSAGE_SERVER ? known->channel_to_server : known->channel_to_client;
    put_frame(&wire, (uint8_t)type, channel, known != NULL ? known->stream : 0, known != NULL ? known->payload : "",
              known != NULL ? known->size : 0);
    struct session_event event;
    size_t used;
    int e = session_next(s, wire.data, buf_size(&wire), 0, &used, &event);
    if (expected(known, role, state, type)) {
        if (e < 0)
            fail_msg("role %d state %c type 0x%02x refused: %s", role, state_letters[state], type,
                     session_close_text(s));
    } else if (state == MESSAGE_CLOSED) {
        assert_int_equal(e, LL_EOF);
    } else {
        if (e != LL_EPROTOCOL)
            fail_msg("role %d state %c type 0x%02x gave %d", role, state_letters[state], type, e);
        struct slice out = session_output(s);
        assert_true(out.size >= 12 && out.data[4] == MESSAGE_CLOSE && out.data[13] == CODE_PROTOCOL);
    }
    buf_free(&wire);
    session_free(s);
}

static void product(void **unused) {
    (void)unused;
    for (int role = 0; role < MESSAGE_ROLES; role++)
        for (int state = 0; state < MESSAGE_STATES; state++)
            for (int type = 0; type < 256; type++)
                if (role == MESSAGE_SERVER || state != MESSAGE_ENROLLING) /* a client is never there */
                    check_one((enum message_role)role, (enum message_state)state, type);
    for (int type = 0; type < 256; type++)
        assert_null(message_rule(MESSAGE_CLIENT, MESSAGE_ENROLLING, (uint8_t)type));
}

/* --- lengths --- */

/* What a head that announces `length` gives before any payload has come. */
static int announced(enum message_role role, enum message_state state, uint8_t type, uint8_t channel, uint32_t stream,
                     uint32_t length) {
    struct session *s = bring(role, state);
    uint8_t head[MESSAGE_HEAD];
    const struct message_head h = {.length = length, .type = type, .channel = channel, .stream = stream};
    message_head_write(head, &h);
    struct session_event event;
    int e = feed(s, head, sizeof head, 0, &event, 0);
    assert_true(session_memory(s) < 4096); /* announcing takes no memory */
    session_free(s);
    return e;
}

static void lengths(void **unused) {
    (void)unused;
    const struct {
        enum message_role role;
        enum message_state state;
        uint8_t type, channel;
        uint32_t stream, least, most;
    } rows[] = {
        {MESSAGE_SERVER, MESSAGE_GREETING, MESSAGE_HELLO, 0, 0, 14, 1024},
        {MESSAGE_CLIENT, MESSAGE_GREETING, MESSAGE_WELCOME, 0, 0, 40, 1024},
        {MESSAGE_SERVER, MESSAGE_ENROLLING, MESSAGE_ENROL, 0, 0, 41, 1024},
        {MESSAGE_CLIENT, MESSAGE_OPENED_STATE, MESSAGE_BUSY, 0, 0, 6, 1024},
        {MESSAGE_CLIENT, MESSAGE_OPENED_STATE, MESSAGE_CLOSE, 0, 0, 4, 1024},
        {MESSAGE_SERVER, MESSAGE_OPENED_STATE, MESSAGE_PING, 0, 0, 8, 8},
        {MESSAGE_SERVER, MESSAGE_OPENED_STATE, MESSAGE_OPEN, 0, 2, 10, 4194304},
        {MESSAGE_CLIENT, MESSAGE_OPENED_STATE, MESSAGE_OPENED, 0, 1, 32, 65536},
        {MESSAGE_CLIENT, MESSAGE_OPENED_STATE, MESSAGE_REFUSED, 0, 1, 8, 1024},
        {MESSAGE_CLIENT, MESSAGE_OPENED_STATE, MESSAGE_DATA, 1, 1, 9, 16372},
        {MESSAGE_SERVER, MESSAGE_OPENED_STATE, MESSAGE_CREDIT, 1, 1, 16, 16},
        {MESSAGE_SERVER, MESSAGE_OPENED_STATE, MESSAGE_END, 0, 1, 8, 8},
        {MESSAGE_SERVER, MESSAGE_OPENED_STATE, MESSAGE_STOP, 1, 1, 2, 2},
        {MESSAGE_CLIENT, MESSAGE_OPENED_STATE, MESSAGE_RESULT, 0, 1, 0, 65536},
        {MESSAGE_SERVER, MESSAGE_OPENED_STATE, MESSAGE_CONTROL, 0, 1, 1, 65536},
        {MESSAGE_CLIENT, MESSAGE_OPENED_STATE, MESSAGE_NOTICE, 0, 1, 2, 1024},
        {MESSAGE_CLIENT, MESSAGE_OPENED_STATE, 0xee, 0, 0, 0, 65536},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t least = rows[i].least, most = rows[i].most;
        for (uint32_t n = most - 1; n <= most + 1; n++)
            if (n >= least)
                assert_int_equal(
                    announced(rows[i].role, rows[i].state, rows[i].type, rows[i].channel, rows[i].stream, n),
                    n <= most ? 0 : LL_ELIMIT);
        for (uint32_t n = least > 0 ? least - 1 : 0; n <= least; n++)
            if (n > 0)
                assert_int_equal(
                    announced(rows[i].role, rows[i].state, rows[i].type, rows[i].channel, rows[i].stream, n),
                    n >= least ? 0 : LL_EPROTOCOL);
    }
}

static void heads(void **unused) {
    (void)unused;
    const enum message_state open = MESSAGE_OPENED_STATE;
    assert_int_equal(announced(MESSAGE_SERVER, open, MESSAGE_PING, 1, 0, 8), LL_EPROTOCOL);
    assert_int_equal(announced(MESSAGE_SERVER, open, MESSAGE_PING, 0, 1, 8), LL_EPROTOCOL);
    assert_int_equal(announced(MESSAGE_SERVER, open, MESSAGE_DATA, 0, 0, 9), LL_EPROTOCOL);
    assert_int_equal(announced(MESSAGE_SERVER, open, MESSAGE_DATA, 1, 1, 9), LL_EPROTOCOL);
    assert_int_equal(announced(MESSAGE_SERVER, open, MESSAGE_CREDIT, 0, 1, 16), LL_EPROTOCOL);
    assert_int_equal(announced(MESSAGE_SERVER, open, MESSAGE_CREDIT, 3, 1, 16), LL_EPROTOCOL);
    assert_int_equal(announced(MESSAGE_CLIENT, open, MESSAGE_DATA, 0, 1, 9), LL_EPROTOCOL);
    assert_int_equal(announced(MESSAGE_CLIENT, open, MESSAGE_DATA, 3, 1, 9), LL_EPROTOCOL);
    assert_int_equal(announced(MESSAGE_CLIENT, open, MESSAGE_STOP, 1, 1, 2), LL_EPROTOCOL);
    assert_int_equal(announced(MESSAGE_SERVER, open, MESSAGE_OPEN, 1, 2, 10), LL_EPROTOCOL);
    assert_int_equal(announced(MESSAGE_SERVER, open, MESSAGE_OPEN, 0, 0x7fffffff, 10), 0);
    assert_int_equal(announced(MESSAGE_SERVER, open, MESSAGE_OPEN, 0, 0x80000000, 10), LL_EPROTOCOL);
    struct session *s = bring(MESSAGE_SERVER, open);
    struct session_event event;
    assert_int_equal(feed(s, "\0\0\0\x08\x05\0\0\1\0\0\0\0", 12, 0, &event, 0), LL_EPROTOCOL); /* flags */
    session_free(s);
}

/* --- rules of streams --- */

/* What one frame gives at a server (or client) with stream 1 open. */
static int one(enum message_role role, uint8_t type, uint8_t channel, uint32_t stream, const void *payload, size_t n) {
    struct session *s = bring(role, MESSAGE_OPENED_STATE);
    struct buf wire;
    buf_init(&wire, 1 << 17);
    put_frame(&wire, type, channel, stream, payload, n);
    struct session_event event;
    int e = feed(s, wire.data, buf_size(&wire), 0, &event, 0);
    buf_free(&wire);
    session_free(s);
    return e;
}

static void stream_rules(void **unused) {
    (void)unused;
    /* offsets: the one that follows */
    assert_int_equal(one(MESSAGE_SERVER, MESSAGE_DATA, 0, 1, ZERO8 "x", 9), 0);
    assert_int_equal(one(MESSAGE_SERVER, MESSAGE_DATA, 0, 1, "\0\0\0\0\0\0\0\1x", 9), LL_EPROTOCOL);
    /* END: the offset reached */
    assert_int_equal(one(MESSAGE_SERVER, MESSAGE_END, 0, 1, "\0\0\0\0\0\0\0\1", 8), LL_EPROTOCOL);
    /* CREDIT: not what was not sent, not less than before, not less than consumed */
    assert_int_equal(one(MESSAGE_SERVER, MESSAGE_CREDIT, 1, 1, "\0\0\0\0\0\0\0\1\0\0\0\0\1\0\0\0", 16), LL_EPROTOCOL);
    assert_int_equal(one(MESSAGE_SERVER, MESSAGE_CREDIT, 1, 1, ZERO8 "\0\0\0\0\0\3\xff\xff", 16), LL_EPROTOCOL);
    assert_int_equal(one(MESSAGE_SERVER, MESSAGE_CREDIT, 1, 1, ZERO8 "\0\0\0\0\0\4\0\0", 16), 0);
    assert_int_equal(one(MESSAGE_SERVER, MESSAGE_CREDIT, 1, 1, ZERO8 "\xff\xff\xff\xff\xff\xff\xff\xff", 16), 0);
    /* streams: numbers go up; one that never was is an error, one that has gone is not */
    assert_int_equal(one(MESSAGE_SERVER, MESSAGE_OPEN, 0, 1, "\0\0\0\0\0\0\0\0\0\0", 10), LL_EPROTOCOL);
    assert_int_equal(one(MESSAGE_SERVER, MESSAGE_OPEN, 0, 9, "\0\0\0\0\0\0\0\0\0\0", 10), 0);
    assert_int_equal(one(MESSAGE_SERVER, MESSAGE_OPEN, 0, 9, "\2\0\0\0\0\0\0\0\0\0", 10), LL_EPROTOCOL);
    assert_int_equal(one(MESSAGE_SERVER, MESSAGE_DONE, 0, 2, "", 0), LL_EPROTOCOL);
    assert_int_equal(one(MESSAGE_CLIENT, MESSAGE_END, 1, 2, ZERO8, 8), LL_EPROTOCOL);
    /* a second END, DATA after END */
    static const char twice[] = "\0\0\0\x08\x15\0\0\0\0\0\0\1" ZERO8 "\0\0\0\x08\x15\0\0\0\0\0\0\1" ZERO8;
    static const char after[] = "\0\0\0\x08\x15\0\0\0\0\0\0\1" ZERO8 "\0\0\0\x09\x13\0\0\0\0\0\0\1" ZERO8 "x";
    struct session_event event;
    struct session *s = bring(MESSAGE_SERVER, MESSAGE_OPENED_STATE);
    assert_int_equal(feed(s, twice, sizeof twice - 1, 0, &event, 0), LL_EPROTOCOL);
    session_free(s);
    s = bring(MESSAGE_SERVER, MESSAGE_OPENED_STATE);
    assert_int_equal(feed(s, after, sizeof after - 1, 0, &event, 0), LL_EPROTOCOL);
    session_free(s);
}

/* OPENED must not take credit back, start in the middle of a new request, or name an offset beyond reason. */
static void opened_rules(void **unused) {
    (void)unused;
    const struct {
        bool resume;
        struct message_opened m;
        int e;
    } rows[] = {
        {false, {.limit0 = 65535}, LL_EPROTOCOL},
        {false, {.limit0 = 65536}, 0},
        {false, {.start0 = 1, .limit0 = 70000}, LL_EPROTOCOL},
        {true, {.start0 = 1, .limit0 = 0}, LL_EPROTOCOL},
        {true, {.start0 = 1, .limit0 = 1}, 0},
        {true, {.start1 = UINT64_C(1) << 62}, 0},
        {true, {.start1 = (UINT64_C(1) << 62) + 1}, LL_EPROTOCOL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
        greet(client, server);
        uint32_t stream = open_stream(client, server, rows[i].resume ? MESSAGE_RESUME : 0);
        struct buf wire;
        buf_init(&wire, 1000);
        size_t mark = message_begin(&wire, MESSAGE_OPENED, 0, stream);
        message_put_opened(&wire, &rows[i].m);
        message_finish(&wire, mark);
        struct session_event event;
        assert_int_equal(feed(client, wire.data, buf_size(&wire), 0, &event, 0), rows[i].e);
        buf_free(&wire);
        session_free(client);
        session_free(server);
    }
}

/* Credit at limit - 1, limit, limit + 1, and what a caller may ask for. */
static void credit_limit(void **unused) {
    (void)unused;
    uint8_t bytes[MESSAGE_DATA_MAX + 8] = {0};
    for (int extra = -1; extra <= 1; extra++) {
        struct session *s = bring(MESSAGE_SERVER, MESSAGE_OPENED_STATE);
        struct session_event event;
        int e = 0;
        for (uint64_t at = 0, end = (uint64_t)(65536 + extra); at < end && e == 0;) {
            uint64_t n = end - at < MESSAGE_DATA_MAX ? end - at : MESSAGE_DATA_MAX;
            uint8_t head[MESSAGE_DATA_HEAD];
            message_data_head(head, 0, 1, at, n);
            e = feed(s, head, sizeof head, 0, &event, 0);
            if (e == 0)
                e = feed(s, bytes, n, 0, &event, 0);
            at += n;
        }
        assert_int_equal(e, extra <= 0 ? 0 : LL_EPROTOCOL);
        session_free(s);
    }
    struct session *client = bring(MESSAGE_CLIENT, MESSAGE_OPENED_STATE);
    uint8_t head[MESSAGE_DATA_HEAD];
    assert_int_equal(session_data_head(client, 1, 0, 0, head), -22);
    assert_int_equal(session_data_head(client, 1, 0, MESSAGE_DATA_MAX + 1, head), -22);
    assert_int_equal(session_data_head(client, 1, 1, 1, head), -22);
    for (int i = 0; i < 4; i++)
        assert_int_equal(session_data_head(client, 1, 0, MESSAGE_DATA_MAX, head), 0);
    assert_int_equal(session_room(client, 1, 0), 65536 - 4 * MESSAGE_DATA_MAX);
    assert_int_equal(session_data_head(client, 1, 0, 65536 - 4 * MESSAGE_DATA_MAX + 1, head), -22);
    assert_int_equal(session_data_head(client, 1, 0, 65536 - 4 * MESSAGE_DATA_MAX, head), 0);
    assert_int_equal(session_data(client, 1, 0, "x", 1), 0);
    session_free(client);
}

static void stream_limit(void **unused) {
    (void)unused;
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 3);
    struct session_event event;
    for (int i = 0; i < 4; i++) /* before WELCOME a client cannot know the limit */
        assert_int_equal(session_open(client, 0, text_slice("upper"), text_slice(""), SESSION_BULK), i + 1);
    pass(client, server, 0, &event, 0);
    assert_int_equal(session_streams(server), 3);
    pass(server, client, 0, &event, MESSAGE_REFUSED);
    assert_int_equal(event.stream, 4);
    assert_int_equal(event.u.refused.code, CODE_LIMIT);
    assert_int_equal(session_open(client, 0, text_slice("upper"), text_slice(""), SESSION_BULK), LL_ELIMIT);
    session_done(client, 2);
    assert_int_equal(session_open(client, 0, text_slice("upper"), text_slice(""), SESSION_BULK), 5);
    pass(client, server, 0, &event, MESSAGE_OPEN);
    assert_int_equal(session_streams(server), 3);
    session_free(client);
    session_free(server);
}

static void request_limit(void **unused) {
    (void)unused;
    uint8_t *bytes = calloc(1, LIMIT_OPEN_PAYLOAD);
    assert_non_null(bytes);
    for (int extra = -1; extra <= 1; extra++) {
        struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
        struct session_event event;
        greet(client, server);
        struct slice request = {bytes, (size_t)(LIMIT_OPEN_PAYLOAD - 13 + extra)};
        int64_t e = session_open(client, 0, text_slice("run"), request, SESSION_BULK);
        assert_int_equal(e, extra <= 0 ? 1 : LL_ELIMIT);
        pass(client, server, 0, &event, extra <= 0 ? MESSAGE_OPEN : 0);
        if (extra <= 0)
            assert_int_equal(event.u.open.request.size, request.size);
        session_free(client);
        session_free(server);
    }
    free(bytes);
}

/* --- cuts --- */

/* Events as text, so that two ways to cut can be compared. */
static void describe(struct buf *log, const struct session_event *event) {
    char text[200];
    struct slice bytes = {0};
    if (event->type == MESSAGE_DATA)
        bytes = event->u.data.bytes;
    else if (event->type == MESSAGE_OPEN)
        bytes = event->u.open.request;
    else if (event->type == MESSAGE_RESULT)
        bytes = event->u.result;
    else if (event->type == MESSAGE_OPENED)
        bytes = event->u.opened.response;
    int n = snprintf(text, sizeof text, "%s %u %u %zu ", message_name((uint8_t)event->type), event->stream,
                     event->channel, bytes.size);
    buf_add(log, text, (size_t)n);
    buf_add(log, bytes.data, bytes.size);
}

static void feed_logged(struct session *s, const uint8_t *at, size_t n, struct buf *log) {
    for (size_t used; n > 0; at += used, n -= used) {
        struct session_event event;
        int e = session_next(s, at, n, 0, &used, &event);
        assert_true(e == 1 || (e == 0 && used == n));
        if (e == 1)
            describe(log, &event);
    }
}

/* A conversation, recorded in both directions. */
static void record(struct buf *to_server, struct buf *to_client) {
    struct session *client = make_client(false), *server = make_server(SESSION_ENROLLED, 0);
    struct session_event event;
    session_open(client, 0, text_slice("run"), text_slice("the request"), SESSION_BULK);
    session_data(client, 1, 0, "some input", 10);
    session_open(client, MESSAGE_RESUME, text_slice("attach"), text_slice(""), SESSION_TERMINAL);
    session_end(client, 1, 0);
    session_ping(client, 0);
    session_control(client, 1, 1, "\2", 1);
    session_stop(client, 1, 2, CODE_ENDED);
    take_output(client, to_server);
    assert_int_equal(feed(server, to_server->data, buf_size(to_server), 0, &event, 0), 0);
    const struct session_start start = {.start1 = 5};
    session_opened(server, 1, &start, text_slice("response"));
    session_data(server, 1, 1, "output", 6);
    session_notice(server, 1, "a notice");
    session_refuse(server, 2, CODE_UNKNOWN_RUN, 0, "which?");
    session_end(server, 1, 1);
    session_result(server, 1, text_slice("result"));
    take_output(server, to_client);
    put_frame(to_client, 0xf0, 7, 12345, "whatever", 8); /* optional, and unknown */
    session_close(server, CODE_GOING_AWAY, "bye");
    take_output(server, to_client);
    session_free(client);
    session_free(server);
}

static struct session *fresh(bool server) {
    struct session *s = server ? make_server(SESSION_ENROLLED, 0) : make_client(false);
    if (!server) { /* as the client was that got these bytes */
        session_open(s, 0, text_slice("run"), text_slice("the request"), SESSION_BULK);
        session_open(s, MESSAGE_RESUME, text_slice("attach"), text_slice(""), SESSION_TERMINAL);
        session_stop(s, 1, 2, CODE_ENDED);
    }
    return s;
}

/* In two pieces at every place, and byte by byte. */
static void cut_everywhere(bool server, const struct buf *wire) {
    struct buf whole, cut;
    buf_init(&whole, 1 << 20);
    buf_init(&cut, 1 << 20);
    struct session *s = fresh(server);
    feed_logged(s, buf_front(wire), buf_size(wire), &whole);
    session_free(s);
    assert_true(buf_size(&whole) > 50);
    for (size_t at = 0; at <= buf_size(wire); at++) {
        s = fresh(server);
        buf_clear(&cut);
        for (size_t i = 0; at == 0 && i < buf_size(wire); i++)
            feed_logged(s, buf_front(wire) + i, 1, &cut);
        if (at > 0) {
            feed_logged(s, buf_front(wire), at, &cut);
            feed_logged(s, buf_front(wire) + at, buf_size(wire) - at, &cut);
        }
        session_free(s);
        assert_int_equal(buf_size(&cut), buf_size(&whole));
        assert_memory_equal(cut.data, whole.data, buf_size(&whole));
    }
    buf_free(&whole);
    buf_free(&cut);
}

static void cuts(void **unused) {
    (void)unused;
    struct buf to_server, to_client;
    buf_init(&to_server, 1 << 20);
    buf_init(&to_client, 1 << 20);
    record(&to_server, &to_client);
    cut_everywhere(true, &to_server);
    cut_everywhere(false, &to_client);
    buf_free(&to_server);
    buf_free(&to_client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(product),      cmocka_unit_test(lengths),       cmocka_unit_test(heads),
        cmocka_unit_test(stream_rules), cmocka_unit_test(opened_rules),  cmocka_unit_test(credit_limit),
        cmocka_unit_test(stream_limit), cmocka_unit_test(request_limit), cmocka_unit_test(cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
