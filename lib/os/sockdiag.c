#include "lib/os/sockdiag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/tcp.h>

enum { ANSWER = 32 << 10 };

const char *sockdiag_state(uint8_t state) {
    static const char *const names[] = {"?",          "ESTABLISHED", "SYN_SENT", "SYN_RECV",   "FIN_WAIT_1",
                                        "FIN_WAIT_2", "TIME_WAIT",   "CLOSED",   "CLOSE_WAIT", "LAST_ACK",
                                        "LISTEN",     "CLOSING",     "SYN_RECV"};
    return state < sizeof names / sizeof *names ? names[state] : "?";
}

static int ask(int fd, uint8_t family) {
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } request = {
        .head = {.nlmsg_len = sizeof request,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.sdiag_family = family,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_ext = 1 << (INET_DIAG_INFO - 1) | 1 << (INET_DIAG_CONG - 1),
                 .idiag_states = ~0U},
    };
    return send(fd, &request, sizeof request, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* tcp_info has grown over the years: what the kernel gave is copied, the rest is 0. */
static void take_info(struct sockdiag_tcp *out, const void *data, size_t size) {
    struct tcp_info info = {0};
    memcpy(&info, data, size < sizeof info ? size : sizeof info);
    out->has_info = true;
    out->rtt_us = info.tcpi_rtt;
    out->rtt_variance_us = info.tcpi_rttvar;
    out->send_mss = info.tcpi_snd_mss;
    out->path_mtu = info.tcpi_pmtu;
    out->congestion_window = info.tcpi_snd_cwnd;
    out->unacked = info.tcpi_unacked;
    out->retransmitted = info.tcpi_total_retrans;
    out->send_scale = info.tcpi_snd_wscale;
    out->receive_scale = info.tcpi_rcv_wscale;
}

static void take_attributes(struct sockdiag_tcp *out, const char *data, size_t size) {
    while (size >= sizeof(struct rtattr)) {
        struct rtattr head;
        memcpy(&head, data, sizeof head);
        if (head.rta_len < sizeof head || head.rta_len > size)
            return;
        const char *body = data + RTA_LENGTH(0);
        size_t length = head.rta_len - RTA_LENGTH(0), step = RTA_ALIGN(head.rta_len);
        if (head.rta_type == INET_DIAG_INFO)
            take_info(out, body, length);
        if (head.rta_type == INET_DIAG_CONG && length > 0 && length <= sizeof out->congestion)
            memcpy(out->congestion, body, length - 1);
        data += step < size ? step : size;
        size -= step < size ? step : size;
    }
}

static struct sockdiag_end make_end(uint8_t family, const void *address, uint16_t port) {
    struct sockdiag_end end = {.family = family == AF_INET ? 4 : 6, .port = ntohs(port)};
    memcpy(end.bytes, address, family == AF_INET ? 4 : 16);
    return end;
}

static struct sockdiag_tcp make_socket(const struct inet_diag_msg *m) {
    return (struct sockdiag_tcp){.local = make_end(m->idiag_family, m->id.idiag_src, m->id.idiag_sport),
                                 .peer = make_end(m->idiag_family, m->id.idiag_dst, m->id.idiag_dport),
                                 .state = m->idiag_state,
                                 .timer = m->idiag_timer,
                                 .timer_ms = m->idiag_expires,
                                 .receive_queue = m->idiag_rqueue,
                                 .send_queue = m->idiag_wqueue,
                                 .inode = m->idiag_inode,
                                 .uid = m->idiag_uid};
}

int sockdiag_take(struct sockdiag_walk *w, const void *batch, size_t size) {
    const char *data = batch;
    while (size >= sizeof(struct nlmsghdr)) {
        struct nlmsghdr head;
        memcpy(&head, data, sizeof head);
        if (head.nlmsg_len < sizeof head || head.nlmsg_len > size)
            return -EBADMSG;
        if (head.nlmsg_type == NLMSG_DONE) {
            w->over = true;
            return 0;
        }
        if (head.nlmsg_type == NLMSG_ERROR) {
            struct nlmsgerr error = {.error = -EPROTO};
            if (head.nlmsg_len >= NLMSG_LENGTH(sizeof error))
                memcpy(&error, data + NLMSG_LENGTH(0), sizeof error);
            return error.error < 0 ? error.error : -EPROTO;
        }
        struct inet_diag_msg m;
        if (head.nlmsg_len >= NLMSG_LENGTH(sizeof m)) {
            memcpy(&m, data + NLMSG_LENGTH(0), sizeof m);
            struct sockdiag_tcp s = make_socket(&m);
            take_attributes(&s, data + NLMSG_LENGTH(sizeof m), head.nlmsg_len - NLMSG_LENGTH(sizeof m));
            bool wanted = w->port == 0 || s.local.port == w->port || s.peer.port == w->port;
            int code = wanted ? w->each(w->context, &s) : 0;
            if (code != 0)
                return code;
        }
        size_t step = NLMSG_ALIGN(head.nlmsg_len);
        data += step < size ? step : size;
        size -= step < size ? step : size;
    }
    return 0;
}

static int walk_family(int fd, uint8_t family, struct sockdiag_walk *w) {
    _Alignas(struct nlmsghdr) char answer[ANSWER];
    int code = ask(fd, family);
    w->over = false;
    while (code == 0 && !w->over) {
        ssize_t n = recv(fd, answer, sizeof answer, 0);
        if (n < 0 && errno == EINTR)
            continue;
        code = n < 0 ? -errno : sockdiag_take(w, answer, (size_t)n);
    }
    return code;
}

int sockdiag_tcp(uint16_t port, sockdiag_each *each, void *context) {
    struct sockdiag_walk w = {.port = port, .each = each, .context = context};
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return -errno;
    int code = walk_family(fd, AF_INET, &w);
    if (code == 0)
        code = walk_family(fd, AF_INET6, &w);
    close(fd);
    return code;
}
