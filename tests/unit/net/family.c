/* Families whose addresses are passed through, and IPv6 scopes, on real sockets. */
#include "landline/socket.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "tests/unit/net/support.h"

static void netlink(void **state) {
    (void)state;
    ll_socket *s;
    struct ll_address kernel, own, from, parsed;
    struct sockaddr_nl raw = {.nl_family = AF_NETLINK};
    struct {
        struct nlmsghdr header;
        struct ifinfomsg body;
    } ask = {.header = {.nlmsg_len = sizeof ask,
                        .nlmsg_type = RTM_GETLINK,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                        .nlmsg_seq = 7}};
    _Alignas(struct nlmsghdr) char answer[16384];
    char text[LL_ADDRESS_TEXT];
    assert_code(ll_address_raw(&kernel, &raw, sizeof raw), 0);
    assert_code(ll_socket_open(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, &s), 0);
    assert_code(ll_socket_bind(s, &kernel), 0);
    assert_code(ll_socket_getsockname(s, &own), 0);
    ll_address_format(&own, text, sizeof text);
    assert_memory_equal(text, "raw:16:", 7);
    assert_code(ll_address_parse(&parsed, text), 0);
    assert_true(ll_address_equal(&own, &parsed));
    ll_socket_settimeout(s, 60);
    assert_code(ll_socket_sendto(s, &ask, sizeof ask, 0, &kernel), sizeof ask);
    assert_true(ll_socket_recvfrom(s, answer, sizeof answer, 0, &from) > (ssize_t)sizeof(struct nlmsghdr));
    assert_true(ll_address_equal(&from, &kernel));
    assert_int_equal(((struct nlmsghdr *)(void *)answer)->nlmsg_seq, 7);
    ll_socket_free(s);
}

/* What this system may lack or forbid gives a clear code. */
static void other_families(void **state) {
    (void)state;
    ll_socket *s;
    int r = ll_socket_open(AF_VSOCK, SOCK_STREAM, 0, &s);
    assert_true(r == 0 || r == LL_ENOTSUP);
    if (r == 0) {
        struct ll_address own;
        assert_code(ll_socket_getsockname(s, &own), 0);
        assert_int_equal(ll_address_family(&own), AF_VSOCK);
        ll_socket_free(s);
    }
    r = ll_socket_open(AF_PACKET, SOCK_DGRAM, 0, &s);
    assert_true(r == 0 || r == -EPERM || r == LL_ENOTSUP);
    if (r == 0) {
        char byte;
        ll_socket_settimeout(s, 0.01);
        assert_code(ll_socket_recv(s, &byte, 1, 0), LL_ETIMEOUT); /* protocol 0 hears nothing */
        ll_socket_free(s);
    }
}

static void scopes(void **state) {
    (void)state;
    ll_socket *a, *b;
    struct ll_address to, from;
    char byte;
    int lo = ll_if_nametoindex("lo");
    assert_code(ll_socket_open(AF_INET6, SOCK_DGRAM, 0, &a), 0);
    assert_code(ll_socket_open(AF_INET6, SOCK_DGRAM, 0, &b), 0);
    assert_code(ll_address_ipv6(&to, "::1%lo", 0, 0, 0), 0);
    assert_int_equal(ll_address_scope_id(&to), lo);
    assert_code(ll_socket_bind(a, &to), 0);
    assert_code(ll_socket_getsockname(a, &from), 0);
    assert_code(ll_address_ipv6(&to, "::1", ll_address_port(&from), 0, (uint32_t)lo), 0);
    assert_code(ll_socket_sendto(b, "x", 1, 0, &to), 1);
    assert_code(ll_socket_recvfrom(a, &byte, 1, 0, &from), 1);
    assert_int_equal(ll_address_family(&from), AF_INET6);
    assert_code(ll_address_ipv6(&to, "fe80::1", 0, 0, 0x7ffffff), 0);
    assert_code(ll_socket_bind(b, &to), -EINVAL); /* bound already, by its first send */
    ll_socket_free(b);
    assert_code(ll_socket_open(AF_INET6, SOCK_DGRAM, 0, &b), 0);
    assert_code(ll_socket_bind(b, &to), -ENODEV); /* no such interface */
    ll_socket_free(a);
    ll_socket_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(netlink),
        cmocka_unit_test(other_families),
        cmocka_unit_test(scopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
