#include "landline/service/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/os/pty.h"

enum {
    READS_AT_ONCE = 8,
    AWAY_S = 15 * 60, /* for so long clients try to come back, if not told otherwise */
    HOLD_S = 30, /* for so long nothing goes that one of them has not got, if the program is to wait for its readers */
};

/* --- output --- */

static uint64_t slowest_away(const struct run *run, int channel) {
    uint64_t least = UINT64_MAX;
    if (run->hold_until == LL_NEVER || run->out[channel].spool.overflow != RUN_BLOCK)
        return least;
    for (const struct away *a = run->away; a < run->away + RUN_AWAY; a++)
        if (a->hold_until != 0 && a->wants[channel] && a->acked[channel] < least)
            least = a->acked[channel];
    return least;
}

/* The smallest of what the watchers have of an output, and those who were just cut off; UINT64_MAX with none that wants it. A
 * connection that its own client has given up sends nothing any more: it sets no pace. */
static uint64_t slowest(const struct run *run, int channel, bool by_sent) {
    uint64_t least = by_sent ? UINT64_MAX : slowest_away(run, channel);
    for (const struct watcher *w = run->watchers; w != NULL; w = w->next) {
        uint64_t at = by_sent ? w->out[channel].sent : w->out[channel].acked;
        if (!w->out[channel].stopped && at < least && !(by_sent && w->succeeded))
            least = at;
    }
    return least;
}

/* A connection that its client has replaced, and which may be dead, watches nothing. */
static bool is_watched(const struct run *run) {
    for (const struct watcher *w = run->watchers; w != NULL; w = w->next)
        if (!w->succeeded)
            return true;
    return false;
}

/* When one comes or goes the next acknowledgement is not waited for: whoever has everything sends none until the program goes on. */
void run_acknowledge(struct run *run, int channel, uint64_t have) {
    uint64_t least = slowest(run, channel, false);
    spool_acknowledge(&run->out[channel].spool, least != UINT64_MAX ? least : have);
}

/* With the drop policy nobody holds up the program, and with either no connection that its client has replaced: who is a
 * whole ring behind has to come back for what is left. */
static void send_away_slowest(struct run *run, int channel, uint64_t at) {
    bool all = run->out[channel].spool.overflow == RUN_DROP;
    for (struct watcher *w = run->watchers; w != NULL; w = w->next) {
        if (w->leaving || w->out[channel].stopped || w->out[channel].acked > at || !(all || w->succeeded))
            continue;
        w->leaving = true;
        w->x->ops->refused(w->x, CODE_BEHIND, 0, "the output went on without you: attach again for what is kept");
    }
}

uint64_t run_room(struct run *run, int channel) {
    struct output *o = &run->out[channel];
    uint64_t least = slowest(run, channel, false);
    if (least == UINT64_MAX && is_watched(run)) /* a terminal's: no EPIPE can tell the program that nobody wants it */
        spool_acknowledge(&o->spool, o->spool.end);
    uint64_t room = spool_room(&o->spool);
    if (least != UINT64_MAX && o->spool.end - least >= o->spool.cap) {
        send_away_slowest(run, channel, least);
        return 0;
    }
    if (least != UINT64_MAX && room > o->spool.cap - (o->spool.end - least))
        room = o->spool.cap - (o->spool.end - least);
    if (run_ring_holds(run, channel))
        return 0;
    if (!run_is_terminal(run))
        return room;
    uint64_t seen = slowest(run, channel, true);
    if (seen == UINT64_MAX)
        return room;
    uint64_t ahead = o->spool.end - seen;
    uint64_t more = ahead < LIMIT_RUN_TERMINAL ? LIMIT_RUN_TERMINAL - ahead : 0;
    return room < more ? room : more;
}

static void tell_one(struct run *run, struct watcher *w, int channel) {
    struct output *o = &run->out[channel];
    uint8_t number = (uint8_t)(channel + 1);
    if (w->leaving || w->out[channel].stopped || (w->out[channel].told >= o->spool.end && !w->out[channel].replaced))
        return;
    if (o->ring < 0) {
        if (w->x->ops->full(w->x))
            return; /* again when writable */
        struct slice bytes = output_at(o, w->out[channel].told, o->spool.end - w->out[channel].told);
        w->x->ops->output(w->x, number, w->out[channel].told, bytes.data, bytes.size);
        w->out[channel].told = o->spool.end;
        return;
    }
    if (!w->out[channel].ring) {
        if (w->x->ops->ring(w->x, number, o->ring, o->size, w->out[channel].told) != 0)
            return; /* again when writable */
        w->out[channel].ring = true;
        w->out[channel].replaced = false;
    }
    w->x->ops->produced(w->x, number, o->spool.end);
    w->out[channel].told = o->spool.end;
}

void run_tell(struct run *run, int channel) {
    for (struct watcher *w = run->watchers; w != NULL; w = w->next)
        tell_one(run, w, channel);
}

static void tell_end_to(struct run *run, struct watcher *w) {
    if (w->leaving || w->over)
        return;
    for (int i = 0; i < 2; i++) {
        tell_one(run, w, i);
        if (!w->out[i].stopped && w->out[i].told < run->out[i].spool.end)
            return; /* the ring is still to be handed over */
        if (!w->out[i].ended && !w->out[i].stopped)
            w->x->ops->ended(w->x, (uint8_t)(i + 1), run->lost ? w->out[i].told : run->out[i].spool.end);
        w->out[i].ended = true;
    }
    struct buf result;
    buf_init(&result, LIMIT_SERVICE_PAYLOAD);
    run_result_put(&result, &run->result);
    w->x->ops->result(w->x, buf_front(&result), buf_size(&result));
    buf_free(&result);
    w->over = true;
}

void run_tell_watcher(struct watcher *w) {
    tell_one(w->run, w, 0);
    tell_one(w->run, w, 1);
    if (w->run->finished)
        tell_end_to(w->run, w);
}

void run_tell_end(struct run *run) {
    for (struct watcher *w = run->watchers; w != NULL; w = w->next)
        tell_end_to(run, w);
}

void run_close_output(struct run *run, int channel) {
    ll_watch_free(run->pipe_watch[channel]);
    run->pipe_watch[channel] = NULL;
    if (run->pipe[channel] >= 0)
        close(run->pipe[channel]);
    run->pipe[channel] = -1;
    run->ring[channel].until = LL_NEVER;
}

void run_close_unwanted(struct run *run, int channel) {
    for (int i = 0; i < RUN_AWAY; i++)
        if (run->away[i].wants[channel])
            return;
    for (const struct watcher *w = run->watchers; w != NULL; w = w->next)
        if (!w->succeeded && !w->out[channel].stopped)
            return;
    if (is_watched(run) && !run_is_terminal(run))
        run_close_output(run, channel);
}

void run_read(struct run *run, int channel) {
    struct output *o = &run->out[channel];
    char path[4200];
    runs_path(run, channel, path, sizeof path);
    ssize_t n = 1;
    bool had_ring = o->ring >= 0;
    for (int i = 0; i < READS_AT_ONCE && n > 0; i++) {
        uint64_t room = run_room(run, channel);
        n = room == 0 ? -EAGAIN : output_read(o, run->pipe[channel], room, path);
        if (n > 0)
            run->owed[channel] -= (uint64_t)n < run->owed[channel] ? (uint64_t)n : run->owed[channel];
    }
    if (!had_ring && o->ring >= 0 && !run_is_terminal(run))
        fcntl(run->pipe[channel], F_SETPIPE_SZ, 1 << 20);
    run_tell(run, channel);
    run->disk_full = n == -ENOSPC || n == -EDQUOT;
    if (run->disk_full)
        for (struct watcher *w = run->watchers; w != NULL; w = w->next)
            w->x->ops->notice(w->x, "the server's disk is full: the output waits");
    /* A terminal whose programs have all gone says EIO. */
    if (n == 0 || n == -EIO) {
        run_close_output(run, channel);
        run_check(run);
        return;
    }
    run_touch(run);
}

void run_touch(struct run *run) {
    for (int i = 0; i < 2; i++) {
        if (run->pipe_watch[i] == NULL)
            continue;
        uint64_t least = slowest(run, i, false);
        run_ring_fit(run, i, least != UINT64_MAX ? run->out[i].spool.end - least : UINT64_MAX);
        ll_watch_set(run->pipe_watch[i], run_room(run, i) > 0 && !run->disk_full ? LL_READ : 0);
    }
    if (run->input_watch != NULL)
        ll_watch_set(run->input_watch, buf_size(&run->input) > 0 ? LL_WRITE : 0);
    if (run->disk_full)
        run_set_timer(run);
}

/* --- input --- */

void run_close_input(struct run *run) {
    ll_watch_free(run->input_watch);
    run->input_watch = NULL;
    if (run->input_fd >= 0)
        close(run->input_fd);
    run->input_fd = -1;
}

/* The program does not read any more: what comes is thrown away, and its client is told. */
static void input_is_dead(struct run *run) {
    run_close_input(run);
    buf_clear(&run->input);
    if (run->feeder != NULL && !run->feeder->leaving)
        run->feeder->x->ops->stop_input(run->feeder->x, CODE_ENDED);
}

void run_write_input(struct run *run) {
    uint64_t before = run->input_written;
    while (buf_size(&run->input) > 0 && run->input_fd >= 0) {
        ssize_t n = write(run->input_fd, buf_front(&run->input), buf_size(&run->input));
        if (n > 0) {
            run->input_written += (uint64_t)n;
            buf_consume(&run->input, (size_t)n);
        } else if (n < 0 && errno == EAGAIN) {
            break;
        } else if (n == 0 || errno != EINTR) {
            input_is_dead(run);
        }
    }
    if (run->input_fd < 0 && !run->input_ended)
        before = UINT64_MAX; /* nothing is acknowledged that was not read: STOP says it */
    if (run->input_written > before && run->feeder != NULL && !run->feeder->leaving)
        run->feeder->x->ops->consumed(run->feeder->x, run->input_written);
    if (run->input_ended && buf_size(&run->input) == 0)
        run_close_input(run);
    run_touch(run);
}

void run_input(struct run *run, struct slice bytes) {
    run->input_received += bytes.size;
    if (run->input_fd < 0)
        return; /* STOP is on its way */
    uint8_t last = bytes.data[bytes.size - 1];
    run->inside_line = last != '\n' && last != '\r';
    buf_add(&run->input, bytes.data, bytes.size);
    run_write_input(run);
}

void run_end_input(struct run *run) {
    if (!run_is_terminal(run)) {
        run->input_ended = true;
        run_write_input(run);
        return;
    }
    uint8_t end = run->input_fd >= 0 ? pty_end_of_file(run->input_fd) : 0;
    run_input(run, (struct slice){(const uint8_t[]){end, end}, run->inside_line ? 2 : 1});
    run->inside_line = false;
}

/* --- watchers --- */

static int place(struct run *run, struct watcher *w, const uint64_t have[2], uint64_t missed[2]) {
    for (int i = 0; i < 2; i++) {
        uint64_t start;
        int e = spool_start(&run->out[i].spool, have[i], &start, &missed[i]);
        if (run->lost) { /* nobody knows how much there was: nothing more comes */
            start = have[i];
            missed[i] = 0;
        } else if (e != 0)
            return e;
        w->out[i].start = w->out[i].told = w->out[i].sent = w->out[i].acked = start;
    }
    return 0;
}

static void say_opened(struct run *run, struct watcher *w, uint8_t state, const uint64_t missed[2], bool feeds) {
    struct buf response;
    buf_init(&response, LIMIT_SERVICE_PAYLOAD);
    const struct run_response r = {.state = state,
                                   .started = run->result.started,
                                   .pid = (uint32_t)run->session,
                                   .dropped1 = missed[0],
                                   .dropped2 = missed[1],
                                   .id = run->id};
    run_response_put(&response, &r);
    bool wants_input = feeds && run->input_fd >= 0;
    const struct exchange_start start = {
        .start0 = run->input_received,
        .start1 = w->out[0].start,
        .start2 = w->out[1].start,
        .window0 = wants_input && buf_size(&run->input) < LIMIT_RUN_INPUT
                       ? LIMIT_RUN_INPUT - (uint32_t)buf_size(&run->input)
                       : 0,
        .bulk = !run_is_terminal(run),
        .terminal = run_is_terminal(run),
        .paced = run_is_terminal(run),
    };
    w->x->ops->opened(w->x, &start, buf_front(&response), buf_size(&response));
    buf_free(&response);
    if (!wants_input)
        w->x->ops->stop_input(w->x, CODE_ENDED);
}

/* A run request, and whether it is the youngest: those of the same client that came before have been replaced. */
static bool is_youngest(struct run *run, struct watcher *w) {
    if (w->age_ms < run->feeder_age_ms)
        return false;
    run->feeder_age_ms = w->age_ms;
    for (struct watcher *other = w->next; other != NULL; other = other->next)
        other->succeeded =
            other->succeeded || (other->requested && memcmp(other->x->peer->key, w->x->peer->key, PEER_KEY) == 0);
    return true;
}

/* The same for an attach, among those of its own call. */
static bool is_late(struct run *run, const struct watcher *w) {
    bool late = run_id_equal(&run->taker, &w->call) && run->taker_age_ms > w->age_ms;
    for (struct watcher *other = w->next; other != NULL; other = other->next) {
        bool same = !other->requested && run_id_equal(&other->call, &w->call) &&
                    memcmp(other->x->peer->key, w->x->peer->key, PEER_KEY) == 0;
        late = late || (same && other->age_ms > w->age_ms);
        other->succeeded = other->succeeded || (same && other->age_ms <= w->age_ms);
    }
    return late;
}

/* Whether the new watcher feeds the run; the one that did, or would have, does not any more and is told. */
static bool choose_feeder(struct run *run, struct watcher *w, const struct arrival *how) {
    w->succeeded = w->requested ? !is_youngest(run, w) : is_late(run, w); /* it was overtaken on the way here */
    if (w->succeeded || how->claim == CLAIM_NONE || (w->requested && run->input_taken))
        return false;
    if (how->claim == CLAIM_TAKE) {
        const struct run_window_size *size = &how->size;
        if (run_is_terminal(run) && run->pipe[0] >= 0 && size->rows != 0)
            pty_resize(run->pipe[0], &(struct pty_size){size->rows, size->columns, size->xpixel, size->ypixel});
        run->input_taken = true;
        run->taker = w->call;
        run->taker_age_ms = w->age_ms;
    }
    if (run->feeder != NULL && !run->feeder->leaving)
        run->feeder->x->ops->stop_input(run->feeder->x, CODE_ENDED);
    run->feeder = w;
    return true;
}

/* --- those who were cut off --- */

static void set_hold(struct run *run) {
    run->hold_until = LL_NEVER;
    for (const struct away *a = run->away; a < run->away + RUN_AWAY; a++)
        if (a->hold_until != 0 && a->hold_until < run->hold_until)
            run->hold_until = a->hold_until;
}

static void note_away(struct run *run, const struct watcher *w) {
    int64_t now = ll_loop_now(run->runs->host->loop);
    run->away[run->next_away++ % RUN_AWAY] = (struct away){.call = w->call,
                                                           .wants = {!w->out[0].stopped, !w->out[1].stopped},
                                                           .acked = {w->out[0].acked, w->out[1].acked},
                                                           .hold_until = now + HOLD_S * INT64_C(1000000000)};
    run->away_until = now + AWAY_S * INT64_C(1000000000);
    set_hold(run);
    run_set_timer(run);
}

static void note_back(struct run *run, const struct watcher *w) {
    for (int i = 0; i < RUN_AWAY; i++)
        if (run_id_equal(&run->away[i].call, &w->call))
            run->away[i] = (struct away){0};
    set_hold(run);
}

void run_go_on_without(struct run *run) {
    int64_t now = ll_loop_now(run->runs->host->loop);
    for (int i = 0; i < RUN_AWAY; i++)
        if (run->away[i].hold_until <= now)
            run->away[i].hold_until = 0;
    set_hold(run);
    for (int i = 0; i < 2; i++)
        run_acknowledge(run, i, 0);
    run_touch(run);
}

void run_forget_away(struct run *run) {
    memset(run->away, 0, sizeof run->away);
    run->away_until = run->hold_until = LL_NEVER;
    for (int i = 0; i < 2; i++)
        run_close_unwanted(run, i);
    run_check(run);
}

void run_watch(struct run *run, struct exchange *x, const struct arrival *how) {
    uint64_t missed[2] = {0, 0};
    if (run->watching == LIMIT_RUN_WATCHERS) {
        x->ops->refused(x, CODE_FULL, 0, "as many watch this run as may");
        return;
    }
    struct watcher *w = calloc(1, sizeof *w);
    if (w == NULL || place(run, w, how->have, missed) != 0) {
        x->ops->refused(x, w == NULL ? CODE_INTERNAL : CODE_MALFORMED, 0,
                        w == NULL ? "the server is out of memory" : "more bytes claimed than were written");
        free(w);
        runs_let_go(run);
        return;
    }
    w->x = x;
    w->run = run;
    w->requested = how->claim == CLAIM_REQUEST;
    w->call = how->call;
    w->age_ms = how->age_ms;
    w->next = run->watchers;
    run->watchers = w;
    run->watching++;
    x->state = w;
    note_back(run, w);
    for (int i = 0; i < 2; i++)
        run_acknowledge(run, i, w->out[i].acked);
    run->unwatched_at = LL_NEVER;
    say_opened(run, w, how->state, missed, choose_feeder(run, w, how));
    run_tell_watcher(w);
    if (!run->finished)
        run_touch(run);
    run_set_timer(run);
}

void run_unwatch(struct watcher *w, enum exchange_leave why) {
    struct run *run = w->run;
    struct watcher **at = &run->watchers;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    run->watching--;
    if (run->feeder == w)
        run->feeder = NULL;
    if (w->leaving)
        why = EXCHANGE_GATE_LOST; /* it was sent away, and will come back */
    if (why != EXCHANGE_DONE && !w->succeeded && !run->finished)
        note_away(run, w);
    for (int i = 0; i < 2; i++) {
        run_acknowledge(run, i, w->out[i].acked);
        run_close_unwanted(run, i);
    }
    bool counted = !w->succeeded || run->unwatched_at == LL_NEVER;
    free(w);
    if (counted && !is_watched(run))
        run_lost_watchers(run, why);
    run_check(run);
    if (!run->finished)
        run_touch(run);
    else
        runs_let_go(run);
}
