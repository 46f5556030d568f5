/* landline/socket.h: options, the peer's credentials, what TCP knows. */
#include "landline/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

static int clear(void **state) {
    (void)state;
    fault_clear();
    return 0;
}

static void options(void **state) {
    (void)state;
    ll_socket *s;
    int value = 0;
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_setsockopt_int(s, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    assert_code(ll_socket_getsockopt_int(s, SOL_SOCKET, SO_KEEPALIVE, &value), 0);
    assert_int_equal(value, 1);
    assert_code(ll_socket_setsockopt_int(s, SOL_SOCKET, 98765, 1), -ENOPROTOOPT);
    assert_code(ll_socket_getsockopt_int(s, SOL_SOCKET, 98765, &value), -ENOPROTOOPT);
    assert_code(ll_socket_getsockopt_int(s, SOL_SOCKET, SO_KEEPALIVE, NULL), -EINVAL);
    fault_option_length = 2;
    assert_code(ll_socket_getsockopt_int(s, SOL_SOCKET, SO_KEEPALIVE, &value), LL_EFORMAT);
    fault_clear();

    struct linger in = {.l_onoff = 1, .l_linger = 7}, out = {0};
    size_t size = sizeof out;
    assert_code(ll_socket_setsockopt(s, SOL_SOCKET, SO_LINGER, &in, sizeof in), 0);
    assert_code(ll_socket_getsockopt(s, SOL_SOCKET, SO_LINGER, &out, &size), 0);
    assert_int_equal(size, sizeof out);
    assert_int_equal(out.l_linger, 7);
    char name[64];
    size = sizeof name;
    assert_code(ll_socket_getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
    assert_true(size > 0 && size <= sizeof name);
    size = SIZE_MAX; /* more than the system can be told of */
    assert_code(ll_socket_getsockopt(s, SOL_SOCKET, SO_LINGER, &out, &size), 0);
    assert_int_equal(size, sizeof out);
    assert_code(ll_socket_getsockopt(s, SOL_SOCKET, SO_LINGER, &out, NULL), -EINVAL);
    size = 8;
    assert_code(ll_socket_getsockopt(s, SOL_SOCKET, SO_LINGER, NULL, &size), -EFAULT);
    assert_int_equal(size, 0);
    assert_code(ll_socket_setsockopt(s, SOL_SOCKET, SO_LINGER, &in, SIZE_MAX), -EINVAL);
    assert_code(ll_socket_setsockopt(s, SOL_SOCKET, SO_LINGER, &in, 1), -EINVAL);
    assert_code(ll_socket_setsockopt(s, SOL_SOCKET, SO_LINGER, NULL, sizeof in), -EFAULT);
    struct timeval wrong = {.tv_usec = -1};
    assert_code(ll_socket_setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wrong, sizeof wrong), -EDOM);
    struct ll_error_info info;
    ll_socket_error(s, &info);
    assert_string_equal(info.call, "setsockopt");
    ll_socket_free(s);
}

static void peer_credentials(void **state) {
    (void)state;
    ll_socket *pair[2], *s;
    struct ll_credentials who;
    unix_pair(pair, SOCK_STREAM);
    assert_code(ll_socket_peer_credentials(pair[0], &who), 0);
    assert_true(who.pid == getpid() && who.uid == getuid() && who.gid == getgid());
    assert_code(ll_socket_peer_credentials(pair[0], NULL), -EINVAL);
    fault_set(FAULT_GETSOCKOPT, 0, ENOBUFS);
    assert_code(ll_socket_peer_credentials(pair[0], &who), -ENOBUFS);
    free_pair(pair);
    assert_code(ll_socket_open(AF_UNIX, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_peer_credentials(s, &who), -ENOTCONN);
    ll_socket_free(s);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_peer_credentials(s, &who), -EOPNOTSUPP);
    ll_socket_free(s);
}

static void tcp_info(void **state) {
    (void)state;
    ll_socket *pair[2], *s;
    struct ll_tcp_info info;
    char bytes[100] = {0};
    tcp_pair(pair);
    assert_code(ll_socket_sendall(pair[0], bytes, sizeof bytes, 0, NULL), 0);
    assert_code(ll_socket_recvall(pair[1], bytes, sizeof bytes, 0, NULL), 0);
    assert_code(ll_socket_tcp_info(pair[1], &info), 0);
    assert_int_equal(info.state, TCP_ESTABLISHED);
    assert_true(info.send_mss > 0 && info.rto_us >= 1000 && info.congestion_window > 0);
    assert_true(LL_TCP_INFO_HAS(&info, total_retransmitted));
    assert_true(LL_TCP_INFO_HAS(&info, bytes_received));
    assert_int_equal(info.bytes_received, 100);
    struct tcp_info raw;
    size_t size = sizeof raw;
    assert_code(ll_socket_getsockopt(pair[1], IPPROTO_TCP, TCP_INFO, &raw, &size), 0);
    assert_int_equal(info.send_window_scale, raw.tcpi_snd_wscale);
    assert_int_equal(info.receive_window_scale, raw.tcpi_rcv_wscale);
    assert_int_equal(info.advertised_mss, raw.tcpi_advmss);
    assert_int_equal(info.path_mtu, raw.tcpi_pmtu);

    /* An older kernel gives less: the fields it did not fill are 0 and known to be unknown. */
    const unsigned int front = offsetof(struct ll_tcp_info, state);
    fault_option_length = offsetof(struct ll_tcp_info, bytes_received) - front;
    assert_code(ll_socket_tcp_info(pair[1], &info), 0);
    assert_true(LL_TCP_INFO_HAS(&info, bytes_acked) && !LL_TCP_INFO_HAS(&info, bytes_received));
    fault_option_length = offsetof(struct ll_tcp_info, unacked) - front;
    assert_code(ll_socket_tcp_info(pair[1], &info), 0);
    fault_option_length--;
    assert_code(ll_socket_tcp_info(pair[1], &info), LL_ENOTSUP);
    fault_clear();
    assert_code(ll_socket_tcp_info(pair[1], NULL), -EINVAL);
    fault_set(FAULT_GETSOCKOPT, 0, ENOPROTOOPT);
    assert_code(ll_socket_tcp_info(pair[1], &info), -EOPNOTSUPP);
    fault_set(FAULT_GETSOCKOPT, 0, ENOBUFS);
    assert_code(ll_socket_tcp_info(pair[1], &info), -ENOBUFS);
    free_pair(pair);
    static const int kinds[][2] = {{AF_INET, SOCK_DGRAM}, {AF_UNIX, SOCK_STREAM}};
    for (size_t i = 0; i < 2; i++) {
        assert_code(ll_socket_open(kinds[i][0], kinds[i][1], 0, &s), 0);
        assert_code(ll_socket_tcp_info(s, &info), -EOPNOTSUPP);
        ll_socket_free(s);
    }
}

#define cleared(test) cmocka_unit_test_teardown(test, clear)
int main(void) {
    const struct CMUnitTest tests[] = {cleared(options), cleared(peer_credentials), cleared(tcp_info)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
