/* Commands, and those who watch them: what landline/service makes of them, without processes. */
#include "tests/sim/sim.h"

#include <string.h>
#include <xxhash.h>

enum { LOSS_GRACE_MS = 400, GATE_GRACE_S = 30 };

/* --- their end --- */

static uint64_t digest(const struct model_run *run, unsigned channel, uint64_t total) {
    static uint8_t bytes[1 << 20];
    for (uint64_t i = 0; i < total; i++)
        bytes[i] = sim_byte(run->seed, channel, i);
    return XXH64(bytes, total, 0);
}

void run_finish(struct world *w, struct model_run *run, uint8_t kind, uint32_t code) {
    if (mutated(w, MUTATE_LOSE_TAIL) && run->spool[0].end > run->spool[0].base)
        run->spool[0].end--;
    run->running = false;
    run->finished = true;
    run->finished_at = w->now;
    run->unwatched_at = run->kill_at = NEVER;
    run->result = (struct run_result){
        .kind = kind,
        .code = code + mutated(w, MUTATE_WRONG_STATUS),
        .total0 = run->input,
        .total1 = run->spool[0].end,
        .total2 = run->spool[1].end,
        .digest1 = digest(run, 1, run->spool[0].end),
        .digest2 = digest(run, 2, run->spool[1].end),
    };
    keeper_set_state(w, &run->id, LEDGER_FINISHED);
    sim_trace(w, "run %td ends, kind %d", run - w->runs, kind);
}

static void begin_end(struct world *w, struct model_run *run) {
    check_unwatched(w, run);
    run->why = RUN_UNWATCHED;
    run->why_at = w->now;
    run->unwatched_at = NEVER;
    run->kill_at = w->now + (run->obeys ? (int64_t)chance_below(&w->chance, LOSS_GRACE_MS) : LOSS_GRACE_MS) * MS;
}

static void lost_watchers(struct world *w, struct model_run *run, enum leave why) {
    if (run->finished || !run->running || run->why != 0 || mutated(w, MUTATE_SPARE_UNWATCHED))
        return;
    bool comes_back = why == LEAVE_GATE_LOST || why == LEAVE_BEHIND;
    if (run->on_loss == RUN_KILL && !comes_back)
        begin_end(w, run);
    else if (run->on_loss == RUN_KILL)
        run->unwatched_at = w->now + GATE_GRACE_S * SECOND;
    else if (run->keep_s != RUN_FOREVER)
        run->unwatched_at = w->now + (int64_t)run->keep_s * SECOND;
}

/* --- output --- */

/* The least that a watcher has who wants it; UINT64_MAX with none. */
static uint64_t slowest(const struct world *w, const struct model_run *run, int i) {
    uint64_t least = UINT64_MAX;
    for (int k = 0; k < w->watcher_top; k++) {
        const struct watcher *watcher = &w->watchers[k];
        if (watcher->used && watcher->run == run && !watcher->stopped[i] && watcher->acknowledged[i] < least)
            least = watcher->acknowledged[i];
    }
    return least;
}

static bool is_watched(const struct world *w, const struct model_run *run) {
    for (int k = 0; k < w->watcher_top; k++)
        if (w->watchers[k].used && w->watchers[k].run == run && !w->watchers[k].succeeded)
            return true;
    return false;
}

static void send_away(struct world *w, struct model_run *run, int i, uint64_t at) {
    bool all = run->spool[i].overflow == RUN_DROP;
    for (int k = 0; k < w->watcher_top; k++) {
        struct watcher *watcher = &w->watchers[k];
        if (!watcher->used || watcher->run != run || watcher->over || watcher->stopped[i] ||
            watcher->acknowledged[i] > at || !(all || watcher->succeeded))
            continue;
        session_refuse(watcher->connection->gate, watcher->stream, CODE_BEHIND, 0, "");
        run_unwatch(w, watcher, LEAVE_BEHIND);
    }
}

static uint64_t room(struct world *w, struct model_run *run, int i) {
    struct spool *s = &run->spool[i];
    if (mutated(w, MUTATE_DROP_BLOCKED))
        return s->cap;
    uint64_t least = slowest(w, run, i);
    if (least == UINT64_MAX && is_watched(w, run))
        spool_acknowledge(s, s->end); /* nobody wants it */
    uint64_t room = spool_room(s);
    if (least == UINT64_MAX)
        return room;
    if (s->end - least >= s->cap) {
        send_away(w, run, i, least);
        return 0;
    }
    uint64_t more = s->cap - (s->end - least);
    return room < more ? room : more;
}

static void write_output(struct world *w, struct model_run *run) {
    struct chance *c = &w->chance;
    bool all = true;
    for (int i = 0; i < 2; i++) {
        struct spool *s = &run->spool[i];
        uint64_t left = run->planned[i] - s->end, n = room(w, run, i);
        n = n < left ? n : left;
        if (n > 0)
            spool_add(s, 1 + chance_size(c, n - 1));
        all = all && s->end == run->planned[i];
    }
    run->next_at = w->now + (int64_t)chance_size(c, 400) * MS + 1;
    if (all && (!run->wants_input || run->input_ended))
        run_finish(w, run, run->why != 0 ? run->why : RUN_EXITED, run->why != 0 ? 15 : run->code);
}

void run_acknowledge(struct world *w, struct model_run *run) {
    for (int i = 0; i < 2; i++) {
        uint64_t least = slowest(w, run, i);
        if (least != UINT64_MAX)
            spool_acknowledge(&run->spool[i], least);
    }
}

/* Where all who watch want no more of an output, the program gets EPIPE and writes no more. */
static void close_unwanted(struct world *w, struct model_run *run, int i) {
    for (int k = 0; k < w->watcher_top; k++) {
        const struct watcher *watcher = &w->watchers[k];
        if (watcher->used && watcher->run == run && !watcher->succeeded && !watcher->stopped[i])
            return;
    }
    if (is_watched(w, run) && !run->terminal && run->running)
        run->planned[i] = run->spool[i].end;
}

void run_stopped(struct world *w, struct watcher *watcher, uint8_t channel) {
    watcher->stopped[channel - 1] = true;
    if (watcher->run == NULL)
        return;
    run_acknowledge(w, watcher->run);
    close_unwanted(w, watcher->run, channel - 1);
}

/* --- input, control --- */

void run_input(struct world *w, struct watcher *watcher, uint64_t offset, struct slice bytes) {
    struct model_run *run = watcher->run;
    if (!(watcher->feeds || mutated(w, MUTATE_INPUT_UNCLAIMED)) || run == NULL || !run->running)
        return;
    if (offset != run->input)
        sim_fail(w, "input comes from %llu, and there were %llu", (unsigned long long)offset,
                 (unsigned long long)run->input);
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] != sim_byte(run->seed, 0, offset + i))
            sim_fail(w, "input differs at %llu", (unsigned long long)(offset + i));
    run->input += bytes.size * (mutated(w, MUTATE_INPUT_TWICE) ? 2 : 1);
}

static void take_signal(struct world *w, struct model_run *run, uint8_t signal) {
    for (int i = 0; i < (mutated(w, MUTATE_SIGNAL_TWICE) ? 2 : 1); i++)
        if (run->running && ++run->signals[signal % SIGNALS] > 1)
            sim_fail(w, "signal %u was taken twice", signal);
}

/* Of a terminal's sizes those count that come from where its input comes from, while there is one. */
static void take_size(struct world *w, struct watcher *watcher, uint16_t size) {
    struct model_run *run = watcher->run;
    uint16_t *last = &run->sizes[watcher->connection->owner - w->clients];
    if (!run->terminal || !run->running || !(watcher->feeds || mutated(w, MUTATE_OLD_SIZE)))
        return;
    if (size < *last)
        sim_fail(w, "the size %u comes back after %u", size, *last);
    run->size = *last = size;
}

void run_control(struct world *w, struct watcher *watcher, const struct message_control *control) {
    uint8_t signal;
    struct run_window_size size;
    if (mutated(w, MUTATE_LOSE_CONTROL) && chance_percent(&w->chance, 20))
        return;
    watcher->controls++;
    if (watcher->run == NULL)
        return;
    if (control->kind == RUN_SIGNAL && run_signal_get(control->body, &signal) == 0)
        take_signal(w, watcher->run, signal);
    else if (control->kind == RUN_WINSIZE && run_window_size_get(control->body, &size) == 0)
        take_size(w, watcher, size.rows);
    else
        sim_fail(w, "CONTROL of kind %u is not understood", control->kind);
}

/* --- watchers --- */

void run_say_opened(struct world *w, struct connection *c, uint32_t stream, struct session_start *start,
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

static struct watcher *new_watcher(struct world *w, struct connection *c, uint32_t stream, struct model_run *run) {
    for (int i = 0; i < WATCHERS; i++)
        if (!w->watchers[i].used) {
            w->watcher_top = i < w->watcher_top ? w->watcher_top : i + 1;
            w->watchers[i] = (struct watcher){.used = true, .connection = c, .stream = stream, .run = run};
            return &w->watchers[i];
        }
    sim_fail(w, "too many watchers");
    return NULL;
}

/* An attach of a connection that was replaced: one of the same call is older in age. Those that it replaces are marked. */
static bool is_late(struct world *w, struct model_run *run, const struct watcher *asking) {
    bool late = run_id_equal(&run->taker, &asking->call) && run->taker_age > asking->age_ms;
    for (int i = 0; i < w->watcher_top; i++) {
        struct watcher *old = &w->watchers[i];
        if (!old->used || old->run != run || old == asking || old->requested ||
            !run_id_equal(&old->call, &asking->call))
            continue;
        late = late || old->age_ms > asking->age_ms;
        old->succeeded = old->succeeded || old->age_ms <= asking->age_ms;
    }
    return late && !mutated(w, MUTATE_LATE_ATTACH);
}

/* Nobody takes the input from himself. */
static void check_taker(struct world *w, const struct model_run *run, const struct watcher *asking) {
    for (int i = 0; i < w->watcher_top; i++) {
        const struct watcher *old = &w->watchers[i];
        if (old->used && old->run == run && old->connection->owner == asking->connection->owner &&
            old->connection->number > asking->connection->number)
            sim_fail(w, "connection %u takes the input of the younger %u", asking->connection->number,
                     old->connection->number);
    }
}

/* The request of the youngest connection feeds, or the last one that takes the input over. */
static bool choose_feeder(struct world *w, struct model_run *run, struct watcher *asking, const struct wish *wish) {
    asking->requested = wish->claim == CLAIM_REQUEST;
    asking->call = wish->call;
    asking->age_ms = wish->age_ms;
    bool youngest = asking->requested && wish->age_ms >= run->feeder_age;
    asking->succeeded = asking->requested ? !youngest : is_late(w, run, asking);
    if (youngest)
        run->feeder_age = wish->age_ms;
    bool takes = wish->claim == CLAIM_TAKE && !asking->succeeded, feeds = takes || (youngest && !run->input_taken);
    if (takes) {
        check_taker(w, run, asking);
        run->taker = wish->call;
        run->taker_age = wish->age_ms;
    }
    for (int i = 0; i < w->watcher_top; i++) {
        struct watcher *old = &w->watchers[i];
        if (!old->used || old->run != run || old == asking)
            continue;
        old->succeeded = old->succeeded || (youngest && old->requested);
        if (feeds && old->feeds && !mutated(w, MUTATE_INPUT_UNCLAIMED))
            session_stop(old->connection->gate, old->stream, 0, CODE_ENDED);
        old->feeds = old->feeds && !feeds;
    }
    run->input_taken = run->input_taken || takes;
    return feeds;
}

void run_watch(struct world *w, struct connection *c, uint32_t stream, struct model_run *run, const struct wish *wish,
               uint8_t state) {
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
    run_acknowledge(w, run); /* what a client says it has, it acknowledges */
    run->unwatched_at = NEVER;
    run_say_opened(w, c, stream, &start, &response);
    watcher->feeds = choose_feeder(w, run, watcher, wish);
    if (!watcher->feeds && !mutated(w, MUTATE_INPUT_UNCLAIMED))
        session_stop(c->gate, stream, 0, CODE_ENDED);
}

void run_unwatch(struct world *w, struct watcher *watcher, enum leave why) {
    struct model_run *run = watcher->run;
    watcher->used = false;
    if (run == NULL)
        return;
    run_acknowledge(w, run);
    for (int i = 0; i < 2; i++)
        close_unwanted(w, run, i);
    bool counted = !watcher->succeeded || run->unwatched_at == NEVER;
    if (mutated(w, MUTATE_KILL_WATCHED) || (counted && !is_watched(w, run)))
        lost_watchers(w, run, why);
}

/* --- time --- */

void run_start(struct world *w, struct model_run *run) {
    run->effects++;
    run->running = true;
    run->next_at = w->now;
    sim_trace(w, "run %td starts", run - w->runs);
}

int64_t run_next(const struct model_run *run) {
    if (!run->running)
        return NEVER;
    int64_t next = run->next_at < run->kill_at ? run->next_at : run->kill_at;
    return run->unwatched_at < next ? run->unwatched_at : next;
}

void run_step(struct world *w, struct model_run *run) {
    if (run->running && run->unwatched_at <= w->now)
        begin_end(w, run);
    if (run->running && run->kill_at <= w->now)
        run_finish(w, run, run->why, run->obeys ? 15 : 9);
    if (run->running && run->next_at <= w->now)
        write_output(w, run);
}
