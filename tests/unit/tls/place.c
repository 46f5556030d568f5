/* Contents of records that go straight to another place. */
#include "tests/unit/tls/pair.h"

#include "lib/tls/engine_state.h"

enum { HEAD = 20, CONTENT = 16000 };

struct asked {
    uint8_t head[HEAD], room[RECORD_PLAIN];
    size_t n;
    int times;
    bool no;
};

static uint8_t *choose(void *arg, const uint8_t *head, size_t n) {
    struct asked *a = arg;
    memcpy(a->head, head, HEAD);
    a->n = n;
    a->times++;
    return a->no ? NULL : a->room;
}

static uint8_t content[CONTENT];

static void open_pair(struct pair *p, struct asked *a) {
    memset(a, 0, sizeof *a);
    for (size_t i = 0; i < CONTENT; i++)
        content[i] = (uint8_t)(i * 7 + i / 251);
    pair_open(p);
    pair_handshake(p);
    tls_engine_place(p->server, HEAD, choose, a);
}

static void head_here_and_rest_there(void **unused) {
    (void)unused;
    struct pair p;
    struct asked a;
    const uint8_t *bytes;
    size_t n;
    open_pair(&p, &a);
    for (int i = 1; i <= 3; i++) {
        memset(a.room, 0, sizeof a.room);
        assert_int_equal(write_bytes(p.client, content, CONTENT), 0);
        carry(p.client, p.server, SIZE_MAX);
        tls_engine_plain(p.server, &bytes, &n);
        assert_int_equal(a.times, i);
        assert_int_equal(a.n, CONTENT - HEAD);
        assert_memory_equal(a.head, content, HEAD);
        assert_int_equal(n, HEAD);
        assert_memory_equal(bytes, content, HEAD);
        assert_ptr_equal(tls_engine_apart(p.server, &n), a.room);
        assert_int_equal(n, CONTENT - HEAD);
        assert_memory_equal(a.room, content + HEAD, CONTENT - HEAD);
        assert_int_equal(a.room[CONTENT - HEAD], 0); /* nothing behind it is touched */
        tls_engine_consume(p.server, HEAD);
        assert_null(tls_engine_apart(p.server, &n));
        assert_int_equal(n, 0);
    }
    pair_close(&p);
}

static void expect_in_place(struct pair *p) {
    static uint8_t got[CONTENT];
    const uint8_t *bytes;
    size_t n;
    tls_engine_plain(p->server, &bytes, &n);
    assert_null(tls_engine_apart(p->server, &n));
    assert_int_equal(read_bytes(p->server, got, sizeof got), CONTENT);
    assert_memory_equal(got, content, CONTENT);
}

/* No place, and records that are too short to ask for one. */
static void in_place(void **unused) {
    (void)unused;
    struct pair p;
    struct asked a;
    uint8_t got[64];
    open_pair(&p, &a);
    a.no = true;
    assert_int_equal(write_bytes(p.client, content, CONTENT), 0);
    carry(p.client, p.server, SIZE_MAX);
    expect_in_place(&p);
    assert_int_equal(a.times, 1);
    assert_int_equal(write_bytes(p.client, content, sizeof got), 0);
    carry(p.client, p.server, SIZE_MAX);
    assert_int_equal(read_bytes(p.server, got, sizeof got), sizeof got);
    assert_memory_equal(got, content, sizeof got);
    assert_int_equal(a.times, 1);
    pair_close(&p);
}

/* A record as a peer may make it: `inner` bytes, then the type. */
static void send_record(struct pair *p, const uint8_t *inner, size_t n, int type) {
    static uint8_t record[RECORD_HEADER + RECORD_BODY];
    struct iovec part = {(void *)(uintptr_t)inner, n};
    struct record_parts parts = {&part, 1, 0};
    assert_int_equal(record_seal(&p->client->send, (enum record_type)type, &parts, n, record), 0);
    assert_int_equal(tls_engine_feed(p->server, record, n + RECORD_OVERHEAD), n + RECORD_OVERHEAD);
}

/* Padding (RFC 8446 5.4) shows only at the end, when the bytes are there already: they come back. */
static void padded(void **unused) {
    (void)unused;
    static uint8_t inner[CONTENT + 100];
    struct pair p;
    struct asked a;
    open_pair(&p, &a);
    memcpy(inner, content, CONTENT);
    inner[CONTENT] = RECORD_DATA;
    send_record(&p, inner, sizeof inner, 0);
    expect_in_place(&p);
    assert_int_equal(a.times, 1);
    pair_close(&p);
}

/* Padding up to the head and into it. */
static void all_but_padding(void **unused) {
    (void)unused;
    static uint8_t inner[CONTENT];
    struct pair p;
    struct asked a;
    uint8_t got[8];
    open_pair(&p, &a);
    memcpy(inner, "hello", 5);
    inner[5] = RECORD_DATA;
    send_record(&p, inner, sizeof inner, 0);
    assert_int_equal(read_bytes(p.server, got, sizeof got), 5);
    assert_memory_equal(got, "hello", 5);
    memset(inner, 0, sizeof inner);
    send_record(&p, inner, sizeof inner, 0);
    assert_int_equal(read_bytes(p.server, got, sizeof got), 0);
    assert_int_equal(tls_engine_error(p.server), LL_EPROTOCOL);
    pair_close(&p);
}

/* A long message that is no data gets the answer that it always gets. */
static void other_types(void **unused) {
    (void)unused;
    struct pair p;
    struct asked a;
    const uint8_t *bytes;
    size_t n;
    open_pair(&p, &a);
    send_record(&p, content, CONTENT, RECORD_HANDSHAKE);
    tls_engine_plain(p.server, &bytes, &n);
    assert_int_equal(n, 0);
    assert_null(tls_engine_apart(p.server, &n));
    assert_int_equal(tls_engine_error(p.server), LL_EPROTOCOL);
    pair_close(&p);
}

/* A byte changed anywhere: nothing comes out, whatever was shown and written before that was found. */
static void changed(void **unused) {
    (void)unused;
    const size_t at[] = {RECORD_HEADER, RECORD_HEADER + HEAD - 1, RECORD_HEADER + HEAD, RECORD_HEADER + CONTENT,
                         RECORD_HEADER + CONTENT + RECORD_TAG};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        struct pair p;
        struct asked a;
        const uint8_t *bytes;
        size_t n;
        open_pair(&p, &a);
        assert_int_equal(write_bytes(p.client, content, CONTENT), 0);
        tls_engine_pending(p.client, &bytes, &n);
        ((uint8_t *)(uintptr_t)bytes)[at[i]] ^= 1;
        carry(p.client, p.server, SIZE_MAX);
        tls_engine_plain(p.server, &bytes, &n);
        assert_int_equal(n, 0);
        assert_null(tls_engine_apart(p.server, &n));
        assert_int_equal(tls_engine_error(p.server), LL_EPROTOCOL);
        pair_close(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_here_and_rest_there), cmocka_unit_test(in_place),    cmocka_unit_test(padded),
        cmocka_unit_test(all_but_padding),          cmocka_unit_test(other_types), cmocka_unit_test(changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
