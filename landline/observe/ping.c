#include "landline/observe/ping.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "landline/observe/echo.h"
#include "landline/resolve.h"
#include "landline/socket.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/os/clock.h"
#include "lib/os/socket.h"

enum { REMEMBERED = 1024, ICMP_FILTER_OPTION = 1 };

struct asked {
    uint64_t sequence; /* 0: none */
    int64_t time;
    bool answered;
};

struct ping {
    const struct ping_request *request;
    struct ping_summary *summary;
    ping_each *each;
    void *context;
    ll_socket *socket;
    struct ll_address target;
    int family, identifier; /* -1 where the kernel chooses and sorts */
    bool raw;
    int64_t started, next;
    double sum, squares; /* of the round trips */
    struct buf out;
    struct asked asked[REMEMBERED];
    uint8_t bytes[1 << 16]; /* the packet that came in */
};

static int stop_hook(void *context) {
    const struct ping *p = context;
    return p->request->stop != NULL && *p->request->stop != 0;
}

static int resolve(struct ping *p, struct ll_error_info *info) {
    struct ll_addrinfo *list = NULL;
    const struct ll_addrinfo_hints hints = {.family = p->request->family, .type = SOCK_RAW};
    int count = ll_getaddrinfo(p->request->host, NULL, &hints, LIMIT_PING_RESOLVE_S, &list, info);
    if (count < 0)
        return count;
    p->target = list[0].address;
    p->family = list[0].family;
    ll_addrinfo_free(list);
    return 0;
}

/* A raw socket gets everybody's ICMP: the kernel shall sort out what is neither answer nor error. */
static void set_filter(const struct ping *p) {
    if (p->family == AF_INET6) {
        struct icmp6_filter filter;
        ICMP6_FILTER_SETBLOCKALL(&filter);
        for (int type = ICMP6_DST_UNREACH; type <= ICMP6_PARAM_PROB; type++)
            ICMP6_FILTER_SETPASS(type, &filter);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
        ll_socket_setsockopt(p->socket, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
    } else {
        const uint32_t blocked = ~(1U << 0 | 1U << 3 | 1U << 11);
        ll_socket_setsockopt(p->socket, SOL_RAW, ICMP_FILTER_OPTION, &blocked, sizeof blocked);
    }
}

static int open_socket(struct ping *p, struct ll_error_info *info) {
    int protocol = p->family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    int code = ll_socket_open(p->family, SOCK_RAW, protocol, &p->socket);
    p->raw = code == 0;
    p->identifier = p->raw ? getpid() & 0xffff : -1;
    if (code == -EPERM || code == -EACCES)
        code = ll_socket_open(p->family, SOCK_DGRAM, protocol, &p->socket);
    if (code != 0)
        return error_at(info, code == -EACCES ? -EPERM : code, "socket", "ICMP");
    if (p->raw)
        set_filter(p);
    ll_socket_receive(p->socket, LL_RECEIVE_TTL, true);
    return ll_socket_settimeout(p->socket, 0);
}

static void tell(const struct ping *p, struct ping_line line) {
    p->each(p->context, &line);
}

static struct asked *find_asked(struct ping *p, uint16_t sequence) {
    struct asked *a = &p->asked[sequence % REMEMBERED];
    return a->sequence != 0 && (uint16_t)a->sequence == sequence ? a : NULL;
}

/* What leaves the memory without an answer. */
static void give_up(struct ping *p, struct asked *a) {
    if (a->sequence != 0 && !a->answered)
        tell(p, (struct ping_line){.event = PING_UNANSWERED, .address = &p->target, .sequence = a->sequence});
    a->sequence = 0;
}

static int send_one(struct ping *p) {
    uint64_t sequence = p->summary->sent + 1;
    struct asked *a = &p->asked[sequence % REMEMBERED];
    give_up(p, a);
    buf_clear(&p->out);
    echo_request(&p->out, p->family, (uint16_t)p->identifier, (uint16_t)sequence, p->request->size);
    if (p->out.failed != 0)
        return p->out.failed;
    *a = (struct asked){.sequence = sequence, .time = clock_now()};
    ssize_t n = ll_socket_sendto(p->socket, buf_front(&p->out), buf_size(&p->out), 0, &p->target);
    p->summary->sent++;
    if (n >= 0 || n == -EAGAIN || n == -ENOBUFS)
        return 0;
    a->answered = true;
    p->summary->failed++;
    tell(p, (struct ping_line){
                .event = PING_FAILED, .address = &p->target, .sequence = sequence, .why = ll_strerror((int)n)});
    return n == -EMSGSIZE || n == -EACCES ? (int)n : 0;
}

static void count_time(struct ping *p, int64_t time) {
    struct ping_summary *s = p->summary;
    if (s->received == 0 || time < s->least_ns)
        s->least_ns = time;
    if (time > s->most_ns)
        s->most_ns = time;
    s->received++;
    p->sum += (double)time;
    p->squares += (double)time * (double)time;
}

static void take(struct ping *p, const struct echo *e, const struct ll_address *from, int hops) {
    struct asked *a = find_asked(p, e->sequence);
    struct ping_line line = {.address = from, .size = e->size, .hops = hops, .time_ns = -1, .sequence = e->sequence};
    if (a == NULL)
        return;
    line.sequence = a->sequence;
    if (e->kind == ECHO_ERROR) {
        line.event = PING_FAILED;
        line.why = echo_error_text(p->family, e->type, e->code);
        p->summary->failed++;
    } else {
        line.time_ns = clock_now() - a->time;
        line.event = a->answered ? PING_REPEATED : e->kind == ECHO_DAMAGED ? PING_DAMAGED : PING_ANSWERED;
        p->summary->repeated += a->answered;
        p->summary->damaged += e->kind == ECHO_DAMAGED;
        if (!a->answered)
            count_time(p, line.time_ns);
    }
    a->answered = true;
    tell(p, line);
}

static int receive_all(struct ping *p) {
    LL_CONTROL_BUFFER(control, LL_CONTROL_USUAL);
    for (;;) {
        struct iovec part = {p->bytes, sizeof p->bytes};
        struct ll_message m = {.parts = &part, .part_count = 1, .control = control, .control_capacity = sizeof control};
        ssize_t n = ll_socket_recvmsg(p->socket, &m, 0);
        if (n == -EAGAIN)
            return 0;
        if (n < 0 && n != -EHOSTUNREACH && n != -ENETUNREACH && n != -ECONNREFUSED)
            return (int)n;
        if (n < 0)
            continue;
        struct echo e = echo_parse(p->bytes, (size_t)n, p->family, p->raw && p->family == AF_INET, p->identifier);
        int hops = ll_control_ttl(&m);
        if (e.kind != ECHO_OTHER)
            take(p, &e, &m.address, hops > 0 ? hops : e.hops);
    }
}

/* When the last request that has no answer yet is given up; 0 when there is none. */
static int64_t waits_until(const struct ping *p) {
    int64_t last = 0;
    for (size_t i = 0; i < REMEMBERED; i++) {
        if (p->asked[i].sequence != 0 && !p->asked[i].answered && p->asked[i].time > last)
            last = p->asked[i].time;
    }
    return last == 0 ? 0 : clock_after(last, p->request->timeout_ns);
}

static void expire(struct ping *p, int64_t now) {
    for (uint64_t k = 0; k < REMEMBERED; k++) {
        struct asked *a = &p->asked[(p->summary->sent + 1 + k) % REMEMBERED];
        if (a->sequence != 0 && !a->answered && now - a->time >= p->request->timeout_ns)
            give_up(p, a);
    }
}

static int wait_for(const struct ping *p, int64_t deadline) {
    struct pollfd fd = {.fd = ll_socket_fileno(p->socket), .events = POLLIN};
    int code = os_poll(&fd, 1, deadline);
    return code < 0 && code != -EINTR ? code : 0;
}

static int loop(struct ping *p) {
    int code = 0;
    while (code == 0 && !stop_hook(p)) {
        int64_t now = clock_now(), wait = waits_until(p);
        bool more = p->request->count == 0 || p->summary->sent < p->request->count;
        expire(p, now);
        if (!more && wait <= now)
            break;
        if (more && now >= p->next) {
            code = send_one(p);
            p->next = clock_after(p->next, p->request->interval_ns);
            if (p->next < now)
                p->next = clock_after(now, p->request->interval_ns);
            continue;
        }
        code = wait_for(p, more && (wait <= now || p->next < wait) ? p->next : wait);
        if (code == 0)
            code = receive_all(p);
    }
    return code;
}

/* Newton's way to the square root: loading libm for this one would cost every start of the program. From above it falls
 * until it is as near as it gets. */
static double root(double square) {
    double guess = square > 1 ? square : 1, next = (guess + square / guess) / 2;
    while (next < guess) {
        guess = next;
        next = (guess + square / guess) / 2;
    }
    return guess;
}

static void summarise(struct ping *p) {
    struct ping_summary *s = p->summary;
    s->elapsed_ns = clock_now() - p->started;
    if (s->received == 0)
        return;
    double n = (double)s->received, spread;
    s->mean_ns = p->sum / n;
    spread = p->squares / n - s->mean_ns * s->mean_ns;
    s->deviation_ns = spread > 0 ? root(spread) : 0;
}

int ping_run(const struct ping_request *request, ping_each *each, void *context, struct ping_summary *summary,
             struct ll_error_info *info) {
    struct ping p = {.request = request, .summary = summary, .each = each, .context = context};
    memset(summary, 0, sizeof *summary);
    buf_init(&p.out, ECHO_HEADER + ECHO_LARGEST);
    ll_thread_set_interrupt(stop_hook, &p);
    int code = resolve(&p, info);
    if (code == 0)
        code = open_socket(&p, info);
    if (code == 0) {
        p.started = p.next = clock_now();
        tell(&p, (struct ping_line){.event = PING_STARTED, .address = &p.target, .raw = p.raw, .size = request->size});
        code = loop(&p);
        if (code != 0)
            error_at(info, code, "ping", request->host);
    }
    summarise(&p);
    ll_thread_set_interrupt(NULL, NULL);
    ll_socket_free(p.socket);
    buf_free(&p.out);
    return code;
}
