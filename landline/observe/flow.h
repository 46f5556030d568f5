/* Connections as they were seen: packets go in, each connection becomes a list of steps, and flow_judge() says of every
 * step what it was and which state it left both ends in (RFC 9293, 3.3.2).
 *
 * Pure: no clock, no descriptor. A capture sees packets pass at one place; what the far end made of them is concluded
 * from what it answered. A segment that was sent again without an answer counts as lost; a FIN that the other side's
 * next segment does not acknowledge crossed it on the way. Where nothing can be concluded, the state stays. */
#ifndef LANDLINE_OBSERVE_FLOW_H
#define LANDLINE_OBSERVE_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/observe/packet.h"

/* The states of RFC 9293, 3.3.2, under the names that the kernel and most books print. UNKNOWN: nothing was heard. */
#define FLOW_STATES(X)                                                                                                 \
    X(UNKNOWN, "?")                                                                                                    \
    X(CLOSED, "CLOSED")                                                                                                \
    X(LISTEN, "LISTEN")                                                                                                \
    X(SYN_SENT, "SYN_SENT")                                                                                            \
    X(SYN_RECV, "SYN_RECV")                                                                                            \
    X(ESTABLISHED, "ESTABLISHED")                                                                                      \
    X(FIN_WAIT_1, "FIN_WAIT_1")                                                                                        \
    X(FIN_WAIT_2, "FIN_WAIT_2")                                                                                        \
    X(CLOSE_WAIT, "CLOSE_WAIT")                                                                                        \
    X(CLOSING, "CLOSING")                                                                                              \
    X(LAST_ACK, "LAST_ACK")                                                                                            \
    X(TIME_WAIT, "TIME_WAIT")

enum flow_state {
#define FLOW_STATE_ENUM(name, text) FLOW_##name,
    FLOW_STATES(FLOW_STATE_ENUM)
#undef FLOW_STATE_ENUM
        FLOW_STATE_COUNT,
};
const char *flow_state_name(enum flow_state state);

/* What a step was. The text is the name programs see; the sentences are in words.c, in the same order. */
#define FLOW_EVENTS(X)                                                                                                 \
    X(SYN, "syn")                                                                                                      \
    X(SYN_AGAIN, "syn-retransmission")                                                                                 \
    X(SYN_CROSSED, "simultaneous-open")                                                                                \
    X(SYN_ACK, "syn-ack")                                                                                              \
    X(SYN_ACK_AGAIN, "syn-ack-retransmission")                                                                         \
    X(HANDSHAKE, "handshake-complete")                                                                                 \
    X(DATA, "data")                                                                                                    \
    X(DATA_AGAIN, "retransmission")                                                                                    \
    X(DATA_NEEDLESS, "spurious-retransmission")                                                                        \
    X(GAP, "gap")                                                                                                      \
    X(LATE, "out-of-order")                                                                                            \
    X(ACK, "ack")                                                                                                      \
    X(ACK_AGAIN, "duplicate-ack")                                                                                      \
    X(WINDOW_UPDATE, "window-update")                                                                                  \
    X(WINDOW_ZERO, "zero-window")                                                                                      \
    X(WINDOW_PROBE, "window-probe")                                                                                    \
    X(KEEPALIVE, "keepalive")                                                                                          \
    X(KEEPALIVE_ACK, "keepalive-ack")                                                                                  \
    X(FIN_ACTIVE, "active-close")                                                                                      \
    X(FIN_PASSIVE, "passive-close")                                                                                    \
    X(FIN_CROSSED, "simultaneous-close")                                                                               \
    X(FIN_AGAIN, "fin-retransmission")                                                                                 \
    X(FIN_ACKED, "half-closed")                                                                                        \
    X(LAST_ACKED, "closed")                                                                                            \
    X(TIME_WAITED, "time-wait")                                                                                        \
    X(REFUSED, "refused")                                                                                              \
    X(RESET, "reset")                                                                                                  \
    X(RESET_UNKNOWN, "half-open")                                                                                      \
    X(RESET_LATE, "reset-after-close")                                                                                 \
    X(UNREACHABLE, "unreachable")                                                                                      \
    X(EXPIRED, "time-exceeded")                                                                                        \
    X(AFTERWARDS, "after-close")

enum flow_event {
#define FLOW_EVENT_ENUM(name, text) EVENT_##name,
    FLOW_EVENTS(FLOW_EVENT_ENUM)
#undef FLOW_EVENT_ENUM
        EVENT_COUNT,
};
const char *flow_event_name(enum flow_event event);

/* How the connection ended, or stood when the capture did. */
#define FLOW_VERDICTS(X)                                                                                               \
    X(OPEN, "open")                                                                                                    \
    X(CLOSED, "closed")                                                                                                \
    X(CROSSED, "closed-simultaneously")                                                                                \
    X(HALF_CLOSED, "half-closed")                                                                                      \
    X(REFUSED, "refused")                                                                                              \
    X(RESET, "reset")                                                                                                  \
    X(HALF_OPEN, "half-open")                                                                                          \
    X(NO_ANSWER, "no-answer")                                                                                          \
    X(SILENT, "went-silent")                                                                                           \
    X(UNREACHABLE, "unreachable")

enum flow_verdict {
#define FLOW_VERDICT_ENUM(name, text) VERDICT_##name,
    FLOW_VERDICTS(FLOW_VERDICT_ENUM)
#undef FLOW_VERDICT_ENUM
        VERDICT_COUNT,
};
const char *flow_verdict_name(enum flow_verdict verdict);

enum { FLOW_CLIENT, FLOW_SERVER, FLOW_SAMPLE = 48 };

/* One packet of a connection. What stands below `judged` is written by flow_judge(). */
struct step {
    int64_t time_ns;
    uint8_t from; /* FLOW_CLIENT or FLOW_SERVER */
    bool icmp;
    uint8_t icmp_type, icmp_code;
    struct packet_end complainer; /* icmp only */
    uint16_t flags, window;
    uint32_t seq, ack, length;
    struct packet_options options;
    uint8_t sample[FLOW_SAMPLE], sampled; /* the first bytes of the payload */
    /* judged */
    enum flow_event event;
    enum flow_state state[2]; /* of both ends once it arrived, or once it was sent and lost */
    bool lost;                /* sent again, or never answered where an answer is due */
    int64_t waited_ns;        /* of a retransmission or probe: since the segment before it in this direction */
};

struct flow_side {
    struct packet_end end;
    bool has_first;          /* its SYN was seen: relative numbers start there */
    uint32_t first;          /* initial sequence number, or the smallest seen where the beginning was missed */
    uint64_t bytes;          /* of payload, counted once */
    uint64_t packets, again; /* packets, and retransmissions among them */
    uint32_t interface;      /* where its packets were first seen; copies seen elsewhere are not counted */
    bool seen;
    int8_t scale; /* of its window, -1 where unknown */
};

struct flow {
    struct flow_side side[2]; /* FLOW_CLIENT is who sent the first SYN */
    struct step *steps;
    size_t count, capacity;
    bool cut;      /* there were more steps than LIMIT_FLOW_STEPS */
    bool whole;    /* the first SYN was seen */
    bool reported; /* the mark of who owns the table */
    /* judged */
    enum flow_verdict verdict;
    enum flow_state start[2];
    int8_t closer;        /* who closed first (the active closer), or reset; -1 for nobody */
    int64_t handshake_ns; /* from the first SYN to the SYN+ACK that answered; -1 without one */
};

struct flow_table {
    struct flow **flows;
    size_t count, capacity;
    uint64_t refused; /* packets of connections beyond LIMIT_FLOWS */
};

void flow_table_init(struct flow_table *t);
void flow_table_free(struct flow_table *t);
/* Adds a packet to its connection, which *which names (NULL where it belongs to none: an ICMP error about an unknown
 * one, a copy from another interface, a table that is full). 0 or -ENOMEM. */
int flow_table_add(struct flow_table *t, const struct packet *p, struct flow **which);

/* Says of every step what it was, and of the connection how it ended. May be called again after more packets. */
void flow_judge(struct flow *f);
/* Nothing more is to be expected: both ends are done with it, as far as the packets show. Needs flow_judge(). */
bool flow_ended(const struct flow *f);

/* Bytes of sequence space that a step takes: payload, and one each for SYN and FIN. */
uint32_t flow_space(const struct step *s);
/* The number relative to the first of that side. */
uint32_t flow_relative(const struct flow *f, int side, uint32_t number);

#endif
