/* A wire over TLS that is given up: what its owner was asked for does not go along with the engine. */
#include "tests/unit/tls/pair.h"

#include <sys/socket.h>
#include <unistd.h>

#include "landline/client/wire.h"

enum { HEAD = 20, CONTENT = 16000 };

struct asked {
    uint8_t room[CONTENT];
    int times;
};

static uint8_t *choose(void *arg, const uint8_t *head, size_t n) {
    struct asked *a = arg;
    (void)head;
    assert_true(n <= sizeof a->room);
    a->times++;
    return a->room;
}

/* Carries what waits both ways until nothing moves. */
static void talk(struct wire *wire, struct tls_engine *server, int fd[2]) {
    uint8_t bytes[4096], *to;
    const uint8_t *out;
    size_t room, n;
    ssize_t moved = 1;
    while (moved > 0) {
        while (wire_send(wire, fd[0]) > 0)
            continue;
        moved = recv(fd[1], bytes, sizeof bytes, MSG_DONTWAIT);
        if (moved > 0)
            assert_int_equal(tls_engine_feed(server, bytes, (size_t)moved), moved);
        tls_engine_pending(server, &out, &n);
        if (n > 0) {
            to = wire_reserve(wire, n, &room);
            assert_true(room >= n);
            memcpy(to, out, n);
            wire_commit(wire, n);
            tls_engine_sent(server, n);
            moved = 1;
        }
    }
}

static void released(void **unused) {
    (void)unused;
    static uint8_t content[CONTENT] = "contents", got[CONTENT];
    struct pair p;
    struct asked asked = {.times = 0};
    struct wire *wire;
    const uint8_t *bytes;
    size_t n, rest;
    int fd[2];
    pair_open(&p);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    assert_int_equal(wire_new_tls(&wire, p.client_policy, tls_identity_pin(p.server_key), "box", NOW), 0);
    talk(wire, p.server, fd);
    assert_true(wire_is_open(wire));
    wire_place(wire, HEAD, choose, &asked);

    assert_int_equal(write_bytes(p.server, content, CONTENT), 0);
    talk(wire, p.server, fd);
    wire_plain(wire, &bytes, &n);
    assert_int_equal(n, HEAD);
    assert_ptr_equal(wire_apart(wire, &rest), asked.room);
    assert_int_equal(rest, CONTENT - HEAD);
    assert_memory_equal(asked.room, content + HEAD, rest);
    assert_int_equal(asked.times, 1);
    wire_consume(wire, n);

    struct tls_engine *tls = wire_release(wire);
    wire_free(wire);
    assert_int_equal(write_bytes(p.server, content, CONTENT), 0);
    carry(p.server, tls, SIZE_MAX);
    assert_int_equal(read_bytes(tls, got, sizeof got), CONTENT);
    assert_memory_equal(got, content, CONTENT);
    assert_int_equal(asked.times, 1);
    tls_engine_free(tls);
    close(fd[0]);
    close(fd[1]);
    pair_close(&p);
}

static void plain(void **unused) {
    (void)unused;
    struct asked asked = {.times = 0};
    struct wire *wire;
    size_t room;
    assert_int_equal(wire_new_plain(&wire), 0);
    wire_place(wire, HEAD, choose, &asked);
    memset(wire_reserve(wire, CONTENT, &room), 0, CONTENT);
    wire_commit(wire, CONTENT);
    assert_null(wire_apart(wire, &room));
    assert_int_equal(room, 0);
    assert_int_equal(asked.times, 0);
    wire_free(wire);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(released),
        cmocka_unit_test(plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
