/* trace.h: a connection of one's own, from its first SYN to TIME_WAIT. */
#include "landline/observe/trace.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "landline/observe/kernel.h"
#include "landline/resolve.h"
#include "landline/socket.h"
#include "lib/base/error.h"
#include "lib/os/clock.h"

static const double nanosecond = 1e-9;
static const int64_t last_packets_ns = 300000000; /* how long late ones are waited for where the end was seen */

static int stop_hook(void *context) {
    return trace_stopped(context);
}

/* Bound at once, so that its port is known before the first packet. */
static int open_socket(struct trace *t, const struct ll_address *to, ll_socket **out) {
    struct ll_address any;
    int family = ll_address_family(to);
    int code = ll_address_ip(&any, family == AF_INET6 ? "::" : "0.0.0.0", 0);
    if (code == 0)
        code = ll_socket_open(family, SOCK_STREAM, 0, out);
    if (code == 0)
        code = ll_socket_bind(*out, &any);
    if (code == 0)
        code = ll_socket_getsockname(*out, &any);
    if (code == 0)
        trace_add_port(t, (uint16_t)ll_address_port(&any));
    return code;
}

static uint16_t local_port(ll_socket *s) {
    struct ll_address a;
    return ll_socket_getsockname(s, &a) == 0 ? (uint16_t)ll_address_port(&a) : 0;
}

static int set_keepalive(ll_socket *s, int64_t after_ns) {
    int seconds = (int)(after_ns / 1000000000);
    if (after_ns == 0)
        return 0;
    if (seconds < 1)
        seconds = 1;
    int code = ll_socket_setsockopt_int(s, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (code == 0)
        code = ll_socket_setsockopt_int(s, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    if (code == 0)
        code = ll_socket_setsockopt_int(s, IPPROTO_TCP, TCP_KEEPINTVL, seconds);
    return code;
}

/* Reads and forgets until the other end closes or the deadline; with `once`, until something came. */
static int read_away(struct trace *t, ll_socket *s, int64_t deadline, bool once) {
    char away[4096];
    ll_socket_settimeout(s, 0);
    while (!trace_stopped(t)) {
        ssize_t n = ll_socket_recv(s, away, sizeof away, 0);
        if (n == 0 || (n > 0 && once))
            return 0;
        if (n < 0 && n != -EAGAIN)
            return (int)n;
        if (n > 0)
            continue;
        if (clock_now() >= deadline)
            return LL_ETIMEOUT;
        struct pollfd fd = {.fd = ll_socket_fileno(s), .events = POLLIN};
        int code = trace_wait(t, &fd, 1, deadline);
        if (code != 0)
            return code;
    }
    return 0;
}

/* What the target asks for between connect and close. */
static void use(struct trace *t, const struct trace_target *o, ll_socket *s) {
    set_keepalive(s, o->keepalive_ns);
    if (o->send_size > 0) {
        ll_socket_settimeout(s, (double)o->timeout_ns * nanosecond);
        if (ll_socket_sendall(s, o->send, o->send_size, 0, NULL) == 0)
            read_away(t, s, clock_after(clock_now(), o->timeout_ns), true);
        kernel_socket(&t->kernel, "after the exchange", s);
    }
    if (o->hold_ns > 0)
        read_away(t, s, clock_after(clock_now(), o->hold_ns), false);
}

static void finish(struct trace *t, const struct trace_target *o, ll_socket *s) {
    uint16_t port = local_port(s);
    if (o->reset) {
        const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        ll_socket_setsockopt(s, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    } else if (ll_socket_shutdown(s, SHUT_WR) == 0) {
        read_away(t, s, clock_after(clock_now(), o->timeout_ns), false);
    }
    ll_socket_close(s);
    kernel_port(&t->kernel, "after close", port);
}

/* Late packets: until all connections have ended, or nothing can be expected any more. */
static void settle(struct trace *t) {
    int64_t deadline = clock_after(clock_now(), last_packets_ns);
    while (t->capture != NULL && clock_now() < deadline && !trace_stopped(t)) {
        if (trace_wait(t, NULL, 0, deadline) != 0)
            break;
        trace_judge(t);
        if (t->table.count > 0 && trace_settled(t))
            break;
    }
    trace_judge(t);
}

static int try_address(struct trace *t, const struct trace_target *o, const struct ll_address *to,
                       struct ll_error_info *info) {
    ll_socket *s = NULL;
    char name[LL_ADDRESS_TEXT];
    ll_address_format(to, name, sizeof name);
    int code = open_socket(t, to, &s);
    if (code == 0) {
        ll_socket_settimeout(s, (double)o->timeout_ns * nanosecond);
        code = ll_socket_connect(s, to);
        kernel_socket(&t->kernel, code == 0 ? "after connect" : "after connect failed", s);
    }
    if (code == 0) {
        use(t, o, s);
        finish(t, o, s);
    }
    ll_socket_free(s);
    trace_drain(t);
    return code == 0 ? 0 : error_at(info, code, "connect", name);
}

static int try_all(struct trace *t, const struct trace_target *o, const struct ll_addrinfo *list, int count,
                   struct ll_error_info *info) {
    int code = LL_EHOST;
    for (int i = 0; i < count && code != 0 && !trace_stopped(t); i++)
        code = try_address(t, o, &list[i].address, info);
    settle(t);
    return code;
}

int trace_connect(struct trace *t, const struct trace_place *place, const struct trace_target *target,
                  struct ll_error_info *info) {
    char filter[80], service[16];
    struct ll_addrinfo *list = NULL;
    const struct ll_addrinfo_hints hints = {.family = target->family, .type = SOCK_STREAM};
    snprintf(service, sizeof service, "%d", target->port);
    snprintf(filter, sizeof filter, "tcp port %d or icmp or icmp6", target->port);
    ll_thread_set_interrupt(stop_hook, t);
    t->only_ours = true;
    int count = ll_getaddrinfo(target->host, service, &hints, (double)target->timeout_ns * nanosecond, &list, info);
    int code = count < 0 ? count : trace_begin(t, place, filter, info);
    if (code == 0) {
        code = try_all(t, target, list, count, info);
        struct ll_error_info late;
        int ended = trace_end(t, code == 0 ? info : &late);
        code = code == 0 ? ended : code;
    }
    ll_thread_set_interrupt(NULL, NULL);
    ll_addrinfo_free(list);
    return code;
}
