/* The keeper: the ledger, its file, and runs that write at random and end as they were told to. */
#include "tests/sim/sim.h"

#include <string.h>
#include <xxhash.h>

static struct model_run *run_of(struct world *w, const struct run_id *id) {
    for (int i = 0; i < RUNS; i++)
        if (w->runs[i].used && run_id_equal(&w->runs[i].id, id))
            return &w->runs[i];
    return NULL;
}

static void set_state(struct world *w, struct model_run *run, enum ledger_state state) {
    for (struct ledger_entry *e = NULL; (e = ledger_each(w->ledger, e)) != NULL;)
        if (run_id_equal(&e->id, &run->id))
            ledger_set_state(w->ledger, e, state, &w->disk);
}

static uint64_t digest(const struct model_run *run, unsigned channel, uint64_t total) {
    static uint8_t bytes[1 << 20];
    for (uint64_t i = 0; i < total; i++)
        bytes[i] = sim_byte(run->seed, channel, i);
    return XXH64(bytes, total, 0);
}

void keeper_finish(struct world *w, struct model_run *run, uint8_t kind) {
    run->running = false;
    run->finished = true;
    run->killed = kind == RUN_UNWATCHED;
    run->result = (struct run_result){
        .kind = kind,
        .code = kind == RUN_EXITED ? run->code : 9,
        .total0 = run->input,
        .total1 = run->spool[0].end,
        .total2 = run->spool[1].end,
        .digest1 = digest(run, 1, run->spool[0].end),
        .digest2 = digest(run, 2, run->spool[1].end),
    };
    set_state(w, run, LEDGER_FINISHED);
    sim_trace(w, "run %td ends, kind %d", run - w->runs, kind);
}

void keeper_write(struct world *w, struct model_run *run) {
    struct chance *c = &w->chance;
    bool all = true;
    for (int i = 0; i < 2; i++) {
        struct spool *s = &run->spool[i];
        uint64_t left = run->planned[i] - s->end, room = spool_room(s);
        uint64_t n = left < room ? left : room;
        if (n > 0)
            spool_add(s, 1 + chance_size(c, n - 1));
        all = all && s->end == run->planned[i];
    }
    run->next_at = w->now + (int64_t)chance_size(c, 400) * MS + 1;
    if (all && (!run->wants_input || run->input_ended))
        keeper_finish(w, run, RUN_EXITED);
}

/* What every client that is attached has. */
void keeper_acknowledge(struct world *w, struct model_run *run) {
    for (int i = 0; i < 2; i++) {
        uint64_t least = UINT64_MAX;
        for (int k = 0; k < WATCHERS; k++)
            if (w->watchers[k].used && w->watchers[k].run == run && !w->watchers[k].stopped[i] &&
                w->watchers[k].acknowledged[i] < least)
                least = w->watchers[k].acknowledged[i];
        if (least != UINT64_MAX)
            spool_acknowledge(&run->spool[i], least);
    }
}

/* Where all who watch want no more of an output, the program gets EPIPE and writes no more. */
static void close_unwanted(struct world *w, struct model_run *run, int i) {
    bool watched = false;
    for (int k = 0; k < WATCHERS; k++) {
        if (!w->watchers[k].used || w->watchers[k].run != run)
            continue;
        watched = true;
        if (!w->watchers[k].stopped[i])
            return;
    }
    if (watched)
        run->planned[i] = run->spool[i].end;
}

void keeper_stopped(struct world *w, struct watcher *watcher, uint8_t channel) {
    watcher->stopped[channel - 1] = true;
    if (watcher->run != NULL)
        keeper_left(w, watcher->run);
}

void keeper_left(struct world *w, struct model_run *run) {
    keeper_acknowledge(w, run);
    for (int i = 0; i < 2; i++)
        close_unwanted(w, run, i);
}

void keeper_unwatched(struct world *w, struct model_run *run) {
    for (int k = 0; k < WATCHERS; k++)
        if (w->watchers[k].used && w->watchers[k].run == run)
            return;
    bool dead = w->keeper_restart_at <= w->now;
    if (run->running && run->kill_on_loss && !dead)
        keeper_finish(w, run, RUN_UNWATCHED);
}

/* --- requests --- */

static struct watcher *new_watcher(struct world *w, struct connection *c, uint32_t stream, struct model_run *run) {
    for (int i = 0; i < WATCHERS; i++)
        if (!w->watchers[i].used) {
            w->watchers[i] = (struct watcher){.used = true, .connection = c, .stream = stream, .run = run};
            return &w->watchers[i];
        }
    sim_fail(w, "too many watchers");
    return NULL;
}

struct wish {
    bool resume, from_now, feeds;
    uint64_t have[2], age_ms;
};

static void say_opened(struct world *w, struct connection *c, uint32_t stream, struct session_start *start,
                       const struct run_response *response) {
    struct buf b;
    buf_init(&b, 4096);
    run_response_put(&b, response);
    start->window0 = w->window_max;
    start->flow0 = SESSION_BULK;
    if (session_opened(c->gate, stream, start, (struct slice){buf_front(&b), buf_size(&b)}) < 0)
        sim_fail(w, "OPENED was not taken");
    buf_free(&b);
}

/* A run of which only the name is left: it ends where the client is. */
static void answer_lost(struct world *w, struct connection *c, uint32_t stream, const struct run_id *id,
                        const struct wish *wish) {
    struct session_start start = {.start1 = wish->have[0], .start2 = wish->have[1]};
    const struct run_response response = {.state = RUN_FINISHED, .id = *id};
    const struct run_result result = {.kind = RUN_LOST};
    struct buf b;
    buf_init(&b, 4096);
    say_opened(w, c, stream, &start, &response);
    session_end(c->gate, stream, 1);
    session_end(c->gate, stream, 2);
    run_result_put(&b, &result);
    session_result(c->gate, stream, (struct slice){buf_front(&b), buf_size(&b)});
    buf_free(&b);
}

/* The youngest connection feeds: its request has the greatest age. */
static void choose_feeder(struct world *w, struct model_run *run, struct watcher *asking, uint64_t age_ms) {
    bool wins = age_ms >= run->feeder_age;
    for (int i = 0; i < WATCHERS; i++) {
        struct watcher *old = &w->watchers[i];
        if (wins && old->used && old->run == run && old->feeds) {
            old->feeds = false;
            session_stop(old->connection->gate, old->stream, 0, CODE_ENDED);
        }
    }
    asking->feeds = wins;
    if (wins)
        run->feeder_age = age_ms;
    else
        session_stop(asking->connection->gate, asking->stream, 0, CODE_ENDED);
}

static void attach(struct world *w, struct connection *c, uint32_t stream, struct model_run *run,
                   const struct wish *wish, uint8_t state) {
    struct session_start start = {.start0 = wish->resume ? run->input : 0};
    struct run_response response = {.state = state, .id = run->id};
    uint64_t *starts[2] = {&start.start1, &start.start2}, *dropped[2] = {&response.dropped1, &response.dropped2};
    for (int i = 0; i < 2; i++) {
        uint64_t have = wish->from_now ? run->spool[i].end : wish->have[i];
        if (spool_start(&run->spool[i], have, starts[i], dropped[i]) < 0) {
            sim_fail(w, "a client has more than was written");
            return;
        }
    }
    struct watcher *watcher = new_watcher(w, c, stream, run);
    if (watcher == NULL)
        return;
    for (int i = 0; i < 2; i++)
        watcher->acknowledged[i] = *starts[i];
    keeper_acknowledge(w, run); /* what a client says it has, it acknowledges */
    say_opened(w, c, stream, &start, &response);
    if (wish->feeds)
        choose_feeder(w, run, watcher, wish->age_ms);
}

/* Records the id, then starts the command; a crash may come before, within and after the record. */
static void start(struct world *w, struct connection *c, uint32_t stream, const struct run_request *request,
                  const struct wish *wish) {
    struct ledger_entry *entry;
    struct buf record;
    bool crash = w->now < w->calm_at && chance_percent(&w->chance, 2);
    buf_init(&record, 4096);
    if (ledger_start(w->ledger, c->owner->key, request, sim_ms(w), &entry, &record) < 0)
        sim_fail(w, "the ledger is full");
    size_t written = crash ? chance_below(&w->chance, buf_size(&record) + 1) : buf_size(&record);
    buf_add(&w->disk, buf_front(&record), written);
    buf_free(&record);
    if (crash) {
        sim_trace(w, "the keeper dies after %zu bytes of a record", written);
        w->keeper_restart_at = w->now;
        return;
    }
    struct model_run *run = run_of(w, &request->id);
    run->effects++;
    run->running = true;
    run->next_at = w->now;
    entry->run = run;
    sim_trace(w, "run %td starts", run - w->runs);
    attach(w, c, stream, run, wish, RUN_STARTED);
}

static void attach_entry(struct world *w, struct connection *c, uint32_t stream, const struct ledger_entry *entry,
                         const struct wish *wish) {
    struct model_run *run = entry->run;
    if (run == NULL)
        answer_lost(w, c, stream, &entry->id, wish);
    else
        attach(w, c, stream, run, wish, run->running ? RUN_RUNNING : RUN_FINISHED);
}

static void open_run(struct world *w, struct connection *c, const struct session_event *event) {
    struct run_request request;
    struct ledger_entry *entry;
    if (run_request_get(event->u.open.request, &request) < 0) {
        sim_fail(w, "a request is malformed");
        return;
    }
    const struct wish wish = {.resume = (event->u.open.flags & MESSAGE_RESUME) != 0,
                              .feeds = true,
                              .age_ms = request.age_ms,
                              .have = {request.have1, request.have2}};
    if (wish.resume != ((request.flags & RUN_AGAIN) != 0))
        sim_fail(w, "AGAIN and resume do not agree");
    enum ledger_verdict verdict = ledger_judge(w->ledger, c->owner->key, false, &request, sim_ms(w), &entry);
    sim_trace(w, "run request on %td, again %d, age %llu: verdict %d", c - w->connections, request.flags & RUN_AGAIN,
              (unsigned long long)request.age_ms, verdict);
    if (w->keeper_restart_at <= w->now) /* it is dead */
        ;
    else if (verdict == LEDGER_START)
        start(w, c, event->stream, &request, &wish);
    else if (verdict == LEDGER_ATTACH)
        attach_entry(w, c, event->stream, entry, &wish);
    else
        session_refuse(c->gate, event->stream, verdict == LEDGER_CONFLICT ? CODE_CONFLICT : CODE_UNKNOWN_RUN, 0, "");
    run_request_free(&request);
}

static void open_attach(struct world *w, struct connection *c, const struct session_event *event) {
    struct run_attach request;
    if (run_attach_get(event->u.open.request, &request) < 0) {
        sim_fail(w, "an attach is malformed");
        return;
    }
    const struct wish wish = {
        .resume = true, .from_now = (request.flags & RUN_FROM_NOW) != 0, .have = {request.have1, request.have2}};
    struct ledger_entry *entry = ledger_find(w->ledger, c->owner->key, false, &request.id);
    if (w->keeper_restart_at <= w->now)
        return;
    if (entry == NULL)
        session_refuse(c->gate, event->stream, CODE_UNKNOWN_RUN, 0, "");
    else
        attach_entry(w, c, event->stream, entry, &wish);
}

void keeper_open(struct world *w, struct connection *c, const struct session_event *event) {
    if (event->u.open.service.size == 6)
        open_attach(w, c, event);
    else
        open_run(w, c, event);
}

/* --- the keeper's death --- */

static void new_epoch(struct world *w, uint64_t since_ms) {
    uint8_t instance[LEDGER_INSTANCE] = {++w->instance};
    const struct ledger_config config = {0};
    w->ledger = ledger_new(&config, instance, since_ms);
}

void server_begin(struct world *w) {
    buf_init(&w->disk, 1 << 20);
    w->young = chance_percent(&w->chance, 5);
    w->young = w->young && !w->sweep;
    new_epoch(w, sim_ms(w) - (w->young ? 0 : 24 * 3600 * 1000));
    ledger_epoch(w->ledger, &w->disk);
}

void server_end(struct world *w) {
    ledger_free(w->ledger);
    buf_free(&w->disk);
    for (int i = 0; i < CONNECTIONS; i++)
        if (w->connections[i].used) {
            session_free(w->connections[i].gate);
            buf_free(&w->connections[i].to_server.bytes);
            buf_free(&w->connections[i].to_client.bytes);
        }
}

static void read_disk(struct world *w) {
    size_t used;
    if (ledger_load(w->ledger, buf_front(&w->disk), buf_size(&w->disk), sim_ms(w), &used) < 0) {
        if (!ledger_torn(buf_front(&w->disk), buf_size(&w->disk), used))
            sim_fail(w, "the ledger's file is damaged at %zu", used);
        w->disk.end = w->disk.start + used;
    }
    for (struct ledger_entry *e = NULL; (e = ledger_each(w->ledger, e)) != NULL;) {
        struct model_run *run = run_of(w, &e->id);
        e->run = run != NULL && run->finished ? run : NULL;
    }
}

void keeper_restart(struct world *w) {
    w->keeper_restarted = true;
    ledger_free(w->ledger);
    for (int i = 0; i < RUNS; i++) {
        struct model_run *run = &w->runs[i];
        run->lost = run->lost || run->running;
        run->running = false;
        for (int k = 0; k < 2; k++) /* results are on disk, outputs are not */
            run->spool[k].base = run->spool[k].end;
    }
    bool files_lost = chance_percent(&w->chance, 30);
    sim_trace(w, "keeper restarts%s", files_lost ? ", its files are lost" : "");
    new_epoch(w, sim_ms(w));
    if (files_lost) {
        w->ledger_lost = true;
        buf_clear(&w->disk);
        ledger_epoch(w->ledger, &w->disk);
    } else {
        read_disk(w);
    }
}
