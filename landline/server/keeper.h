/* The keeper: the process that holds what must survive. Listening sockets, runs, grants, the audit log. It believes nothing
 * that the gate says but which key a connection has proved, and checks every request against the grants itself.
 *
 *   keeper.c        its life: the gate, the grants' file, the end
 *   keeper_peer.c   connections and exchanges: the gate's messages to the services and back
 *   keeper_log.c    the server's log, and who may fill it */
#ifndef LANDLINE_SERVER_KEEPER_H
#define LANDLINE_SERVER_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

#include "landline/loop.h"
#include "landline/server/gate.h"
#include "landline/server/ipc.h"
#include "landline/server/store.h"
#include "landline/service/service.h"
#include "lib/base/map.h"

struct keeper_config {
    const struct store *store;
    const int *listeners; /* taken over, also in failure */
    size_t listener_count;
    const char *program;   /* executed for the gate, which calls gate_main(); NULL: the gate is part of this process */
    uint32_t clients;      /* that may be in at once; 0: as many as descriptors and LIMIT_CONNECTIONS allow */
    const char *gate_user; /* whom root's gate becomes */
    void (*log)(void *arg, const char *text); /* one line, printable */
    void (*ready)(void *arg);                 /* a gate serves: the first, or the next one */
    const struct service *(*find)(void *arg, const void *name, size_t n); /* NULL: service_find() only */
    void *arg;
};

/* A client's connection, as the keeper knows it. */
struct link {
    uint32_t number;
    struct peer peer;
    bool granted;
    bool starved; /* what it is granted did not fit in memory */
    struct errand *errands;
};

/* One exchange. */
struct errand {
    struct exchange x; /* first */
    struct keeper *keeper;
    struct link *link;
    uint32_t stream;
    struct errand *next, *previous; /* of the link */
    struct errand *next_waiting;    /* for room in the socket to the gate */
    bool waiting, refused;
};

/* Kinds of lines in the log. All but the first have a share each, LIMIT_LOG_LINES in LIMIT_LOG_MS. */
enum keeper_line {
    LINE_OWN,      /* what others cannot cause, or not often */
    LINE_GATE,     /* what a gate says, and what is wrong with it */
    LINE_GATE_END, /* it has ended */
    LINE_ENROL,    /* a key that was not let in */
    LINE_KINDS,
};

struct keeper {
    ll_loop *loop;
    struct keeper_config config;
    struct store store;
    struct service_host host;
    struct tls_identity *identity;
    struct grants grants;
    int listeners[LIMIT_LISTENERS];
    size_t listener_count;

    struct ipc ipc; /* to the present gate; fd -1: none */
    ll_watch *ipc_watch;
    pid_t gate_pid;
    int gate_pidfd;
    int gate_said; /* its standard error; -1: none */
    ll_watch *said_watch;
    ll_child *gate_child;
    struct gate *inside;  /* the gate where it is part of this process */
    ll_timer *gate_timer; /* to start the next one */
    int64_t gate_started, gate_pause;
    bool gate_ready; /* it has said so */

    uint64_t lines[LINE_KINDS]; /* of the log, since the timer was set */
    ll_timer *log_timer;

    int folder; /* tells of changes in the store's */
    ll_watch *folder_watch;
    struct map links, errands;
    uint64_t salt; /* of the errands' keys */
    struct errand *waiting;
    int64_t end_at;    /* LL_NEVER until it is to end */
    int64_t retire_at; /* the gate, for the server's end: when at the latest */
    bool retired;      /* it has been told */
    bool ended;
};

int keeper_open(struct keeper **out, ll_loop *loop, const struct keeper_config *config, struct ll_error_info *info);
void keeper_close(struct keeper *keeper);
/* Before each wait of the loop. False: it has ended. */
bool keeper_settle(struct keeper *keeper);
/* Whether something waits to be done without an event. */
bool keeper_pending(const struct keeper *keeper);
/* A new gate takes the place of the present one, whose clients come back. */
void keeper_replace_gate(struct keeper *keeper);
/* Ends: clients are sent away, what runs gets TERM and some time; a second call ends at once. */
void keeper_stop(struct keeper *keeper);

/* --- keeper_log.c --- */

void keeper_log(struct keeper *keeper, enum keeper_line kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Says how many lines were left out; each kind has its whole share again. */
void keeper_log_rest(void *keeper);
/* What a gate writes to the descriptor that this returns goes to the log, until keeper_unhear_gate(). Or -errno. */
int keeper_hear_gate(struct keeper *keeper);
void keeper_unhear_gate(struct keeper *keeper);

/* --- keeper_peer.c --- */

/* The messages that have come from the gate. */
void peer_messages(struct keeper *keeper);
/* The gate has gone, and with it all connections. */
void peer_gate_lost(struct keeper *keeper);
/* The grants have changed. */
void peer_grants_changed(struct keeper *keeper);
void peer_send_grants(struct keeper *keeper);
/* There is room in the socket again. */
void peer_writable(struct keeper *keeper);

#endif
