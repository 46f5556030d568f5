/* landline/tls.h: the errors of a handshake and of what follows it. The other end is nothing but the TLS library, or less. */
#include "landline/tls.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/tls/knock.h"
#include "tests/unit/tls/plain.h"

static char folder[] = "/tmp/landline-tls-XXXXXX";
static ll_tls *client;
static struct tls_identity *server; /* whose pin the client expects */

static ll_pin pin_of(const struct tls_identity *id) {
    ll_pin pin;
    memcpy(pin.bytes, tls_identity_pin(id)->bytes, sizeof pin.bytes);
    return pin;
}

static int set_up(void **state) {
    char path[sizeof folder + 16];
    (void)state;
    server = identity_of('s');
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/key", folder);
    int r = ll_tls_open(path, NULL, &client);
    unlink(path);
    return r;
}

static int tear_down(void **state) {
    (void)state;
    ll_tls_close(client);
    tls_identity_close(server);
    return rmdir(folder);
}

/* The client's stream, and the other end of its transport. */
static ll_stream *connect_client(ll_stream **end) {
    const ll_pin pin = pin_of(server);
    ll_stream *below, *stream;
    assert_int_equal(ll_stream_pair(1 << 16, &below, end), 0);
    assert_int_equal(ll_tls_connect(client, below, &pin, "box", &stream), 0);
    assert_int_equal(ll_tls_handshake(stream), -EAGAIN);
    return stream;
}

static void give(ll_stream *end, const void *bytes, size_t n) {
    assert_int_equal(ll_stream_write(end, bytes, n), n);
}

/* What the peer has to send now. */
static size_t take_output(struct plain *peer, uint8_t *bytes, size_t size) {
    int n = BIO_read(peer->out, bytes, (int)size);
    return n > 0 ? (size_t)n : 0;
}

/* Both handshakes as far as they go; returns the client's result. */
static int shake_hands(struct plain *peer, ll_stream *end, ll_stream *stream) {
    uint8_t bytes[8192];
    int r;
    size_t sent;
    do {
        r = ll_tls_handshake(stream);
        for (ssize_t n; (n = ll_stream_read(end, bytes, sizeof bytes)) > 0;)
            assert_int_equal(BIO_write(peer->in, bytes, (int)n), n);
        SSL_do_handshake(peer->ssl);
        sent = take_output(peer, bytes, sizeof bytes);
        give(end, bytes, sent);
    } while (sent > 0);
    ERR_clear_error();
    return r;
}

/* It stays, for every call. */
static void expect_dead(ll_stream *stream, int error) {
    char byte;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ll_tls_handshake(stream), error);
        assert_int_equal(ll_stream_read(stream, &byte, 1), error);
        assert_int_equal(ll_stream_write(stream, "x", 1), error);
        assert_int_equal(ll_stream_shutdown_write(stream), error);
    }
    assert_true(strlen(ll_tls_reason(stream)) > 0);
}

/* --- the handshake --- */

static void another_key(void **state) {
    (void)state;
    struct tls_identity *other = identity_of('x');
    const ll_pin pin = pin_of(other);
    struct plain peer;
    ll_stream *end, *stream = connect_client(&end);
    plain_open(&peer, TLS_SERVER, other);
    plain_start(&peer, NULL);
    assert_int_equal(shake_hands(&peer, end, stream), LL_EPIN);
    assert_memory_equal(ll_tls_peer(stream), &pin, sizeof pin);
    expect_dead(stream, LL_EPIN);
    assert_false(SSL_is_init_finished(peer.ssl));
    ll_stream_close(stream);
    ll_stream_close(end);
    plain_close(&peer);
    tls_identity_close(other);
}

static void no_tls(void **state) {
    (void)state;
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    ll_stream *end, *stream = connect_client(&end);
    give(end, answer, sizeof answer - 1);
    assert_int_equal(ll_tls_handshake(stream), LL_ETLS);
    assert_string_equal(ll_tls_reason(stream), "the peer does not speak TLS");
    assert_null(ll_tls_peer(stream));
    expect_dead(stream, LL_ETLS);
    ll_stream_close(stream);
    ll_stream_close(end);
}

static void names(void **state) {
    (void)state;
    enum { MOST = KNOCK_NAME - 1 - KNOCK_LABEL - 1 };
    const ll_pin pin = pin_of(server);
    for (size_t n = MOST - 1; n <= MOST + 1; n++) {
        char name[MOST + 2] = "";
        ll_stream *below, *end, *stream;
        for (size_t i = 0; i < n; i++)
            name[i] = i % 50 == 49 && i + 1 < n ? '.' : 'a';
        assert_int_equal(ll_stream_pair(1 << 16, &below, &end), 0);
        assert_int_equal(ll_tls_connect(client, below, &pin, name, &stream), n <= MOST ? 0 : LL_ELIMIT);
        assert_true((stream == NULL) == (n > MOST));
        ll_stream_close(stream);
        ll_stream_close(end);
    }
}

/* --- later --- */

struct later {
    struct plain peer;
    ll_stream *end, *stream;
};

static void begin(struct later *l) {
    l->stream = connect_client(&l->end);
    plain_open(&l->peer, TLS_SERVER, server);
    plain_start(&l->peer, NULL);
    assert_int_equal(shake_hands(&l->peer, l->end, l->stream), 0);
    assert_true(SSL_is_init_finished(l->peer.ssl));
}

static void finish(struct later *l) {
    ll_stream_close(l->stream);
    ll_stream_close(l->end);
    plain_close(&l->peer);
}

/* A record with one bit changed, behind one that is as it was. */
static void changed(void **state) {
    (void)state;
    struct later l;
    uint8_t record[64];
    char got[8];
    begin(&l);
    assert_int_equal(SSL_write(l.peer.ssl, "first", 5), 5);
    give(l.end, record, take_output(&l.peer, record, sizeof record));
    assert_int_equal(SSL_write(l.peer.ssl, "second", 6), 6);
    size_t n = take_output(&l.peer, record, sizeof record);
    record[n - 1] ^= 1;
    give(l.end, record, n);
    assert_int_equal(ll_stream_read(l.stream, got, sizeof got), 5);
    assert_int_equal(ll_stream_read(l.stream, got, sizeof got), LL_EPROTOCOL);
    assert_string_equal(ll_tls_reason(l.stream), "a record was changed on its way");
    expect_dead(l.stream, LL_EPROTOCOL);
    finish(&l);
}

/* What the peer got was changed on its way, so it ends the connection with an alert. */
static void alert(void **state) {
    (void)state;
    struct later l;
    uint8_t record[64];
    char got[8];
    begin(&l);
    assert_int_equal(ll_stream_write(l.stream, "hello", 5), 5);
    ssize_t n = ll_stream_read(l.end, record, sizeof record);
    assert_true(n > 5);
    record[n - 1] ^= 1;
    assert_int_equal(BIO_write(l.peer.in, record, (int)n), n);
    assert_true(SSL_read(l.peer.ssl, got, sizeof got) < 0);
    give(l.end, record, take_output(&l.peer, record, sizeof record));
    assert_int_equal(ll_stream_read(l.stream, got, sizeof got), LL_EREFUSED);
    assert_string_equal(ll_tls_reason(l.stream), "the peer ended the connection with an alert");
    expect_dead(l.stream, LL_EREFUSED);
    finish(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_key), cmocka_unit_test(no_tls), cmocka_unit_test(names),
        cmocka_unit_test(changed),     cmocka_unit_test(alert),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
