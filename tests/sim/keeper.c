/* The keeper: requests, the ledger, its file and the results on a disk, and what is left of them when it dies. */
#include "tests/sim/sim.h"

#include <string.h>

struct model_run *keeper_run(struct world *w, const struct run_id *id) {
    for (int i = 0; i < RUNS; i++)
        if (w->runs[i].used && run_id_equal(&w->runs[i].id, id))
            return &w->runs[i];
    return NULL;
}

uint64_t keeper_clock(const struct world *w) {
    return (uint64_t)(w->now - w->boot_at) / MS;
}

void keeper_set_state(struct world *w, const struct run_id *id, enum ledger_state state) {
    for (struct ledger_entry *e = NULL; (e = ledger_each(w->ledger, e)) != NULL;)
        if (run_id_equal(&e->id, id))
            ledger_set_state(w->ledger, e, state, &w->disk);
}

struct model_run *keeper_recall(struct world *w, const struct ledger_entry *entry) {
    struct model_run *run = entry->run != NULL ? entry->run : keeper_run(w, &entry->id);
    return run != NULL && !run->lost && !run->expired && (run->running || run->finished) ? run : NULL;
}

/* --- requests --- */

/* A run of which only the name is left: it ends where the client is. */
static void answer_lost(struct world *w, struct connection *c, uint32_t stream, const struct run_id *id,
                        const struct wish *wish) {
    struct session_start start = {.start1 = wish->have[0], .start2 = wish->have[1]};
    const struct run_response response = {.state = RUN_FINISHED, .id = *id};
    const struct run_result result = {.kind = RUN_LOST};
    struct buf b;
    buf_init(&b, 4096);
    run_say_opened(w, c, stream, &start, &response);
    session_end(c->gate, stream, 1);
    session_end(c->gate, stream, 2);
    run_result_put(&b, &result);
    session_result(c->gate, stream, (struct slice){buf_front(&b), buf_size(&b)});
    buf_free(&b);
}

/* The keeper dies within the writing of a record; by a broken rule after the start. */
static void die_in_record(struct world *w, const struct run_request *request, const struct buf *record) {
    size_t written = chance_below(&w->chance, buf_size(record) + 1);
    if (mutated(w, MUTATE_START_UNRECORDED)) {
        keeper_run(w, &request->id)->effects++;
        written = 0;
    }
    buf_add(&w->disk, buf_front(record), written);
    sim_trace(w, "the keeper dies after %zu bytes of a record", written);
    w->keeper_restart_at = w->now;
}

/* Records the id, then starts the command; a crash may come before, within and after the record. */
static void start(struct world *w, struct connection *c, uint32_t stream, const struct run_request *request,
                  const struct wish *wish) {
    struct ledger_entry *entry;
    struct buf record;
    bool crash = w->now < w->calm_at && chance_percent(&w->chance, 2);
    buf_init(&record, 4096);
    if (ledger_start(w->ledger, c->owner->key, request, keeper_clock(w), &entry, &record) < 0) {
        session_refuse(c->gate, stream, CODE_INTERNAL, 0, "all entries are in use");
    } else if (crash) {
        die_in_record(w, request, &record);
    } else {
        struct model_run *run = keeper_run(w, &request->id);
        buf_add(&w->disk, buf_front(&record), buf_size(&record));
        entry->run = run;
        run_start(w, run);
        if (mutated(w, MUTATE_REFUSE_STARTED))
            session_refuse(c->gate, stream, CODE_NO_GRANT, 0, "");
        else
            run_watch(w, c, stream, run, wish, RUN_STARTED);
    }
    buf_free(&record);
}

static void attach_entry(struct world *w, struct connection *c, uint32_t stream, const struct ledger_entry *entry,
                         const struct wish *wish) {
    struct model_run *run = keeper_recall(w, entry);
    if (run != NULL)
        run_watch(w, c, stream, run, wish, run->running ? RUN_RUNNING : RUN_FINISHED);
    else if (entry->state == LEDGER_LOST)
        answer_lost(w, c, stream, &entry->id, wish);
    else
        session_refuse(c->gate, stream, CODE_UNKNOWN_RUN, 0, "");
}

/* The shell of the name that runs already, for a request whose id is nobody's yet. */
static struct model_run *running_shell(struct world *w, const struct connection *c, const struct run_request *request) {
    if (ledger_find(w->ledger, c->owner->key, false, &request->id) != NULL)
        return NULL;
    for (int i = 0; i < RUNS && request->name.size > 0; i++)
        if (w->runs[i].named && w->runs[i].running && memcmp(w->runs[i].key, c->owner->key, LEDGER_KEY) == 0)
            return &w->runs[i];
    return NULL;
}

static void judge(struct world *w, struct connection *c, uint32_t stream, const struct run_request *request,
                  struct wish *wish) {
    struct ledger_entry *entry;
    struct model_run *shell = running_shell(w, c, request);
    if (shell != NULL) {
        wish->claim = (request->flags & RUN_NO_STDIN) != 0 ? CLAIM_NONE : CLAIM_TAKE;
        run_watch(w, c, stream, shell, wish, RUN_RUNNING);
        return;
    }
    uint64_t sent_ms = mutated(w, MUTATE_SENT_NOW) ? keeper_clock(w) : clocks_earliest(&c->clocks, request->sent_ms);
    enum ledger_verdict verdict = ledger_judge(w->ledger, c->owner->key, false, request, sent_ms, &entry);
    sim_trace(w, "run request on %td, sent %lld ms ago at most: verdict %d", c - w->connections,
              (long long)(keeper_clock(w) - sent_ms), verdict);
    if (verdict == LEDGER_ATTACH && mutated(w, MUTATE_START_AGAIN))
        keeper_run(w, &request->id)->effects++;
    if (verdict == LEDGER_START)
        start(w, c, stream, request, wish);
    else if (verdict == LEDGER_ATTACH)
        attach_entry(w, c, stream, entry, wish);
    else
        session_refuse(c->gate, stream, verdict == LEDGER_CONFLICT ? CODE_CONFLICT : CODE_UNKNOWN_RUN, 0, "");
}

static void open_run(struct world *w, struct connection *c, const struct session_event *event) {
    struct run_request request;
    if (run_request_get(event->u.open.request, &request) < 0) {
        sim_fail(w, "a request is malformed");
        return;
    }
    struct wish wish = {.resume = (event->u.open.flags & MESSAGE_RESUME) != 0,
                        .claim = CLAIM_REQUEST,
                        .age_ms = request.age_ms,
                        .call = request.id,
                        .have = {request.have1, request.have2}};
    judge(w, c, event->stream, &request, &wish);
    run_request_free(&request);
}

static void open_attach(struct world *w, struct connection *c, const struct session_event *event) {
    struct run_attach request;
    if (run_attach_get(event->u.open.request, &request) < 0) {
        sim_fail(w, "an attach is malformed");
        return;
    }
    const struct wish wish = {.resume = true,
                              .from_now = (request.flags & RUN_FROM_NOW) != 0,
                              .claim = (request.flags & RUN_TAKE_INPUT) != 0 ? CLAIM_TAKE : CLAIM_NONE,
                              .call = request.call,
                              .age_ms = request.age_ms,
                              .have = {request.have1, request.have2}};
    struct ledger_entry *entry = ledger_find(w->ledger, c->owner->key, false, &request.id);
    if (entry == NULL)
        session_refuse(c->gate, event->stream, CODE_UNKNOWN_RUN, 0, "");
    else
        attach_entry(w, c, event->stream, entry, &wish);
}

void keeper_open(struct world *w, struct connection *c, const struct session_event *event) {
    static const struct {
        const char *name;
        void (*open)(struct world *w, struct connection *c, const struct session_event *event);
    } services[] = {{"run", open_run},     {"shell", open_run},       {"attach", open_attach},
                    {"kill", answer_kill}, {"result", answer_result}, {"runs", answer_runs}};
    struct slice name = event->u.open.service;
    if (w->keeper_restart_at <= w->now) /* it is dead */
        return;
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        if (strlen(services[i].name) == name.size && memcmp(services[i].name, name.data, name.size) == 0)
            services[i].open(w, c, event);
}

/* --- forgetting --- */

static bool is_attached(const struct world *w, const struct model_run *run) {
    for (int i = 0; i < w->watcher_top; i++)
        if (w->watchers[i].used && w->watchers[i].run == run)
            return true;
    return false;
}

void keeper_sweep(struct world *w) {
    for (struct ledger_entry *e = NULL; (e = ledger_each(w->ledger, e)) != NULL;) {
        struct model_run *run = keeper_run(w, &e->id);
        if (run == NULL || !run->finished || is_attached(w, run))
            continue;
        e->run = NULL; /* it is on the disk */
        if (w->results_age < w->now - run->finished_at && !run->expired) {
            run->expired = true;
            ledger_set_state(w->ledger, e, LEDGER_EXPIRED, &w->disk);
        }
    }
    ledger_expire(w->ledger, keeper_clock(w));
    w->sweep_at = w->now + 20 * SECOND;
}

/* --- the keeper's life --- */

static void new_epoch(struct world *w, uint64_t since_ms) {
    uint8_t instance[LEDGER_INSTANCE] = {++w->instance};
    struct ledger_config config = {0};
    if (w->forgets)
        config = (struct ledger_config){.horizon_ms = 60000 + chance_size(&w->chance, 3600 * 1000), .max_entries = 2};
    w->ledger = ledger_new(&config, instance, mutated(w, MUTATE_FORGET_REACH) ? 0 : since_ms);
}

void server_begin(struct world *w) {
    buf_init(&w->disk, 1 << 20);
    w->young = chance_percent(&w->chance, 5);
    w->young = w->young && !w->sweep;
    w->boot_at = -24 * 3600 * SECOND;
    new_epoch(w, w->young ? keeper_clock(w) - 1000 : 0);
    if (w->young)
        ledger_first_life(w->ledger);
    ledger_epoch(w->ledger, &w->disk);
}

void server_end(struct world *w) {
    ledger_free(w->ledger);
    buf_free(&w->disk);
    for (int i = 0; i < w->connection_top; i++)
        if (w->connections[i].used) {
            session_free(w->connections[i].gate);
            buf_free(&w->connections[i].to_server.bytes);
            buf_free(&w->connections[i].to_client.bytes);
        }
}

static void read_disk(struct world *w) {
    size_t used;
    if (ledger_load(w->ledger, buf_front(&w->disk), buf_size(&w->disk), keeper_clock(w), &used) < 0 &&
        !ledger_torn(buf_front(&w->disk), buf_size(&w->disk), used))
        sim_fail(w, "the ledger's file is damaged at %zu", used);
}

/* The machine had no power: what was written last may not be on the disk, and the clock begins anew. */
static void lose_power(struct world *w) {
    uint8_t instance[LEDGER_INSTANCE] = {++w->instance};
    w->ledger_lost = true;
    w->boot_at = w->now - (int64_t)chance_size(&w->chance, 100 * 1000) * MS;
    w->disk.end -= chance_size(&w->chance, buf_size(&w->disk));
    read_disk(w);
    if (!mutated(w, MUTATE_FORGET_REACH))
        ledger_forget_past(w->ledger, instance, keeper_clock(w));
    for (int i = 0; i < RUNS; i++)
        w->runs[i].expired = w->runs[i].expired || (w->runs[i].finished && chance_percent(&w->chance, 30));
}

static void end_runs(struct world *w) {
    for (int i = 0; i < RUNS; i++) {
        struct model_run *run = &w->runs[i];
        run->lost = run->lost || run->running;
        run->running = false;
        if (!run->finished || !chance_percent(&w->chance, 20))
            continue;
        run->outputs_cut = true; /* what was kept of them was on no disk */
        for (int k = 0; k < 2; k++)
            run->spool[k].base = run->spool[k].end;
    }
}

void keeper_restart(struct world *w) {
    unsigned how = (unsigned)chance_below(&w->chance, 100);
    w->keeper_restarted = true;
    ledger_free(w->ledger);
    end_runs(w);
    sim_trace(w, "keeper restarts%s", how < 20 ? ", its files are lost" : how < 40 ? " after a power cut" : "");
    new_epoch(w, keeper_clock(w));
    if (how < 20)
        w->ledger_lost = true;
    else if (how < 40)
        lose_power(w);
    else
        read_disk(w);
    buf_clear(&w->disk);
    if (ledger_dump(w->ledger, &w->disk) < 0)
        sim_fail(w, "the ledger's file was not written");
}
