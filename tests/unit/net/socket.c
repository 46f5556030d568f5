/* landline/socket.h: making and ending sockets. */
#include "landline/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

static int check_descriptors(void **state) {
    *state = (void *)(intptr_t)open_descriptors();
    return 0;
}

static int no_descriptor_left(void **state) {
    fault_clear();
    return await_descriptors((int)(intptr_t)*state) ? 0 : -1;
}

static int is_cloexec(const ll_socket *s) {
    return fcntl(ll_socket_fileno(s), F_GETFD) == FD_CLOEXEC;
}

static int is_nonblocking(const ll_socket *s) {
    return (fcntl(ll_socket_fileno(s), F_GETFL) & O_NONBLOCK) != 0;
}

static void open_all_kinds(void **state) {
    (void)state;
    static const struct {
        int family, type, protocol, code, chosen;
    } rows[] = {
        {AF_INET, SOCK_STREAM, 0, 0, IPPROTO_TCP},
        {AF_INET, SOCK_DGRAM, 0, 0, IPPROTO_UDP},
        {AF_INET6, SOCK_STREAM, 0, 0, IPPROTO_TCP},
        {AF_INET6, SOCK_DGRAM, IPPROTO_UDP, 0, IPPROTO_UDP},
        {AF_UNIX, SOCK_STREAM, 0, 0, 0},
        {AF_UNIX, SOCK_DGRAM, 0, 0, 0},
        {AF_UNIX, SOCK_SEQPACKET, 0, 0, 0},
        {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, 0, NETLINK_ROUTE},
        {AF_INET, SOCK_RDM, 0, LL_ENOTSUP, 0},
        {AF_INET, 77, 0, -EINVAL, 0},
        {AF_INET, SOCK_STREAM | 0x100000, 0, -EINVAL, 0},
        {12345, SOCK_STREAM, 0, LL_ENOTSUP, 0},
        {-1, SOCK_STREAM, 0, LL_ENOTSUP, 0},
        {AF_INET, SOCK_STREAM, IPPROTO_UDP, -EPROTONOSUPPORT, 0},
        {AF_INET, SOCK_STREAM, 9999, -EINVAL, 0},
        {AF_UNIX, SOCK_STREAM, 7, -EPROTONOSUPPORT, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ll_socket *s = (void *)1;
        assert_code(ll_socket_open(rows[i].family, rows[i].type, rows[i].protocol, &s), rows[i].code);
        if (rows[i].code < 0) {
            assert_null(s);
            continue;
        }
        assert_int_equal(ll_socket_family(s), rows[i].family);
        assert_int_equal(ll_socket_type(s), rows[i].type);
        assert_int_equal(ll_socket_protocol(s), rows[i].chosen);
        assert_int_equal(ll_socket_getblocking(s), 1);
        assert_true(is_cloexec(s) && !is_nonblocking(s));
        ll_socket_free(s);
    }
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, NULL), -EINVAL);
}

/* Here without TIPC; the machine that has it gives the real thing, tested elsewhere. */
static void reliable_datagrams(void **state) {
    (void)state;
    ll_socket *s;
    int r = ll_socket_open(AF_TIPC, SOCK_RDM, 0, &s);
    if (r < 0)
        assert_code(r, LL_ENOTSUP);
    else
        ll_socket_free(s);
}

static void open_nonblocking(void **state) {
    (void)state;
    ll_socket *s;
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, &s), 0);
    assert_int_equal(ll_socket_getblocking(s), 0);
    assert_int_equal(ll_socket_type(s), SOCK_STREAM);
    assert_true(is_nonblocking(s));
    ll_socket_free(s);
}

static void raw_needs_privilege(void **state) {
    (void)state;
    ll_socket *s;
    fault_set(FAULT_SOCKET, 0, EPERM);
    assert_code(ll_socket_open(AF_INET, SOCK_RAW, IPPROTO_ICMP, &s), -EPERM);
    int r = ll_socket_open(AF_INET, SOCK_RAW, IPPROTO_ICMP, &s);
    if (geteuid() != 0 && r < 0)
        assert_code(r, -EPERM);
    else
        assert_code(r, 0);
    ll_socket_free(r == 0 ? s : NULL);
}

/* What runs out while a socket is made leaves nothing behind. */
static void out_of_everything(void **state) {
    (void)state;
    ll_socket *s, *pair[2];
    static const int family[] = {AF_INET, AF_NETLINK};
    for (size_t i = 0; i < 2; i++) {
        fault_set(FAULT_MALLOC, 0, ENOMEM);
        assert_code(ll_socket_open(family[i], SOCK_DGRAM, 0, &s), -ENOMEM);
        assert_null(s);
    }
    fault_set(FAULT_SOCKET, 0, EMFILE);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), -EMFILE);
    fault_set(FAULT_EVENTFD, 0, EMFILE);
    assert_code(ll_socket_open(AF_NETLINK, SOCK_RAW, 0, &s), -EMFILE);
    for (int i = 0; i < 2; i++) {
        fault_set(FAULT_MALLOC, i, ENOMEM);
        assert_code(ll_socket_pair(AF_UNIX, SOCK_STREAM, 0, pair), -ENOMEM);
        assert_null(pair[0]);
        assert_null(pair[1]);
    }
}

static void pairs(void **state) {
    (void)state;
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    ll_socket *pair[2];
    char byte;
    for (size_t i = 0; i < 3; i++) {
        assert_code(ll_socket_pair(AF_UNIX, types[i], 0, pair), 0);
        assert_true(is_cloexec(pair[0]) && is_cloexec(pair[1]));
        assert_code(ll_socket_send(pair[0], "x", 1, 0), 1);
        assert_code(ll_socket_recv(pair[1], &byte, 1, 0), 1);
        free_pair(pair);
    }
    assert_code(ll_socket_pair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_code(ll_socket_recv(pair[1], &byte, 1, 0), -EAGAIN);
    free_pair(pair);
    assert_code(ll_socket_pair(AF_INET, SOCK_STREAM, 0, pair), LL_ENOTSUP);
    assert_code(ll_socket_pair(AF_UNIX, SOCK_RDM, 0, pair), LL_ENOTSUP);
    assert_code(ll_socket_pair(12345, SOCK_STREAM, 0, pair), LL_ENOTSUP);
    assert_code(ll_socket_pair(AF_UNIX, SOCK_STREAM, 7, pair), -EPROTONOSUPPORT);
    assert_code(ll_socket_pair(AF_UNIX, SOCK_STREAM, 0, NULL), -EINVAL);
}

static void adopt(void **state) {
    (void)state;
    ll_socket *s = (void *)1;
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_code(ll_socket_adopt(fd, &s), 0);
    assert_int_equal(ll_socket_fileno(s), fd);
    assert_int_equal(ll_socket_family(s), AF_INET6);
    assert_int_equal(ll_socket_type(s), SOCK_DGRAM);
    assert_int_equal(ll_socket_protocol(s), IPPROTO_UDP);
    assert_int_equal(ll_socket_getblocking(s), 0);
    assert_true(is_cloexec(s));
    ll_socket_free(s);
    assert_int_equal(fcntl(fd, F_GETFD), -1);

    assert_code(ll_socket_adopt(-1, &s), -EBADF);
    assert_null(s);
    assert_code(ll_socket_adopt(0, NULL), -EINVAL);
    fd = open("/dev/null", O_RDONLY);
    assert_code(ll_socket_adopt(fd, &s), -ENOTSOCK);
    assert_int_equal(close(fd), 0); /* it stayed ours */

    fd = socket(AF_INET, SOCK_STREAM, 0);
    for (int i = 0; i < 3; i++) {
        fault_set(FAULT_GETSOCKOPT, i, ENOMEM);
        assert_code(ll_socket_adopt(fd, &s), -ENOMEM);
    }
    for (int i = 0; i < 2; i++) {
        fault_set(FAULT_FCNTL, i, ENOMEM);
        assert_code(ll_socket_adopt(fd, &s), -ENOMEM);
    }
    fault_set(FAULT_MALLOC, 0, ENOMEM);
    assert_code(ll_socket_adopt(fd, &s), -ENOMEM);
    fault_clear();
    assert_code(ll_socket_adopt(fd, &s), 0);
    assert_int_equal(ll_socket_getblocking(s), 1);
    ll_socket_free(s);
}

static void detach(void **state) {
    (void)state;
    ll_socket *s;
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    int fd = ll_socket_fileno(s);
    assert_code(ll_socket_detach(s), fd);
    assert_code(ll_socket_fileno(s), LL_ECLOSED);
    assert_code(ll_socket_detach(s), LL_ECLOSED);
    assert_code(ll_socket_close(s), LL_ECLOSED);
    ll_socket_free(s);
    assert_int_equal(close(fd), 0);
    assert_code(ll_socket_detach(NULL), -EINVAL);
}

static void dup_shares_the_connection(void **state) {
    (void)state;
    ll_socket *pair[2], *copy;
    double seconds;
    char byte;
    unix_pair(pair, SOCK_STREAM);
    ll_socket_settimeout(pair[0], 7);
    assert_code(ll_socket_dup(pair[0], &copy), 0);
    assert_true(is_cloexec(copy));
    assert_int_not_equal(ll_socket_fileno(copy), ll_socket_fileno(pair[0]));
    assert_code(ll_socket_gettimeout(copy, &seconds), 0);
    assert_true(seconds == 7);
    ll_socket_free(pair[0]);
    assert_code(ll_socket_send(copy, "y", 1, 0), 1);
    assert_code(ll_socket_recv(pair[1], &byte, 1, 0), 1);
    ll_socket_close(copy);
    ll_socket *none;
    assert_code(ll_socket_dup(copy, &none), LL_ECLOSED);
    assert_null(none);
    assert_code(ll_socket_dup(NULL, &none), -EINVAL);
    assert_code(ll_socket_dup(copy, NULL), -EINVAL);
    ll_socket_free(copy);
    fault_set(FAULT_FCNTL, 0, EMFILE);
    assert_code(ll_socket_dup(pair[1], &none), -EMFILE);
    fault_set(FAULT_MALLOC, 0, ENOMEM);
    assert_code(ll_socket_dup(pair[1], &none), -ENOMEM);
    assert_null(none);
    ll_socket_free(pair[1]);
}

static void closing(void **state) {
    (void)state;
    ll_socket *s;
    ll_socket_free(NULL);
    assert_code(ll_socket_close(NULL), -EINVAL);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    int fd = ll_socket_fileno(s);
    assert_code(ll_socket_close(s), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_code(ll_socket_close(s), LL_ECLOSED);

    /* The number comes to mean something else, and the closed socket does not touch it. */
    assert_int_equal(open("/dev/null", O_RDONLY), fd);
    assert_code(ll_socket_recv(s, &fd, 1, 0), LL_ECLOSED);
    assert_code(ll_socket_close(s), LL_ECLOSED);
    ll_socket_free(s);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    close(fd);

    static const struct { int error, code; } rows[] = {{EIO, -EIO}, {ENOSPC, -ENOSPC}, {EDQUOT, -EDQUOT}, {EINTR, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
        fault_set(FAULT_CLOSE, 0, rows[i].error);
        assert_code(ll_socket_close(s), rows[i].code);
        assert_code(ll_socket_close(s), LL_ECLOSED);
        ll_socket_free(s);
    }
}

/* Every function that takes a socket says LL_ECLOSED for a closed one and -EINVAL for none. */
static void misuse(void **state) {
    (void)state;
    ll_socket *closed, *out, *sockets[2];
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &closed), 0);
    ll_socket_close(closed);
    struct ll_address a = loopback(AF_INET), name;
    struct ll_message m = {0};
    struct ll_tcp_info tcp;
    struct ll_credentials who;
    size_t size = 4;
    int value;
    char byte = 0;
    sockets[0] = closed;
    sockets[1] = NULL;
    for (size_t i = 0; i < 2; i++) {
        ll_socket *s = sockets[i];
        int code = i == 0 ? LL_ECLOSED : -EINVAL;
        assert_code(ll_socket_bind(s, &a), code);
        assert_code(ll_socket_bind_host(s, "", 0), code);
        assert_code(ll_socket_listen(s, 1), code);
        assert_code(ll_socket_accept(s, &out, NULL), code);
        assert_code(ll_socket_connect(s, &a), code);
        assert_code(ll_socket_connect_host(s, "127.0.0.1", 1), code);
        assert_code(ll_socket_connect_ex(s, &a), i == 0 ? EBADF : -EINVAL);
        assert_code(ll_socket_shutdown(s, SHUT_RD), code);
        assert_code(ll_socket_getpeername(s, &name), code);
        assert_code(ll_socket_getsockname(s, &name), code);
        assert_code(ll_socket_fileno(s), code);
        assert_code(ll_socket_recv(s, &byte, 1, 0), code);
        assert_code(ll_socket_recvfrom(s, &byte, 1, 0, &name), code);
        assert_code(ll_socket_recvall(s, &byte, 1, 0, NULL), code);
        assert_code(ll_socket_send(s, &byte, 1, 0), code);
        assert_code(ll_socket_sendall(s, &byte, 1, 0, NULL), code);
        assert_code(ll_socket_sendto(s, &byte, 1, 0, &a), code);
        assert_code(ll_socket_sendmsg(s, &m, 0), code);
        assert_code(ll_socket_recvmsg(s, &m, 0), code);
        assert_code(ll_socket_sendmmsg(s, &m, 1, 0), code);
        assert_code(ll_socket_recvmmsg(s, &m, 1, 0), code);
        assert_code(ll_socket_send_fds(s, &byte, 1, &value, 1, 0), code);
        assert_code(ll_socket_recv_fds(s, &byte, 1, &value, 1, &size, 0, NULL), code);
        assert_code(ll_socket_sendfile(s, 0, 0, 0, NULL), code);
        assert_code(ll_socket_setsockopt_int(s, SOL_SOCKET, SO_REUSEADDR, 1), code);
        assert_code(ll_socket_getsockopt_int(s, SOL_SOCKET, SO_REUSEADDR, &value), code);
        size = sizeof value;
        assert_code(ll_socket_getsockopt(s, SOL_SOCKET, SO_REUSEADDR, &value, &size), code);
        assert_code(ll_socket_setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value), code);
        assert_code(ll_socket_receive(s, LL_RECEIVE_TTL, true), code);
        assert_code(ll_socket_tcp_info(s, &tcp), code);
        assert_code(ll_socket_peer_credentials(s, &who), i == 0 ? -EOPNOTSUPP : -EINVAL);
        assert_code(ll_socket_settimeout(s, 1), code);
        assert_code(ll_socket_setblocking(s, true), code);
    }
    assert_code(ll_socket_family(NULL), -EINVAL);
    assert_code(ll_socket_type(NULL), -EINVAL);
    assert_code(ll_socket_protocol(NULL), -EINVAL);
    assert_int_equal(ll_socket_family(closed), AF_INET);
    ll_socket_free(closed);
}

#define checked(test) cmocka_unit_test_setup_teardown(test, check_descriptors, no_descriptor_left)
int main(void) {
    const struct CMUnitTest tests[] = {
        checked(open_all_kinds),
        checked(reliable_datagrams),
        checked(open_nonblocking),
        checked(raw_needs_privilege),
        checked(out_of_everything),
        checked(pairs),
        checked(adopt),
        checked(detach),
        checked(dup_shares_the_connection),
        checked(closing),
        checked(misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
