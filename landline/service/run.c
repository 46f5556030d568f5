#include "landline/service/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "landline/service/audit.h"
#include "lib/base/limits.h"

uint64_t run_unix_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool run_is_terminal(const struct run *run) {
    return (run->flags & RUN_TTY) != 0;
}

static void keep_argv(struct run *run, const struct run_request *request) {
    uint32_t count = 0;
    size_t total = 0;
    while (count < request->argc && (total += request->argv[count].size) <= 4096)
        count++;
    buf_add_u32(&run->argv, count);
    for (uint32_t i = 0; i < count; i++)
        buf_add_str32(&run->argv, request->argv[i].data, request->argv[i].size);
}

struct run *run_blank(struct runs *runs) {
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return NULL;
    *run = (struct run){
        .runs = runs,
        .pidfd = -1,
        .input_fd = -1,
        .pipe = {-1, -1},
        .timeout_at = LL_NEVER,
        .unwatched_at = LL_NEVER,
        .away_until = LL_NEVER,
        .hold_until = LL_NEVER,
        .kill_at = LL_NEVER,
        .cut_at = LL_NEVER,
        .expire_at = LL_NEVER,
        .ring = {{.short_from = LIMIT_RUN_RING + 1, .hold_from = LIMIT_RUN_RING + 1, .until = LL_NEVER},
                 {.short_from = LIMIT_RUN_RING + 1, .hold_from = LIMIT_RUN_RING + 1, .until = LL_NEVER}},
    };
    buf_init(&run->input, LIMIT_BUFFER);
    buf_init(&run->argv, LIMIT_BUFFER);
    output_init(&run->out[0], RUN_BLOCK);
    output_init(&run->out[1], RUN_BLOCK);
    runs->count++;
    run->next = runs->list;
    if (run->next != NULL)
        run->next->previous = run;
    runs->list = run;
    if (ll_loop_timer(runs->host->loop, LL_NEVER, run_timer, run, &run->timer) == 0)
        return run;
    run->finished = true;
    run_free(run);
    return NULL;
}

static struct run *make(struct runs *runs, const struct peer *peer, const struct run_request *request) {
    struct run *run = run_blank(runs);
    if (run == NULL)
        return NULL;
    run->id = request->id;
    run->flags = request->flags;
    run->on_loss = request->on_loss;
    run->keep_s = request->keep_s;
    run->grace = (int64_t)request->grace_ms * 1000000;
    memcpy(run->key, peer->key, sizeof run->key);
    memcpy(run->owner, peer->label, sizeof run->owner);
    if (request->name.size < sizeof run->name)
        memcpy(run->name, request->name.data, request->name.size);
    run->out[0].spool.overflow = run->out[1].spool.overflow = request->overflow;
    keep_argv(run, request);
    run->audit = audit_describe(peer, request);
    run->result.started = run_unix_ms();
    runs->running++;
    return run;
}

static void pipe_ready_1(void *arg, unsigned events) {
    (void)events;
    run_read(arg, 0);
}

static void pipe_ready_2(void *arg, unsigned events) {
    (void)events;
    run_read(arg, 1);
}

static void input_ready(void *arg, unsigned events) {
    (void)events;
    run_write_input(arg);
}

/* Our ends of the new process go on the loop. */
static int watch_parts(struct run *run) {
    static ll_watch_fn *const ready[] = {pipe_ready_1, pipe_ready_2};
    ll_loop *loop = run->runs->host->loop;
    int e = ll_loop_child_fd(loop, run->pidfd, run_child_ended, run, &run->child);
    for (int i = 0; e == 0 && i < 2; i++)
        if (run->pipe[i] >= 0)
            e = ll_loop_fd(loop, run->pipe[i], LL_READ, ready[i], run, &run->pipe_watch[i]);
    if (e == 0 && run->input_fd >= 0)
        e = ll_loop_fd(loop, run->input_fd, 0, input_ready, run, &run->input_watch);
    return e;
}

static void not_started(struct run *run) {
    run->result.kind = RUN_NOT_STARTED;
    run->result.text = (struct slice){(const uint8_t *)run->text, strlen(run->text)};
    run_check(run);
}

/* Of a time that the client chose: 146 years are enough. */
static int64_t nanoseconds(uint64_t ms) {
    const uint64_t most = INT64_MAX / 2 / 1000000;
    return (int64_t)(ms < most ? ms : most) * 1000000;
}

struct run *run_new(struct runs *runs, const struct peer *peer, const struct run_request *request) {
    struct run *run = make(runs, peer, request);
    if (run == NULL)
        return NULL;
    int e = run_launch(run, peer, request);
    if (e == 0) {
        e = watch_parts(run);
        if (e != 0) {
            /* Without descriptors to watch it by, it cannot be let run. */
            run_signal_tree(run, 9);
            snprintf(run->text, sizeof run->text, "the server is out of descriptors");
            run->result.code = 125;
            run->result.error = (uint32_t)-e;
            run->pid = 0;
        }
    }
    if (e != 0) {
        not_started(run);
        return run;
    }
    if (request->timeout_ms != 0)
        run->timeout_at = ll_loop_now(runs->host->loop) + nanoseconds(request->timeout_ms);
    run_set_timer(run);
    return run;
}

void run_free(struct run *run) {
    if (run == NULL)
        return;
    struct runs *runs = run->runs;
    if (run->previous != NULL)
        run->previous->next = run->next;
    else if (runs->list == run)
        runs->list = run->next;
    if (run->next != NULL)
        run->next->previous = run->previous;
    run_close_output(run, 0);
    run_close_output(run, 1);
    run_close_input(run);
    ll_child_free(run->child);
    ll_timer_free(run->timer);
    run_leave_group(run);
    if (run->pidfd >= 0)
        close(run->pidfd);
    for (int i = 0; i < 2; i++) {
        if (run->stored)
            output_leave(&run->out[i]);
        else
            output_free(&run->out[i]);
    }
    runs->count--;
    if (!run->finished)
        runs->running--;
    buf_free(&run->input);
    buf_free(&run->argv);
    free(run->audit);
    free(run);
}

void run_check(struct run *run) {
    if (run->finished || run->pid != 0 || run->pipe[0] >= 0 || run->pipe[1] >= 0)
        return;
    struct run_result *r = &run->result;
    run->finished = true;
    run_close_input(run);
    r->ended = run_unix_ms();
    r->total0 = run->input_written;
    r->total1 = run->out[0].spool.end;
    r->total2 = run->out[1].spool.end;
    r->digest1 = output_digest(&run->out[0]);
    r->digest2 = output_digest(&run->out[1]);
    r->dropped1 = run->out[0].spool.dropped;
    r->dropped2 = run->out[1].spool.dropped;
    run->timeout_at = run->unwatched_at = run->away_until = run->hold_until = run->cut_at = LL_NEVER;
    run->runs->running--;
    run_leave_group(run);
    runs_finished(run);
    run_set_timer(run);
    run_tell_end(run);
}
