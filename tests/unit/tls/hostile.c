/* Peers that an engine must refuse, and bytes that are not what they were. Everything fails closed and nothing crashes. */
#include "lib/tls/engine.h"

#include "lib/tls/engine_state.h"
#include "lib/tls/hello.h"
#include "tests/unit/tls/plain.h"

static struct pair keys; /* for its identities and policies */

static int open_keys(void **state) {
    (void)state;
    pair_open(&keys);
    return 0;
}

static int close_keys(void **state) {
    (void)state;
    pair_close(&keys);
    return 0;
}

static struct tls_engine *new_client(void) {
    struct tls_engine *e;
    assert_int_equal(tls_engine_new_client(&e, keys.client_policy, tls_identity_pin(keys.server_key), "box", NOW), 0);
    return e;
}

static struct tls_engine *new_server(void) {
    struct tls_engine *e;
    assert_int_equal(tls_engine_new_server(&e, keys.server_policy, NOW), 0);
    return e;
}

static const char *right_knock(void) {
    static char sni[KNOCK_NAME];
    assert_int_equal(knock_make(tls_identity_pin(keys.server_key), NOW, "box", sni), 0);
    return sni;
}

/* A self-signed certificate of another kind. */
static void other_certificate(SSL_CTX *context, const char *type) {
    EVP_PKEY *key = strcmp(type, "RSA") == 0     ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
                    : strcmp(type, "P-256") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
                                                 : EVP_PKEY_Q_keygen(NULL, NULL, type);
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    assert_int_equal(X509_set_pubkey(x, key), 1);
    assert_true(X509_sign(x, key, strncmp(type, "ED", 2) == 0 ? NULL : EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(context, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    X509_free(x);
    EVP_PKEY_free(key);
}

/* --- peers that either side refuses --- */

static void wrong_key(void **state) {
    (void)state;
    struct tls_identity *other = identity_of('x');
    struct plain p;
    struct tls_engine *e = new_client();
    plain_open(&p, TLS_SERVER, other);
    plain_start(&p, NULL);
    plain_settle(&p, e, SIZE_MAX);
    assert_int_equal(tls_engine_state(e), TLS_FAILED);
    assert_int_equal(tls_engine_error(e), LL_EPIN);
    assert_true(tls_pin_equal(tls_engine_peer(e), tls_identity_pin(other)));
    assert_int_equal(write_bytes(e, "secret", 6), LL_EPIN);
    assert_false(SSL_is_init_finished(p.ssl));
    tls_engine_free(e);
    plain_close(&p);
    tls_identity_close(other);
}

static void no_protocol(SSL_CTX *c) {
    SSL_CTX_set_alpn_select_cb(c, NULL, NULL);
    SSL_CTX_set_alpn_protos(c, NULL, 0);
}
static void other_protocol(SSL_CTX *c) {
    SSL_CTX_set_alpn_protos(c, (const unsigned char *)"\x08http/1.1\x0blandline/10\x09landline/", 31);
}
static void only_tls12(SSL_CTX *c) {
    SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
}
static void rsa(SSL_CTX *c) {
    other_certificate(c, "RSA");
}
static void p256(SSL_CTX *c) {
    other_certificate(c, "P-256");
}
static void ed448(SSL_CTX *c) {
    other_certificate(c, "ED448");
}
static void nothing(SSL_CTX *c) {
    (void)c;
}
static void p256_exchange(SSL_CTX *c) {
    SSL_CTX_set1_groups_list(c, "P-256");
}
static void aes256(SSL_CTX *c) {
    SSL_CTX_set_ciphersuites(c, "TLS_AES_256_GCM_SHA384");
}
static void large_chain(SSL_CTX *c) {
    for (int i = 0; i < 12; i++)
        assert_int_equal(SSL_CTX_add0_chain_cert(c, X509_dup(SSL_CTX_get0_certificate(c))), 1);
}

enum {
    BAD_CLIENT = 1 << TLS_CLIENT,
    BAD_SERVER = 1 << TLS_SERVER,
    BARE = 4, /* without the right key beside */
};

static const struct {
    void (*change)(SSL_CTX *context);
    int as;
    const char *sentence; /* a client's word for the server that has it; NULL where it is the TLS library's business */
} bad_peers[] = {
    {no_protocol, BAD_CLIENT | BAD_SERVER, "the peer does not speak landline/1"},
    {other_protocol, BAD_CLIENT, "the peer does not speak landline/1"},
    {only_tls12, BAD_CLIENT | BAD_SERVER, "the peer does not speak TLS 1.3"},
    {rsa, BAD_CLIENT | BAD_SERVER | BARE, NULL},
    {p256, BAD_CLIENT | BAD_SERVER | BARE, NULL},
    {ed448, BAD_CLIENT | BAD_SERVER | BARE, NULL},
    {nothing, BAD_CLIENT | BAD_SERVER | BARE, NULL},
    {p256_exchange, BAD_CLIENT | BAD_SERVER, NULL},
    {aes256, BAD_CLIENT | BAD_SERVER, NULL},
    {large_chain, BAD_CLIENT | BAD_SERVER, "a handshake message of the peer is too large"},
};

static void refuse(size_t i, enum tls_role role) {
    struct plain p;
    struct tls_engine *e = role == TLS_CLIENT ? new_server() : new_client();
    const struct tls_identity *id = role == TLS_CLIENT ? keys.client_key : keys.server_key;
    if ((bad_peers[i].as & 1 << role) == 0)
        return tls_engine_free(e);
    if (bad_peers[i].as & BARE)
        plain_open_bare(&p, role);
    else
        plain_open(&p, role, id);
    bad_peers[i].change(p.context);
    plain_start(&p, role == TLS_CLIENT ? right_knock() : NULL);
    plain_settle(&p, e, SIZE_MAX);
    assert_int_equal(tls_engine_state(e), TLS_FAILED);
    assert_int_equal(tls_engine_error(e), LL_ETLS);
    if (bad_peers[i].sentence != NULL)
        assert_string_equal(tls_engine_sentence(e), bad_peers[i].sentence);
    assert_true(strlen(tls_engine_sentence(e)) > 0);
    assert_int_equal(write_bytes(e, "secret", 6), LL_ETLS);
    tls_engine_free(e);
    plain_close(&p);
}

static void bad_peer(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_peers / sizeof bad_peers[0]; i++) {
        refuse(i, TLS_SERVER);
        refuse(i, TLS_CLIENT);
    }
}

static void client_without_certificate(void **state) {
    (void)state;
    struct plain p;
    struct tls_engine *e = new_server();
    plain_open_bare(&p, TLS_CLIENT);
    plain_start(&p, right_knock());
    plain_settle(&p, e, SIZE_MAX);
    assert_int_equal(tls_engine_knock(e), KNOCK_OK);
    assert_string_equal(tls_engine_sentence(e), "the peer showed no certificate");
    assert_null(tls_engine_peer(e));
    tls_engine_free(e);
    plain_close(&p);
}

/* A key with one identity's public half and another's private half: what a thief of a certificate can make. */
static EVP_PKEY *stolen_key(const struct tls_identity *shown, const struct tls_identity *own) {
    uint8_t public_half[TLS_PUBLIC_SIZE], private_half[32];
    size_t size = sizeof private_half;
    memcpy(public_half, tls_identity_public(shown), sizeof public_half);
    assert_int_equal(EVP_PKEY_get_raw_private_key(identity_key(own), private_half, &size), 1);
    OSSL_PARAM halves[] = {OSSL_PARAM_octet_string("pub", public_half, sizeof public_half),
                           OSSL_PARAM_octet_string("priv", private_half, sizeof private_half), OSSL_PARAM_END};
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "ED25519", NULL);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, halves), 1);
    EVP_PKEY_CTX_free(context);
    return key;
}

/* Shows the right certificate, and cannot sign for it. */
static void impostor(void **state) {
    (void)state;
    struct tls_identity *thief = identity_of('t');
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        const struct tls_identity *shown = role == TLS_CLIENT ? keys.client_key : keys.server_key;
        struct tls_engine *e = role == TLS_CLIENT ? new_server() : new_client();
        struct plain p;
        EVP_PKEY *key = stolen_key(shown, thief);
        plain_open(&p, (enum tls_role)role, shown);
        assert_int_equal(SSL_CTX_use_PrivateKey(p.context, key), 1);
        plain_start(&p, role == TLS_CLIENT ? right_knock() : NULL);
        plain_settle(&p, e, SIZE_MAX);
        assert_true(tls_pin_equal(tls_engine_peer(e), tls_identity_pin(shown))); /* it came as far as the signature */
        assert_int_equal(tls_engine_state(e), TLS_FAILED);
        assert_int_equal(tls_engine_error(e), LL_ETLS);
        assert_string_equal(tls_engine_sentence(e), "the peer's signature is wrong");
        assert_int_equal(write_bytes(e, "secret", 6), LL_ETLS);
        EVP_PKEY_free(key);
        tls_engine_free(e);
        plain_close(&p);
    }
    tls_identity_close(thief);
}

/* A server that wants no certificate is none of ours, but it is the one that is pinned: no harm is done. */
static void server_that_asks_nothing(void **state) {
    (void)state;
    struct plain p;
    struct tls_engine *e = new_client();
    plain_open(&p, TLS_SERVER, keys.server_key);
    SSL_CTX_set_verify(p.context, SSL_VERIFY_NONE, NULL);
    plain_start(&p, NULL);
    plain_settle(&p, e, SIZE_MAX);
    assert_int_equal(tls_engine_state(e), TLS_ESTABLISHED);
    tls_engine_free(e);
    plain_close(&p);
}

/* --- strangers: not a byte, not a TLS object --- */

static void expect_silence(const char *sni, enum knock_result knock) {
    struct plain p;
    struct tls_engine *e = new_server();
    plain_open(&p, TLS_CLIENT, keys.client_key);
    plain_start(&p, sni);
    assert_int_equal(plain_settle(&p, e, SIZE_MAX), 0);
    assert_int_equal(tls_engine_state(e), TLS_FAILED);
    assert_int_equal(tls_engine_error(e), LL_EKNOCK);
    assert_int_equal(tls_engine_knock(e), knock);
    assert_null(e->handshake->ssl);
    assert_int_equal(e->in.capacity, 0);
    assert_int_equal(write_bytes(e, "x", 1), LL_EKNOCK);
    tls_engine_close(e);
    assert_int_equal(tls_engine_pending_size(e), 0);
    tls_engine_free(e);
    plain_close(&p);
}

static void strangers(void **state) {
    (void)state;
    char sni[KNOCK_NAME];
    expect_silence("", KNOCK_NONE);
    expect_silence("box.example", KNOCK_NONE);
    assert_int_equal(knock_make(tls_identity_pin(keys.client_key), NOW, "box", sni), 0);
    expect_silence(sni, KNOCK_MAC);
    assert_int_equal(knock_make(tls_identity_pin(keys.server_key), NOW - LIMIT_KNOCK_AGE - 1, "box", sni), 0);
    expect_silence(sni, KNOCK_CLOCK);
    assert_int_equal(knock_make(tls_identity_pin(keys.server_key), NOW + LIMIT_KNOCK_AGE + 1, "box", sni), 0);
    expect_silence(sni, KNOCK_CLOCK);
}

static const char *const noise[] = {
    "GET / HTTP/1.1\r\n\r\n",
    "SSH-2.0-OpenSSH_9.2\r\n",
    "\x16\x03\x01\x0f\xfc\x01",             /* larger than the limit by one */
    "\x16\x03\x01\x01\x02\x01\x01\x86\xa0", /* says 100,000 bytes */
    "\x16\x03\x04\x01\x02\x01\x01\x86\xa0", /* no such record version */
    "\x16\x02\x01",                         /* nor this */
    "\x15\x03\x03\x02\x02\x02\x28",         /* an alert */
    "\x17\x03\x03\x01\x01",                 /* data */
    "\x14\x03\x03\x01\x01\x01",             /* ChangeCipherSpec */
    "\x16\x03\x03\x01\x01\x02",             /* a ServerHello */
};

static void noises(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof noise / sizeof noise[0]; i++) {
        struct tls_engine *e = new_server();
        tls_engine_feed(e, noise[i], strlen(noise[i]));
        assert_int_equal(tls_engine_error(e), LL_EKNOCK);
        assert_int_equal(tls_engine_pending_size(e), 0);
        tls_engine_free(e);
    }
}

/* Every beginning of a ClientHello is waited for, in little memory, and an end there is a silent one. */
static void truncated_hello(void **state) {
    (void)state;
    const uint8_t *hello;
    size_t n, room;
    struct tls_engine *client = new_client();
    tls_engine_pending(client, &hello, &n);
    for (size_t cut = 0; cut < n; cut++) {
        struct tls_engine *e = new_server();
        assert_int_equal(tls_engine_feed(e, hello, cut), cut);
        assert_int_equal(tls_engine_state(e), TLS_HANDSHAKING);
        assert_null(e->handshake->ssl);
        assert_non_null(tls_engine_reserve(e, TLS_READ_BULK, &room));
        assert_true(room + cut <= LIMIT_TLS_HELLO && e->in.capacity <= 2 * LIMIT_TLS_HELLO);
        tls_engine_eof(e);
        assert_int_equal(tls_engine_error(e), LL_ELOST);
        assert_int_equal(tls_engine_pending_size(e), 0);
        tls_engine_free(e);
    }
    tls_engine_free(client);
}

/* A well-formed ClientHello of a given size, filled up by a padding extension (RFC 7685). */
static void hello_limit(void **state) {
    (void)state;
    const uint8_t *hello;
    size_t n;
    struct tls_engine *client = new_client();
    tls_engine_pending(client, &hello, &n);
    for (size_t size = LIMIT_TLS_HELLO - 1; size <= LIMIT_TLS_HELLO + 1; size++) {
        struct tls_engine *e = new_server();
        uint8_t padded[LIMIT_TLS_HELLO + 1] = {0};
        size_t extra = size - n, extensions = 5 + 4 + 2 + 32 + 1;
        memcpy(padded, hello, n);
        extensions += padded[extensions - 1];                                         /* session id */
        extensions += 2 + (size_t)(padded[extensions] << 8 | padded[extensions + 1]); /* suites */
        extensions += 1 + (size_t)padded[extensions];                                 /* compression */
        size_t lengths[][2] = {{3, size - 5}, {7, size - 9}, {extensions, size - extensions - 2}, {n + 2, extra - 4}};
        padded[n + 1] = 21;
        for (size_t i = 0; i < 4; i++) {
            padded[lengths[i][0]] = (uint8_t)(lengths[i][1] >> 8);
            padded[lengths[i][0] + 1] = (uint8_t)lengths[i][1];
        }
        tls_engine_feed(e, padded, size);
        assert_int_equal(tls_engine_error(e), size <= LIMIT_TLS_HELLO ? 0 : LL_EKNOCK);
        assert_int_equal(tls_engine_pending_size(e) > 0, size <= LIMIT_TLS_HELLO);
        tls_engine_free(e);
    }
    tls_engine_free(client);
}

static void hello_names(void **state) {
    (void)state;
    const uint8_t *hello;
    size_t n;
    char name[HELLO_NAME];
    struct tls_engine *client = new_client();
    tls_engine_pending(client, &hello, &n);
    assert_int_equal(hello_server_name(hello, n, name), 1);
    assert_string_equal(name, right_knock());
    uint8_t *copy = malloc(n);
    memcpy(copy, hello, n);
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            copy[i] ^= (uint8_t)(1 << bit);
            int r = hello_server_name(copy, n, name);
            assert_true(r == 0 || r == 1 || r == LL_EFORMAT || r == LL_ELIMIT);
            copy[i] = hello[i];
        }
    free(copy);
    tls_engine_free(client);
}

/* --- bytes changed on the way --- */

/* Runs a handshake in which byte `at` of what one side sends is changed. Returns whether that byte was ever sent. */
static bool run_changed(int side, size_t at, uint8_t change) {
    struct tls_engine *ends[2] = {new_client(), new_server()};
    size_t passed[2] = {0, 0}, n, moved;
    bool reached = false;
    do {
        moved = 0;
        for (int from = 0; from < 2; from++) {
            const uint8_t *bytes;
            uint8_t copy[4096];
            tls_engine_pending(ends[from], &bytes, &n);
            assert_true(n <= sizeof copy);
            if (n > 0)
                memcpy(copy, bytes, n);
            if (from == side && at >= passed[from] && at < passed[from] + n) {
                copy[at - passed[from]] ^= change;
                reached = true;
            }
            tls_engine_feed(ends[1 - from], copy, n);
            tls_engine_sent(ends[from], n);
            passed[from] += n;
            moved += n;
        }
    } while (moved > 0);
    bool both = tls_engine_state(ends[0]) == TLS_ESTABLISHED && tls_engine_state(ends[1]) == TLS_ESTABLISHED;
    /* What no signature covers, the version in a record's header, may be anything; the rest is authenticated. */
    if (reached && both) {
        assert_true(tls_pin_equal(tls_engine_peer(ends[0]), tls_identity_pin(keys.server_key)));
        assert_true(tls_pin_equal(tls_engine_peer(ends[1]), tls_identity_pin(keys.client_key)));
        assert_int_equal(write_bytes(ends[0], "x", 1), 0);
        carry(ends[0], ends[1], SIZE_MAX);
        uint8_t got[2];
        assert_int_equal(read_bytes(ends[1], got, 2), 1);
    }
    for (int i = 0; i < 2; i++)
        tls_engine_free(ends[i]);
    return reached && both;
}

static void changed_handshake(void **state) {
    (void)state;
    int survived = 0;
    for (int side = 0; side < 2; side++)
        for (size_t at = 0; at < 1100; at++)
            survived += run_changed(side, at, (uint8_t)(1u << (at * 5 % 8)));
    /* At most the two version bytes of each of the seven records of a handshake. */
    assert_true(survived <= 14);
}

static void changed_data(void **state) {
    (void)state;
    struct pair *p = &keys;
    for (size_t at = 0;; at++) {
        const uint8_t *bytes;
        uint8_t copy[1000], got[1000];
        size_t n;
        pair_connect(p);
        pair_handshake(p);
        assert_int_equal(write_bytes(p->client, "a record of some bytes", 22), 0);
        tls_engine_pending(p->client, &bytes, &n);
        if (at == n)
            break;
        memcpy(copy, bytes, n);
        copy[at] ^= (uint8_t)(1u << (at % 8));
        tls_engine_feed(p->server, copy, n);
        assert_int_equal(read_bytes(p->server, got, sizeof got), 0);
        bool waits = at == 3 || at == 4; /* a length that grew */
        assert_true(tls_engine_error(p->server) == LL_EPROTOCOL || (waits && tls_engine_error(p->server) == 0));
        tls_engine_eof(p->server);
        assert_int_equal(tls_engine_state(p->server), TLS_FAILED);
    }
}

/* --- records that are well sealed and have no place --- */

static void expect_end(enum record_type type, const void *bytes, size_t n, int error) {
    uint8_t got[16];
    pair_connect(&keys);
    pair_handshake(&keys);
    assert_int_equal(duplex_emit(keys.client, type, bytes, n), 0);
    assert_int_equal(write_bytes(keys.client, "after", 5), 0);
    carry(keys.client, keys.server, SIZE_MAX);
    assert_int_equal(read_bytes(keys.server, got, sizeof got), 0);
    assert_int_equal(tls_engine_error(keys.server), error);
    assert_int_equal(write_bytes(keys.server, "x", 1), error == 0 ? 0 : error);
}

static void misplaced(void **state) {
    (void)state;
    expect_end(RECORD_ALERT, "\1\0", 2, 0); /* close_notify: what comes after is not read */
    assert_int_equal(tls_engine_state(keys.server), TLS_CLOSED);
    expect_end(RECORD_ALERT, "\2\50", 2, LL_EREFUSED);
    expect_end(RECORD_ALERT, "\1\132", 2, LL_EREFUSED);
    expect_end(RECORD_ALERT, "\1", 1, LL_EPROTOCOL);
    expect_end(RECORD_ALERT, "\1\0\0", 3, LL_EPROTOCOL);
    expect_end(RECORD_ALERT, "", 0, LL_EPROTOCOL);
    expect_end(RECORD_HANDSHAKE, "\30\0\0\1\2", 5, LL_EPROTOCOL);
    expect_end(RECORD_HANDSHAKE, "\30\0\0\1", 4, LL_EPROTOCOL);
    expect_end(RECORD_HANDSHAKE, "\30\0\0\1\0\0", 6, LL_EPROTOCOL);
    expect_end(RECORD_HANDSHAKE, "\1\0\0\1\0", 5, LL_EPROTOCOL);
    expect_end(RECORD_HANDSHAKE, "", 0, LL_EPROTOCOL);
    expect_end((enum record_type)20, "\1", 1, LL_EPROTOCOL);
    expect_end((enum record_type)99, "x", 1, LL_EPROTOCOL);
    expect_end((enum record_type)0, "", 0, LL_EPROTOCOL); /* all padding */
}

static void empty_records(void **state) {
    (void)state;
    uint8_t got[16];
    for (int n = LIMIT_TLS_UPDATES - 1; n <= LIMIT_TLS_UPDATES + 1; n++) {
        pair_connect(&keys);
        pair_handshake(&keys);
        for (int i = 0; i < n; i++)
            assert_int_equal(duplex_emit(keys.client, RECORD_DATA, "", 0), 0);
        carry(keys.client, keys.server, SIZE_MAX);
        assert_int_equal(read_bytes(keys.server, got, sizeof got), 0);
        assert_int_equal(tls_engine_error(keys.server), n <= LIMIT_TLS_UPDATES ? 0 : LL_EPROTOCOL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_key),
        cmocka_unit_test(bad_peer),
        cmocka_unit_test(impostor),
        cmocka_unit_test(server_that_asks_nothing),
        cmocka_unit_test(client_without_certificate),
        cmocka_unit_test(strangers),
        cmocka_unit_test(noises),
        cmocka_unit_test(truncated_hello),
        cmocka_unit_test(hello_limit),
        cmocka_unit_test(hello_names),
        cmocka_unit_test(changed_handshake),
        cmocka_unit_test(changed_data),
        cmocka_unit_test(misplaced),
        cmocka_unit_test(empty_records),
    };
    return cmocka_run_group_tests(tests, open_keys, close_keys);
}
