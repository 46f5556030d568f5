/* The engine against the TLS library alone: each suite, each role, each cut, and everything that may come after the
 * handshake. */
#include "lib/tls/engine.h"

#include "tests/unit/tls/plain.h"

struct talk {
    struct pair pair; /* for its keys and policies */
    struct plain peer;
    struct tls_engine *engine;
    enum tls_role role; /* of the engine */
};

static void talk_start(struct talk *t) {
    char sni[KNOCK_NAME];
    tls_engine_free(t->engine);
    if (t->role == TLS_CLIENT) {
        assert_int_equal(
            tls_engine_new_client(&t->engine, t->pair.client_policy, tls_identity_pin(t->pair.server_key), "box", NOW),
            0);
        plain_start(&t->peer, NULL);
    } else {
        assert_int_equal(tls_engine_new_server(&t->engine, t->pair.server_policy, NOW), 0);
        assert_int_equal(knock_make(tls_identity_pin(t->pair.server_key), NOW, "box", sni), 0);
        plain_start(&t->peer, sni);
    }
}

static void talk_handshake(struct talk *t, size_t cut) {
    talk_start(t);
    plain_settle(&t->peer, t->engine, cut);
    assert_string_equal(tls_engine_sentence(t->engine), "");
    assert_int_equal(tls_engine_state(t->engine), TLS_ESTABLISHED);
    assert_true(SSL_is_init_finished(t->peer.ssl));
}

static void talk_open(struct talk *t, enum tls_role role) {
    memset(t, 0, sizeof *t);
    t->role = role;
    pair_open(&t->pair);
    if (role == TLS_CLIENT)
        plain_open(&t->peer, TLS_SERVER, t->pair.server_key);
    else
        plain_open(&t->peer, TLS_CLIENT, t->pair.client_key);
}

static void talk_close(struct talk *t) {
    tls_engine_free(t->engine);
    plain_close(&t->peer);
    pair_close(&t->pair);
}

static uint8_t sent[100000], got[100001];

static void engine_to_plain(struct talk *t, size_t n, size_t cut) {
    assert_int_equal(write_bytes(t->engine, sent, n), 0);
    plain_settle(&t->peer, t->engine, cut);
    size_t total = 0, some;
    while (SSL_read_ex(t->peer.ssl, got + total, sizeof got - total, &some) == 1)
        total += some;
    assert_int_equal(SSL_get_error(t->peer.ssl, 0), SSL_ERROR_WANT_READ);
    assert_int_equal(total, n);
    assert_memory_equal(got, sent, n);
}

static void plain_to_engine(struct talk *t, size_t n, size_t cut) {
    size_t done;
    assert_int_equal(SSL_write_ex(t->peer.ssl, sent, n, &done), 1);
    plain_settle(&t->peer, t->engine, cut);
    assert_int_equal(read_bytes(t->engine, got, sizeof got), n);
    assert_memory_equal(got, sent, n);
}

static void check_talk(struct talk *t, size_t cut) {
    static const size_t sizes[] = {1, 2, 100, 511, 512, 513, 16383, 16384, 16385, sizeof sent};
    talk_handshake(t, cut);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        engine_to_plain(t, sizes[i], cut < 100 && sizes[i] > 1000 ? 1000 + cut : cut);
        plain_to_engine(t, sizes[i], cut < 100 && sizes[i] > 1000 ? 1000 + cut : cut);
    }
}

static void suites(void **state) {
    (void)state;
    static const char *const names[] = {"TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"};
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++)
        for (size_t i = 0; i < 2; i++) {
            struct talk t;
            talk_open(&t, (enum tls_role)role);
            assert_int_equal(SSL_CTX_set_ciphersuites(t.peer.context, names[i]), 1);
            check_talk(&t, SIZE_MAX);
            assert_string_equal(SSL_get_cipher(t.peer.ssl), names[i]);
            talk_close(&t);
        }
}

static void cuts(void **state) {
    (void)state;
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        struct talk t;
        talk_open(&t, (enum tls_role)role);
        for (size_t cut = 1; cut < 1000; cut = cut < 30 ? cut + 1 : cut * 5 / 4)
            check_talk(&t, cut);
        talk_close(&t);
    }
}

/* What an implementation may do with its records: padding (RFC 8446 5.4) and small fragments. */
static void shapes(void **state) {
    (void)state;
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        struct talk t;
        talk_open(&t, (enum tls_role)role);
        assert_int_equal(SSL_CTX_set_block_padding(t.peer.context, 1024), 1);
        check_talk(&t, SIZE_MAX);
        assert_int_equal(SSL_CTX_set_block_padding(t.peer.context, 0), 1);
        assert_int_equal(SSL_CTX_set_max_send_fragment(t.peer.context, 512), 1);
        check_talk(&t, SIZE_MAX);
        talk_close(&t);
    }
}

static void key_updates(void **state) {
    (void)state;
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        struct talk t;
        talk_open(&t, (enum tls_role)role);
        talk_handshake(&t, SIZE_MAX);
        for (int i = 0; i < LIMIT_TLS_UPDATES; i++) {
            assert_int_equal(SSL_key_update(t.peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
            plain_to_engine(&t, 100, SIZE_MAX);
            engine_to_plain(&t, 100, SIZE_MAX);
        }
        for (int i = 0; i < 100; i++) {
            assert_int_equal(tls_engine_update_key(t.engine, i % 2 == 0), 0);
            engine_to_plain(&t, 100, SIZE_MAX);
            plain_to_engine(&t, 100, SIZE_MAX);
        }
        /* A peer that does nothing else is stopped. */
        assert_int_equal(SSL_key_update(t.peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(t.peer.ssl), 1);
        plain_settle(&t.peer, t.engine, SIZE_MAX);
        assert_int_equal(read_bytes(t.engine, got, sizeof got), 0);
        assert_int_equal(tls_engine_error(t.engine), LL_EPROTOCOL);
        talk_close(&t);
    }
}

static void closes(void **state) {
    (void)state;
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        struct talk t;
        talk_open(&t, (enum tls_role)role);
        talk_handshake(&t, SIZE_MAX);
        tls_engine_close(t.engine);
        plain_settle(&t.peer, t.engine, SIZE_MAX);
        assert_int_equal(SSL_read(t.peer.ssl, got, 1), 0);
        assert_int_equal(SSL_get_error(t.peer.ssl, 0), SSL_ERROR_ZERO_RETURN);
        plain_to_engine(&t, 100, SIZE_MAX);
        SSL_shutdown(t.peer.ssl);
        plain_settle(&t.peer, t.engine, SIZE_MAX);
        assert_int_equal(read_bytes(t.engine, got, sizeof got), 0);
        assert_int_equal(tls_engine_state(t.engine), TLS_CLOSED);
        talk_close(&t);
    }
}

/* What our alert says, the reference understands. */
static void alert_is_heard(void **state) {
    (void)state;
    struct talk t;
    talk_open(&t, TLS_CLIENT);
    talk_handshake(&t, SIZE_MAX);
    static const uint8_t garbage[] = {23, 3, 3, 0, 17, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
    tls_engine_feed(t.engine, garbage, sizeof garbage);
    assert_int_equal(read_bytes(t.engine, got, sizeof got), 0);
    assert_int_equal(tls_engine_error(t.engine), LL_EPROTOCOL);
    plain_settle(&t.peer, t.engine, SIZE_MAX);
    assert_true(SSL_read(t.peer.ssl, got, 1) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    talk_close(&t);
}

/* Tickets have no use here, and a server that sends them has not read the protocol. */
static void tickets_are_refused(void **state) {
    (void)state;
    struct talk t;
    talk_open(&t, TLS_CLIENT);
    SSL_CTX_set_num_tickets(t.peer.context, 1);
    talk_handshake(&t, SIZE_MAX);
    assert_int_equal(read_bytes(t.engine, got, sizeof got), 0);
    assert_int_equal(tls_engine_error(t.engine), LL_EPROTOCOL);
    talk_close(&t);
}

static int fill(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)(i * 2654435761u >> 11);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suites),
        cmocka_unit_test(cuts),
        cmocka_unit_test(shapes),
        cmocka_unit_test(key_updates),
        cmocka_unit_test(closes),
        cmocka_unit_test(alert_is_heard),
        cmocka_unit_test(tickets_are_refused),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
