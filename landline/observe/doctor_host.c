/* doctor.h: the way to a host. */
#include "landline/observe/doctor.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "landline/observe/words.h"
#include "landline/resolve.h"
#include "landline/socket.h"
#include "lib/base/limits.h"
#include "lib/base/number.h"
#include "lib/os/clock.h"

static const char host_group[] = "host", tcp_group[] = "connection";
static const double nanosecond = 1e-9;

static void advise_name(struct finding *f, int code, const char *host) {
    if (code == LL_EGAI(EAI_NONAME))
        doctor_advise(f, "check the name %s, or add it to /etc/hosts or the name server", host);
    else if (code == LL_EGAI(EAI_AGAIN) || code == LL_ETIMEOUT)
        doctor_advise(f, "no name server answers: check /etc/resolv.conf and the network");
    else
        doctor_advise(f, "check the name %s: %s", host, ll_strerror(code));
}

static int look_up(struct doctor *d, const char *host, int port, int64_t timeout_ns, struct ll_addrinfo **list) {
    const struct ll_addrinfo_hints hints = {.type = SOCK_STREAM};
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    int64_t start = clock_now();
    int count = ll_getaddrinfo(host, service, &hints, (double)timeout_ns * nanosecond, list, NULL);
    int64_t took = clock_now() - start;
    struct finding *f = count < 0 ? doctor_add(d, host_group, "name", DOCTOR_WRONG, "%s: %s", host, ll_strerror(count))
                                  : doctor_add(d, host_group, "name", DOCTOR_GOOD, "%s has %d address%s", host, count,
                                               count == 1 ? "" : "es");
    if (f != NULL)
        f->took_ns = took;
    if (count < 0)
        advise_name(f, count, host);
    return count;
}

/* What a failed attempt means for who reads it. */
static void advise_attempt(struct finding *f, int code, const char *name) {
    switch (code) {
    case -ECONNREFUSED:
        doctor_advise(f, "start the server there, or give the right port: %s is up, but nothing listens on it", name);
        return;
    case LL_ETIMEOUT:
    case -ETIMEDOUT:
        doctor_advise(f, "nobody answers at %s: let its firewall pass this port, or check that it is switched on",
                      name);
        return;
    case -ENETUNREACH:
    case -EHOSTUNREACH:
        doctor_advise(f, "there is no way to %s: check the network, or take the address out of the name", name);
        return;
    default:
        doctor_advise(f, "%s: %s", name, ll_strerror(code));
    }
}

static int try_address(struct doctor *d, const struct ll_address *to, int64_t timeout_ns, ll_socket **out) {
    char name[LL_ADDRESS_TEXT];
    ll_socket *s = NULL;
    ll_address_format(to, name, sizeof name);
    int code = ll_socket_open(ll_address_family(to), SOCK_STREAM, 0, &s);
    int64_t start = clock_now();
    if (code == 0)
        code = ll_socket_settimeout(s, (double)timeout_ns * nanosecond);
    if (code == 0)
        code = ll_socket_connect(s, to);
    struct finding *f = doctor_add(d, host_group, name, code == 0 ? DOCTOR_GOOD : DOCTOR_WRONG, "%s",
                                   code == 0 ? "connected" : ll_strerror(code));
    if (f != NULL)
        f->took_ns = clock_now() - start;
    if (code != 0)
        advise_attempt(f, code, name);
    if (code == 0 && *out == NULL)
        *out = s;
    else
        ll_socket_free(s);
    return code;
}

static void add_span(struct doctor *d, const char *name, uint32_t us, uint32_t variance_us) {
    struct buf text;
    buf_init(&text, LIMIT_TRACE_TEXT);
    words_span(&text, (int64_t)us * 1000);
    words_format(&text, ", give or take ");
    words_span(&text, (int64_t)variance_us * 1000);
    doctor_add(d, tcp_group, name, DOCTOR_FACT, "%.*s", (int)buf_size(&text), (const char *)buf_front(&text));
    buf_free(&text);
}

static void add_buffers(struct doctor *d, ll_socket *s) {
    int send = 0, receive = 0;
    char text[2][32];
    if (ll_socket_getsockopt_int(s, SOL_SOCKET, SO_SNDBUF, &send) != 0 ||
        ll_socket_getsockopt_int(s, SOL_SOCKET, SO_RCVBUF, &receive) != 0)
        return;
    doctor_add(d, tcp_group, "buffers", DOCTOR_FACT, "send %s, receive %s",
               number_format_size(text[0], sizeof text[0], (uint64_t)send),
               number_format_size(text[1], sizeof text[1], (uint64_t)receive));
}

/* What TCP itself has learnt of the way. */
static void look_at_connection(struct doctor *d, ll_socket *s) {
    struct ll_tcp_info i;
    char congestion[32] = "", text[32];
    size_t size = sizeof congestion - 1;
    if (ll_socket_tcp_info(s, &i) != 0)
        return;
    ll_socket_getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, congestion, &size);
    add_span(d, "round trip", i.rtt_us, i.rtt_variance_us);
    doctor_add(d, tcp_group, "segments", DOCTOR_FACT, "mss %u, path mtu %u", i.send_mss, i.path_mtu);
    struct finding *f = doctor_add(d, tcp_group, "window scale", i.window_scales != 0 ? DOCTOR_GOOD : DOCTOR_WORSE,
                                   "theirs %u, ours %u", i.send_window_scale, i.receive_window_scale);
    if (i.window_scales == 0)
        doctor_advise(f, "a machine on the way strips TCP options: without window scaling no more than 64 KiB are on "
                         "the way at once");
    doctor_add(d, tcp_group, "congestion", DOCTOR_FACT, "%s, window %u segments", congestion, i.congestion_window);
    if (LL_TCP_INFO_HAS(&i, pacing_rate) && i.rtt_us > 0)
        doctor_add(
            d, tcp_group, "rate to begin with", DOCTOR_FACT, "%s/s",
            number_format_size(text, sizeof text, (uint64_t)i.congestion_window * i.send_mss * 1000000 / i.rtt_us));
    add_buffers(d, s);
    f = doctor_add(d, tcp_group, "sent again", i.total_retransmitted == 0 ? DOCTOR_GOOD : DOCTOR_WORSE, "%u segments",
                   i.total_retransmitted);
    if (i.total_retransmitted > 0)
        doctor_advise(f, "segments were lost while connecting: look at the way with landline trace");
}

bool doctor_host(struct doctor *d, const char *host, int port, int64_t timeout_ns) {
    struct ll_addrinfo *list = NULL;
    ll_socket *s = NULL;
    int count = look_up(d, host, port, timeout_ns, &list);
    for (int i = 0; i < count; i++)
        try_address(d, &list[i].address, timeout_ns, &s);
    /* One way that works is enough: the others are worth a remark, not an alarm. */
    for (size_t i = 0; s != NULL && i < d->count; i++) {
        if (d->list[i].group == host_group && d->list[i].state == DOCTOR_WRONG)
            d->list[i].state = DOCTOR_WORSE;
    }
    if (s != NULL)
        look_at_connection(d, s);
    bool connected = s != NULL;
    ll_socket_free(s);
    ll_addrinfo_free(list);
    return connected;
}
