/* lib/tls/offload.c: an engine whose records another hand seals; here the test is that hand. */
#include <errno.h>

#include "lib/tls/engine_state.h"
#include "tests/unit/tls/pair.h"

struct hand {
    struct record_key key;
};

static void take_key(struct hand *hand, const struct tls_engine *e) {
    struct tls_sending_key key;
    uint8_t derived[16];
    assert_int_equal(tls_engine_sending_key(e, &key), 0);
    assert_int_equal(record_key_set(&hand->key, RECORD_SEAL, EVP_aes_128_gcm(), e->send.secret), 0);
    record_key_export(&hand->key, derived, sizeof derived);
    assert_memory_equal(derived, key.key, sizeof derived);
    assert_memory_equal(hand->key.iv, key.iv, sizeof key.iv);
    hand->key.sequence = key.sequence;
}

/* Seals n bytes of the type, as records of at most `record` bytes, into the peer. */
static void seal(struct hand *hand, uint8_t type, const void *bytes, size_t n, size_t record, struct tls_engine *to) {
    uint8_t out[RECORD_PLAIN + RECORD_OVERHEAD];
    struct iovec part = {(void *)(uintptr_t)bytes, n};
    struct record_parts parts = {&part, 1, 0};
    for (size_t left = n; left > 0;) {
        size_t size = left < record ? left : record;
        assert_int_equal(record_seal(&hand->key, (enum record_type)type, &parts, size, out), 0);
        assert_int_equal(tls_engine_feed(to, out, size + RECORD_OVERHEAD), size + RECORD_OVERHEAD);
        left -= size;
    }
}

/* All that is pending goes, at most `cut` bytes of data at a time. */
static void deliver(struct hand *hand, struct tls_engine *from, struct tls_engine *to, size_t cut) {
    const uint8_t *bytes;
    size_t n;
    while (tls_engine_pending(from, &bytes, &n), n > 0) {
        uint8_t type = tls_engine_pending_type(from);
        if (type == TLS_TYPE_DATA && n > cut)
            n = cut;
        seal(hand, type, bytes, n, RECORD_PLAIN, to);
        tls_engine_sent(from, n);
        if (tls_engine_key_changed(from))
            take_key(hand, from);
        assert_false(tls_engine_key_changed(from));
    }
    assert_int_equal(tls_engine_pending_size(from), 0);
}

static void begin(struct pair *p, struct hand *hand) {
    *hand = (struct hand){0};
    pair_open(p);
    assert_false(tls_engine_can_offload(p->server));
    pair_handshake(p);
    assert_int_equal(write_bytes(p->server, "sealed by itself", 16), 0);
    assert_false(tls_engine_can_offload(p->server)); /* something is pending */
    settle(p->client, p->server, SIZE_MAX);
    assert_true(tls_engine_can_offload(p->server));
    take_key(hand, p->server);
    tls_engine_offload(p->server);
    assert_false(tls_engine_can_offload(p->server));
}

static void end(struct pair *p, struct hand *hand) {
    record_key_clear(&hand->key);
    pair_close(p);
}

static void expect(struct tls_engine *e, const char *text) {
    uint8_t got[256];
    size_t n = read_bytes(e, got, sizeof got);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(got, text, n);
}

static void contents(void **state) {
    (void)state;
    for (size_t cut = 1; cut < 40; cut += 3) {
        struct pair p;
        struct hand hand;
        begin(&p, &hand);
        expect(p.client, "sealed by itself");
        struct iovec parts[] = {{"one ", 4}, {NULL, 0}, {"two", 3}};
        assert_int_equal(tls_engine_write(p.server, parts, 3), 0);
        assert_int_equal(tls_engine_pending_size(p.server), 7);
        assert_int_equal(write_bytes(p.server, " three", 6), 0);
        assert_false(tls_engine_may_pass(p.server));
        deliver(&hand, p.server, p.client, cut);
        expect(p.client, "one two three");
        assert_true(tls_engine_may_pass(p.server));
        seal(&hand, RECORD_DATA, "past it", 7, cut, p.client);
        tls_engine_passed(p.server, 7);
        expect(p.client, "past it");
        /* the other direction is as it was */
        assert_int_equal(write_bytes(p.client, "back", 4), 0);
        carry(p.client, p.server, SIZE_MAX);
        expect(p.server, "back");
        end(&p, &hand);
    }
}

static void close_behind_data(void **state) {
    (void)state;
    struct pair p;
    struct hand hand;
    begin(&p, &hand);
    expect(p.client, "sealed by itself");
    assert_int_equal(write_bytes(p.server, "the last", 8), 0);
    tls_engine_close(p.server);
    assert_int_equal(tls_engine_pending_size(p.server), 8 + 2);
    assert_int_equal(write_bytes(p.server, "x", 1), LL_ECLOSED);
    deliver(&hand, p.server, p.client, 3);
    expect(p.client, "the last");
    assert_int_equal(tls_engine_state(p.client), TLS_CLOSED);
    assert_false(tls_engine_may_pass(p.server));
    end(&p, &hand);
}

/* The key changes between the contents before the KeyUpdate and those behind it, wherever sends are cut. */
static void key_update_between_data(void **state) {
    (void)state;
    for (size_t cut = 1; cut < 12; cut++) {
        struct pair p;
        struct hand hand;
        begin(&p, &hand);
        assert_int_equal(write_bytes(p.server, "before", 6), 0);
        assert_int_equal(tls_engine_update_key(p.client, true), 0);
        carry(p.client, p.server, SIZE_MAX);
        expect(p.server, "");
        assert_false(tls_engine_may_pass(p.server));
        assert_int_equal(write_bytes(p.server, "behind", 6), 0);
        assert_int_equal(tls_engine_pending_size(p.server), 6 + 5 + 6);
        deliver(&hand, p.server, p.client, cut);
        expect(p.client, "sealed by itself"
                         "beforebehind");
        end(&p, &hand);
    }
}

static void key_wears_out(void **state) {
    (void)state;
    struct pair p;
    struct hand hand;
    begin(&p, &hand);
    p.server->send.sequence = (UINT64_C(1) << 23) - 1;
    assert_true(tls_engine_may_pass(p.server));
    tls_engine_passed(p.server, 1);
    assert_false(tls_engine_may_pass(p.server)); /* the engine must say something first */
    for (int i = 0; i < 2; i++)
        assert_int_equal(write_bytes(p.server, "x", 1), 0);
    assert_int_equal(tls_engine_pending_size(p.server), 5 + 2); /* once */
    deliver(&hand, p.server, p.client, SIZE_MAX);
    expect(p.client, "sealed by itselfxx");
    assert_true(tls_engine_may_pass(p.server));
    end(&p, &hand);
}

/* A peer that asks for keys and does not read is not waited for. */
static void too_many_messages(void **state) {
    (void)state;
    struct pair p;
    struct hand hand;
    begin(&p, &hand);
    int r = 0;
    for (int i = 0; i <= OFFLOAD_MESSAGES; i++) {
        assert_int_equal(r, 0);
        assert_int_equal(tls_engine_update_key(p.client, true), 0);
        carry(p.client, p.server, SIZE_MAX);
        expect(p.server, "");
        r = write_bytes(p.server, "x", 1);
    }
    assert_int_equal(r, LL_EPROTOCOL);
    assert_int_equal(tls_engine_state(p.server), TLS_FAILED);
    end(&p, &hand);
}

static void alert(void **state) {
    (void)state;
    struct pair p;
    struct hand hand;
    uint8_t got[64];
    begin(&p, &hand);
    assert_int_equal(tls_engine_feed(p.server, "\x17\x03\x03\0\x20 this is no record that was sealed", 37), 37);
    assert_int_equal(read_bytes(p.server, got, sizeof got), 0);
    assert_int_equal(tls_engine_error(p.server), LL_EPROTOCOL);
    deliver(&hand, p.server, p.client, SIZE_MAX);
    expect(p.client, "sealed by itself");
    assert_int_equal(tls_engine_error(p.client), LL_EREFUSED);
    end(&p, &hand);
}

static void lost(void **state) {
    (void)state;
    struct pair p;
    struct hand hand;
    begin(&p, &hand);
    assert_int_equal(write_bytes(p.server, "waits", 5), 0);
    tls_engine_lose(p.server, "gone");
    assert_int_equal(tls_engine_pending_size(p.server), 0);
    assert_int_equal(tls_engine_error(p.server), LL_ELOST);
    assert_int_equal(write_bytes(p.server, "x", 1), LL_ELOST);
    end(&p, &hand);
}

static void limit(void **state) {
    (void)state;
    struct pair p;
    struct hand hand;
    begin(&p, &hand);
    uint8_t *bytes = calloc(1, LIMIT_TLS_PENDING);
    assert_non_null(bytes);
    assert_int_equal(write_bytes(p.server, bytes, LIMIT_TLS_PENDING - 1), 0);
    assert_int_equal(write_bytes(p.server, bytes, 2), LL_ELIMIT);
    assert_int_equal(write_bytes(p.server, bytes, 1), 0);
    assert_int_equal(write_bytes(p.server, bytes, 1), LL_ELIMIT);
    assert_int_equal(tls_engine_state(p.server), TLS_ESTABLISHED);
    free(bytes);
    end(&p, &hand);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents),
        cmocka_unit_test(close_behind_data),
        cmocka_unit_test(key_update_between_data),
        cmocka_unit_test(key_wears_out),
        cmocka_unit_test(too_many_messages),
        cmocka_unit_test(alert),
        cmocka_unit_test(lost),
        cmocka_unit_test(limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
