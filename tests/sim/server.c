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
}

static void flush(struct world *w, struct connection *c) {
    if (c->gate == NULL)
        return;
    struct slice out = session_output(c->gate);
    network_write(w, c, SERVER_SIDE, out.data, out.size);
    session_sent(c->gate, out.size);
}

static struct watcher *watcher_of(struct world *w, struct connection *c, uint32_t stream) {
    for (int i = 0; i < WATCHERS; i++)
        if (w->watchers[i].used && w->watchers[i].connection == c && w->watchers[i].stream == stream)
            return &w->watchers[i];
    return NULL;
}

static void leave(struct world *w, struct watcher *watcher, bool by_loss) {
    struct model_run *run = watcher->run;
    watcher->used = false;
    if (run == NULL)
        return;
    keeper_left(w, run);
    if (by_loss)
        keeper_unwatched(w, run);
}

void server_gone(struct world *w, struct connection *c) {
    if (c->gate == NULL)
        return;
    sim_trace(w, "gate loses %td", c - w->connections);
    for (int i = 0; i < WATCHERS; i++)
        if (w->watchers[i].used && w->watchers[i].connection == c)
            leave(w, &w->watchers[i], true);
    session_free(c->gate);
    c->gate = NULL;
}

/* Bytes of a client's input. One that attached with the input has its own offsets; what the run has had already is skipped. */
static void on_input(struct world *w, struct watcher *watcher, const struct session_event *event) {
    struct model_run *run = watcher->run;
    struct slice bytes = event->u.data.bytes;
    if (watcher->feeds && run != NULL && run->running)
        for (size_t i = 0; i < bytes.size; i++) {
            uint64_t at = event->u.data.offset + i;
            if (at < run->input)
                continue;
            if (at > run->input)
                sim_fail(w, "input has a hole at %llu", (unsigned long long)run->input);
            if (bytes.data[i] != sim_byte(run->seed, 0, at))
                sim_fail(w, "input differs at %llu", (unsigned long long)at);
            run->input++;
        }
    session_consumed(watcher->connection->gate, event->stream, 0, event->u.data.offset + bytes.size);
}

static void on_event(struct world *w, struct connection *c, const struct session_event *event) {
    struct watcher *watcher = event->stream > 0 ? watcher_of(w, c, event->stream) : NULL;
    if (event->type == MESSAGE_OPEN) {
        keeper_open(w, c, event);
        return;
    }
    if (watcher == NULL)
        return;
    sim_trace(w, "%s of channel %d on %td", message_name((uint8_t)event->type), event->channel, c - w->connections);
    switch (event->type) {
    case MESSAGE_DATA:
        on_input(w, watcher, event);
        break;
    case MESSAGE_END:
        if (watcher->feeds && watcher->run != NULL && event->u.total == watcher->run->input)
            watcher->run->input_ended = true;
        break;
    case MESSAGE_CREDIT:
        watcher->acknowledged[event->channel - 1] = event->u.credit.consumed;
        if (watcher->run != NULL)
            keeper_acknowledge(w, watcher->run);
        break;
    case MESSAGE_STOP:
        keeper_stopped(w, watcher, event->channel);
        break;
    case MESSAGE_DONE:
        leave(w, watcher, !watcher->over);
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
            if (e != -4097) /* LL_EOF */
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

/* Sends a watcher what its run has written, and the end when all is there. */
static void feed_watcher(struct world *w, struct watcher *watcher) {
    struct session *s = watcher->connection->gate;
    struct model_run *run = watcher->run;
    static uint8_t bytes[4096];
    if (run == NULL || watcher->over)
        return;
    bool all = run->finished;
    for (uint8_t channel = 1; channel <= 2; channel++) {
        const struct spool *spool = &run->spool[channel - 1];
        uint64_t at = session_offset(s, watcher->stream, channel);
        if (watcher->stopped[channel - 1]) /* the session has said END */
            continue;
        if (at < spool->base) {
            session_refuse(s, watcher->stream, CODE_BEHIND, 0, "");
            watcher->used = false;
            return;
        }
        for (uint64_t room; at < spool->end && (room = session_room(s, watcher->stream, channel)) > 0;) {
            uint64_t n = spool->end - at < room ? spool->end - at : room;
            n = n < sizeof bytes ? n : sizeof bytes;
            for (uint64_t i = 0; i < n; i++)
                bytes[i] = sim_byte(run->seed, channel, at + i);
            session_data(s, watcher->stream, channel, bytes, n);
            at += n;
        }
        if (run->finished && at == spool->end)
            session_end(s, watcher->stream, channel);
        all = all && at == spool->end;
    }
    if (!all)
        return;
    struct buf result;
    buf_init(&result, 4096);
    run_result_put(&result, &run->result);
    if (session_result(s, watcher->stream, (struct slice){buf_front(&result), buf_size(&result)}) < 0)
        sim_fail(w, "RESULT was not taken");
    buf_free(&result);
    watcher->over = true;
}

int64_t server_next(const struct world *w) {
    int64_t next = w->gate_restart_at < w->keeper_restart_at ? w->gate_restart_at : w->keeper_restart_at;
    for (int i = 0; i < RUNS; i++)
        if (w->runs[i].running && w->runs[i].next_at < next)
            next = w->runs[i].next_at;
    for (int i = 0; i < CONNECTIONS; i++)
        if (w->connections[i].used && w->connections[i].gate != NULL) {
            int64_t at = session_deadline(w->connections[i].gate);
            next = at < next ? at : next;
        }
    return next;
}

/* A gate that dies: its connections close, the keeper lives on. */
static void gate_restart(struct world *w) {
    sim_trace(w, "gate restarts");
    for (int i = 0; i < CONNECTIONS; i++)
        if (w->connections[i].used && w->connections[i].gate != NULL) {
            server_gone(w, &w->connections[i]);
            network_close(w, &w->connections[i], SERVER_SIDE);
        }
}

void server_step(struct world *w) {
    if (w->gate_restart_at <= w->now) {
        gate_restart(w);
        w->gate_restart_at = NEVER;
    }
    if (w->keeper_restart_at <= w->now) {
        gate_restart(w);
        keeper_restart(w);
        w->keeper_restart_at = NEVER;
    }
    for (int i = 0; i < RUNS; i++)
        if (w->runs[i].running && w->runs[i].next_at <= w->now)
            keeper_write(w, &w->runs[i]);
    for (int i = 0; i < WATCHERS; i++)
        if (w->watchers[i].used)
            feed_watcher(w, &w->watchers[i]);
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &w->connections[i];
        if (!c->used || c->gate == NULL)
            continue;
        int e = session_tick(c->gate, w->now);
        flush(w, c);
        if (e < 0) {
            server_gone(w, c);
            network_close(w, c, SERVER_SIDE);
        }
    }
}
