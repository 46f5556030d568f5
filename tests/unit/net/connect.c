/* Connecting: errors, times, modes, signals, hosts, and how an attempt ends. */
#include "landline/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

static int clear(void **state) {
    (void)state;
    fault_clear();
    ll_thread_set_interrupt(NULL, NULL);
    return 0;
}

static void connect_errors(void **state) {
    (void)state;
    ll_socket *s, *l;
    struct ll_address a;
    l = listener(AF_INET, &a);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_connect(s, NULL), -EINVAL);
    assert_code(ll_socket_getpeername(s, &a), -ENOTCONN);
    assert_code(ll_socket_getsockname(l, &a), 0);
    assert_code(ll_socket_connect(s, &a), 0);
    assert_code(ll_socket_connect(s, &a), -EISCONN);
    ll_socket_free(s);
    ll_socket_free(l);
    static const double modes[] = {LL_FOREVER, 20};
    for (size_t i = 0; i < 2; i++) {
        assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
        ll_socket_settimeout(s, modes[i]);
        assert_code(ll_socket_connect(s, &a), -ECONNREFUSED);
        ll_socket_free(s);
    }
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    struct ll_address six = loopback(AF_INET6);
    assert_code(ll_socket_connect(s, &six), -EAFNOSUPPORT);
    ll_address_ipv4(&a, "255.255.255.255", 1);
    assert_code(ll_socket_connect(s, &a), -ENETUNREACH);
    ll_socket_free(s);
    assert_code(ll_socket_open(AF_INET, SOCK_DGRAM, 0, &s), 0);
    assert_code(ll_socket_connect(s, &a), -EACCES); /* no SO_BROADCAST */
    ll_socket_free(s);
}

/* After our time-out the attempt goes on in the kernel, and later calls say how. */
static void connect_after_a_timeout(void **state) {
    (void)state;
    struct deaf deaf;
    ll_socket *s, *conn;
    deaf_open(&deaf);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    ll_socket_settimeout(s, 0.05);
    assert_code(ll_socket_connect(s, &deaf.address), LL_ETIMEOUT);
    assert_code(ll_socket_connect(s, &deaf.address), -EALREADY);
    assert_code(ll_socket_connect_ex(s, &deaf.address), EALREADY);
    /* Room in the queue: SYNs that are sent again get through. */
    ll_socket_setblocking(deaf.listener, false);
    int r = -EALREADY;
    for (double end = seconds_now() + 60; r == -EALREADY && seconds_now() < end;) {
        struct ll_address a;
        if (ll_socket_accept(deaf.listener, &conn, NULL) == 0)
            ll_socket_free(conn);
        if (ll_socket_getpeername(s, &a) == 0)
            r = ll_socket_connect(s, &deaf.address);
        else
            poll(NULL, 0, 10);
    }
    if (r != 0)
        assert_code(r, -EISCONN);
    ll_socket_free(s);
    deaf_close(&deaf);
}

static void connect_nonblocking(void **state) {
    (void)state;
    struct ll_address a;
    ll_socket *s, *l = listener(AF_INET, &a);
    int error = -1;
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &s), 0);
    assert_code(ll_socket_connect(s, &a), -EINPROGRESS);
    struct pollfd fd = {.fd = ll_socket_fileno(s), .events = POLLOUT};
    assert_int_equal(poll(&fd, 1, 60000), 1);
    assert_code(ll_socket_getsockopt_int(s, SOL_SOCKET, SO_ERROR, &error), 0);
    assert_int_equal(error, 0);
    ll_socket_free(s);
    ll_socket_free(l);
}

static void connect_ex(void **state) {
    (void)state;
    struct ll_address a;
    struct deaf deaf;
    ll_socket *s, *l = listener(AF_INET, &a);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_connect_ex(s, &a), 0);
    assert_code(ll_socket_connect_ex(s, &a), EISCONN);
    assert_code(ll_socket_connect_ex(s, NULL), -EINVAL);
    ll_socket_free(s);
    ll_socket_free(l);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_connect_ex(s, &a), ECONNREFUSED);
    ll_socket_free(s);
    deaf_open(&deaf);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &s), 0);
    assert_code(ll_socket_connect_ex(s, &deaf.address), EINPROGRESS);
    ll_socket_free(s);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    ll_socket_settimeout(s, 0.02);
    assert_code(ll_socket_connect_ex(s, &deaf.address), EAGAIN);
    ll_socket_free(s);
    deaf_close(&deaf);
}

static int stop(void *argument) {
    (void)argument;
    return 1;
}

/* A signal interrupts connect: it is not begun again, its end is waited for. */
static void connect_interrupted(void **state) {
    (void)state;
    struct ll_address a;
    ll_socket *s, *conn, *l = listener(AF_INET, &a);
    static const double modes[] = {LL_FOREVER, 60};
    for (size_t i = 0; i < 2; i++) {
        assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
        ll_socket_settimeout(s, modes[i]);
        fault_set(FAULT_CONNECT, 0, EINTR);
        assert_code(ll_socket_connect(s, &a), 0);
        assert_int_equal(fault_calls(FAULT_CONNECT), 2); /* and asked how it ended */
        assert_code(ll_socket_accept(l, &conn, NULL), 0);
        ll_socket_free(conn);
        ll_socket_free(s);
    }
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &s), 0);
    fault_set(FAULT_CONNECT, 0, EINTR);
    assert_code(ll_socket_connect(s, &a), -EINPROGRESS);
    ll_socket_free(s);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    ll_socket_set_interrupt(s, stop, NULL);
    fault_set(FAULT_CONNECT, 0, EINTR);
    assert_code(ll_socket_connect(s, &a), LL_EINTERRUPTED);
    fault_set(FAULT_CONNECT, 0, EINTR);
    assert_code(ll_socket_connect_ex(s, &a), LL_EINTERRUPTED);
    ll_socket_free(s);
    ll_socket_free(l);
}

/* What it says when it is asked again is the result: that it is connected is a success, that it goes on no end. */
static void connect_asked_again(void **state) {
    (void)state;
    struct ll_address a;
    static const struct {
        int error, result, calls;
    } rows[] = {{EISCONN, 0, 2}, {EHOSTUNREACH, -EHOSTUNREACH, 2}, {EALREADY, 0, 3}, {EINTR, 0, 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ll_socket *s, *l = listener(AF_INET, &a);
        assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
        ll_socket_settimeout(s, 60);
        fault_set(FAULT_CONNECT, 1, rows[i].error);
        assert_code(ll_socket_connect(s, &a), rows[i].result);
        assert_int_equal(fault_calls(FAULT_CONNECT), rows[i].calls);
        ll_socket_free(s);
        ll_socket_free(l);
    }
    ll_socket *s, *l = listener(AF_INET, &a);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    ll_socket_settimeout(s, 60);
    fault_set(FAULT_CONNECT, 1, EALREADY);
    fault_set(FAULT_POLL, 1, ENOMEM); /* the second wait */
    assert_code(ll_socket_connect(s, &a), -ENOMEM);
    ll_socket_free(s);
    ll_socket_free(l);
}

/* Real signals, against a peer that does not answer: the time-out is what ends it. */
static void connect_under_fire(void **state) {
    (void)state;
    struct deaf deaf;
    struct pester pester;
    ll_socket *s;
    deaf_open(&deaf);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    ll_socket_settimeout(s, 0.1);
    pester_start(&pester);
    assert_code(ll_socket_connect(s, &deaf.address), LL_ETIMEOUT);
    ll_socket_free(s);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    ll_socket_set_interrupt(s, stop, NULL);
    assert_code(ll_socket_connect(s, &deaf.address), LL_EINTERRUPTED); /* blocking */
    pester_stop(&pester);
    ll_socket_free(s);
    deaf_close(&deaf);
}

static void connect_host(void **state) {
    (void)state;
    struct ll_address a;
    ll_socket *s, *l = listener(AF_INET, &a);
    int port = ll_address_port(&a);
    static const char *const hosts[] = {"localhost", "127.0.0.1", ""};
    for (size_t i = 0; i < 3; i++) {
        assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
        ll_socket_settimeout(s, 60);
        assert_code(ll_socket_connect_host(s, hosts[i], port), 0);
        ll_socket_free(s);
    }
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_connect_host(s, NULL, 1), -EINVAL);
    assert_code(ll_socket_connect_host(s, "127.0.0.1", 65536), -ERANGE);
    assert_code(ll_socket_connect_host(s, "no.such.host.invalid", 1), LL_EGAI(EAI_NONAME));
    struct ll_error_info info;
    ll_socket_error(s, &info);
    assert_string_equal(info.call, "getaddrinfo");
    assert_string_equal(info.subject, "no.such.host.invalid");
    ll_socket_free(s);
    if (ll_socket_open(AF_INET, SOCK_RAW, IPPROTO_ICMP, &s) == 0) { /* with the privilege for it */
        assert_code(ll_socket_connect_host(s, "localhost", 0), 0);
        ll_socket_free(s);
    }
    ll_socket_free(l);
}

/* A datagram socket only remembers its peer, and forgets it on request. */
static void connect_datagram(void **state) {
    (void)state;
    ll_socket *s;
    struct ll_address a;
    ll_address_ipv4(&a, "127.0.0.1", 9);
    assert_code(ll_socket_open(AF_INET, SOCK_DGRAM, 0, &s), 0);
    assert_code(ll_socket_connect(s, &a), 0);
    check_name(s, ll_socket_getpeername, "127.0.0.1:9");
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    ll_address_raw(&a, &none, sizeof none);
    assert_code(ll_socket_connect(s, &a), 0);
    assert_code(ll_socket_getpeername(s, &a), -ENOTCONN);
    ll_socket_free(s);
}

/* A full UNIX listener: the kernel has no way to wait for it but in blocking mode. */
static void connect_unix_queue_full(void **state) {
    (void)state;
    ll_socket *l, *c[3];
    struct ll_address a;
    ll_address_unix(&a, "");
    assert_code(ll_socket_open(AF_UNIX, SOCK_STREAM, 0, &l), 0);
    assert_code(ll_socket_bind(l, &a), 0);
    assert_code(ll_socket_listen(l, 0), 0);
    assert_code(ll_socket_getsockname(l, &a), 0);
    int r = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_code(ll_socket_open(AF_UNIX, SOCK_STREAM, 0, &c[i]), 0);
        ll_socket_settimeout(c[i], 5);
        r = ll_socket_connect(c[i], &a);
    }
    assert_code(r, -EAGAIN);
    for (size_t i = 0; i < 3; i++)
        ll_socket_free(c[i]);
    ll_socket_free(l);
}

/* Two sockets may have one name, but not one connection. */
static void connect_twice_from_one_port(void **state) {
    (void)state;
    struct ll_address to, from = loopback(AF_INET);
    ll_socket *server = listener(AF_INET, &to), *s[2];
    for (int i = 0; i < 2; i++) {
        assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s[i]), 0);
        assert_code(ll_socket_setsockopt_int(s[i], SOL_SOCKET, SO_REUSEADDR, 1), 0);
        assert_code(ll_socket_bind(s[i], &from), 0);
        assert_code(ll_socket_getsockname(s[i], &from), 0);
    }
    assert_code(ll_socket_connect(s[0], &to), 0);
    assert_code(ll_socket_connect(s[1], &to), -EADDRNOTAVAIL);
    for (int i = 0; i < 2; i++)
        ll_socket_free(s[i]);
    ll_socket_free(server);
}

/* What only a network can do, as the system says it. */
static void connect_as_the_network_says(void **state) {
    (void)state;
    static const int codes[] = {EHOSTUNREACH, ENETUNREACH, ETIMEDOUT, ECONNRESET, ENETDOWN, EPERM};
    struct ll_address to = loopback(AF_INET);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        ll_socket *s;
        struct ll_error_info info;
        assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
        fault_set(FAULT_CONNECT, 0, codes[i]);
        assert_code(ll_socket_connect(s, &to), -codes[i]);
        assert_code(ll_socket_error(s, &info), 0);
        assert_int_equal(info.code, -codes[i]);
        fault_set(FAULT_CONNECT, 0, codes[i]);
        assert_code(ll_socket_connect_ex(s, &to), codes[i]);
        ll_socket_free(s);
    }
}

/* And later, when it is connected. */
static void received_as_the_network_says(void **state) {
    (void)state;
    static const int codes[] = {EHOSTUNREACH, ENETUNREACH, ENETDOWN, ETIMEDOUT, ECONNRESET};
    ll_socket *pair[2];
    char byte;
    assert_code(ll_socket_pair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        fault_set(FAULT_RECV, 0, codes[i]);
        assert_code(ll_socket_recv(pair[0], &byte, 1, 0), -codes[i]);
    }
    for (int i = 0; i < 2; i++)
        ll_socket_free(pair[i]);
}

#define cleared(test) cmocka_unit_test_teardown(test, clear)
int main(void) {
    const struct CMUnitTest tests[] = {
        cleared(connect_errors),
        cleared(connect_twice_from_one_port),
        cleared(connect_as_the_network_says),
        cleared(connect_after_a_timeout),
        cleared(connect_nonblocking),
        cleared(connect_ex),
        cleared(connect_interrupted),
        cleared(connect_asked_again),
        cleared(connect_under_fire),
        cleared(connect_host),
        cleared(connect_datagram),
        cleared(connect_unix_queue_full),
        cleared(received_as_the_network_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
