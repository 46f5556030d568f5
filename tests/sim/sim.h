/* A world in one process: clients with durable calls, a server with gate, keeper, ledger and model runs, and a network that
 * splits, joins, delays, freezes and cuts, all on a virtual clock and from one seed. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "landline/error.h"
#include "landline/proto/call.h"
#include "landline/proto/ledger.h"
#include "landline/proto/spool.h"

#define MS     INT64_C(1000000)
#define SECOND (1000 * MS)
#define NEVER  INT64_MAX

enum { CONNECTIONS = 48, CLIENTS = 7, RUNS = 3, WATCHERS = 96, CHUNKS = 64, SIGNALS = 65, KEPT = 2048 };

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

/* --- mutations: one rule of the machines is broken, and the history has to show it --- */

enum mutation {
#define MUTATION(name, text) MUTATE_##name,
#include "tests/sim/mutations.def"
#undef MUTATION
    MUTATIONS
};

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
    unsigned controls[8]; /* by stream: how many its client said */
    struct session *gate; /* the server's end */
    struct clocks clocks; /* what the server knows of its client's */
    struct sim_client *owner;
};

/* --- the server --- */

struct model_run {
    bool used;
    struct run_id id;
    uint8_t key[LEDGER_KEY];
    uint64_t seed;
    unsigned effects; /* how often it was started */
    bool running, finished, lost;
    bool terminal, named;
    bool expired;     /* its result is kept no more */
    bool outputs_cut; /* a restart took outputs, or the end of the result's time */
    uint64_t planned[2];
    struct spool spool[2];
    int64_t next_at; /* when it writes next */
    uint32_t code;
    struct run_result result;
    int64_t known_at, finished_at, told_at; /* when a client first knew of it; it ended; a client knew that: NEVER */

    /* input */
    bool wants_input, input_ended, input_taken;
    uint64_t input, input_total; /* bytes taken; what those who feed it are to give in all */
    uint64_t feeder_age;         /* of the request that feeds it */
    struct run_id taker;         /* the attach that took it last … */
    uint64_t taker_age;

    /* its end */
    uint8_t on_loss;
    uint32_t keep_s;
    bool obeys;                            /* TERM ends it, else only KILL does */
    uint8_t why;                           /* RUN_UNWATCHED once it is being ended for that */
    int64_t why_at, unwatched_at, kill_at; /* points in time, NEVER */
    bool kill_asked;                       /* by the service kill */
    uint8_t killed_by;                     /* its signal, 0: none */
    uint8_t signals[SIGNALS];              /* how often each was taken */
    uint16_t size, sizes[CLIENTS];         /* rows of the terminal; the last that was taken of each client */
};

struct watcher {
    bool used;
    struct connection *connection;
    uint32_t stream;
    struct model_run *run; /* NULL: the run was lost */
    uint64_t acknowledged[2];
    struct run_id call; /* of an attach … */
    uint64_t age_ms;    /* … and its age */
    bool feeds, requested, succeeded, over, stopped[2];
    unsigned controls; /* taken from it */
};

/* --- clients --- */

enum errand {
    NO_ERRAND, /* a call: run, shell or attach */
    ERRAND_KILL,
    ERRAND_RESULT,
    ERRAND_RUNS,
};

struct sim_client {
    bool used, runner;
    unsigned boots;   /* of its machine, so far; its clock … */
    int64_t clock_at; /* … showed nothing then, and gains so many millionths */
    int64_t clock_gains;
    int64_t halted_until; /* its machine stands still, and its clock with it */
    bool takes;           /* attaches with the input */
    bool detaches;        /* leaves for good as soon as it is told that the command runs */
    uint8_t key[LEDGER_KEY];
    struct model_run *target, *own; /* a shell of a name may turn out to be another's run */
    struct call *call;
    struct session *session;
    struct connection *connection;
    int64_t connect_at, give_up_at, restart_at, consume_at;
    int64_t leave_at, stop_at; /* it detaches for a while; it wants no more of output `stops` */
    int64_t act_at;            /* it sends a signal, or its terminal changes */
    int64_t move_at;           /* its address changes */
    int64_t input_at;          /* it has more input */
    int64_t opened_at;         /* on the present stream */
    uint8_t stops;
    int64_t pause;
    bool input_known; /* where its input goes on */
    uint64_t input_given;
    bool input_lost; /* restarted: what it would still have sent is not known any more */
    bool sized;      /* its terminal's size has changed */
    uint64_t delivered[2], first[2];
    bool began[2], stopped[2];
    uint64_t to_consume[2];
    bool over, gave_up, detached;
    enum call_outcome outcome;

    enum errand errand;
    uint32_t stream;
    int64_t asked_at; /* when the question was sent last */
    uint8_t listed[KEPT];
    size_t listed_size;
};

struct world {
    struct chance chance;
    uint64_t seed;
    int64_t now, calm_at, end_at;    /* faults stop at calm_at */
    unsigned faults;                 /* percent */
    int connection_top, watcher_top; /* behind the highest that was ever used */
    struct connection connections[CONNECTIONS];
    struct sim_client clients[CLIENTS];
    struct model_run runs[RUNS];
    struct watcher watchers[WATCHERS];
    struct ledger *ledger;
    struct buf disk;
    uint8_t instance;
    int64_t boot_at; /* the ledger's clock counts from there */
    int64_t gate_restart_at, keeper_restart_at, sweep_at;
    int64_t results_age; /* how long a result is kept; NEVER: as long as the world */
    bool keeper_restarted;
    bool ledger_lost; /* all or some of its file */
    bool forgets;     /* its memory is small */
    bool young;       /* the server's key and memory begin with the world */
    bool sweep;       /* nothing is by chance but pieces and delays: all has to end well */
    enum mutation mutation;
    uint32_t window_max;
    uint16_t next_size;
    uint8_t next_signal;
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
/* The client's address has changed: what it has sent may still arrive, late, and nobody is told. */
void network_abandon(struct world *w, struct connection *c);
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

/* keeper.c: requests, and what the server remembers. */
void keeper_open(struct world *w, struct connection *c, const struct session_event *event);
void keeper_restart(struct world *w);
/* Forgets what is too old. */
void keeper_sweep(struct world *w);
uint64_t keeper_clock(const struct world *w); /* that of the ledger, ms */
struct model_run *keeper_run(struct world *w, const struct run_id *id);
/* The run of an entry, where it is not lost or forgotten. */
struct model_run *keeper_recall(struct world *w, const struct ledger_entry *entry);
void keeper_set_state(struct world *w, const struct run_id *id, enum ledger_state state);

/* answers.c: kill, result, runs. */
void answer_kill(struct world *w, struct connection *c, const struct session_event *event);
void answer_result(struct world *w, struct connection *c, const struct session_event *event);
void answer_runs(struct world *w, struct connection *c, const struct session_event *event);

/* runs.c: commands and those who watch them. */
enum claim { CLAIM_NONE, CLAIM_REQUEST, CLAIM_TAKE };
enum leave { LEAVE_DONE, LEAVE_CUT, LEAVE_GATE_LOST, LEAVE_BEHIND };
struct wish {
    bool resume, from_now;
    enum claim claim;
    uint64_t have[2], age_ms;
    struct run_id call; /* of an attach */
};
void run_start(struct world *w, struct model_run *run);
void run_watch(struct world *w, struct connection *c, uint32_t stream, struct model_run *run, const struct wish *wish,
               uint8_t state);
/* OPENED for a watcher, or for one of a run of which only the name is left. */
void run_say_opened(struct world *w, struct connection *c, uint32_t stream, struct session_start *start,
                    const struct run_response *response);
void run_unwatch(struct world *w, struct watcher *watcher, enum leave why);
void run_acknowledge(struct world *w, struct model_run *run);
void run_stopped(struct world *w, struct watcher *watcher, uint8_t channel);
void run_input(struct world *w, struct watcher *watcher, uint64_t offset, struct slice bytes);
void run_control(struct world *w, struct watcher *watcher, const struct message_control *control);
void run_finish(struct world *w, struct model_run *run, uint8_t kind, uint32_t code);
int64_t run_next(const struct model_run *run);
void run_step(struct world *w, struct model_run *run);

/* Its machine starts. */
void client_boot(struct world *w, struct sim_client *client);
uint64_t client_clock(const struct world *w, const struct sim_client *client); /* ms */
/* client.c: its connections. acts.c: what it wants over them. errand.c: those that only ask. */
void client_begin(struct world *w, struct sim_client *client);
void client_begin_errand(struct world *w, struct sim_client *client, enum errand errand);
/* Opens its request on the session that it has. */
void client_ask(struct world *w, struct sim_client *client);
void client_output(struct world *w, struct sim_client *client, const struct call_output *output);
void client_opened(struct world *w, struct sim_client *client);
void client_give_input(struct world *w, struct sim_client *client);
/* A signal, or another size of its terminal. */
void client_act(struct world *w, struct sim_client *client);
void client_over(struct world *w, struct sim_client *client);
void errand_ask(struct world *w, struct sim_client *client);
void errand_event(struct world *w, struct sim_client *client, const struct session_event *event);
void client_end(struct sim_client *client);
void client_bytes(struct world *w, struct sim_client *client, const uint8_t *bytes, size_t n);
void client_gone(struct world *w, struct sim_client *client);
int64_t client_next(const struct world *w);
void client_step(struct world *w);

/* check.c: what must hold at that moment, and when all is over. */
void check_opened(struct world *w, struct sim_client *client);
void check_told(struct world *w, struct sim_client *client);
void check_unwatched(struct world *w, const struct model_run *run);
void check_history(struct world *w);

/* plan.c: what a world is to be. */
struct shape;
void plan_shape(struct world *w, const struct shape *shape);
void plan_chance(struct world *w);

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
/* How a world is to be run; all zero: by chance, and silently. */
struct world_options {
    const struct shape *shape;
    enum mutation mutation;
    bool verbose, quiet; /* quiet: says nothing of a failure */
};
/* One world from a seed: whether all held. *passed (or NULL) as in the world. */
bool world_simulate(uint64_t seed, const struct world_options *options, uint64_t passed[2]);

/* sweep.c: sessions cut at every byte, and whether all held. */
bool sweep_all(uint64_t seed, unsigned every);

/* mutate.c */
/* Whether the rule is broken, now. */
bool mutated(const struct world *w, enum mutation mutation);
/* Breaks one rule after another: whether each was found within so many seeds. */
bool mutate_all(uint64_t seed, unsigned long long seeds);

#endif
