/* The gate: the process that faces the network. It speaks TLS and the protocol with all clients in one loop, and passes
 * what they ask for to the keeper. It holds no run and no file, and can open none.
 *
 *   gate.c         the loop: listeners, the keeper's messages, settling
 *   gate_conn.c    one connection: bytes in, bytes out
 *   gate_stream.c  one stream: the keeper's output to the client
 *   gate_direct.c  … and one that goes straight to a worker's socket
 *
 * A connection that something happened to is put on the list of the dirty ones; gate_settle(), before each wait, lets each of
 * them send what it has, in as few system calls as possible, and ends those that are over. */
#ifndef LANDLINE_SERVER_GATE_H
#define LANDLINE_SERVER_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "landline/address.h"
#include "landline/loop.h"
#include "landline/proto/session.h"
#include "landline/server/ipc.h"
#include "lib/base/limits.h"
#include "lib/base/map.h"
#include "lib/os/ring.h"
#include "lib/seal/seal.h"
#include "lib/tls/engine.h"

struct gate;
struct conn;

/* One output of a stream, on its way from the keeper. */
struct feed {
    struct buf held;     /* bytes from the keeper that come before those of the ring */
    uint64_t next;       /* offset of the next byte to send */
    const uint8_t *ring; /* the keeper's file, mapped for reading; NULL: none */
    uint64_t ring_size, produced;
    uint64_t total; /* with has_total */
    uint64_t said;  /* SENT was told up to here */
    bool has_total, stopped;
};

/* Channels 0 and 1 of a stream that is a worker's ring. */
struct direct {
    bool expected; /* the service is one of those: input waits here for the ring */
    bool empty;    /* the worker rings when it has something */
    bool gone;     /* the worker has ended: what lies in the ring is all */
    bool input_ended;
    int fd; /* the ring's bell; -1: none (yet) */
    struct ring ring;
    ll_watch *watch;
    struct buf input;
    uint64_t written; /* bytes of channel 0 that the worker has */
};

struct lane {
    struct conn *conn;
    uint32_t number;
    struct lane *next_ready; /* in conn->ready */
    bool queued, paced, has_result;
    struct feed feed[2];
    struct direct direct;
    struct buf result;
};

struct conn {
    struct gate *gate;
    uint32_t number;
    int fd;
    ll_watch *watch;
    ll_timer *timer;
    struct tls_engine *engine;
    struct seal seal;
    size_t passed;           /* bytes that went past the engine in this round */
    struct session *session; /* NULL until TLS is established */
    struct conn *next_dirty;
    struct conn *older, *newer; /* among the strangers */
    struct lane *ready, *ready_last;
    uint64_t source;
    uint64_t accepted_ms; /* clock_boot_ms() */
    size_t most;          /* to receive at once, where much comes */
    int64_t held_until;   /* nothing is received before; 0: not held */
    bool dirty, stranger, announced, bulk, blocked, paused, over;
    char address[64];
};

struct gate_grant {
    uint8_t pin[TLS_PIN_SIZE];
    uint32_t verbs;
    bool revoked;
};

struct gate {
    ll_loop *loop;
    struct ipc ipc;
    ll_watch *ipc_watch;
    struct tls_policy *policy;
    int listeners[LIMIT_LISTENERS];
    ll_watch *listener_watches[LIMIT_LISTENERS];
    size_t listener_count;
    ll_timer *accept_timer;
    struct gate_grant *grants; /* sorted by pin */
    size_t grant_count;
    uint8_t instance[16];
    uint32_t horizon_s;
    char name[256];
    struct map conns;             /* by number */
    struct map sources;           /* strangers by address */
    struct conn *oldest, *newest; /* strangers */
    size_t strangers;
    size_t room;       /* clients that descriptors suffice for; */
    size_t capacity;   /* clients that may be in at once */
    int64_t next_turn; /* when the last of those who were turned away comes back */
    uint32_t last_number;
    struct conn *dirty;
    int64_t retire_at; /* LL_NEVER until the keeper says so */
    bool ready, ended;
};

/* --- gate.c --- */

/* A gate on `loop`. Takes over the socket to the keeper and the listeners, in failure too. */
int gate_open(struct gate **out, ll_loop *loop, int ipc_fd, const int *listeners, size_t count,
              const struct tls_identity *identity);
void gate_close(struct gate *gate);
/* Before each wait of the loop. False: the gate has ended. */
bool gate_settle(struct gate *gate);
/* 0: there is room for one more client; else after how many ms it may come back. Each gets a turn of its own. */
uint32_t gate_busy_ms(struct gate *gate);
const struct gate_grant *gate_find(const struct gate *gate, const struct tls_pin *pin);
void gate_log(struct gate *gate, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The process "landline: gate": loads the key, locks itself in and serves until the keeper goes. Returns an exit code. The
 * descriptors are 3 (keeper) and from 4 on the listeners. */
int gate_main(const char *key_path, size_t listeners, const char *user);

/* --- gate_conn.c --- */

/* Accepts what waits at a listener. */
void conn_accept(struct gate *gate, int listener);
void conn_free(struct conn *conn);
void conn_touch(struct conn *conn);
/* Sends what there is; frees the connection when it is over. */
void conn_settle(struct conn *conn);
/* Leaves what comes in the socket for a moment, because what it is for is full. Not for long, so that a client does not seem dead, and
 * can be told that it does not; conn_go_on() ends it sooner. */
void conn_hold(struct conn *conn);
void conn_go_on(struct conn *conn);
/* CLOSE to the client, then the end. */
void conn_dismiss(struct conn *conn, uint16_t code, const char *text);
/* The keeper has judged an ENROL, whose client is told to come back where there is no room for it. */
void conn_enrolled(struct conn *conn, uint16_t code, uint32_t verbs);
/* It is no stranger any more. */
void conn_known(struct conn *conn);

/* --- gate_stream.c --- */

struct lane *lane_open(struct conn *conn, uint32_t number);
void lane_free(struct lane *lane);
/* A message of the keeper for the stream; m->fd is -1 after it where the stream keeps the descriptor. */
void lane_message(struct lane *lane, struct ipc_message *m);
/* Puts it among those that have something to send. */
void lane_queue(struct lane *lane);
/* Moves up to about `budget` bytes of ready streams into the session and the engine. False: nothing moved. */
bool lane_pump(struct conn *conn, size_t budget);
/* An event of the session about a stream. */
void lane_event(struct conn *conn, const struct session_event *event);

/* --- gate_direct.c --- */

/* Services whose channels 0 and 1 are a worker's socket. */
bool direct_is(struct slice service);
/* The keeper sent the socket, which is the lane's from now on. */
void direct_attach(struct lane *lane, int fd);
void direct_input(struct lane *lane, struct slice bytes);
void direct_input_ended(struct lane *lane);
bool direct_has_more(const struct lane *lane);
/* Moves up to about `budget` bytes from the socket into the engine. */
size_t direct_send(struct lane *lane, size_t budget);
/* The client wants no more. */
void direct_stop(struct lane *lane);
void direct_free(struct lane *lane);

#endif
