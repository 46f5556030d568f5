/* landline trace: packets of live connections or of a file, gathered into a table of judged connections.
 *
 * Nothing here prints. Where the privilege to capture is missing, `blind` says why, and `kernel` is all there is. */
#ifndef LANDLINE_OBSERVE_TRACE_H
#define LANDLINE_OBSERVE_TRACE_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "landline/error.h"
#include "landline/observe/capture.h"
#include "landline/observe/flow.h"
#include "lib/base/buf.h"

/* Called by trace_watch() and trace_command() for each connection that ended, and at the end for those that had not;
 * by trace_watch() with NULL once it is ready, and, blind, whenever `kernel` has news (the callee empties it). */
typedef void trace_each(void *context, const struct flow *f);

struct trace {
    struct flow_table table;
    struct capture *capture;
    const volatile sig_atomic_t *stop; /* set by the caller's signal handler: end early; may be NULL */
    int blind;                         /* why nothing was captured, a negative code; 0 where it was */
    uint64_t broken, dropped;          /* packets that could not be understood, or that the kernel had no room for */
    struct buf kernel;                 /* what TCP_INFO and the socket diagnostics said, one fact a line */
    bool only_ours;                    /* only connections with a local port in `ours` */
    uint8_t ours[65536 / 8];
    trace_each *each;
    void *context;
};

/* Where to listen, and what to keep. */
struct trace_place {
    const char *interface; /* NULL: all */
    const char *keep;      /* a pcap file for what is captured; NULL: none */
};

/* What to do on a connection of one's own. */
struct trace_target {
    const char *host;
    int port, family; /* family 0: both */
    const void *send; /* sent once connected; then one answer is waited for */
    size_t send_size;
    int64_t timeout_ns;   /* for the connection, for an answer, for the other end to close */
    int64_t hold_ns;      /* stay connected so long */
    int64_t keepalive_ns; /* ask after so much silence, 0: never */
    bool reset;           /* end it with RST */
};

void trace_init(struct trace *t);
void trace_free(struct trace *t);

/* Reads a capture file to its end. */
int trace_read(struct trace *t, const char *path, const char *keep, struct ll_error_info *info);

/* Connects, exchanges, closes. 0 when the connection came about, else why it did not; in both cases the table has what
 * was seen. Every address of the host is tried until one answers. */
int trace_connect(struct trace *t, const struct trace_place *place, const struct trace_target *target,
                  struct ll_error_info *info);

/* Follows what reaches or leaves a local port, until `count` connections ended (0: no end), `duration_ns` has passed
 * (0: no end), or *stop. Blind: writes down the changes of state that the socket diagnostics show. */
int trace_watch(struct trace *t, const struct trace_place *place, uint16_t port, uint64_t count, int64_t duration_ns,
                struct ll_error_info *info);

/* Runs a command and follows the connections that it and its children open or accept, until the last of them has ended.
 * *status gets its exit status. */
int trace_command(struct trace *t, const struct trace_place *place, char *const argv[], int *status,
                  struct ll_error_info *info);

/* ---- For the parts of this room ---- */

/* Begins to capture. A missing privilege sets `blind` and is no failure. */
int trace_begin(struct trace *t, const struct trace_place *place, const char *filter, struct ll_error_info *info);
void trace_add_port(struct trace *t, uint16_t port);
bool trace_is_ours(const struct trace *t, uint16_t port);
/* Takes the packets that wait now. 0, LL_EOF at the end of a file, or a code. Does not block. */
int trace_drain(struct trace *t);
/* Judges all connections. */
void trace_judge(struct trace *t);
/* All connections have ended. */
bool trace_settled(const struct trace *t);
/* Waits until packets come, one of `count` other descriptors (at most TRACE_WAIT_FDS) is ready, a signal, or the
 * deadline; then drains. */
enum { TRACE_WAIT_FDS = 2 };
int trace_wait(struct trace *t, struct pollfd *fds, size_t count, int64_t deadline);
/* Takes what the kernel may still hold back. */
void trace_wait_late(struct trace *t);
/* Reports what ended; with `all` also what did not. Returns how many have been reported in all. */
size_t trace_report(struct trace *t, bool all);
bool trace_stopped(const struct trace *t);
/* Ends the capture: counts, and the file that was kept. */
int trace_end(struct trace *t, struct ll_error_info *info);

#endif
