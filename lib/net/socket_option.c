/* Options, typed ones among them: what messages shall carry, who the peer is, what TCP knows. */
#include "lib/net/socket.h"

#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>

static int set_option(ll_socket *s, int level, int option, const void *value, size_t size) {
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    ssize_t r = size > INT_MAX ? -EINVAL : os_setsockopt(fd, level, option, value, (socklen_t)size);
    r = socket_result(s, r, "setsockopt", NULL);
    socket_leave(s);
    return (int)r;
}

static int get_option(ll_socket *s, int level, int option, void *value, size_t *size) {
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    socklen_t length = *size > INT_MAX ? INT_MAX : (socklen_t)*size;
    ssize_t r = socket_result(s, os_getsockopt(fd, level, option, value, &length), "getsockopt", NULL);
    *size = r < 0 ? 0 : length;
    socket_leave(s);
    return (int)r;
}

int ll_socket_setsockopt(ll_socket *s, int level, int option, const void *value, size_t size) {
    return set_option(s, level, option, value, size);
}

int ll_socket_getsockopt(ll_socket *s, int level, int option, void *value, size_t *size) {
    return size == NULL ? -EINVAL : get_option(s, level, option, value, size);
}

int ll_socket_setsockopt_int(ll_socket *s, int level, int option, int value) {
    return set_option(s, level, option, &value, sizeof value);
}

int ll_socket_getsockopt_int(ll_socket *s, int level, int option, int *value) {
    if (value == NULL)
        return -EINVAL;
    size_t size = sizeof *value;
    int r = get_option(s, level, option, value, &size);
    return r == 0 && size != sizeof *value ? LL_EFORMAT : r;
}

int ll_socket_receive(ll_socket *s, unsigned int what, bool on) {
    static const struct {
        unsigned int what;
        int family, level, option;
    } rows[] = {
        {LL_RECEIVE_CREDENTIALS, AF_UNIX, SOL_SOCKET, SO_PASSCRED},
        {LL_RECEIVE_PKTINFO, AF_INET, IPPROTO_IP, IP_PKTINFO},
        {LL_RECEIVE_PKTINFO, AF_INET6, IPPROTO_IPV6, IPV6_RECVPKTINFO},
        {LL_RECEIVE_TTL, AF_INET, IPPROTO_IP, IP_RECVTTL},
        {LL_RECEIVE_TTL, AF_INET6, IPPROTO_IPV6, IPV6_RECVHOPLIMIT},
        {LL_RECEIVE_TOS, AF_INET, IPPROTO_IP, IP_RECVTOS},
        {LL_RECEIVE_TOS, AF_INET6, IPPROTO_IPV6, IPV6_RECVTCLASS},
        {LL_RECEIVE_TIMESTAMP, AF_UNSPEC, SOL_SOCKET, SO_TIMESTAMPNS},
    };
    if (s == NULL)
        return -EINVAL;
    size_t chosen[sizeof rows / sizeof *rows], count = 0;
    unsigned int left = what;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if ((what & rows[i].what) != 0 && (rows[i].family == s->family || rows[i].family == AF_UNSPEC)) {
            chosen[count++] = i;
            left &= ~rows[i].what;
        }
    }
    if (left != 0 || what == 0)
        return what == 0 || left >= LL_RECEIVE_TIMESTAMP * 2 ? -EINVAL : -EOPNOTSUPP;
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = ll_socket_setsockopt_int(s, rows[chosen[i]].level, rows[chosen[i]].option, on);
    return r;
}

int ll_socket_peer_credentials(ll_socket *s, struct ll_credentials *credentials) {
    struct ucred raw;
    size_t size = sizeof raw;
    if (s == NULL || credentials == NULL)
        return -EINVAL;
    if (s->family != AF_UNIX)
        return -EOPNOTSUPP;
    int r = get_option(s, SOL_SOCKET, SO_PEERCRED, &raw, &size);
    if (r < 0)
        return r;
    if (raw.uid == (uid_t)-1)
        return -ENOTCONN;
    *credentials = (struct ll_credentials){.pid = raw.pid, .uid = raw.uid, .gid = raw.gid};
    return 0;
}

/* The header's struct has the kernel's layout from `state` on. */
_Static_assert(offsetof(struct ll_tcp_info, state) == 8, "what follows is aligned as in the kernel");
#define SAME_PLACE(ours, theirs)                                                                                       \
    _Static_assert(offsetof(struct ll_tcp_info, ours) - offsetof(struct ll_tcp_info, state) ==                         \
                       offsetof(struct tcp_info, theirs),                                                              \
                   #ours)
SAME_PLACE(rto_us, tcpi_rto);
SAME_PLACE(rtt_us, tcpi_rtt);
SAME_PLACE(total_retransmitted, tcpi_total_retrans);

int ll_socket_tcp_info(ll_socket *s, struct ll_tcp_info *info) {
    const size_t front = offsetof(struct ll_tcp_info, state);
    const size_t least = offsetof(struct ll_tcp_info, unacked) - front;
    if (s == NULL || info == NULL)
        return -EINVAL;
    *info = (struct ll_tcp_info){0};
    if ((s->family != AF_INET && s->family != AF_INET6) || s->type != SOCK_STREAM)
        return -EOPNOTSUPP;
    size_t size = sizeof *info - front;
    int r = get_option(s, IPPROTO_TCP, TCP_INFO, (char *)info + front, &size);
    if (r < 0)
        return r == -ENOPROTOOPT ? -EOPNOTSUPP : r;
    if (size < least)
        return LL_ENOTSUP;
    info->length = (uint32_t)size;
    info->send_window_scale = info->window_scales & 15;
    info->receive_window_scale = info->window_scales >> 4;
    info->app_limited = info->delivery_bits & 1;
    info->fast_open_failure = info->delivery_bits >> 1 & 3;
    return 0;
}
