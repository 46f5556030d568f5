/* landline ping: round trips by ICMP echo, over SOCK_RAW, or where that is not allowed over the kernel's unprivileged
 * echo sockets (SOCK_DGRAM with IPPROTO_ICMP, sysctl net.ipv4.ping_group_range). */
#ifndef LANDLINE_OBSERVE_PING_H
#define LANDLINE_OBSERVE_PING_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "landline/address.h"
#include "landline/error.h"

struct ping_request {
    const char *host;
    int family;                        /* 0: the first address, whichever it is */
    uint64_t count;                    /* 0: until *stop */
    int64_t interval_ns, timeout_ns;   /* between requests; for an answer */
    size_t size;                       /* bytes of payload, at most ECHO_LARGEST */
    const volatile sig_atomic_t *stop; /* may be NULL */
};

enum ping_event { PING_STARTED, PING_ANSWERED, PING_REPEATED, PING_DAMAGED, PING_FAILED, PING_UNANSWERED };

/* One line of the output. */
struct ping_line {
    enum ping_event event;
    const struct ll_address *address; /* the target; who answered or complained */
    bool raw;                         /* PING_STARTED: SOCK_RAW and not the unprivileged kind */
    uint64_t sequence;                /* from 1 */
    size_t size;                      /* bytes of ICMP in the answer */
    int hops;                         /* TTL or hop limit, 0 where it is not known */
    int64_t time_ns;                  /* round trip, -1 where it cannot be told */
    const char *why;                  /* PING_FAILED: static text */
};
typedef void ping_each(void *context, const struct ping_line *line);

struct ping_summary {
    uint64_t sent, received, repeated, damaged, failed;
    int64_t elapsed_ns;
    int64_t least_ns, most_ns;
    double mean_ns, deviation_ns; /* 0 where nothing was received */
};

/* Runs it. 0, or the code of what failed: a name, -EPERM where neither kind of socket is allowed, -ENETUNREACH, … */
int ping_run(const struct ping_request *request, ping_each *each, void *context, struct ping_summary *summary,
             struct ll_error_info *info);

#endif
