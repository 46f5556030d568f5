/* landline/tls.h: the suite of all streams over TLS, and what only TLS has. */
#include "landline/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream_suite.h"

static char folder[] = "/tmp/landline-tls-XXXXXX";
static ll_tls *client, *server;

static ll_tls *open_key(const char *name) {
    char path[sizeof folder + 16];
    ll_tls *tls;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (ll_tls_open(path, NULL, &tls) != 0)
        abort();
    unlink(path);
    return tls;
}

static void over(ll_stream *below_a, ll_stream *below_b, ll_stream **a, ll_stream **b) {
    assert_int_equal(ll_tls_connect(client, below_a, ll_tls_pin(server), "box", a), 0);
    assert_int_equal(ll_tls_accept(server, below_b, b), 0);
}

/* Drives both handshakes to their ends; returns the client's result. */
static int handshake(ll_stream *a, ll_stream *b) {
    int r = -EAGAIN, other = -EAGAIN;
    for (int tries = 0; (r == -EAGAIN || other == -EAGAIN) && tries < 100000; tries++) {
        r = ll_tls_handshake(a);
        other = ll_tls_handshake(b);
    }
    return r;
}

static void pump(ll_stream *a, ll_stream *b) {
    ll_tls_handshake(a);
    if (b != NULL)
        ll_tls_handshake(b);
}

static void pump_some(ll_stream *a, ll_stream *b) {
    if (a != NULL)
        pump(a, b);
    else
        ll_tls_handshake(b);
}

static void make_socket(ll_stream **a, ll_stream **b) {
    int pair[2];
    ll_stream *below[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(ll_stream_fd(pair[0], &below[0]), 0);
    assert_int_equal(ll_stream_fd(pair[1], &below[1]), 0);
    over(below[0], below[1], a, b);
    assert_int_equal(handshake(*a, *b), 0);
}

static void make_memory_of(size_t capacity, const struct ll_stream_faults *faults, ll_stream **a, ll_stream **b) {
    ll_stream *below[2];
    assert_int_equal(ll_stream_pair(capacity, &below[0], &below[1]), 0);
    assert_int_equal(ll_stream_set_faults(below[0], faults), 0);
    assert_int_equal(ll_stream_set_faults(below[1], faults), 0);
    over(below[0], below[1], a, b);
}

static void make_memory(ll_stream **a, ll_stream **b) {
    make_memory_of(1000, &(struct ll_stream_faults){0}, a, b);
    assert_int_equal(handshake(*a, *b), 0);
}

static void make_faulty(ll_stream **a, ll_stream **b) {
    make_memory_of(777, &(struct ll_stream_faults){.read_most = 300, .write_most = 500, .again_every = 3}, a, b);
    assert_int_equal(handshake(*a, *b), 0);
}

/* Nobody calls for the handshake: the first reads and writes do it. */
static void make_lazy(ll_stream **a, ll_stream **b) {
    make_memory_of(1 << 16, &(struct ll_stream_faults){0}, a, b);
    char byte;
    while (ll_tls_peer(*b) == NULL || ll_tls_peer(*a) == NULL) {
        assert_int_equal(ll_stream_read(*a, &byte, 1), -EAGAIN);
        assert_int_equal(ll_stream_read(*b, &byte, 1), -EAGAIN);
    }
}

/* --- what only TLS has --- */

static void peers(void **state) {
    (void)state;
    ll_stream *a, *b;
    make_memory_of(10000, &(struct ll_stream_faults){0}, &a, &b);
    assert_null(ll_tls_peer(a));
    assert_int_equal(ll_stream_write(a, "x", 1), -EAGAIN);
    assert_int_equal(ll_stream_shutdown_write(a), -EAGAIN);
    assert_int_equal(ll_stream_wants(a, LL_WRITE), LL_READ);
    assert_int_equal(handshake(a, b), 0);
    assert_memory_equal(ll_tls_peer(a), ll_tls_pin(server), sizeof(ll_pin));
    assert_memory_equal(ll_tls_peer(b), ll_tls_pin(client), sizeof(ll_pin));
    assert_string_equal(ll_tls_reason(a), "");
    ll_stream_close(a);
    ll_stream_close(b);
}

static void wrong_pin(void **state) {
    (void)state;
    ll_stream *below[2], *a, *b;
    ll_tls *other = open_key("other");
    assert_int_equal(ll_stream_pair(10000, &below[0], &below[1]), 0);
    assert_int_equal(ll_tls_connect(client, below[0], ll_tls_pin(other), NULL, &a), 0);
    assert_int_equal(ll_tls_accept(server, below[1], &b), 0);
    assert_int_equal(ll_tls_handshake(a), -EAGAIN);
    assert_int_equal(ll_tls_handshake(b), LL_EKNOCK);
    assert_int_equal(ll_tls_handshake(b), LL_EKNOCK);
    assert_string_equal(ll_tls_reason(b), "a knock for another key");
    char byte;
    assert_int_equal(ll_stream_read(b, &byte, 1), LL_EKNOCK);
    assert_int_equal(ll_stream_write(b, "x", 1), LL_EKNOCK);
    assert_int_equal(ll_stream_ready(b, LL_READ), LL_READ);
    ll_stream_close(b);
    assert_int_equal(ll_stream_read(a, &byte, 1), LL_ESILENT);
    assert_int_equal(ll_tls_handshake(a), LL_ESILENT);
    ll_stream_close(a);
    ll_tls_close(other);
}

/* A link cut after each byte that one end writes: what comes before is whole, and the cut is never an end. */
static void cut_anywhere(void **state) {
    (void)state;
    size_t at = 0, whole = 0;
    for (; at < 5000 && whole == 0; at += 13) {
        ll_stream *below[2], *a, *b;
        char got[64];
        size_t have = 0;
        assert_int_equal(ll_stream_pair(10000, &below[0], &below[1]), 0);
        struct ll_stream_faults faults = {.cut = 1, .cut_at = at, .cut_error = LL_EOF};
        assert_int_equal(ll_stream_set_faults(below[0], &faults), 0);
        over(below[0], below[1], &a, &b);
        ssize_t r = handshake(a, b);
        if (r == 0 && ll_stream_write(a, "0123456789", 10) == 10)
            r = ll_stream_shutdown_write(a);
        while ((r = ll_stream_read(b, got + have, sizeof got - have)) > 0)
            have += (size_t)r;
        assert_true(have == 0 || have == 10);
        assert_memory_equal(got, "0123456789", have);
        assert_true(r == LL_EOF ? have == 10 : r == LL_ELOST);
        whole = r == LL_EOF;
        ll_stream_close(a);
        ll_stream_close(b);
    }
    assert_true(at > 500 && whole == 1);
}

/* What the peer sent before it closed is there, though a write to it fails. */
static void last_words(void **state) {
    (void)state;
    ll_stream *a, *b;
    char got[4];
    make_socket(&a, &b);
    assert_int_equal(ll_stream_write(a, "last", 4), 4);
    ll_stream_close(a);
    assert_true(ll_stream_write(b, "x", 1) < 0);
    assert_int_equal(ll_stream_read(b, got, 2), 2);
    assert_int_equal(ll_stream_ready(b, LL_READ), LL_READ);
    assert_int_equal(ll_stream_read(b, got + 2, 2), 2);
    assert_memory_equal(got, "last", 4);
    assert_int_equal(ll_stream_read(b, got, 1), LL_EOF);
    ll_stream_close(b);
}

static void wrong_arguments(void **state) {
    (void)state;
    ll_stream *a, *b, *tls;
    assert_int_equal(ll_stream_pair(10, &a, &b), 0);
    assert_int_equal(ll_tls_handshake(a), -EINVAL);
    assert_null(ll_tls_peer(a));
    assert_string_equal(ll_tls_reason(a), "");
    assert_int_equal(ll_tls_connect(client, a, ll_tls_pin(server), "no name", &tls), LL_EADDRESS);
    assert_null(tls);
    char byte;
    assert_int_equal(ll_stream_read(b, &byte, 1), LL_EOF); /* it was closed */
    ll_stream_close(b);

    struct ll_error_info info;
    ll_tls *none = client;
    assert_int_equal(ll_tls_open(folder, &info, &none), LL_EKEYFILE);
    assert_null(none);
    ll_tls_close(NULL);
    ll_pin pin;
    char text[LL_PIN_TEXT];
    ll_pin_format(ll_tls_pin(client), text);
    assert_int_equal(ll_pin_parse(text, &pin), 0);
    assert_memory_equal(&pin, ll_tls_pin(client), sizeof pin);
    text[0] = 's';
    assert_int_equal(ll_pin_parse(text, &pin), LL_EFORMAT);
}

int main(void) {
    static const struct stream_maker makers[] = {
        {"tls over a socket", make_socket, pump_some, 1, 1},
        {"tls in memory", make_memory, pump_some, 1, 0},
        {"tls over a bad link", make_faulty, pump_some, 1, 0},
        {"tls, lazily", make_lazy, pump_some, 1, 0},
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers),      cmocka_unit_test(wrong_pin),       cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(last_words), cmocka_unit_test(wrong_arguments),
    };
    if (mkdtemp(folder) == NULL)
        return 1;
    client = open_key("client");
    server = open_key("server");
    int failed = cmocka_run_group_tests_name("tls", tests, NULL, NULL);
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++)
        failed += stream_suite(&makers[i]);
    ll_tls_close(client);
    ll_tls_close(server);
    rmdir(folder);
    return failed;
}
