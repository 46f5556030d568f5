#include "landline/service/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/os/fd.h"

enum {
    LOSS_GRACE_MS = 400, /* between TERM and KILL for a run that nobody watches */
    GATE_GRACE_S = 30,   /* how long clients have to come back when the gate was replaced */
    OWED_RETRY_MS = 1000,
};

static const int64_t MS = 1000000;

/* --- time --- */

void run_set_timer(struct run *run) {
    int64_t at = run->timeout_at;
    const int64_t others[] = {run->unwatched_at, run->away_until, run->hold_until,    run->kill_at,
                              run->cut_at,       run->expire_at,  run->ring[0].until, run->ring[1].until};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (others[i] < at)
            at = others[i];
    if (run->disk_full && at > ll_loop_now(run->runs->host->loop) + RUN_DISK_RETRY_MS * MS)
        at = ll_loop_now(run->runs->host->loop) + RUN_DISK_RETRY_MS * MS;
    ll_timer_set(run->timer, at);
}

void run_end(struct run *run, uint8_t why, int64_t grace) {
    if (run->pid == 0 && run->finished)
        return;
    run->deserted = run->deserted || why == RUN_UNWATCHED;
    if (run->why == 0 && why != 0) {
        run->why = why;
        run->signal = SIGTERM;
    }
    run->timeout_at = run->unwatched_at = LL_NEVER;
    run->kill_at = ll_loop_now(run->runs->host->loop) + grace;
    run_signal_tree(run, SIGTERM);
    run_signal_tree(run, SIGCONT);
    run_set_timer(run);
}

void run_lost_watchers(struct run *run, enum exchange_leave why) {
    if (run->finished || run->deserted)
        return;
    int64_t now = ll_loop_now(run->runs->host->loop);
    if (run->on_loss == RUN_KILL && why != EXCHANGE_GATE_LOST) {
        run_end(run, RUN_UNWATCHED, LOSS_GRACE_MS * MS);
        return;
    }
    if (run->on_loss == RUN_KILL)
        run->unwatched_at = now + GATE_GRACE_S * 1000 * MS;
    else if (run->keep_s != RUN_FOREVER)
        run->unwatched_at = now + (int64_t)run->keep_s * 1000 * MS;
    run_set_timer(run);
}

/* Descendants still hold an output when the grace is over: what they write is not waited for. What the program itself had written by
 * its end is, as long as somebody may come for it. */
static void cut(struct run *run) {
    run->cut_at = LL_NEVER;
    for (int i = 0; i < 2; i++) {
        if (run->pipe[i] < 0)
            continue;
        run_read(run, i);
        if (run->pipe[i] >= 0 && run->owed[i] > 0 && !run->deserted) {
            run->cut_at = ll_loop_now(run->runs->host->loop) + OWED_RETRY_MS * MS;
        } else if (run->pipe[i] >= 0) {
            run->result.flags |= RUN_OUTPUT_CUT;
            run_close_output(run, i);
        }
    }
    run_set_timer(run);
    run_check(run);
}

void run_timer(void *arg) {
    struct run *run = arg;
    int64_t now = ll_loop_now(run->runs->host->loop);
    if (run->disk_full || run->ring[0].until <= now || run->ring[1].until <= now) {
        run->disk_full = false;
        run_touch(run);
    }
    if (run->kill_at <= now) {
        run->kill_at = LL_NEVER;
        if (run->pid != 0 && run->why != 0)
            run->signal = SIGKILL;
        run_signal_tree(run, SIGKILL);
        run_leave_group(run);
    }
    if (run->timeout_at <= now)
        run_end(run, RUN_TIMED_OUT, run->grace);
    if (run->unwatched_at <= now)
        run_end(run, RUN_UNWATCHED, LOSS_GRACE_MS * MS);
    if (run->hold_until <= now)
        run_go_on_without(run);
    if (run->away_until <= now)
        run_forget_away(run);
    run_set_timer(run);
    if (run->cut_at <= now)
        cut(run);
    else if (run->expire_at <= now)
        runs_let_go(run);
}

void run_child_ended(void *arg, const struct ll_child_end *end) {
    struct run *run = arg;
    struct run_result *r = &run->result;
    run->pid = 0;
    ll_child_free(run->child);
    run->child = NULL;
    close(run->pidfd);
    run->pidfd = -1;
    r->kind = run->why != 0 ? run->why : end->signal != 0 ? RUN_SIGNALLED : RUN_EXITED;
    r->code = (uint32_t)(run->why != 0      ? (end->signal != 0 ? end->signal : run->signal)
                         : end->signal != 0 ? end->signal
                                            : end->status);
    if (end->core)
        r->flags |= RUN_CORE_DUMPED;
    r->user_us = (uint64_t)end->user_ns / 1000;
    r->system_us = (uint64_t)end->system_ns / 1000;
    r->maxrss_kib = (uint64_t)end->max_rss_kib;
    run->timeout_at = LL_NEVER;
    /* What it wrote is there already: mostly this reads to the end of both. */
    for (int i = 0; i < 2; i++) {
        int waiting = run->pipe[i] >= 0 ? fd_waiting(run->pipe[i]) : 0;
        run->owed[i] = waiting > 0 ? (uint64_t)waiting : 0;
        if (run->pipe[i] >= 0)
            run_read(run, i);
    }
    if (run->owed[0] == 0 && run->owed[1] == 0) /* else it is not kept for ever */
        run->unwatched_at = LL_NEVER;
    if (run->pipe[0] >= 0 || run->pipe[1] >= 0)
        run->cut_at = ll_loop_now(run->runs->host->loop) + run->grace;
    run_set_timer(run);
    run_check(run);
}
