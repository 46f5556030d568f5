/* The gate: sessions, and what goes over them. */
#include "tests/sim/sim.h"

#include <string.h>

void server_accept(struct world *w, struct connection *c) {
    const struct session_server_config config = {
        .access = SESSION_ENROLLED,
        .verbs = 1,
        .unix_ms = sim_ms(w),
        .greeting_deadline = w->now + 10 * SECOND,
        .window_max = w->window_max,
    };
    c->gate = session_new_server(&config, w->now);
    c->clocks.ours_ms = keeper_clock(w);
}

static void flush(struct world *w, struct connection *c) {
    if (c->gate == NULL)
        return;
    struct slice out = session_output(c->gate);
    network_write(w, c, SERVER_SIDE, out.data, out.size);
    session_sent(c->gate, out.size);
}

static struct watcher *watcher_of(struct world *w, struct connection *c, uint32_t stream) {
    for (int i = 0; i < w->watcher_top; i++)
        if (w->watchers[i].used && w->watchers[i].connection == c && w->watchers[i].stream == stream)
            return &w->watchers[i];
    return NULL;
}

static void gone(struct world *w, struct connection *c, enum leave why) {
    if (c->gate == NULL)
        return;
    sim_trace(w, "gate loses %td", c - w->connections);
    session_free(c->gate);
    c->gate = NULL;
    for (int i = 0; i < w->watcher_top; i++)
        if (w->watchers[i].used && w->watchers[i].connection == c)
            run_unwatch(w, &w->watchers[i], why);
}

void server_gone(struct world *w, struct connection *c) {
    gone(w, c, LEAVE_CUT);
}

/* All that its client said before DONE has come before it; behind RESULT it is ignored. */
static void on_done(struct world *w, struct watcher *watcher) {
    const struct connection *c = watcher->connection;
    unsigned said = watcher->stream < sizeof c->controls / sizeof *c->controls ? c->controls[watcher->stream] : 0;
    if (watcher->controls != said && said > 0 && !watcher->over)
        sim_fail(w, "%u signals and sizes were said, %u taken", said, watcher->controls);
    run_unwatch(w, watcher, LEAVE_DONE);
}

static void on_event(struct world *w, struct connection *c, const struct session_event *event) {
    struct watcher *watcher = event->stream > 0 ? watcher_of(w, c, event->stream) : NULL;
    if (event->type == MESSAGE_HELLO)
        c->clocks.theirs_ms = event->u.hello.clock_ms;
    if (event->type == MESSAGE_PONG)
        c->clocks = event->u.pong.clocks;
    if (event->type == MESSAGE_OPEN) {
        keeper_open(w, c, event);
        return;
    }
    if (watcher == NULL)
        return;
    sim_trace(w, "%s of channel %d on %td", message_name((uint8_t)event->type), event->channel, c - w->connections);
    switch (event->type) {
    case MESSAGE_DATA:
        run_input(w, watcher, event->u.data.offset, event->u.data.bytes);
        session_consumed(c->gate, event->stream, 0, event->u.data.offset + event->u.data.bytes.size);
        break;
    case MESSAGE_END:
        if (watcher->feeds && watcher->run != NULL && event->u.total == watcher->run->input)
            watcher->run->input_ended = true;
        break;
    case MESSAGE_CREDIT:
        watcher->acknowledged[event->channel - 1] = event->u.credit.consumed;
        if (watcher->run != NULL)
            run_acknowledge(w, watcher->run);
        break;
    case MESSAGE_STOP:
        run_stopped(w, watcher, event->channel);
        break;
    case MESSAGE_CONTROL:
        run_control(w, watcher, &event->u.control);
        break;
    case MESSAGE_DONE:
        on_done(w, watcher);
        break;
    default:
        break;
    }
}

void server_bytes(struct world *w, struct connection *c, const uint8_t *bytes, size_t n) {
    while (c->gate != NULL && n > 0) {
        struct session_event event;
        size_t used;
        int e = session_next(c->gate, bytes, n, w->now, &used, &event);
        bytes += used;
        n -= used;
        if (e < 0) {
            if (e != LL_EOF)
                sim_fail(w, "the gate found fault with a client: %s", session_close_text(c->gate));
            server_gone(w, c);
            network_close(w, c, SERVER_SIDE);
            return;
        }
        if (e == 0)
            return;
        if (event.type == MESSAGE_CLOSE) {
            server_gone(w, c);
            network_close(w, c, SERVER_SIDE);
            return;
        }
        on_event(w, c, &event);
    }
}

/* Sends a watcher what there is of one output: whether that is all. */
static bool feed_output(struct world *w, struct watcher *watcher, uint8_t channel, bool finished) {
    static uint8_t bytes[4096];
    struct session *s = watcher->connection->gate;
    const struct model_run *run = watcher->run;
    const struct spool *spool = &run->spool[channel - 1];
    uint64_t at = session_offset(s, watcher->stream, channel);
    if (watcher->stopped[channel - 1]) /* the session has said END */
        return true;
    for (uint64_t room; at < spool->end && (room = session_room(s, watcher->stream, channel)) > 0;) {
        uint64_t n = spool->end - at < room ? spool->end - at : room;
        n = n < sizeof bytes ? n : sizeof bytes;
        for (uint64_t i = 0; i < n; i++)
            bytes[i] = sim_byte(run->seed, channel, at + i);
        bytes[0] ^= mutated(w, MUTATE_WRONG_BYTE) && at > 1000;
        session_data(s, watcher->stream, channel, bytes, n);
        at += n;
    }
    if (finished && at == spool->end)
        session_end(s, watcher->stream, channel);
    return at == spool->end;
}

static void tell_result(struct world *w, struct watcher *watcher) {
    struct buf result;
    buf_init(&result, 4096);
    run_result_put(&result, &watcher->run->result);
    if (session_result(watcher->connection->gate, watcher->stream,
                       (struct slice){buf_front(&result), buf_size(&result)}) < 0)
        sim_fail(w, "RESULT was not taken");
    buf_free(&result);
    watcher->over = true;
}

/* Sends a watcher what its run has written, and the end when all is there. */
static void feed_watcher(struct world *w, struct watcher *watcher) {
    struct model_run *run = watcher->run;
    if (run == NULL || watcher->over)
        return;
    for (uint8_t channel = 1; channel <= 2; channel++)
        if (!watcher->stopped[channel - 1] &&
            session_offset(watcher->connection->gate, watcher->stream, channel) < run->spool[channel - 1].base) {
            session_refuse(watcher->connection->gate, watcher->stream, CODE_BEHIND, 0, "");
            run_unwatch(w, watcher, LEAVE_BEHIND);
            return;
        }
    bool finished = run->finished;
    if (mutated(w, MUTATE_DONE_EARLY) && !finished && chance_percent(&w->chance, 5)) {
        finished = true;
        run->result.kind = RUN_EXITED;
    }
    bool first = feed_output(w, watcher, 1, finished), second = feed_output(w, watcher, 2, finished);
    if (finished && first && second)
        tell_result(w, watcher);
}

int64_t server_next(const struct world *w) {
    int64_t next = w->gate_restart_at < w->keeper_restart_at ? w->gate_restart_at : w->keeper_restart_at;
    next = w->sweep_at < next ? w->sweep_at : next;
    for (int i = 0; i < RUNS; i++)
        if (run_next(&w->runs[i]) < next)
            next = run_next(&w->runs[i]);
    for (int i = 0; i < w->connection_top; i++)
        if (w->connections[i].used && w->connections[i].gate != NULL) {
            int64_t at = session_deadline(w->connections[i].gate);
            next = at < next ? at : next;
        }
    return next;
}

/* A gate that dies: its connections close, the keeper lives on. */
static void gate_restart(struct world *w) {
    sim_trace(w, "gate restarts");
    for (int i = 0; i < w->connection_top; i++)
        if (w->connections[i].used && w->connections[i].gate != NULL) {
            gone(w, &w->connections[i], LEAVE_GATE_LOST);
            network_close(w, &w->connections[i], SERVER_SIDE);
        }
}

/* It happens again half of the time. */
static int64_t once_more(struct world *w) {
    bool again = w->now < w->calm_at && chance_percent(&w->chance, 50);
    return again ? w->now + (int64_t)chance_size(&w->chance, 30000) * MS : NEVER;
}

static void restart(struct world *w) {
    if (w->gate_restart_at <= w->now) {
        gate_restart(w);
        w->gate_restart_at = once_more(w);
    }
    if (w->keeper_restart_at <= w->now) {
        gate_restart(w);
        keeper_restart(w);
        w->keeper_restart_at = once_more(w);
    }
    if (w->sweep_at <= w->now)
        keeper_sweep(w);
}

void server_step(struct world *w) {
    restart(w);
    for (int i = 0; i < RUNS; i++)
        if (run_next(&w->runs[i]) <= w->now)
            run_step(w, &w->runs[i]);
    for (int i = 0; i < w->watcher_top; i++)
        if (w->watchers[i].used)
            feed_watcher(w, &w->watchers[i]);
    for (int i = 0; i < w->connection_top; i++) {
        struct connection *c = &w->connections[i];
        if (!c->used || c->gate == NULL)
            continue;
        session_set_clock(c->gate, keeper_clock(w));
        int e = session_tick(c->gate, w->now);
        flush(w, c);
        if (e < 0) {
            server_gone(w, c);
            network_close(w, c, SERVER_SIDE);
        }
    }
}
