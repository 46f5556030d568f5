/* lib/seal/seal.h over TCP on loopback. Where the kernel has TLS it seals, and the output says so; tests/e2e/test_vm.py runs
 * this in the virtual machine, whose kernel has it. */
#include "lib/seal/seal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "lib/os/ktls.h"
#include "lib/os/socket.h"
#include "lib/tls/engine_state.h"
#include "tests/unit/tls/pair.h"

struct line {
    struct pair pair;
    struct seal seal;
    int server, client; /* sockets; the server's engine sends over its own, the client's engine receives */
};

static bool kernel_seals;

static void connect_pair(int *server, int *client) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = os_socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(os_bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(os_listen(listener, 1), 0);
    assert_int_equal(os_getsockname(listener, (struct sockaddr *)&address, &length), 0);
    *client = os_socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(os_connect(*client, (struct sockaddr *)&address, length), 0);
    *server = os_accept(listener, NULL, NULL, 0);
    assert_true(*server >= 0);
    close(listener);
}

static int look_for_kernel_tls(void **state) {
    (void)state;
    int server, client;
    connect_pair(&server, &client);
    const struct ktls_key key = {.sequence = 1};
    kernel_seals = ktls_begin(server) == 0 && ktls_set_key(server, &key) == 0;
    printf("sealed by %s\n", kernel_seals ? "the kernel" : "the program");
    close(server);
    close(client);
    return 0;
}

static void line_open(struct line *l) {
    *l = (struct line){0};
    pair_open(&l->pair);
    pair_handshake(&l->pair);
    connect_pair(&l->server, &l->client);
}

static void line_close(struct line *l) {
    close(l->server);
    close(l->client);
    pair_close(&l->pair);
}

static uint8_t byte_at(size_t at) {
    return (uint8_t)(at * 7 + at / 251);
}

/* What the client has received by now; it must go on with the pattern at `at`. Returns how much. */
static size_t receive(struct line *l, size_t at, int flags) {
    size_t room, n, total = 0;
    const uint8_t *bytes;
    uint8_t *to = tls_engine_reserve(l->pair.client, TLS_READ_BULK, &room);
    if (to == NULL)
        return 0;
    ssize_t got = os_recv(l->client, to, room, flags);
    assert_true(got > 0 || got == -EAGAIN);
    tls_engine_commit(l->pair.client, got > 0 ? (size_t)got : 0);
    while (tls_engine_plain(l->pair.client, &bytes, &n), n > 0) {
        for (size_t i = 0; i < n; i++)
            if (bytes[i] != byte_at(at + total + i))
                fail_msg("byte %zu is wrong", at + total + i);
        tls_engine_consume(l->pair.client, n);
        total += n;
    }
    return total;
}

/* `size` bytes of the pattern from `from` on, in writes of `piece`, to the client. */
static void transfer(struct line *l, size_t from, size_t size, size_t piece) {
    uint8_t *bytes = malloc(piece);
    size_t put = 0, got = 0;
    while (got < size) {
        if (put < size && tls_engine_pending_size(l->pair.server) == 0) {
            size_t sent, n = piece < size - put ? piece : size - put;
            for (size_t i = 0; i < n; i++)
                bytes[i] = byte_at(from + put + i);
            struct iovec parts[2] = {{bytes, n / 3}, {bytes + n / 3, n - n / 3}};
            assert_int_equal(seal_write(l->pair.server, l->server, parts, 2, &sent), 0);
            put += n;
        }
        ssize_t sent = 1;
        while (sent > 0)
            sent = seal_send(&l->seal, l->pair.server, l->server);
        assert_true(sent == 0 || sent == -EAGAIN);
        got += receive(l, from + got, MSG_DONTWAIT);
    }
    assert_int_equal(got, size);
    free(bytes);
}

static void bulk(void **state) {
    (void)state;
    struct line l;
    line_open(&l);
    transfer(&l, 0, SEAL_BULK / 2, SEAL_LARGE);
    assert_false(l.pair.server->offloaded);
    size_t at = SEAL_BULK / 2;
    for (size_t i = 0; i < 3; i++, at += 2 << 20)
        transfer(&l, at, 2 << 20, (64 << 10) * (i + 1) + i);
    assert_int_equal(l.pair.server->offloaded, kernel_seals);
    transfer(&l, at, 5000, 1);
    transfer(&l, at + 5000, 4 << 20, 256 << 10);
    tls_engine_close(l.pair.server);
    assert_true(seal_send(&l.seal, l.pair.server, l.server) > 0);
    while (tls_engine_state(l.pair.client) == TLS_ESTABLISHED)
        assert_int_equal(receive(&l, 0, 0), 0);
    assert_int_equal(tls_engine_state(l.pair.client), TLS_CLOSED);
    line_close(&l);
}

static void small_messages(void **state) {
    (void)state;
    struct line l;
    line_open(&l);
    transfer(&l, 0, 3 << 20, SEAL_LARGE / 2);
    assert_false(l.pair.server->offloaded);
    line_close(&l);
}

static void alert(void **state) {
    (void)state;
    struct line l;
    uint8_t got[64];
    line_open(&l);
    transfer(&l, 0, 2 << 20, 128 << 10);
    assert_int_equal(tls_engine_feed(l.pair.server, "\x17\x03\x03\0\x20 this is no record that was sealed", 37), 37);
    assert_int_equal(read_bytes(l.pair.server, got, sizeof got), 0);
    assert_int_equal(tls_engine_error(l.pair.server), LL_EPROTOCOL);
    assert_true(seal_send(&l.seal, l.pair.server, l.server) > 0);
    while (tls_engine_state(l.pair.client) == TLS_ESTABLISHED)
        receive(&l, 0, 0);
    assert_int_equal(tls_engine_error(l.pair.client), LL_EREFUSED);
    line_close(&l);
}

/* A kernel that cannot change the key ends the connection as a cut one; every other hand goes on. */
static void key_update(void **state) {
    (void)state;
    struct line l;
    size_t sent;
    uint8_t got[8], next = byte_at(2 << 20);
    line_open(&l);
    transfer(&l, 0, 2 << 20, 128 << 10);
    assert_int_equal(tls_engine_update_key(l.pair.client, true), 0);
    carry(l.pair.client, l.pair.server, SIZE_MAX);
    assert_int_equal(read_bytes(l.pair.server, got, sizeof got), 0);
    struct iovec part = {&next, 1};
    assert_int_equal(seal_write(l.pair.server, l.server, &part, 1, &sent), 0);
    assert_int_equal(sent, 0);
    assert_true(seal_send(&l.seal, l.pair.server, l.server) > 0);
    if (tls_engine_state(l.pair.server) == TLS_FAILED) {
        assert_true(kernel_seals);
        assert_int_equal(tls_engine_error(l.pair.server), LL_ELOST);
        assert_int_equal(tls_engine_pending_size(l.pair.server), 0);
    } else {
        transfer(&l, 2 << 20, 0, 1);
        while (seal_send(&l.seal, l.pair.server, l.server) > 0)
            ;
        while (receive(&l, 2 << 20, 0) == 0)
            ;
        transfer(&l, (2 << 20) + 1, 2 << 20, 100 << 10);
    }
    line_close(&l);
}

static void peer_gone(void **state) {
    (void)state;
    struct line l;
    line_open(&l);
    transfer(&l, 0, 2 << 20, 128 << 10);
    close(l.client);
    l.client = -1;
    ssize_t r = 0;
    for (int i = 0; i < 1000 && r >= 0; i++) { /* the first ones may go to where nobody is */
        size_t sent;
        struct iovec part = {(void *)(uintptr_t) "x", 1};
        r = seal_write(l.pair.server, l.server, &part, 1, &sent);
        if (r >= 0)
            r = seal_send(&l.seal, l.pair.server, l.server);
    }
    assert_true(r == -EPIPE || r == -ECONNRESET);
    close(l.server);
    pair_close(&l.pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bulk),       cmocka_unit_test(small_messages), cmocka_unit_test(alert),
        cmocka_unit_test(key_update), cmocka_unit_test(peer_gone),
    };
    return cmocka_run_group_tests(tests, look_for_kernel_tls, NULL);
}
