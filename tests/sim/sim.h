/* A world in one process: clients with durable calls, a server with gate, keeper, ledger and model runs, and a network that
 * splits, joins, delays, freezes and cuts, all on a virtual clock and from one seed. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "landline/proto/call.h"
#include "landline/proto/ledger.h"
#include "landline/proto/spool.h"

#define MS     INT64_C(1000000)
#define SECOND (1000 * MS)
#define NEVER  INT64_MAX

enum { CONNECTIONS = 32, CLIENTS = 4, RUNS = 2, WATCHERS = 48, CHUNKS = 64 };

/* --- chance --- */

struct chance {
    uint64_t state;
};
uint64_t chance_next(struct chance *c);
/* 0 … n - 1 */
uint64_t chance_below(struct chance *c, uint64_t n);
/* Of any magnitude up to `most`: small ones as often as large ones. */
uint64_t chance_size(struct chance *c, uint64_t most);
bool chance_percent(struct chance *c, unsigned percent);

/* --- the network --- */

enum side { CLIENT_SIDE, SERVER_SIDE };

enum cut_kind {
    CUT_BY_CHANCE,
    CUT_RST,         /* what is under way is lost, both sides hear of it */
    CUT_FIN,         /* both sides are told, the other direction's bytes still arrive */
    CUT_FREEZE,      /* nobody is told: only keepalive finds out */
    CUT_HALF_CLIENT, /* only the client is told … */
    CUT_HALF_SERVER, /* … only the server */
    CUT_KINDS,
};

/* What happens to the nth connection of a world of a sweep. */
struct cut {
    enum cut_kind kind; /* CUT_BY_CHANCE: nothing */
    enum side to;       /* the direction that is counted */
    uint64_t after;     /* bytes delivered */
};

/* One direction of a connection. */
struct wire {
    struct buf bytes;
    struct {
        int64_t at;
        size_t n;
    } chunks[CHUNKS]; /* a ring; what does not fit joins the last */
    size_t head, tail;
    int64_t last_at;
    uint64_t delivered, cut_after; /* bytes */
    int64_t eof_at;                /* the writer closed: after all chunks, not before this */
    enum cut_kind cut_kind;
};

struct connection {
    bool used;
    unsigned number; /* of all that the world has had */
    struct wire to_server, to_client;
    bool cut;             /* nothing passes any more */
    int64_t notice[2];    /* by side: when it hears of the cut; NEVER: only its keepalive tells */
    bool closed[2];       /* by side */
    struct session *gate; /* the server's end */
    struct sim_client *owner;
};

/* --- the server --- */

struct model_run {
    bool used;
    struct run_id id;
    uint64_t seed;
    unsigned effects; /* how often it was started */
    bool running, finished, killed, lost;
    uint64_t planned[2];
    struct spool spool[2];
    bool wants_input, input_ended, kill_on_loss;
    uint64_t input;      /* bytes taken */
    uint64_t feeder_age; /* of the request that feeds it */
    int64_t next_at;     /* when it writes next */
    uint32_t code;
    struct run_result result;
};

struct watcher {
    bool used;
    struct connection *connection;
    uint32_t stream;
    struct model_run *run; /* NULL: the run was lost */
    uint64_t acknowledged[2];
    uint64_t input_at; /* offset of the next byte of its channel 0 */
    bool feeds, over, stopped[2];
};

/* --- clients --- */

struct sim_client {
    bool used, runner;
    uint8_t key[LEDGER_KEY];
    struct model_run *target;
    struct call *call;
    struct session *session;
    struct connection *connection;
    int64_t connect_at, give_up_at, restart_at, consume_at;
    int64_t leave_at, stop_at; /* it detaches for a while; it wants no more of output `stops` */
    uint8_t stops;
    int64_t pause;
    uint64_t input_total, input_given;
    bool input_lost; /* restarted: what it would still have sent is not known any more */
    uint64_t delivered[2], first[2];
    bool began[2], stopped[2];
    uint64_t to_consume[2];
    bool over, gave_up;
    enum call_outcome outcome;
};

struct world {
    struct chance chance;
    uint64_t seed;
    int64_t now, calm_at, end_at; /* faults stop at calm_at */
    unsigned faults;              /* percent */
    struct connection connections[CONNECTIONS];
    struct sim_client clients[CLIENTS];
    struct model_run runs[RUNS];
    struct watcher watchers[WATCHERS];
    struct ledger *ledger;
    struct buf disk;
    uint8_t instance;
    int64_t gate_restart_at, keeper_restart_at;
    bool keeper_restarted, ledger_lost;
    bool young; /* the server's memory begins with the world */
    bool sweep; /* nothing is by chance but pieces and delays: all has to end well */
    uint32_t window_max;
    struct cut cuts[2]; /* of the first connections */
    unsigned connected; /* how many there have been */
    uint64_t passed[2]; /* bytes delivered on the first one, to each side */
    bool verbose;
    char failure[300]; /* "" while all is well */
};

/* The byte at an offset of a channel of a run: 0 input, 1 and 2 outputs. */
uint8_t sim_byte(uint64_t seed, unsigned channel, uint64_t offset);
void sim_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_trace(const struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t sim_ms(const struct world *w); /* the clock of ledger and ids */

/* network.c */
struct connection *network_connect(struct world *w, struct sim_client *owner);
void network_write(struct world *w, struct connection *c, enum side from, const void *bytes, size_t n);
void network_close(struct world *w, struct connection *c, enum side side);
int64_t network_next(const struct world *w);
/* Delivers what is due, and frees connections that both sides have closed. */
void network_step(struct world *w);

/* server.c */
void server_begin(struct world *w);
void server_end(struct world *w);
void server_accept(struct world *w, struct connection *c);
void server_bytes(struct world *w, struct connection *c, const uint8_t *bytes, size_t n);
/* The connection has ended, as far as the gate knows. */
void server_gone(struct world *w, struct connection *c);
int64_t server_next(const struct world *w);
void server_step(struct world *w);

/* keeper.c: runs. */
void keeper_open(struct world *w, struct connection *c, const struct session_event *event);
void keeper_write(struct world *w, struct model_run *run);
void keeper_finish(struct world *w, struct model_run *run, uint8_t kind);
void keeper_unwatched(struct world *w, struct model_run *run);
void keeper_restart(struct world *w);
void keeper_acknowledge(struct world *w, struct model_run *run);
/* A watcher has gone, or wants no more of an output. */
void keeper_left(struct world *w, struct model_run *run);
void keeper_stopped(struct world *w, struct watcher *watcher, uint8_t channel);

/* client.c */
void client_begin(struct world *w, struct sim_client *client);
void client_end(struct sim_client *client);
void client_bytes(struct world *w, struct sim_client *client, const uint8_t *bytes, size_t n);
void client_gone(struct world *w, struct sim_client *client);
int64_t client_next(const struct world *w);
void client_step(struct world *w);

/* check.c: what must hold when all is over. */
void check_history(struct world *w);

/* world.c */

/* A session that a sweep cuts. */
struct shape {
    const char *name;
    uint64_t planned[2], input; /* bytes */
    uint64_t spool;
    uint32_t window;
    unsigned watchers; /* besides the one that runs it */
    struct cut cuts[2];
};
/* One world from a seed: whether all held. `shape` NULL: by chance. *passed (or NULL) as in the world. */
bool world_simulate(uint64_t seed, const struct shape *shape, bool verbose, uint64_t passed[2]);

/* sweep.c: sessions cut at every byte, and whether all held. */
bool sweep_all(uint64_t seed, unsigned every);

#endif
