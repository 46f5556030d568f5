/* The services of the run family, as exchanges. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "landline/proto/invite.h"
#include "landline/service/run.h"
#include "lib/base/limits.h"
#include "lib/os/pty.h"

extern const struct service service_shell;

/* The shell of that name, where one runs and the id is nobody's yet: the request then is another way to say attach. */
static struct run *running_shell(struct exchange *x, const struct run_request *request, uint8_t *state) {
    struct runs *runs = x->host->runs;
    if (ledger_find(runs->ledger, x->peer->key, true, &request->id) != NULL)
        return NULL;
    struct run *run = runs_find(runs, x->peer, &request->id, request->name);
    if (run == NULL || run->finished || memcmp(run->key, x->peer->key, sizeof run->key) != 0 || !run_is_terminal(run))
        return NULL;
    *state = RUN_RUNNING;
    return run;
}

static void open_run(struct exchange *x, uint8_t flags, struct slice payload) {
    struct run_request request;
    (void)flags; /* a resumed run and a new one are told apart by the id alone */
    int e = run_request_get(payload, &request);
    const char *why = e == 0 ? NULL : e == -ENOMEM ? "the server is out of memory" : "the request cannot be understood";
    uint16_t code = e == LL_ELIMIT ? CODE_LIMIT : e == -ENOMEM ? CODE_FULL : CODE_MALFORMED;
    uint8_t state = 0;
    struct run *run = NULL;
    enum claim claim = CLAIM_REQUEST;
    if (e == 0 && request.name.size >= RUN_NAME) {
        why = "the name is longer than 63 bytes";
    } else if (e == 0) {
        why = run_forbidden(x->peer, &request);
        code = CODE_NO_GRANT;
    }
    if (why == NULL && x->service == &service_shell && request.name.size > 0)
        run = running_shell(x, &request, &state);
    if (run != NULL)
        claim = (request.flags & RUN_NO_STDIN) != 0 ? CLAIM_NONE : CLAIM_TAKE;
    if (why == NULL && run == NULL)
        run = runs_take(x->host->runs, x->peer, &request, &state, &code, &why);
    const struct arrival how = {state, {request.have1, request.have2}, claim, request.id, request.age_ms, request.size};
    if (run != NULL)
        run_watch(run, x, &how);
    else
        x->ops->refused(x, code, 0, why);
    run_request_free(&request);
}

static void open_attach(struct exchange *x, uint8_t flags, struct slice payload) {
    struct run_attach attach;
    (void)flags;
    if (run_attach_get(payload, &attach) != 0) {
        x->ops->refused(x, CODE_MALFORMED, 0, "the request cannot be understood");
        return;
    }
    struct run *run = runs_find(x->host->runs, x->peer, &attach.id, attach.name);
    if (run == NULL) {
        x->ops->refused(x, CODE_UNKNOWN_RUN, 0, "no such run is known to this key");
        return;
    }
    bool now = (attach.flags & RUN_FROM_NOW) != 0;
    bool feeds = (attach.flags & RUN_TAKE_INPUT) != 0;
    const struct arrival how = {
        .state = run->finished ? RUN_FINISHED : RUN_RUNNING,
        .have = {now ? run->out[0].spool.end : attach.have1, now ? run->out[1].spool.end : attach.have2},
        .claim = feeds ? CLAIM_TAKE : CLAIM_NONE,
        .call = attach.call,
        .age_ms = attach.age_ms,
        .size = attach.size,
    };
    run_watch(run, x, &how);
}

/* More input than was ever granted: a gate that keeps to the windows does not send it, and it would be kept in memory. */
static bool floods(struct watcher *w, size_t n) {
    if (buf_size(&w->run->input) + n <= LIMIT_RUN_WAITING)
        return false;
    w->leaving = true;
    w->x->ops->refused(w->x, CODE_LIMIT, 0, "more input came than was asked for");
    return true;
}

static void input(struct exchange *x, uint64_t offset, struct slice bytes) {
    struct watcher *w = x->state;
    if (w == NULL || w->run->feeder != w || offset != w->run->input_received || floods(w, bytes.size))
        return;
    run_input(w->run, bytes);
}

static void input_ended(struct exchange *x, uint64_t total) {
    struct watcher *w = x->state;
    if (w == NULL || w->run->feeder != w || total != w->run->input_received || floods(w, RUN_TYPED))
        return;
    run_end_input(w->run);
}

static void acked(struct exchange *x, uint8_t channel, uint64_t to) {
    struct watcher *w = x->state;
    if (w == NULL || channel < 1 || channel > 2)
        return;
    int i = channel - 1;
    struct output *o = &w->run->out[i];
    if (to > o->spool.end || to <= w->out[i].acked)
        return;
    w->out[i].acked = to;
    run_acknowledge(w->run, i, to);
    if (w->run->pipe[i] >= 0)
        run_touch(w->run);
}

static void sent(struct exchange *x, uint8_t channel, uint64_t to) {
    struct watcher *w = x->state;
    if (w == NULL || channel < 1 || channel > 2 || to > w->run->out[channel - 1].spool.end)
        return;
    w->out[channel - 1].sent = to;
    if (w->run->pipe[channel - 1] >= 0)
        run_touch(w->run);
}

static void stopped(struct exchange *x, uint8_t channel) {
    struct watcher *w = x->state;
    if (w == NULL || channel < 1 || channel > 2)
        return;
    struct run *run = w->run;
    int i = channel - 1;
    w->out[i].stopped = true;
    run_close_unwanted(run, i);
    run_touch(run);
    run_check(run);
}

static void control(struct exchange *x, uint8_t kind, struct slice body) {
    struct watcher *w = x->state;
    uint8_t signal;
    struct run_window_size size;
    if (w == NULL)
        return;
    if (kind == RUN_SIGNAL && run_signal_get(body, &signal) == 0)
        run_signal(w->run, signal);
    else if (kind == RUN_WINSIZE && run_window_size_get(body, &size) == 0 && w->run->feeder == w &&
             w->run->pipe[0] >= 0 && run_is_terminal(w->run)) /* not one that was replaced and is late */
        pty_resize(w->run->pipe[0], &(struct pty_size){size.rows, size.columns, size.xpixel, size.ypixel});
}

static void writable(struct exchange *x) {
    struct watcher *w = x->state;
    if (w != NULL)
        run_tell_watcher(w);
}

static void gone(struct exchange *x, enum exchange_leave why) {
    if (x->state != NULL)
        run_unwatch(x->state, why);
}

/* --- one answer and no more --- */

static void answer(struct exchange *x, const struct buf *list, const void *result, size_t n) {
    x->ops->opened(x, &(struct exchange_start){0}, NULL, 0);
    if (list != NULL && buf_size(list) > 0)
        x->ops->output(x, 1, 0, list->data + list->start, buf_size(list));
    x->ops->ended(x, 1, list != NULL ? buf_size(list) : 0);
    x->ops->ended(x, 2, 0);
    x->ops->result(x, result, n);
}

static void open_kill(struct exchange *x, uint8_t flags, struct slice payload) {
    struct run_kill request;
    (void)flags;
    if (run_kill_get(payload, &request) != 0) {
        x->ops->refused(x, CODE_MALFORMED, 0, "the request cannot be understood");
        return;
    }
    struct run *run = runs_find(x->host->runs, x->peer, &request.id, (struct slice){0});
    if (run == NULL) {
        x->ops->refused(x, CODE_UNKNOWN_RUN, 0, "no such run is known to this key");
        return;
    }
    if (!run->finished)
        run_signal_tree(run, request.signal);
    answer(x, NULL, NULL, 0);
    runs_let_go(run);
}

static void open_result(struct exchange *x, uint8_t flags, struct slice payload) {
    struct run_id id;
    (void)flags;
    if (run_id_get(payload, &id) != 0) {
        x->ops->refused(x, CODE_MALFORMED, 0, "the request cannot be understood");
        return;
    }
    struct run *run = runs_find(x->host->runs, x->peer, &id, (struct slice){0});
    if (run == NULL || !run->finished) {
        x->ops->refused(x, run == NULL ? CODE_UNKNOWN_RUN : CODE_STILL_RUNNING, 0,
                        run == NULL ? "no such run is known to this key" : "it is still running");
        return;
    }
    struct buf result;
    buf_init(&result, LIMIT_SERVICE_PAYLOAD);
    run_result_put(&result, &run->result);
    answer(x, NULL, buf_front(&result), buf_size(&result));
    buf_free(&result);
    runs_let_go(run);
}

static void put_record(struct buf *list, const struct run *run) {
    struct buf result;
    buf_init(&result, LIMIT_SERVICE_PAYLOAD);
    if (run->finished)
        run_result_put(&result, &run->result);
    struct reader r = reader_of(run->argv.data + run->argv.start, buf_size(&run->argv));
    uint32_t count = reader_u32(&r);
    struct slice *argv = calloc((size_t)count + 1, sizeof *argv);
    for (uint32_t i = 0; argv != NULL && i < count; i++)
        argv[i] = reader_str32(&r);
    uint16_t watchers = 0;
    for (const struct watcher *w = run->watchers; w != NULL; w = w->next)
        watchers++;
    const struct run_record record = {
        .id = run->id,
        .state = run->finished ? RUN_FINISHED : RUN_RUNNING,
        .started = run->result.started,
        .total1 = run->out[0].spool.end,
        .total2 = run->out[1].spool.end,
        .kept = spool_kept(&run->out[0].spool) + spool_kept(&run->out[1].spool),
        .expires = run->finished ? run->result.ended + (uint64_t)LIMIT_RESULTS_AGE * 1000 : 0,
        .watchers = watchers,
        .name = {(const uint8_t *)run->name, strlen(run->name)},
        .owner = {(const uint8_t *)run->owner, strlen(run->owner)},
        .argc = argv != NULL ? count : 0,
        .argv = argv,
        .result = {buf_front(&result), buf_size(&result)},
    };
    run_record_put(list, &record);
    free(argv);
    buf_free(&result);
}

/* The list of runs, as far as one answer has room for it. */
struct listing {
    struct exchange *x;
    struct buf list;
};

static bool shows(const struct listing *l, const struct run *run) {
    bool others = (l->x->peer->terms.verbs & VERB_OTHERS) != 0;
    return (others || memcmp(run->key, l->x->peer->key, sizeof run->key) == 0) &&
           buf_size(&l->list) < LIMIT_IPC_FRAME / 2;
}

/* One that is on disk only; those that are in memory too are listed from there. */
static void list_stored(void *arg, struct slice record) {
    struct listing *l = arg;
    struct run_id id;
    memcpy(id.bytes, record.data, sizeof id.bytes);
    struct runs *runs = l->x->host->runs;
    const struct ledger_entry *entry = ledger_find(runs->ledger, l->x->peer->key, true, &id);
    if (entry == NULL || entry->run != NULL)
        return;
    struct run *run = run_restore(runs, record);
    if (run != NULL && shows(l, run))
        put_record(&l->list, run);
    run_free(run);
}

static void open_runs(struct exchange *x, uint8_t flags, struct slice payload) {
    struct listing l = {.x = x};
    (void)flags;
    if (payload.size != 0) {
        x->ops->refused(x, CODE_MALFORMED, 0, "the request cannot be understood");
        return;
    }
    buf_init(&l.list, LIMIT_IPC_FRAME - 4096);
    for (const struct run *run = x->host->runs->list; run != NULL; run = run->next)
        if (shows(&l, run))
            put_record(&l.list, run);
    results_each(&x->host->runs->results, list_stored, &l);
    answer(x, &l.list, NULL, 0);
    buf_free(&l.list);
}

static void gone_answer(struct exchange *x, enum exchange_leave why) {
    (void)x;
    (void)why;
}

#define WATCHED(which, allowed, opener)                                                                                \
    const struct service service_##which = {                                                                           \
        .name = #which,                                                                                                \
        .verbs = (allowed),                                                                                            \
        .open = (opener),                                                                                              \
        .input = input,                                                                                                \
        .input_ended = input_ended,                                                                                    \
        .acked = acked,                                                                                                \
        .sent = sent,                                                                                                  \
        .stopped = stopped,                                                                                            \
        .control = control,                                                                                            \
        .writable = writable,                                                                                          \
        .gone = gone,                                                                                                  \
    }
#define ANSWERED(which, allowed, opener)                                                                               \
    const struct service service_##which = {.name = #which, .verbs = (allowed), .open = (opener), .gone = gone_answer}

WATCHED(run, VERB_RUN | VERB_SHELL, open_run);
WATCHED(shell, VERB_RUN | VERB_SHELL, open_run);
WATCHED(attach, VERB_RUN | VERB_SHELL, open_attach);
ANSWERED(kill, VERB_RUN | VERB_SHELL, open_kill);
ANSWERED(result, VERB_RUN | VERB_SHELL, open_result);
ANSWERED(runs, VERB_RUN | VERB_SHELL, open_runs);
