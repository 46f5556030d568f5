/* landline/socket.h: binding, listening, accepting, connecting, both ends' addresses. */
#include "landline/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
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

static void check_name(ll_socket *s, int (*ask)(ll_socket *, struct ll_address *), const char *wanted) {
    struct ll_address a;
    char text[LL_ADDRESS_TEXT];
    assert_code(ask(s, &a), 0);
    ll_address_format(&a, text, sizeof text);
    assert_string_equal(text, wanted);
}

/* ---- Binding ---- */

static void bind_errors(void **state) {
    (void)state;
    ll_socket *s, *other;
    struct ll_address a, b;
    a = loopback(AF_INET);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    check_name(s, ll_socket_getsockname, "0.0.0.0:0");
    assert_code(ll_socket_bind(s, NULL), -EINVAL);
    assert_code(ll_socket_bind(s, &a), 0);
    assert_code(ll_socket_getsockname(s, &b), 0);
    assert_true(ll_address_port(&b) > 0);
    assert_code(ll_socket_bind(s, &a), -EINVAL); /* twice */
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &other), 0);
    assert_code(ll_socket_bind(other, &b), -EADDRINUSE);
    ll_address_ipv4(&a, "192.0.2.1", 0);
    assert_code(ll_socket_bind(other, &a), -EADDRNOTAVAIL);
    a = loopback(AF_INET6);
    assert_code(ll_socket_bind(other, &a), -EAFNOSUPPORT);
    a.length = sizeof a.as + 1;
    assert_code(ll_socket_bind(other, &a), -EINVAL);
    /* Neither side of a fresh socket has SO_REUSEADDR. */
    int reuse = 7;
    assert_code(ll_socket_getsockopt_int(other, SOL_SOCKET, SO_REUSEADDR, &reuse), 0);
    assert_int_equal(reuse, 0);
    assert_code(ll_socket_getsockname(other, NULL), -EINVAL);
    ll_socket_free(other);
    ll_socket_free(s);
}

static void bind_host(void **state) {
    (void)state;
    ll_socket *s;
    assert_code(ll_socket_open(AF_INET, SOCK_DGRAM, 0, &s), 0);
    assert_code(ll_socket_bind_host(s, NULL, 0), -EINVAL);
    assert_code(ll_socket_bind_host(s, "", 65536), -ERANGE);
    assert_code(ll_socket_bind_host(s, "localhost", -1), -ERANGE);
    assert_code(ll_socket_bind_host(s, "no.such.host.invalid", 0), LL_EGAI(EAI_NONAME));
    ll_socket_setblocking(s, false);
    assert_code(ll_socket_bind_host(s, "localhost", 0), -EAGAIN); /* a name would have to wait */
    ll_socket_setblocking(s, true);
    assert_code(ll_socket_bind_host(s, "192.0.2.1", 0), -EADDRNOTAVAIL);
    assert_code(ll_socket_bind_host(s, "localhost", 0), 0);
    ll_socket_free(s);
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2; i++) {
        assert_code(ll_socket_open(families[i], SOCK_DGRAM, 0, &s), 0);
        ll_socket_setblocking(s, false);
        assert_code(ll_socket_bind_host(s, "", 0), 0);
        ll_socket_free(s);
    }
    assert_code(ll_socket_open(AF_UNIX, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_bind_host(s, "localhost", 1), LL_EADDRESS);
    ll_socket_free(s);
}

/* ---- UNIX names ---- */

static void unix_path(void **state) {
    (void)state;
    char dir[] = "/tmp/net-XXXXXX", path[64];
    ll_socket *l, *c, *conn;
    struct ll_address a, peer;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    ll_address_unix(&a, path);
    assert_code(ll_socket_open(AF_UNIX, SOCK_STREAM, 0, &c), 0);
    check_name(c, ll_socket_getsockname, "unix:");
    assert_code(ll_socket_connect(c, &a), -ENOENT);
    assert_code(ll_create_server(&a, NULL, &l, NULL), 0);
    snprintf(path, sizeof path, "unix:%s/s", dir);
    check_name(l, ll_socket_getsockname, path);
    assert_code(ll_socket_connect(c, &a), 0);
    assert_code(ll_socket_accept(l, &conn, &peer), 0);
    assert_int_equal(ll_address_family(&peer), AF_UNIX); /* an unnamed peer */
    assert_true(peer.length <= sizeof(sa_family_t));
    check_name(conn, ll_socket_getsockname, path);
    check_name(c, ll_socket_getpeername, path);
    check_name(conn, ll_socket_getpeername, "unix:");
    ll_socket_free(conn);
    ll_socket_free(c);
    assert_code(ll_create_server(&a, NULL, &c, NULL), -EADDRINUSE);
    ll_socket_free(l);
    assert_code(ll_socket_open(AF_UNIX, SOCK_STREAM, 0, &c), 0);
    assert_code(ll_socket_connect(c, &a), -ECONNREFUSED); /* the file is still there */
    ll_socket_free(c);
    assert_code(ll_socket_open(AF_UNIX, SOCK_DGRAM, 0, &c), 0);
    unlink(path + 5);
    assert_code(ll_socket_bind(c, &a), 0);
    assert_code(ll_socket_open(AF_UNIX, SOCK_STREAM, 0, &l), 0);
    assert_code(ll_socket_connect(l, &a), -EPROTOTYPE);
    ll_address_unix(&a, "/no/such/folder/s");
    assert_code(ll_socket_bind(l, &a), -ENOENT);
    ll_socket_free(l);
    ll_socket_free(c);
    unlink(path + 5);
    rmdir(dir);
}

static void unix_abstract(void **state) {
    (void)state;
    char name[40];
    ll_socket *l, *c, *conn;
    struct ll_address a, b;
    int size = snprintf(name, sizeof name, "%cnet-%d", 0, getpid());
    name[size++] = '\0'; /* NULs inside and at the end belong to the name */
    name[size++] = 'x';
    name[size++] = '\0';
    ll_address_unix_bytes(&a, name, (size_t)size);
    assert_code(ll_create_server(&a, NULL, &l, NULL), 0);
    assert_code(ll_socket_getsockname(l, &b), 0);
    assert_true(ll_address_equal(&a, &b));
    assert_code(ll_socket_open(AF_UNIX, SOCK_STREAM, 0, &c), 0);
    ll_address_unix_bytes(&b, name, (size_t)size - 1);
    assert_code(ll_socket_connect(c, &b), -ECONNREFUSED); /* one NUL less is another name */
    assert_code(ll_socket_connect(c, &a), 0);
    assert_code(ll_socket_accept(l, &conn, NULL), 0);
    ll_socket_free(conn);
    ll_socket_free(c);
    ll_socket_free(l);

    /* Autobind: the system picks an abstract name. */
    assert_code(ll_socket_open(AF_UNIX, SOCK_DGRAM, 0, &c), 0);
    ll_address_unix(&a, "");
    assert_code(ll_socket_bind(c, &a), 0);
    const char *path;
    size_t length;
    assert_code(ll_socket_getsockname(c, &b), 0);
    assert_code(ll_address_unix_path(&b, &path, &length), 0);
    assert_true(length == 6 && path[0] == '\0');
    ll_socket_free(c);
}

/* ---- Listening and accepting ---- */

static void listen_errors(void **state) {
    (void)state;
    ll_socket *s;
    assert_code(ll_socket_open(AF_INET, SOCK_DGRAM, 0, &s), 0);
    assert_code(ll_socket_listen(s, 1), -EOPNOTSUPP);
    ll_socket *conn = (void *)1;
    assert_code(ll_socket_accept(s, &conn, NULL), -EOPNOTSUPP);
    assert_null(conn);
    ll_socket_free(s);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_accept(s, &conn, NULL), -EINVAL); /* not listening */
    assert_code(ll_socket_accept(s, NULL, NULL), -EINVAL);
    assert_code(ll_socket_accept4(s, O_APPEND, &conn, NULL), -EINVAL);
    assert_code(ll_socket_listen(s, -5), 0);
    ll_socket_free(s);
    ll_socket *pair[2];
    tcp_pair(pair);
    assert_code(ll_socket_listen(pair[0], 1), -EINVAL);
    free_pair(pair);
}

/* The listener's mode is for the wait; what it accepts begins blocking, as in Python, or as the caller says. */
static void accept_does_not_inherit_the_timeout(void **state) {
    (void)state;
    static const double modes[] = {LL_FOREVER, 20, 0};
    for (size_t i = 0; i < 3; i++) {
        struct ll_address a, peer, own;
        ll_socket *l = listener(AF_INET, &a), *c, *conn;
        double seconds = 5;
        assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &c), 0);
        assert_code(ll_socket_connect(c, &a), 0);
        ll_socket_settimeout(l, modes[i]);
        assert_code(ll_socket_accept(l, &conn, &peer), 0);
        ll_socket_getsockname(c, &own);
        assert_true(ll_address_equal(&own, &peer));
        assert_code(ll_socket_gettimeout(conn, &seconds), 0);
        assert_true(seconds == LL_FOREVER);
        assert_int_equal(fcntl(ll_socket_fileno(conn), F_GETFL) & O_NONBLOCK, 0);
        assert_int_equal(fcntl(ll_socket_fileno(conn), F_GETFD), FD_CLOEXEC);
        assert_int_equal(ll_socket_family(conn), AF_INET);
        assert_int_equal(ll_socket_protocol(conn), IPPROTO_TCP);
        ll_socket_free(conn);
        ll_socket_free(c);

        assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &c), 0);
        assert_code(ll_socket_connect(c, &a), 0);
        assert_code(ll_socket_accept4(l, SOCK_NONBLOCK, &conn, NULL), 0);
        assert_int_equal(ll_socket_getblocking(conn), 0);
        assert_true(fcntl(ll_socket_fileno(conn), F_GETFL) & O_NONBLOCK);
        ll_socket_free(conn);
        ll_socket_free(c);
        ll_socket_free(l);
    }
}

static void accept_waits_and_fails(void **state) {
    (void)state;
    struct ll_address a, peer;
    ll_socket *l = listener(AF_INET, &a), *c, *conn;
    ll_socket_settimeout(l, 0.02);
    assert_code(ll_socket_accept(l, &conn, &peer), LL_ETIMEOUT);
    assert_int_equal(peer.length, 0);
    ll_socket_setblocking(l, false);
    assert_code(ll_socket_accept(l, &conn, NULL), -EAGAIN);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &c), 0);
    assert_code(ll_socket_connect(c, &a), 0);
    static const int errors[] = {EMFILE, ENFILE, ECONNABORTED, EPERM};
    for (size_t i = 0; i < 4; i++) {
        fault_set(FAULT_ACCEPT, 0, errors[i]);
        assert_code(ll_socket_accept(l, &conn, NULL), -errors[i]);
    }
    ll_socket_setblocking(l, true);
    int before = open_descriptors();
    fault_set(FAULT_MALLOC, 0, ENOMEM);
    assert_code(ll_socket_accept(l, &conn, NULL), -ENOMEM);
    assert_int_equal(open_descriptors(), before);
    ll_socket_free(c);
    ll_socket_free(l);
}

/* ---- Connecting ---- */

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
        assert_int_equal(fault_calls(FAULT_CONNECT), 1);
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
    /* What SO_ERROR says later is the result; that it is connected is a success. */
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    ll_socket_settimeout(s, 60);
    fault_set(FAULT_CONNECT, 0, EINPROGRESS);
    fault_set(FAULT_GETSOCKOPT, 0, EISCONN);
    assert_code(ll_socket_connect(s, &a), 0);
    ll_socket_free(s);
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

/* ---- Ending one direction ---- */

static void half_close(void **state) {
    (void)state;
    ll_socket *pair[2];
    char bytes[8];
    tcp_pair(pair);
    assert_code(ll_socket_shutdown(pair[0], 77), -EINVAL);
    assert_code(ll_socket_sendall(pair[0], "ask", 3, 0, NULL), 0);
    assert_code(ll_socket_shutdown(pair[0], SHUT_WR), 0);
    assert_code(ll_socket_recvall(pair[1], bytes, 3, 0, NULL), 0);
    assert_code(ll_socket_recv(pair[1], bytes, 8, 0), 0);
    assert_code(ll_socket_recv(pair[1], bytes, 8, 0), 0); /* the end stays the end */
    assert_code(ll_socket_sendall(pair[1], "answer", 6, 0, NULL), 0);
    assert_code(ll_socket_recvall(pair[0], bytes, 6, 0, NULL), 0);
    assert_code(ll_socket_send(pair[0], "x", 1, 0), -EPIPE); /* and no SIGPIPE */
    assert_code(ll_socket_shutdown(pair[1], SHUT_RDWR), 0);
    free_pair(pair);
    ll_socket *s;
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_shutdown(s, SHUT_RD), -ENOTCONN);
    ll_socket_free(s);
    assert_code(ll_socket_open(AF_NETLINK, SOCK_RAW, 0, &s), 0);
    assert_code(ll_socket_shutdown(s, SHUT_RD), -EOPNOTSUPP);
    ll_socket_free(s);
}

/* What a path can be wrong in, for both ends of it. */
static void unix_path_errors(void **state) {
    (void)state;
    char folder[] = "/tmp/landline-name-XXXXXX", path[64], far[300];
    assert_non_null(mkdtemp(folder));
    memset(far, 'x', sizeof far - 1); /* longer than a name may be, and too long for the address itself */
    far[sizeof far - 1] = '\0';
    const struct {
        const char *link, *target, *below;
        int code;
    } rows[] = {
        {"loop", "loop", "/s", -ELOOP},
        {"null", "/dev/null", "/s", -ENOTDIR},
        {"nothing", "/nowhere/at/all", "/s", -ENOENT},
        {"long", far, "/s", -ENAMETOOLONG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ll_socket *s;
        struct ll_address a;
        snprintf(path, sizeof path, "%s/%s", folder, rows[i].link);
        assert_int_equal(symlink(rows[i].target, path), 0);
        snprintf(path, sizeof path, "%s/%s%s", folder, rows[i].link, rows[i].below);
        assert_code(ll_address_unix(&a, path), 0);
        assert_code(ll_socket_open(AF_UNIX, SOCK_STREAM, 0, &s), 0);
        assert_code(ll_socket_bind(s, &a), rows[i].code);
        assert_code(ll_socket_connect(s, &a), rows[i].code);
        assert_code(ll_socket_connect_ex(s, &a), -rows[i].code);
        ll_socket_free(s);
        snprintf(path, sizeof path, "%s/%s", folder, rows[i].link);
        unlink(path);
    }
    rmdir(folder);
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

#define cleared(test) cmocka_unit_test_teardown(test, clear)
int main(void) {
    const struct CMUnitTest tests[] = {
        cleared(bind_errors),
        cleared(bind_host),
        cleared(unix_path),
        cleared(unix_abstract),
        cleared(listen_errors),
        cleared(accept_does_not_inherit_the_timeout),
        cleared(accept_waits_and_fails),
        cleared(connect_errors),
        cleared(unix_path_errors),
        cleared(connect_twice_from_one_port),
        cleared(connect_as_the_network_says),
        cleared(connect_after_a_timeout),
        cleared(connect_nonblocking),
        cleared(connect_ex),
        cleared(connect_interrupted),
        cleared(connect_under_fire),
        cleared(connect_host),
        cleared(connect_datagram),
        cleared(connect_unix_queue_full),
        cleared(half_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
