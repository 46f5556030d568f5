/* landline/socket.h: receiving and sending bytes. */
#include "landline/socket.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

static int clear(void **state) {
    (void)state;
    fault_clear();
    ll_thread_set_interrupt(NULL, NULL);
    return 0;
}

/* ---- Streams ---- */

static void streams(void **state) {
    (void)state;
    ll_socket *pair[2];
    struct ll_address from = {.length = 9};
    char bytes[8];
    size_t count;
    tcp_pair(pair);
    assert_code(ll_socket_send(pair[0], "hello", 5, 0), 5);
    assert_code(ll_socket_recv(pair[1], bytes, 3, MSG_PEEK), 3);
    assert_code(ll_socket_recvfrom(pair[1], bytes, 3, 0, &from), 3);
    assert_memory_equal(bytes, "hel", 3);
    assert_int_equal(from.length, 0); /* a connected stream names nobody */
    assert_code(ll_socket_recvfrom(pair[1], bytes, 8, 0, NULL), 2);
    assert_code(ll_socket_send(pair[0], "", 0, 0), 0);
    assert_code(ll_socket_recv(pair[1], bytes, 0, 0), 0);
    assert_code(ll_socket_recv(pair[1], NULL, 0, 0), 0);
    assert_code(ll_socket_sendall(pair[0], "", 0, 0, &count), 0);
    from.length = 9;
    assert_code(ll_socket_recvfrom(pair[1], bytes, 8, MSG_DONTWAIT, &from), -EAGAIN);
    assert_int_equal(from.length, 0);
    ll_socket_send(pair[0], "x", 1, 0);
    assert_code(ll_socket_recv(pair[1], NULL, 5, MSG_WAITALL | MSG_DONTWAIT), -EFAULT);
    assert_code(ll_socket_send(pair[0], NULL, 5, 0), -EFAULT);
    ll_socket_close(pair[0]);
    assert_code(ll_socket_recv(pair[1], bytes, 8, 0), 1);
    assert_code(ll_socket_recv(pair[1], bytes, 8, 0), 0);
    free_pair(pair);
}

static void a_peer_that_is_gone(void **state) {
    (void)state;
    ll_socket *pair[2], *s;
    char bytes[8];
    struct linger now = {.l_onoff = 1};
    tcp_pair(pair);
    ll_socket_setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ll_socket_close(pair[0]);
    assert_code(ll_socket_recv(pair[1], bytes, 8, 0), -ECONNRESET);
    assert_code(ll_socket_send(pair[1], "x", 1, 0), -EPIPE); /* no SIGPIPE, or this test would be dead */
    assert_code(ll_socket_sendall(pair[1], "x", 1, 0, NULL), -EPIPE);
    assert_code(ll_socket_sendto(pair[1], "x", 1, 0, &(struct ll_address){0}), -EPIPE);
    free_pair(pair);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_recv(s, bytes, 8, 0), -ENOTCONN);
    assert_code(ll_socket_send(s, bytes, 8, 0), -EPIPE);
    ll_socket_free(s);
}

static void recvall(void **state) {
    (void)state;
    ll_socket *pair[2];
    char bytes[8];
    size_t count = 9;
    tcp_pair(pair);
    ll_socket_send(pair[0], "abc", 3, 0);
    assert_code(ll_socket_recvall(pair[1], bytes, 8, MSG_PEEK, &count), -EINVAL);
    assert_int_equal(count, 0);
    assert_code(ll_socket_recvall(pair[1], bytes, 2, 0, &count), 0);
    assert_int_equal(count, 2);
    assert_code(ll_socket_recvall(pair[1], bytes, 0, 0, NULL), 0);
    ll_socket_settimeout(pair[1], 0.02);
    assert_code(ll_socket_recvall(pair[1], bytes, 4, 0, &count), LL_ETIMEOUT);
    assert_int_equal(count, 1);
    ll_socket_send(pair[0], "de", 2, 0);
    ll_socket_close(pair[0]);
    assert_code(ll_socket_recvall(pair[1], bytes, 4, 0, &count), LL_EOF);
    assert_int_equal(count, 2);
    assert_memory_equal(bytes, "de", 2);
    free_pair(pair);
}

/* ---- sendall ---- */

struct slow_reader {
    ll_socket *socket;
    size_t total, step;
    int pause_ms;
    unsigned int sum;
};

static void *read_slowly(void *argument) {
    struct slow_reader *r = argument;
    unsigned char *bytes = malloc(r->step);
    ssize_t n;
    while (r->total > 0 && (n = ll_socket_recv(r->socket, bytes, r->step, 0)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            r->sum = r->sum * 31 + bytes[i];
        r->total -= (size_t)n;
        if (r->pause_ms > 0)
            poll(NULL, 0, r->pause_ms);
    }
    free(bytes);
    return NULL;
}

static void sendall_in_every_mode(void **state) {
    (void)state;
    enum { SIZE = 3 << 20 };
    unsigned char *bytes = malloc(SIZE);
    unsigned int sum = 0;
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (unsigned char)(i * 7 + i / 256);
        sum = sum * 31 + bytes[i];
    }
    static const double modes[] = {LL_FOREVER, 100};
    for (size_t i = 0; i < 4; i++) {
        ll_socket *pair[2];
        size_t sent = 0;
        pthread_t thread;
        struct pester pester;
        unix_pair(pair, SOCK_STREAM);
        struct slow_reader reader = {.socket = pair[1], .total = SIZE, .step = 1 << 16};
        ll_socket_settimeout(pair[0], modes[i % 2]);
        assert_int_equal(pthread_create(&thread, NULL, read_slowly, &reader), 0);
        if (i >= 2) /* under fire: nothing is lost, nothing sent twice */
            pester_start(&pester);
        assert_code(ll_socket_sendall(pair[0], bytes, SIZE, 0, &sent), 0);
        if (i >= 2)
            pester_stop(&pester);
        pthread_join(thread, NULL);
        assert_int_equal(sent, SIZE);
        assert_int_equal(reader.sum, sum);
        free_pair(pair);
    }
    free(bytes);
}

/* A reader that always takes a little keeps no sendall alive: the time counts across the parts. */
static void sendall_counts_time_across_parts(void **state) {
    (void)state;
    enum { SIZE = 64 << 20 };
    char *bytes = calloc(1, SIZE);
    ll_socket *pair[2];
    size_t sent = 0;
    pthread_t thread;
    unix_pair(pair, SOCK_STREAM);
    struct slow_reader reader = {.socket = pair[1], .total = SIZE, .step = 4096, .pause_ms = 1};
    assert_int_equal(pthread_create(&thread, NULL, read_slowly, &reader), 0);
    ll_socket_settimeout(pair[0], 0.2);
    double begin = seconds_now();
    assert_code(ll_socket_sendall(pair[0], bytes, SIZE, 0, &sent), LL_ETIMEOUT);
    assert_true(seconds_now() - begin >= 0.2);
    assert_true(sent > 0 && sent < SIZE);
    ll_socket_shutdown(pair[0], SHUT_RDWR);
    pthread_join(thread, NULL);
    free_pair(pair);
    free(bytes);
}

static int stop(void *argument) {
    (void)argument;
    return 1;
}

static void sendall_errors(void **state) {
    (void)state;
    static char bytes[1 << 20];
    ll_socket *pair[2];
    size_t sent = 0;
    unix_pair(pair, SOCK_STREAM);
    ll_socket_setblocking(pair[0], false);
    assert_code(ll_socket_sendall(pair[0], bytes, sizeof bytes, 0, &sent), -EAGAIN);
    assert_true(sent > 0 && sent < sizeof bytes);
    size_t more = 1;
    assert_code(ll_socket_sendall(pair[0], bytes, sizeof bytes, 0, &more), -EAGAIN);
    assert_int_equal(more, 0);
    free_pair(pair);

    /* A signal that cuts a send into parts is seen between them. */
    unix_pair(pair, SOCK_STREAM);
    ll_socket_settimeout(pair[0], 60);
    ll_socket_set_interrupt(pair[0], stop, NULL);
    assert_code(ll_socket_sendall(pair[0], bytes, sizeof bytes, 0, &sent), LL_EINTERRUPTED);
    assert_true(sent > 0);
    ll_socket_close(pair[1]);
    assert_code(ll_socket_sendall(pair[0], bytes, sizeof bytes, 0, &sent), -EPIPE);
    free_pair(pair);

    /* A system that sends nothing of something is not asked for ever. */
    unix_pair(pair, SOCK_STREAM);
    fault_set(FAULT_SEND, 0, 0);
    assert_code(ll_socket_sendall(pair[0], bytes, 5, 0, &sent), LL_EOF);
    assert_int_equal(sent, 0);
    free_pair(pair);
}

static void blocking_send_waits(void **state) {
    (void)state;
    ll_socket *pair[2];
    struct pester pester;
    unix_pair(pair, SOCK_STREAM);
    fill_up(pair[0]);
    ll_socket_settimeout(pair[0], 0.05);
    assert_code(ll_socket_send(pair[0], "x", 1, 0), LL_ETIMEOUT);
    assert_code(ll_socket_send(pair[0], "x", 1, MSG_DONTWAIT), -EAGAIN);
    ll_socket_setblocking(pair[0], true);
    ll_socket_set_interrupt(pair[0], stop, NULL);
    pester_start(&pester);
    assert_code(ll_socket_send(pair[0], "x", 1, 0), LL_EINTERRUPTED);
    pester_stop(&pester);
    free_pair(pair);
}

/* ---- Datagrams ---- */

static void datagrams(void **state) {
    (void)state;
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2; i++) {
        ll_socket *a, *b;
        struct ll_address to, from, own;
        static char big[70000];
        char bytes[8];
        to = loopback(families[i]);
        assert_code(ll_socket_open(families[i], SOCK_DGRAM, 0, &a), 0);
        assert_code(ll_socket_open(families[i], SOCK_DGRAM, 0, &b), 0);
        assert_code(ll_socket_bind(b, &to), 0);
        assert_code(ll_socket_getsockname(b, &to), 0);
        assert_code(ll_socket_bind(a, &(struct ll_address){.length = 0}), -EINVAL);
        own = loopback(families[i]);
        assert_code(ll_socket_bind(a, &own), 0);
        assert_code(ll_socket_getsockname(a, &own), 0);

        assert_code(ll_socket_sendto(a, "hello", 5, 0, &to), 5);
        assert_code(ll_socket_recvfrom(b, bytes, sizeof bytes, 0, &from), 5);
        assert_true(ll_address_equal(&from, &own));
        /* Empty ones count, and are no end. */
        assert_code(ll_socket_sendto(a, "", 0, 0, &to), 0);
        assert_code(ll_socket_recvfrom(b, bytes, sizeof bytes, 0, &from), 0);
        assert_true(ll_address_equal(&from, &own));
        /* Cut ones are cut, and MSG_TRUNC tells the true length. */
        assert_code(ll_socket_sendto(a, "0123456789", 10, 0, &to), 10);
        assert_code(ll_socket_recv(b, bytes, 4, 0), 4);
        assert_code(ll_socket_sendto(a, "0123456789", 10, 0, &to), 10);
        assert_code(ll_socket_recv(b, bytes, 4, MSG_TRUNC), 10);
        assert_code(ll_socket_recv(b, bytes, 4, MSG_DONTWAIT), -EAGAIN);
        assert_code(ll_socket_sendto(a, "0123456789", 10, 0, &to), 10);
        assert_code(ll_socket_recv(b, NULL, 0, 0), 0);
        assert_code(ll_socket_recv(b, NULL, 0, MSG_TRUNC | MSG_PEEK), 10);
        assert_code(ll_socket_recv(b, bytes, 8, 0), 8); /* neither took it */

        assert_code(ll_socket_send(a, "x", 1, 0), -EDESTADDRREQ);
        assert_code(ll_socket_sendto(a, "x", 1, 0, NULL), -EINVAL);
        to.length = sizeof to.as + 1;
        assert_code(ll_socket_sendto(a, "x", 1, 0, &to), -EINVAL);
        to.length = families[i] == AF_INET ? sizeof to.as.ipv4 : sizeof to.as.ipv6;
        assert_code(ll_socket_sendto(a, big, sizeof big, 0, &to), -EMSGSIZE);
        assert_code(ll_socket_connect(a, &to), 0);
        assert_code(ll_socket_sendall(a, "", 0, 0, NULL), 0); /* an empty datagram */
        assert_code(ll_socket_recv(b, bytes, 4, 0), 0);
        ll_socket_free(b);
        assert_code(ll_socket_send(a, "x", 1, 0), 1);
        ll_socket_settimeout(a, 60);
        assert_code(ll_socket_recv(a, bytes, 4, 0), -ECONNREFUSED); /* the answer of ICMP */
        ll_socket_free(a);
    }
}

static void sendto_errors_name_the_address(void **state) {
    (void)state;
    ll_socket *s;
    struct ll_address to;
    struct ll_error_info info;
    assert_code(ll_socket_open(AF_INET, SOCK_DGRAM, 0, &s), 0);
    ll_address_ipv4(&to, "<broadcast>", 9);
    assert_code(ll_socket_sendto(s, "x", 1, 0, &to), -EACCES);
    ll_socket_error(s, &info);
    assert_string_equal(info.call, "sendto");
    assert_string_equal(info.subject, "255.255.255.255:9");
    ll_socket_free(s);
    ll_socket *pair[2];
    unix_pair(pair, SOCK_STREAM);
    ll_address_unix(&to, "x");
    assert_code(ll_socket_sendto(pair[0], "x", 1, 0, &to), -EISCONN);
    free_pair(pair);
}

/* SEQPACKET keeps borders, like a datagram, and ends, like a stream. */
static void seqpacket(void **state) {
    (void)state;
    ll_socket *pair[2];
    char bytes[8];
    unix_pair(pair, SOCK_SEQPACKET);
    assert_code(ll_socket_send(pair[0], "abc", 3, 0), 3);
    assert_code(ll_socket_send(pair[0], "de", 2, 0), 2);
    assert_code(ll_socket_recv(pair[1], bytes, 8, 0), 3);
    assert_code(ll_socket_recv(pair[1], bytes, 8, 0), 2);
    ll_socket_close(pair[0]);
    assert_code(ll_socket_recv(pair[1], bytes, 8, 0), 0);
    free_pair(pair);
}

static void out_of_band(void **state) {
    (void)state;
    ll_socket *pair[2];
    char byte = 0;
    tcp_pair(pair);
    ll_socket_settimeout(pair[1], 60);
    assert_code(ll_socket_recv(pair[1], &byte, 1, MSG_OOB), -EINVAL); /* there is none */
    assert_code(ll_socket_send(pair[0], "a!", 2, MSG_OOB), 2);
    struct pollfd fd = {.fd = ll_socket_fileno(pair[1]), .events = POLLPRI};
    assert_int_equal(poll(&fd, 1, 60000), 1);
    assert_code(ll_socket_recv(pair[1], &byte, 1, MSG_OOB), 1);
    assert_int_equal(byte, '!');
    char bytes[4];
    assert_code(ll_socket_recv(pair[1], bytes, 4, 0), 1);
    assert_int_equal(bytes[0], 'a');
    free_pair(pair);
}

/* The error queue is asked, never waited for. */
static void error_queue(void **state) {
    (void)state;
    ll_socket *s;
    char byte;
    assert_code(ll_socket_open(AF_INET, SOCK_DGRAM, 0, &s), 0);
    ll_socket_settimeout(s, 300);
    assert_code(ll_socket_recv(s, &byte, 1, MSG_ERRQUEUE), -EAGAIN);
    ll_socket_free(s);
}

#define cleared(test) cmocka_unit_test_teardown(test, clear)
int main(void) {
    const struct CMUnitTest tests[] = {
        cleared(streams),
        cleared(a_peer_that_is_gone),
        cleared(recvall),
        cleared(sendall_in_every_mode),
        cleared(sendall_counts_time_across_parts),
        cleared(sendall_errors),
        cleared(blocking_send_waits),
        cleared(datagrams),
        cleared(sendto_errors_name_the_address),
        cleared(seqpacket),
        cleared(out_of_band),
        cleared(error_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
