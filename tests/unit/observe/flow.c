/* landline/observe/flow.h: what connections are made of packets, and what is said of them. */
#include "landline/observe/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

#include "lib/base/limits.h"

enum { C = FLOW_CLIENT, S = FLOW_SERVER, X = 1000, Y = 5000 };

/* A packet in short: who, flags, seq and ack relative to X and Y, length. */
struct sent {
    int from, flags;
    uint32_t seq, ack, length;
    int window; /* 0: 1000; -1: closed */
};

/* What must be said of it. */
struct said {
    enum flow_event event;
    enum flow_state client, server;
    bool lost;
};

static struct packet make(const struct sent *s, int64_t time) {
    struct packet p = {.kind = PACKET_TCP, .time_ns = time, .flags = (uint16_t)s->flags, .length = s->length};
    struct packet_end ends[2] = {{.family = 4, .bytes = {192, 0, 2, 1}, .port = 40000},
                                 {.family = 4, .bytes = {192, 0, 2, 2}, .port = 80}};
    p.from = ends[s->from];
    p.to = ends[1 - s->from];
    p.seq = (s->from == C ? X : Y) + s->seq;
    p.ack = (s->flags & TCP_ACK) != 0 ? (s->from == C ? Y : X) + s->ack : 0;
    p.window = (uint16_t)(s->window == 0 ? 1000 : s->window < 0 ? 0 : s->window);
    return p;
}

static struct flow *gather(struct flow_table *t, const struct sent *list, size_t count) {
    struct flow *f = NULL;
    flow_table_init(t);
    for (size_t i = 0; i < count; i++) {
        struct packet p = make(&list[i], (int64_t)i * 1000000);
        assert_int_equal(flow_table_add(t, &p, &f), 0);
        assert_non_null(f);
    }
    flow_judge(f);
    return f;
}

static void check(const struct sent *sent, const struct said *said, size_t count, enum flow_verdict verdict) {
    struct flow_table t;
    struct flow *f = gather(&t, sent, count);
    assert_int_equal(t.count, 1);
    assert_int_equal(f->count, count);
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &f->steps[i];
        if (s->event != said[i].event || s->state[C] != said[i].client || s->state[S] != said[i].server ||
            s->lost != said[i].lost)
            fail_msg("step %zu: %s %s %s%s instead of %s %s %s%s", i, flow_event_name(s->event),
                     flow_state_name(s->state[C]), flow_state_name(s->state[S]), s->lost ? " lost" : "",
                     flow_event_name(said[i].event), flow_state_name(said[i].client), flow_state_name(said[i].server),
                     said[i].lost ? " lost" : "");
    }
    assert_string_equal(flow_verdict_name(f->verdict), flow_verdict_name(verdict));
    flow_table_free(&t);
}
#define CHECK(sent, said, verdict)                                                                                     \
    do {                                                                                                               \
        assert_int_equal(sizeof(sent) / sizeof *(sent), sizeof(said) / sizeof *(said));                                \
        check(sent, said, sizeof(sent) / sizeof *(sent), verdict);                                                     \
    } while (0)

#define E(event, client, server)                                                                                       \
    { EVENT_##event, FLOW_##client, FLOW_##server, false }
#define LOST(event, client, server)                                                                                    \
    { EVENT_##event, FLOW_##client, FLOW_##server, true }
#define HANDSHAKE                                                                                                      \
    {C, TCP_SYN, 0, 0, 0, 0}, {S, TCP_SYN | TCP_ACK, 0, 1, 0, 0}, {                                                    \
        C, TCP_ACK, 1, 1, 0, 0                                                                                         \
    }
#define HANDSHAKE_SAID                                                                                                 \
    E(SYN, SYN_SENT, LISTEN), E(SYN_ACK, ESTABLISHED, SYN_RECV), E(HANDSHAKE, ESTABLISHED, ESTABLISHED)

static void normal(void **state) {
    (void)state;
    static const struct sent sent[] = {
        HANDSHAKE,
        {C, TCP_PSH | TCP_ACK, 1, 1, 5, 0},
        {S, TCP_ACK, 1, 6, 0, 0},
        {S, TCP_PSH | TCP_ACK, 1, 6, 7, 0},
        {C, TCP_ACK, 6, 8, 0, 0},
        {C, TCP_FIN | TCP_ACK, 6, 8, 0, 0},
        {S, TCP_ACK, 8, 7, 0, 0},
        {S, TCP_FIN | TCP_ACK, 8, 7, 0, 0},
        {C, TCP_ACK, 7, 9, 0, 0},
    };
    static const struct said said[] = {
        HANDSHAKE_SAID,
        E(DATA, ESTABLISHED, ESTABLISHED),
        E(ACK, ESTABLISHED, ESTABLISHED),
        E(DATA, ESTABLISHED, ESTABLISHED),
        E(ACK, ESTABLISHED, ESTABLISHED),
        E(FIN_ACTIVE, FIN_WAIT_1, CLOSE_WAIT),
        E(FIN_ACKED, FIN_WAIT_2, CLOSE_WAIT),
        E(FIN_PASSIVE, TIME_WAIT, LAST_ACK),
        E(TIME_WAITED, TIME_WAIT, CLOSED),
    };
    CHECK(sent, said, VERDICT_CLOSED);
}

/* The server closes first and the ACK of its FIN rides on the client's own: three segments instead of four. */
static void three_way_close(void **state) {
    (void)state;
    static const struct sent sent[] = {
        HANDSHAKE, {S, TCP_FIN | TCP_ACK, 1, 1, 0, 0}, {C, TCP_FIN | TCP_ACK, 1, 2, 0, 0}, {S, TCP_ACK, 2, 2, 0, 0}};
    static const struct said said[] = {HANDSHAKE_SAID, E(FIN_ACTIVE, CLOSE_WAIT, FIN_WAIT_1),
                                       E(FIN_PASSIVE, LAST_ACK, TIME_WAIT), E(TIME_WAITED, CLOSED, TIME_WAIT)};
    CHECK(sent, said, VERDICT_CLOSED);
}

static void simultaneous_close(void **state) {
    (void)state;
    static const struct sent sent[] = {HANDSHAKE,
                                       {C, TCP_FIN | TCP_ACK, 1, 1, 0, 0},
                                       {S, TCP_FIN | TCP_ACK, 1, 1, 0, 0},
                                       {C, TCP_ACK, 2, 2, 0, 0},
                                       {S, TCP_ACK, 2, 2, 0, 0}};
    static const struct said said[] = {HANDSHAKE_SAID, E(FIN_ACTIVE, FIN_WAIT_1, ESTABLISHED),
                                       E(FIN_CROSSED, CLOSING, CLOSING), E(LAST_ACKED, CLOSING, TIME_WAIT),
                                       E(LAST_ACKED, TIME_WAIT, TIME_WAIT)};
    CHECK(sent, said, VERDICT_CROSSED);
}

/* Both FINs on the way, and the client's is lost. */
static void simultaneous_close_with_loss(void **state) {
    (void)state;
    static const struct sent sent[] = {HANDSHAKE,
                                       {C, TCP_FIN | TCP_ACK, 1, 1, 0, 0},
                                       {S, TCP_FIN | TCP_ACK, 1, 1, 0, 0},
                                       {C, TCP_ACK, 2, 2, 0, 0},
                                       {C, TCP_FIN | TCP_ACK, 1, 2, 0, 0},
                                       {S, TCP_ACK, 2, 2, 0, 0}};
    static const struct said said[] = {HANDSHAKE_SAID,
                                       LOST(FIN_ACTIVE, FIN_WAIT_1, ESTABLISHED),
                                       E(FIN_CROSSED, CLOSING, FIN_WAIT_1),
                                       E(LAST_ACKED, CLOSING, FIN_WAIT_2),
                                       E(FIN_AGAIN, CLOSING, TIME_WAIT),
                                       E(LAST_ACKED, TIME_WAIT, TIME_WAIT)};
    CHECK(sent, said, VERDICT_CROSSED);
}

static void simultaneous_open(void **state) {
    (void)state;
    static const struct sent sent[] = {{C, TCP_SYN, 0, 0, 0, 0},
                                       {S, TCP_SYN, 0, 0, 0, 0},
                                       {C, TCP_SYN | TCP_ACK, 0, 1, 0, 0},
                                       {S, TCP_SYN | TCP_ACK, 0, 1, 0, 0}};
    static const struct said said[] = {E(SYN, SYN_SENT, CLOSED), E(SYN_CROSSED, SYN_RECV, SYN_RECV),
                                       E(SYN_ACK, SYN_RECV, ESTABLISHED), E(SYN_ACK, ESTABLISHED, SYN_RECV)};
    struct flow_table t;
    struct flow *f = gather(&t, sent, 4);
    assert_int_equal(t.count, 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(f->steps[i].event, said[i].event);
        assert_int_equal(f->steps[i].state[C], said[i].client);
    }
    assert_int_equal(f->verdict, VERDICT_OPEN);
    flow_table_free(&t);
}

static void refused(void **state) {
    (void)state;
    static const struct sent sent[] = {{C, TCP_SYN, 0, 0, 0, 0}, {S, TCP_RST | TCP_ACK, 0, 1, 0, 0}};
    static const struct said said[] = {E(SYN, SYN_SENT, CLOSED), E(REFUSED, CLOSED, CLOSED)};
    CHECK(sent, said, VERDICT_REFUSED);
}

static void black_hole(void **state) {
    (void)state;
    static const struct sent sent[] = {{C, TCP_SYN, 0, 0, 0, 0}, {C, TCP_SYN, 0, 0, 0, 0}, {C, TCP_SYN, 0, 0, 0, 0}};
    static const struct said said[] = {LOST(SYN, SYN_SENT, UNKNOWN), LOST(SYN_AGAIN, SYN_SENT, UNKNOWN),
                                       LOST(SYN_AGAIN, SYN_SENT, UNKNOWN)};
    CHECK(sent, said, VERDICT_NO_ANSWER);
}

static void reset(void **state) {
    (void)state;
    static const struct sent sent[] = {
        HANDSHAKE, {C, TCP_PSH | TCP_ACK, 1, 1, 5, 0}, {S, TCP_RST | TCP_ACK, 1, 6, 0, 0}};
    static const struct said said[] = {HANDSHAKE_SAID, E(DATA, ESTABLISHED, ESTABLISHED), E(RESET, CLOSED, CLOSED)};
    CHECK(sent, said, VERDICT_RESET);
}

/* The server was switched off and on: it answers what it does not know with a bare RST. */
static void half_open(void **state) {
    (void)state;
    static const struct sent sent[] = {HANDSHAKE, {C, TCP_PSH | TCP_ACK, 1, 1, 5, 0}, {S, TCP_RST, 1, 0, 0, 0}};
    static const struct said said[] = {HANDSHAKE_SAID, E(DATA, ESTABLISHED, ESTABLISHED),
                                       E(RESET_UNKNOWN, CLOSED, CLOSED)};
    CHECK(sent, said, VERDICT_HALF_OPEN);
}

/* Data for a socket whose program has closed it already. */
static void reset_after_close(void **state) {
    (void)state;
    static const struct sent sent[] = {HANDSHAKE,
                                       {S, TCP_FIN | TCP_ACK, 1, 1, 0, 0},
                                       {C, TCP_ACK, 1, 2, 0, 0},
                                       {C, TCP_PSH | TCP_ACK, 1, 2, 5, 0},
                                       {S, TCP_RST, 2, 0, 0, 0}};
    static const struct said said[] = {HANDSHAKE_SAID, E(FIN_ACTIVE, CLOSE_WAIT, FIN_WAIT_1),
                                       E(FIN_ACKED, CLOSE_WAIT, FIN_WAIT_2), E(DATA, CLOSE_WAIT, FIN_WAIT_2),
                                       E(RESET_LATE, CLOSED, CLOSED)};
    struct flow_table t;
    struct flow *f = gather(&t, sent, sizeof sent / sizeof *sent);
    for (size_t i = 0; i < f->count; i++)
        assert_int_equal(f->steps[i].event, said[i].event);
    flow_table_free(&t);
}

static void keepalive(void **state) {
    (void)state;
    static const struct sent sent[] = {HANDSHAKE,
                                       {C, TCP_PSH | TCP_ACK, 1, 1, 5, 0},
                                       {S, TCP_ACK, 1, 6, 0, 0},
                                       {C, TCP_ACK, 5, 1, 0, 0},
                                       {S, TCP_ACK, 1, 6, 0, 0},
                                       {C, TCP_ACK, 5, 1, 1, 0}, /* older systems send one byte */
                                       {C, TCP_ACK, 5, 1, 0, 0}};
    static const struct said said[] = {HANDSHAKE_SAID,
                                       E(DATA, ESTABLISHED, ESTABLISHED),
                                       E(ACK, ESTABLISHED, ESTABLISHED),
                                       E(KEEPALIVE, ESTABLISHED, ESTABLISHED),
                                       E(KEEPALIVE_ACK, ESTABLISHED, ESTABLISHED),
                                       E(KEEPALIVE, ESTABLISHED, ESTABLISHED),
                                       E(KEEPALIVE, ESTABLISHED, ESTABLISHED)};
    CHECK(sent, said, VERDICT_SILENT);
}

static void window(void **state) {
    (void)state;
    static const struct sent sent[] = {HANDSHAKE,
                                       {C, TCP_ACK, 1, 1, 100, 0},
                                       {S, TCP_ACK, 1, 101, 0, -1},
                                       {C, TCP_ACK, 100, 1, 0, 0},
                                       {S, TCP_ACK, 1, 101, 0, -1},
                                       {S, TCP_ACK, 1, 101, 0, 900},
                                       {C, TCP_ACK, 101, 1, 100, 0}};
    static const struct said said[] = {HANDSHAKE_SAID,
                                       E(DATA, ESTABLISHED, ESTABLISHED),
                                       E(WINDOW_ZERO, ESTABLISHED, ESTABLISHED),
                                       E(WINDOW_PROBE, ESTABLISHED, ESTABLISHED),
                                       E(ACK_AGAIN, ESTABLISHED, ESTABLISHED),
                                       E(WINDOW_UPDATE, ESTABLISHED, ESTABLISHED),
                                       E(DATA, ESTABLISHED, ESTABLISHED)};
    CHECK(sent, said, VERDICT_OPEN);
}

static void loss(void **state) {
    (void)state;
    static const struct sent sent[] = {HANDSHAKE,
                                       {C, TCP_ACK, 1, 1, 100, 0},
                                       {C, TCP_ACK, 1, 1, 100, 0},
                                       {S, TCP_ACK, 1, 101, 0, 0},
                                       {C, TCP_ACK, 1, 1, 100, 0}, /* the ACK was only late */
                                       {S, TCP_ACK, 1, 101, 0, 0},
                                       {C, TCP_ACK, 201, 1, 100, 0}, /* what is before it was not seen */
                                       {S, TCP_ACK, 1, 101, 0, 0},
                                       {C, TCP_ACK, 101, 1, 100, 0}};
    static const struct said said[] = {HANDSHAKE_SAID,
                                       LOST(DATA, ESTABLISHED, ESTABLISHED),
                                       E(DATA_AGAIN, ESTABLISHED, ESTABLISHED),
                                       E(ACK, ESTABLISHED, ESTABLISHED),
                                       LOST(DATA_NEEDLESS, ESTABLISHED, ESTABLISHED),
                                       E(ACK_AGAIN, ESTABLISHED, ESTABLISHED),
                                       E(GAP, ESTABLISHED, ESTABLISHED),
                                       E(ACK_AGAIN, ESTABLISHED, ESTABLISHED),
                                       E(LATE, ESTABLISHED, ESTABLISHED)};
    struct flow_table t;
    struct flow *f = gather(&t, sent, sizeof sent / sizeof *sent);
    for (size_t i = 0; i < f->count; i++)
        assert_int_equal(f->steps[i].event, said[i].event);
    assert_true(f->steps[3].lost);
    assert_false(f->steps[4].lost);
    assert_int_equal(f->side[C].bytes, 300);
    assert_int_equal(f->side[C].again, 2);
    flow_table_free(&t);
}

static void silence(void **state) {
    (void)state;
    static const struct sent sent[] = {
        HANDSHAKE, {C, TCP_ACK, 1, 1, 9, 0}, {C, TCP_ACK, 1, 1, 9, 0}, {C, TCP_ACK, 1, 1, 9, 0}};
    static const struct said said[] = {HANDSHAKE_SAID, LOST(DATA, ESTABLISHED, ESTABLISHED),
                                       LOST(DATA_AGAIN, ESTABLISHED, ESTABLISHED),
                                       LOST(DATA_AGAIN, ESTABLISHED, ESTABLISHED)};
    CHECK(sent, said, VERDICT_SILENT);
}

static void lost_answers(void **state) {
    (void)state;
    static const struct sent sent[] = {{C, TCP_SYN, 0, 0, 0, 0},           {S, TCP_SYN | TCP_ACK, 0, 1, 0, 0},
                                       {C, TCP_SYN, 0, 0, 0, 0},           {S, TCP_SYN | TCP_ACK, 0, 1, 0, 0},
                                       {C, TCP_ACK, 1, 1, 0, 0}, /* lost too: the server asks once more */
                                       {S, TCP_SYN | TCP_ACK, 0, 1, 0, 0}, {C, TCP_ACK, 1, 1, 0, 0}};
    static const struct said said[] = {E(SYN, SYN_SENT, LISTEN),
                                       LOST(SYN_ACK, SYN_SENT, SYN_RECV),
                                       E(SYN_AGAIN, SYN_SENT, SYN_RECV),
                                       E(SYN_ACK_AGAIN, ESTABLISHED, SYN_RECV),
                                       LOST(HANDSHAKE, ESTABLISHED, SYN_RECV),
                                       E(SYN_ACK_AGAIN, ESTABLISHED, SYN_RECV),
                                       E(ACK_AGAIN, ESTABLISHED, ESTABLISHED)};
    struct flow_table t;
    struct flow *f = gather(&t, sent, sizeof sent / sizeof *sent);
    for (size_t i = 0; i < f->count; i++)
        assert_int_equal(f->steps[i].event, said[i].event);
    assert_int_equal(f->steps[4].state[S], FLOW_SYN_RECV);
    assert_int_equal(f->steps[6].state[S], FLOW_ESTABLISHED);
    flow_table_free(&t);
}

static void unreachable(void **state) {
    (void)state;
    static const struct sent syn = {C, TCP_SYN, 0, 0, 0, 0};
    struct flow_table t;
    struct flow *f = gather(&t, &syn, 1), *which = NULL;
    struct packet p = make(&syn, 1);
    p.kind = PACKET_ICMP;
    p.icmp_type = 3;
    p.icmp_code = 1;
    p.complainer = (struct packet_end){.family = 4, .bytes = {192, 0, 2, 9}};
    assert_int_equal(flow_table_add(&t, &p, &which), 0);
    assert_ptr_equal(which, f);
    flow_judge(f);
    assert_int_equal(f->steps[1].event, EVENT_UNREACHABLE);
    assert_int_equal(f->verdict, VERDICT_UNREACHABLE);
    p.from.port = 1; /* about a connection that nobody saw */
    assert_int_equal(flow_table_add(&t, &p, &which), 0);
    assert_null(which);
    flow_table_free(&t);
}

/* The same ports again are another connection; a capture that began late says so; copies count once. */
static void telling_apart(void **state) {
    (void)state;
    static const struct sent sent[] = {HANDSHAKE, {C, TCP_RST | TCP_ACK, 1, 1, 0, 0}};
    struct flow_table t;
    struct flow *f = gather(&t, sent, 4), *which = NULL;
    assert_true(flow_ended(f));
    struct packet p = make(&(struct sent){C, TCP_SYN, 77777, 0, 0, 0}, 9);
    assert_int_equal(flow_table_add(&t, &p, &which), 0);
    assert_ptr_not_equal(which, f);
    assert_int_equal(t.count, 2);
    p.interface = 7; /* the same segment on the next interface */
    assert_int_equal(flow_table_add(&t, &p, &which), 0);
    assert_null(which);
    flow_table_free(&t);

    static const struct sent late[] = {{S, TCP_PSH | TCP_ACK, 100, 50, 10, 0}, {C, TCP_ACK, 50, 110, 0, 0}};
    f = gather(&t, late, 2);
    assert_false(f->whole);
    assert_int_equal(f->steps[1].state[0], FLOW_ESTABLISHED);
    assert_int_equal(flow_relative(f, 0, f->steps[0].seq), 0);
    flow_table_free(&t);
}

static void limits(void **state) {
    (void)state;
    struct flow_table t;
    struct flow *f = NULL;
    flow_table_init(&t);
    for (uint32_t i = 0; i <= LIMIT_FLOW_STEPS; i++) {
        assert_false(f != NULL && f->cut);
        struct packet p = make(&(struct sent){C, TCP_ACK, i, 1, 1, 0}, i);
        assert_int_equal(flow_table_add(&t, &p, &f), 0);
    }
    assert_true(f->cut);
    assert_int_equal(f->count, LIMIT_FLOW_STEPS);
    flow_judge(f);
    for (int i = 1; i <= LIMIT_FLOWS; i++) {
        assert_int_equal(t.refused, 0);
        struct packet p = make(&(struct sent){C, TCP_SYN, 0, 0, 0, 0}, i);
        p.from.port = (uint16_t)i;
        assert_int_equal(flow_table_add(&t, &p, &f), 0);
    }
    assert_int_equal(t.refused, 1);
    assert_int_equal(t.count, LIMIT_FLOWS);
    flow_table_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal),
        cmocka_unit_test(three_way_close),
        cmocka_unit_test(simultaneous_close),
        cmocka_unit_test(simultaneous_close_with_loss),
        cmocka_unit_test(simultaneous_open),
        cmocka_unit_test(refused),
        cmocka_unit_test(black_hole),
        cmocka_unit_test(reset),
        cmocka_unit_test(half_open),
        cmocka_unit_test(reset_after_close),
        cmocka_unit_test(keepalive),
        cmocka_unit_test(window),
        cmocka_unit_test(loss),
        cmocka_unit_test(silence),
        cmocka_unit_test(lost_answers),
        cmocka_unit_test(unreachable),
        cmocka_unit_test(telling_apart),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
