/* What the kernel says about TCP sockets, of any process: NETLINK_SOCK_DIAG, as ss(8) uses it. Needs no privilege; the
 * network namespace is that of the caller. */
#ifndef LIB_OS_SOCKDIAG_H
#define LIB_OS_SOCKDIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockdiag_end {
    uint8_t family; /* 4 or 6 */
    uint8_t bytes[16];
    uint16_t port;
};

struct sockdiag_tcp {
    struct sockdiag_end local, peer;
    uint8_t state;     /* TCP_ESTABLISHED, … of <netinet/tcp.h> */
    uint8_t timer;     /* SOCKDIAG_… */
    uint32_t timer_ms; /* until it fires */
    uint32_t receive_queue, send_queue, inode, uid;
    bool has_info; /* the rest is known (not for TIME_WAIT) */
    uint32_t rtt_us, rtt_variance_us, send_mss, path_mtu, congestion_window, unacked, retransmitted;
    uint8_t send_scale, receive_scale;
    char congestion[16];
};

enum { SOCKDIAG_NONE, SOCKDIAG_RETRANSMIT, SOCKDIAG_KEEPALIVE, SOCKDIAG_TIME_WAIT, SOCKDIAG_PROBE };

/* Called for each socket; anything but 0 ends the walk and is handed back. */
typedef int sockdiag_each(void *context, const struct sockdiag_tcp *socket);

/* Walks over all TCP sockets that have `port` at their local end or at the other, every one where it is 0. 0, what
 * `each` returned, or -errno. Waits for the kernel only. */
int sockdiag_tcp(uint16_t port, sockdiag_each *each, void *context);

/* How far such a walk has come; zeroed but for the first three. */
struct sockdiag_walk {
    uint16_t port;
    sockdiag_each *each;
    void *context;
    bool over; /* the kernel has said that it was the last batch */
};

/* Takes one batch of the kernel's answers, any bytes: 0, what `each` returned, or -errno. */
int sockdiag_take(struct sockdiag_walk *walk, const void *batch, size_t size);

/* The name of a state as ss(8) spells it with underscores, "ESTABLISHED", "TIME_WAIT"; "?" for one unknown. */
const char *sockdiag_state(uint8_t state);

#endif
