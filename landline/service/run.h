/* Runs: commands that live in the keeper, whoever watches them (PROTOCOL 7.2 to 7.5).
 *
 *   run.c         a run's life: start, end, release
 *   run_launch.c  from a request and a grant to a process
 *   run_watch.c   those who watch it: output to them, input from them
 *   run_ring.c    where a long output is kept
 *   run_end.c     time-outs, loss, the result
 *   run_tree.c    its processes: ending all of them
 *   run_store.c   a finished run on disk
 *   runs.c        all of them: the ledger, finding, keeping, forgetting
 *   run_service.c the services run, shell, attach, runs, kill, result
 *
 * A watcher is an exchange on a run. It goes with its client; the run stays. */
#ifndef LANDLINE_SERVICE_RUN_H
#define LANDLINE_SERVICE_RUN_H

#include <sys/types.h>

#include "landline/proto/ledger.h"
#include "landline/proto/run.h"
#include "landline/service/groups.h"
#include "landline/service/output.h"
#include "landline/service/results.h"
#include "landline/service/service.h"
#include "lib/base/buf.h"
#include "lib/os/account.h"

enum {
    RUN_NAME = 64,
    RUN_AWAY = 16,
    RUN_DISK_RETRY_MS = 1000, /* after which a full disk is tried again */
    RUN_TYPED = 2,            /* bytes that the end of a terminal's input is at most */
};

struct run;

/* What a watcher has to do with the input (PROTOCOL 7.5). */
enum claim {
    CLAIM_NONE,    /* it looks on */
    CLAIM_REQUEST, /* a run request: the one of the youngest connection feeds */
    CLAIM_TAKE,    /* it feeds from now on, and no request does any more */
};

struct watcher {
    struct exchange *x;
    struct run *run;
    struct watcher *next;
    struct {
        uint64_t start; /* of what it gets */
        uint64_t told;  /* the server was told of bytes up to here */
        uint64_t sent;  /* the network has taken them up to here (terminals) */
        uint64_t acked; /* the client has them up to here */
        bool ring;      /* reads from the ring file … */
        bool replaced;  /* … or from the one before, and holds its place on the disk */
        bool stopped;   /* wants no more */
        bool ended;     /* was told the end */
    } out[2];
    bool leaving;   /* was refused; still counts until it is gone */
    bool over;      /* was told the result */
    bool requested; /* came by a run request; else it calls itself … */
    struct run_id call;
    uint64_t age_ms;
    bool succeeded; /* its client has made another connection for it since */
};

/* How somebody comes to a run. */
struct arrival {
    uint8_t state;    /* as in RESPONSE */
    uint64_t have[2]; /* bytes that it has */
    enum claim claim;
    struct run_id call;          /* of an attach (PROTOCOL 7.5); of a run request, its id */
    uint64_t age_ms;             /* of that, as the client says */
    struct run_window_size size; /* of the terminal, if it takes the input; no rows: as it is */
};

struct run {
    struct runs *runs;
    struct run *next, *previous; /* in runs */
    struct run_id id;
    struct ledger_entry *entry;
    uint8_t key[PEER_KEY];
    char owner[PEER_LABEL];
    char name[RUN_NAME];
    char *audit;     /* what the audit line says of the request, as JSON members */
    struct buf argv; /* u32 n, n × str32: for the list */
    uint8_t flags, on_loss;
    uint32_t keep_s;
    int64_t grace; /* ns */

    pid_t pid; /* 0 once reaped, and where nothing started */
    pid_t session;
    uint32_t group; /* its control group; 0: none, or left again */
    int pidfd;
    ll_child *child;
    bool finished; /* `result` stands */
    bool stored;   /* is in the results' log: may be forgotten here as soon as nobody watches */
    bool lost;     /* made of the ledger's memory only */

    struct output out[2];
    int pipe[2];      /* our ends; -1 once at the end */
    uint64_t owed[2]; /* bytes that were in the pipe when the program ended, and wait for room */
    ll_watch *pipe_watch[2];
    struct {
        uint64_t short_from; /* bytes of output from which on a short ring will do … */
        uint64_t hold_from;  /* … and the program is held to see whether it does */
        int64_t until;       /* the end of that, or of the patience with a short one that is full; LL_NEVER: neither */
        int64_t not_before;  /* the disk was full a moment ago */
    } ring[2];
    bool disk_full;
    bool deserted; /* it is ended, or was, because nobody watches */

    int input_fd; /* -1: closed */
    ll_watch *input_watch;
    struct buf input;                       /* taken from the feeder, not yet by the program */
    uint64_t input_received, input_written; /* offsets */
    bool input_ended;                       /* never of a terminal's: its end is typed */
    bool inside_line;                       /* … and has to finish a line first */
    struct watcher *feeder;
    uint64_t feeder_age_ms; /* of the run request that feeds, or fed last */
    bool input_taken;       /* by an attach: requests do not feed any more */
    struct run_id taker;    /* the last such … */
    uint64_t taker_age_ms;  /* … and its age then */

    struct watcher *watchers;
    size_t watching; /* how many */
    struct away {
        struct run_id call;
        bool wants[2];
        uint64_t acked[2];
        int64_t hold_until; /* it is waited for as if it watched; 0: not any more */
    } away[RUN_AWAY];       /* the last that were cut off, and may come back for these outputs */
    unsigned next_away;
    int64_t hold_until; /* the first of these; LL_NEVER: none */
    ll_timer *timer;
    /* Points in time, LL_NEVER: not. */
    int64_t timeout_at, unwatched_at, away_until, kill_at, cut_at, expire_at;
    uint8_t why;    /* enum run_kind once it is being ended by us: RUN_TIMED_OUT, RUN_UNWATCHED */
    uint8_t signal; /* which ended it then */
    struct run_result result;
    char text[256]; /* of the result */
};

/* --- run.c --- */

/* Makes a run of a request that the ledger has accepted, and starts it. A command that cannot be started is a run that has
 * finished with RUN_NOT_STARTED. NULL: no memory. */
struct run *run_new(struct runs *runs, const struct peer *peer, const struct run_request *request);
/* An empty one in the list of all, that nothing runs in. NULL: no memory. */
struct run *run_blank(struct runs *runs);
/* Frees it; nobody watches it, and it has finished or the keeper ends. */
void run_free(struct run *run);
/* One of its parts has ended: finishes it when all have. */
void run_check(struct run *run);
bool run_is_terminal(const struct run *run);
uint64_t run_unix_ms(void);

/* --- run_launch.c --- */

/* Starts the command: 0 and run->pid, pipes and input_fd are set; or negative with the result's code, error and text filled
 * in. */
int run_launch(struct run *run, const struct peer *peer, const struct run_request *request);
/* Why nothing may be done in the name of the grant's user; NULL: it may. */
const char *run_forbidden_account(const struct terms *terms);
/* Why the grant does not cover the request; NULL: it does. */
const char *run_forbidden(const struct peer *peer, const struct run_request *request);

/* --- run_watch.c --- */

/* Adds a watcher and tells it all that is there. Refuses the exchange by itself where that cannot be. */
void run_watch(struct run *run, struct exchange *x, const struct arrival *how);
void run_unwatch(struct watcher *w, enum exchange_leave why);
/* Nobody who was cut off is expected back any more. */
void run_forget_away(struct run *run);
/* Somebody has `have` bytes of an output: what all have then, or what he has if nobody else wants any, will not be asked for again. */
void run_acknowledge(struct run *run, int channel, uint64_t have);
/* Who was cut off and has not come back by now: the others go on without him. */
void run_go_on_without(struct run *run);
/* Tells the watchers what is new of an output. */
void run_tell(struct run *run, int channel);
/* Tells one of them what could not be told before. */
void run_tell_watcher(struct watcher *w);
/* Tells the watchers the ends and the result. */
void run_tell_end(struct run *run);
/* How many bytes may be taken from the program. */
uint64_t run_room(struct run *run, int channel);
void run_read(struct run *run, int channel);
/* What its outputs and its input wait for has changed. */
void run_touch(struct run *run);
void run_close_output(struct run *run, int channel);
/* Where all who watch have stopped an output, the program finds out by EPIPE. With nobody there it is kept, and while somebody who wants
 * it has only lost the connection. */
void run_close_unwanted(struct run *run, int channel);
void run_close_input(struct run *run);
/* Takes bytes of the feeder's. */
void run_input(struct run *run, struct slice bytes);
/* No more comes from the feeder (PROTOCOL 7.2: of a terminal's input that is no end). */
void run_end_input(struct run *run);
void run_write_input(struct run *run);

/* --- run_ring.c --- */

/* Sees to it that the ring has the right length; `unread` bytes at its end are still to be acknowledged, UINT64_MAX: nobody watches. */
void run_ring_fit(struct run *run, int channel, uint64_t unread);
/* Whether the program is held, to see whether those who watch keep up. */
bool run_ring_holds(const struct run *run, int channel);

/* --- run_end.c --- */

void run_child_ended(void *run, const struct ll_child_end *end);
void run_timer(void *run);
void run_set_timer(struct run *run);
/* Begins to end it, for this reason (0: nobody's but the caller's): TERM now, KILL after `grace` ns. */
void run_end(struct run *run, uint8_t why, int64_t grace);
void run_lost_watchers(struct run *run, enum exchange_leave why);

/* --- run_tree.c --- */

/* To the process group that it was started as. */
void run_signal(struct run *run, int signal);
/* All processes of a run: its control group, its session, its descendants, and those that carry its id in their
 * environment. */
void run_signal_tree(const struct run *run, int signal);
/* Its control group is for others as soon as it has finished and nothing of it is still to be killed. */
void run_leave_group(struct run *run);
/* Reaps processes that were left to us by those that ended. */
void run_reap_strays(struct runs *runs);

/* --- run_store.c --- */

/* Writes a finished run to the log: whether it is there. */
bool run_store(struct run *run, struct results *results);
/* Makes a run of its record, or of the ledger's entry of one that was lost. NULL: no memory, or a damaged record. */
struct run *run_restore(struct runs *runs, struct slice record);
struct run *run_lost(struct runs *runs, const struct ledger_entry *entry);

/* --- runs.c --- */

struct runs {
    struct service_host *host;
    char *folder;
    struct ledger *ledger;
    int ledger_fd;
    struct run *list; /* newest first */
    size_t count, running;
    struct results results;
    struct groups groups;
    struct account self, other; /* of the server; of the grant that was last used */
    int64_t other_until;        /* on the loop's clock: `other` need not be looked up again before */
    int null;                   /* /dev/null, for programs without an input */
    uint64_t signals;
    const uint64_t *changed_signals;    /* &signals, or NULL where the process is not ours alone */
    struct buf late_ledger, late_audit; /* what runs_settle() writes */
    ll_timer *sweep;
};

int runs_open(struct runs **out, struct service_host *host, struct ll_error_info *info);
/* Ends all that run by their on_loss (kill: killed; keep: killed too, since nothing can hold them) and frees. */
void runs_close(struct runs *runs);
/* Writes what the log and the ledger are to say of runs that have finished, of all of a pass at once; before the results
 * go out. Starts are not gathered: each is in the ledger before its program runs. */
void runs_settle(struct runs *runs);
const uint8_t *runs_instance(const struct runs *runs);
uint32_t runs_horizon_s(const struct runs *runs);

/* A run request: starts it, or finds the run it names. NULL: *code, *text say why not. *state as in RESPONSE. */
struct run *runs_take(struct runs *runs, const struct peer *peer, const struct run_request *request, uint8_t *state,
                      uint16_t *code, const char **text);
/* By id, or by name with a zero id. NULL: unknown to this client. */
struct run *runs_find(struct runs *runs, const struct peer *peer, const struct run_id *id, struct slice name);
/* A run has finished: the ledger, the audit log, the limits. */
void runs_finished(struct run *run);
/* Nobody watches a finished run any more: what is on disk needs no memory. */
void runs_let_go(struct run *run);
/* Forgets results that are too old or too many. */
void runs_expire(struct runs *runs);
/* "folder/ID.CHANNEL" */
void runs_path(const struct run *run, int channel, char *out, size_t size);

#endif
