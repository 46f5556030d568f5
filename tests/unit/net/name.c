/* landline/socket.h: binding, listening, accepting, both ends' addresses, ending one direction. */
#include "landline/socket.h"

#include <errno.h>
#include <fcntl.h>
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
        cleared(unix_path_errors),
        cleared(half_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
