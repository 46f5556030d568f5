#include "landline/observe/kernel.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "landline/observe/packet.h"
#include "landline/observe/words.h"
#include "lib/base/error.h"
#include "lib/os/sockdiag.h"

void kernel_socket(struct buf *out, const char *when, ll_socket *socket) {
    struct ll_tcp_info i;
    char congestion[32];
    size_t size = sizeof congestion;
    int code = ll_socket_tcp_info(socket, &i);
    if (code != 0) {
        words_format(out, "%s: TCP_INFO: %s\n", when, ll_strerror(code));
        return;
    }
    if (ll_socket_getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, congestion, &size) != 0)
        size = 0;
    words_format(out, "%s: %s, round trip ", when, sockdiag_state(i.state));
    words_span(out, (int64_t)i.rtt_us * 1000);
    words_format(out, " +- ");
    words_span(out, (int64_t)i.rtt_variance_us * 1000);
    words_format(out, ", mss %u, path mtu %u, window scale %u/%u, congestion window %u (%.*s), retransmitted %u, ",
                 i.send_mss, i.path_mtu, i.send_window_scale, i.receive_window_scale, i.congestion_window,
                 (int)strnlen(congestion, size), congestion, i.total_retransmitted);
    words_format(out, "bytes acknowledged %llu, received %llu\n", (unsigned long long)i.bytes_acked,
                 (unsigned long long)i.bytes_received);
}

static struct packet_end end_of(const struct sockdiag_end *e) {
    struct packet_end end = {.family = e->family, .port = e->port};
    memcpy(end.bytes, e->bytes, sizeof end.bytes);
    return end;
}

static void put_name(struct buf *out, const struct sockdiag_tcp *s) {
    char local[PACKET_END_TEXT], peer[PACKET_END_TEXT];
    struct packet_end ends[2] = {end_of(&s->local), end_of(&s->peer)};
    packet_end_text(&ends[0], local);
    packet_end_text(&ends[1], peer);
    words_format(out, "%s -> %s %s", local, peer, sockdiag_state(s->state));
}

static void put_socket(struct buf *out, const struct sockdiag_tcp *s) {
    static const char *const timers[] = {[SOCKDIAG_RETRANSMIT] = "until it sends again",
                                         [SOCKDIAG_KEEPALIVE] = "until keepalive",
                                         [SOCKDIAG_TIME_WAIT] = "left",
                                         [SOCKDIAG_PROBE] = "until the window is probed"};
    put_name(out, s);
    if (s->timer != SOCKDIAG_NONE && s->timer < sizeof timers / sizeof *timers) {
        words_format(out, ", ");
        words_span(out, (int64_t)s->timer_ms * 1000000);
        words_format(out, " %s", timers[s->timer]);
    }
    if (s->has_info && s->state != TCP_LISTEN)
        words_format(out, ", retransmitted %u, congestion %s", s->retransmitted, s->congestion);
    if (s->state == TCP_LISTEN)
        words_format(out, ", %u waiting to be accepted of at most %u", s->receive_queue, s->send_queue);
    else if (s->receive_queue + s->send_queue > 0)
        words_format(out, ", %u bytes unread, %u not acknowledged", s->receive_queue, s->send_queue);
    words_format(out, "\n");
}

struct walk {
    struct buf *out, *before, *now;
    const char *when;
    uint16_t port;
};

static int put_one(void *context, const struct sockdiag_tcp *s) {
    const struct walk *w = context;
    if (s->local.port == w->port) {
        words_format(w->out, "%s: ", w->when);
        put_socket(w->out, s);
    }
    return 0;
}

void kernel_port(struct buf *out, const char *when, uint16_t port) {
    struct walk w = {.out = out, .when = when, .port = port};
    size_t before = buf_size(out);
    int code = sockdiag_tcp(port, put_one, &w);
    if (code != 0)
        words_format(out, "%s: socket diagnostics: %s\n", when, ll_strerror(code));
    else if (buf_size(out) == before)
        words_format(out, "%s: the socket is gone\n", when);
}

static int put_changed(void *context, const struct sockdiag_tcp *s) {
    const struct walk *w = context;
    size_t at = buf_size(w->now);
    if (s->local.port != w->port)
        return 0;
    put_name(w->now, s);
    words_format(w->now, "\n");
    const uint8_t *name = buf_front(w->now) + at;
    size_t n = buf_size(w->now) - at;
    if (buf_size(w->before) == 0 || memmem(buf_front(w->before), buf_size(w->before), name, n) == NULL)
        put_socket(w->out, s);
    return 0;
}

void kernel_changes(struct buf *out, struct buf *before, uint16_t port) {
    struct buf now;
    buf_init(&now, before->limit);
    struct walk w = {.out = out, .before = before, .now = &now, .port = port};
    sockdiag_tcp(port, put_changed, &w);
    buf_free(before);
    *before = now;
}
