/* lib/tls/engine.h: two engines talking to each other. */
#include "lib/tls/engine.h"

#include <errno.h>

#include "lib/tls/engine_state.h"
#include "tests/unit/tls/pair.h"

static void expect_text(struct tls_engine *e, const char *text) {
    uint8_t got[4096];
    size_t n = read_bytes(e, got, sizeof got);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(got, text, n);
}

static void handshake(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p);
    assert_int_equal(tls_engine_state(p.client), TLS_HANDSHAKING);
    assert_null(tls_engine_peer(p.client));
    assert_int_equal(write_bytes(p.client, "x", 1), -ENOTCONN);
    assert_int_equal(tls_engine_update_key(p.client, true), -ENOTCONN);
    pair_handshake(&p);
    assert_int_equal(tls_engine_knock(p.server), KNOCK_OK);
    assert_true(tls_pin_equal(tls_engine_peer(p.client), tls_identity_pin(p.server_key)));
    assert_true(tls_pin_equal(tls_engine_peer(p.server), tls_identity_pin(p.client_key)));
    assert_int_equal(tls_engine_pending_size(p.client), 0);
    assert_int_equal(tls_engine_pending_size(p.server), 0);

    assert_int_equal(write_bytes(p.client, "hello", 5), 0);
    assert_int_equal(write_bytes(p.server, "welcome", 7), 0);
    settle(p.client, p.server, SIZE_MAX);
    expect_text(p.client, "welcome");
    expect_text(p.server, "hello");
    pair_close(&p);
}

/* The client's first data travels with the end of its handshake: one more round trip would be felt. */
static void first_flight(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p);
    carry(p.client, p.server, SIZE_MAX);
    carry(p.server, p.client, SIZE_MAX);
    assert_int_equal(tls_engine_state(p.client), TLS_ESTABLISHED);
    assert_int_equal(write_bytes(p.client, "hello", 5), 0);
    assert_int_equal(tls_engine_state(p.server), TLS_HANDSHAKING);
    carry(p.client, p.server, SIZE_MAX);
    expect_text(p.server, "hello");
    pair_close(&p);
}

static void every_cut(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p);
    for (size_t cut = 1; cut < 1500; cut = cut < 300 ? cut + 1 : cut + 97) {
        pair_connect(&p);
        settle(p.client, p.server, cut);
        assert_int_equal(tls_engine_state(p.client), TLS_ESTABLISHED);
        assert_int_equal(tls_engine_state(p.server), TLS_ESTABLISHED);
        assert_int_equal(write_bytes(p.client, "first", 5), 0);
        assert_int_equal(tls_engine_update_key(p.client, true), 0);
        assert_int_equal(write_bytes(p.client, "second", 6), 0);
        carry(p.client, p.server, cut);
        expect_text(p.server, "firstsecond");
        assert_int_equal(write_bytes(p.server, "answer", 6), 0);
        carry(p.server, p.client, cut);
        expect_text(p.client, "answer");
    }
    pair_close(&p);
}

static uint8_t pattern(size_t i) {
    return (uint8_t)(i * 2654435761u >> 13);
}

/* Writes total bytes in parts of the given size and reads them back, whatever the records are. */
static void check_parts(struct pair *p, size_t total, size_t part_size) {
    uint8_t *sent = malloc(total + 1), *got = malloc(total + 1);
    int count = (int)((total + part_size - 1) / part_size);
    struct iovec *parts = calloc((size_t)count + 2, sizeof *parts);
    for (size_t i = 0; i < total; i++)
        sent[i] = pattern(i);
    for (int i = 0; i < count; i++) {
        size_t at = (size_t)i * part_size;
        parts[i + 1] = (struct iovec){sent + at, total - at < part_size ? total - at : part_size};
    }
    assert_int_equal(tls_engine_write(p->client, parts, count + 2), 0); /* an empty part at each end */
    size_t records = (total + TLS_RECORD - 1) / TLS_RECORD;
    assert_int_equal(tls_engine_pending_size(p->client), total + records * 22);
    size_t n = 0;
    while (carry(p->client, p->server, 100000) > 0)
        n += read_bytes(p->server, got + n, total + 1 - n);
    assert_int_equal(n, total);
    assert_memory_equal(got, sent, total);
    free(sent);
    free(got);
    free(parts);
}

static void gather(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p);
    pair_handshake(&p);
    static const size_t totals[] = {1,     511, 512, 513, TLS_RECORD - 1, TLS_RECORD, TLS_RECORD + 1, 3 * TLS_RECORD,
                                    900001};
    static const size_t parts[] = {1, 7, 16, 4099, TLS_RECORD - 1, TLS_RECORD, TLS_RECORD + 1, 1 << 20};
    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++)
        for (size_t k = totals[i] > 100000 ? 2 : 0; k < sizeof parts / sizeof *parts; k++)
            check_parts(&p, totals[i], parts[k]);
    assert_int_equal(tls_engine_write(p.client, NULL, 0), 0);
    assert_int_equal(tls_engine_pending_size(p.client), 0);
    pair_close(&p);
}

static void pending_limit(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p);
    pair_handshake(&p);
    size_t most = LIMIT_TLS_PENDING / (TLS_RECORD + 22) * TLS_RECORD;
    size_t rest = LIMIT_TLS_PENDING - LIMIT_TLS_PENDING / (TLS_RECORD + 22) * (TLS_RECORD + 22) - 22;
    uint8_t *bytes = calloc(1, most + rest + 1);
    assert_int_equal(write_bytes(p.client, bytes, most + rest + 1), LL_ELIMIT);
    assert_int_equal(tls_engine_pending_size(p.client), 0);
    assert_int_equal(write_bytes(p.client, bytes, most + rest), 0);
    assert_int_equal(tls_engine_pending_size(p.client), LIMIT_TLS_PENDING);
    assert_int_equal(write_bytes(p.client, bytes, 1), LL_ELIMIT);
    assert_int_equal(tls_engine_state(p.client), TLS_ESTABLISHED);
    tls_engine_sent(p.client, LIMIT_TLS_PENDING);
    assert_int_equal(write_bytes(p.client, bytes, LIMIT_TLS_PENDING + (size_t)1), LL_ELIMIT);
    free(bytes);
    pair_close(&p);
}

static void input_limit(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p);
    pair_handshake(&p);
    uint8_t *bytes = calloc(1, 2 << 20);
    assert_int_equal(write_bytes(p.client, bytes, 2 << 20), 0);
    assert_int_equal(carry(p.client, p.server, 1000), LIMIT_TLS_INPUT);
    size_t room;
    assert_null(tls_engine_reserve(p.server, 1, &room));
    assert_int_equal(room, 0);
    assert_true(read_bytes(p.server, bytes, 2 << 20) > 0);
    assert_non_null(tls_engine_reserve(p.server, 1, &room));
    free(bytes);
    pair_close(&p);
}

static void close_and_cut(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p);
    pair_handshake(&p);
    /* close_notify is half a close: the other direction goes on. */
    assert_int_equal(write_bytes(p.client, "last", 4), 0);
    tls_engine_close(p.client);
    tls_engine_close(p.client);
    assert_int_equal(write_bytes(p.client, "x", 1), LL_ECLOSED);
    carry(p.client, p.server, SIZE_MAX);
    expect_text(p.server, "last");
    assert_int_equal(tls_engine_state(p.server), TLS_CLOSED);
    tls_engine_eof(p.server);
    assert_int_equal(tls_engine_error(p.server), 0);
    assert_int_equal(write_bytes(p.server, "yours", 5), 0);
    carry(p.server, p.client, SIZE_MAX);
    expect_text(p.client, "yours");

    /* An end without it is a cut, and stays one; what came before can be read. */
    pair_connect(&p);
    pair_handshake(&p);
    assert_int_equal(write_bytes(p.client, "half", 4), 0);
    carry(p.client, p.server, SIZE_MAX);
    expect_text(p.server, "half");
    tls_engine_eof(p.server);
    assert_int_equal(tls_engine_state(p.server), TLS_FAILED);
    assert_int_equal(tls_engine_error(p.server), LL_ELOST);
    assert_int_equal(write_bytes(p.server, "x", 1), LL_ELOST);

    /* A server that closes without a word, as for a knock it does not accept. */
    pair_connect(&p);
    tls_engine_eof(p.client);
    assert_int_equal(tls_engine_error(p.client), LL_ESILENT);
    pair_connect(&p);
    tls_engine_close(p.client);
    assert_int_equal(tls_engine_error(p.client), LL_ECLOSED);
    assert_int_equal(tls_engine_pending_size(p.client), 0);
    pair_close(&p);
}

static void key_updates(void **state) {
    (void)state;
    struct pair p;
    uint8_t got[64];
    pair_open(&p);
    pair_handshake(&p);
    /* A request is answered in front of the next data, many requests by one answer. */
    for (int i = 0; i < LIMIT_TLS_UPDATES; i++)
        assert_int_equal(tls_engine_update_key(p.client, true), 0);
    carry(p.client, p.server, SIZE_MAX);
    assert_int_equal(read_bytes(p.server, got, sizeof got), 0);
    assert_int_equal(tls_engine_state(p.server), TLS_ESTABLISHED);
    assert_int_equal(tls_engine_pending_size(p.server), 0);
    assert_int_equal(write_bytes(p.server, "x", 1), 0);
    assert_int_equal(tls_engine_pending_size(p.server), 22 + 5 + 22 + 1);
    carry(p.server, p.client, SIZE_MAX);
    expect_text(p.client, "x");
    /* One more without data is one too many. */
    assert_int_equal(tls_engine_update_key(p.client, false), 0);
    carry(p.client, p.server, SIZE_MAX);
    assert_int_equal(read_bytes(p.server, got, sizeof got), 0);
    assert_int_equal(tls_engine_state(p.server), TLS_FAILED);
    assert_int_equal(tls_engine_error(p.server), LL_EPROTOCOL);
    /* and the peer hears it, in an alert */
    carry(p.server, p.client, SIZE_MAX);
    assert_int_equal(read_bytes(p.client, got, sizeof got), 0);
    assert_int_equal(tls_engine_error(p.client), LL_EREFUSED);
    pair_close(&p);
}

/* With data in between they are forgiven: 5,000 of them are no attack, only slow. */
static void many_updates(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p);
    pair_handshake(&p);
    size_t size = LIMIT_TLS_UPDATE_EVERY / 4, n;
    uint8_t *bytes = calloc(1, size);
    for (int i = 0; i < 200; i++) {
        if (i % 4 == 0)
            assert_int_equal(tls_engine_update_key(p.client, true), 0);
        assert_int_equal(write_bytes(p.client, bytes, size), 0);
        for (n = 0; carry(p.client, p.server, SIZE_MAX) > 0;)
            n += read_bytes(p.server, bytes, size);
        assert_int_equal(n, size);
        assert_int_equal(write_bytes(p.server, "ok", 2), 0);
        carry(p.server, p.client, SIZE_MAX);
        expect_text(p.client, "ok");
    }
    free(bytes);
    pair_close(&p);
}

static void update_flood(void **state) {
    (void)state;
    struct pair p;
    uint8_t got[16];
    pair_open(&p);
    pair_handshake(&p);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(tls_engine_update_key(p.client, true), 0);
    carry(p.client, p.server, SIZE_MAX);
    assert_int_equal(read_bytes(p.server, got, sizeof got), 0);
    assert_int_equal(tls_engine_error(p.server), LL_EPROTOCOL);
    pair_close(&p);
}

/* The key changes by itself before its limit (RFC 8446 5.5). */
static void key_wears_out(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p);
    pair_handshake(&p);
    p.client->send.sequence = p.server->receive.sequence = (UINT64_C(1) << 23) - 1;
    assert_int_equal(write_bytes(p.client, "a", 1), 0);
    assert_int_equal(write_bytes(p.client, "b", 1), 0);
    assert_int_equal(p.client->send.sequence, 1);
    carry(p.client, p.server, SIZE_MAX);
    expect_text(p.server, "ab");
    assert_int_equal(p.server->receive.sequence, 1);
    pair_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake),     cmocka_unit_test(first_flight),  cmocka_unit_test(every_cut),
        cmocka_unit_test(gather),        cmocka_unit_test(pending_limit), cmocka_unit_test(input_limit),
        cmocka_unit_test(close_and_cut), cmocka_unit_test(key_updates),   cmocka_unit_test(many_updates),
        cmocka_unit_test(update_flood),  cmocka_unit_test(key_wears_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
