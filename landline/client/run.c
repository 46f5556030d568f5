/* Runs of the public client: a call (landline/proto/call.h) as a job of the client. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "landline/client.h"
#include "landline/client/client_state.h"
#include "landline/client/failure.h"
#include "landline/client/request.h"
#include "landline/client/result.h"
#include "landline/proto/call.h"
#include "lib/os/clock.h"

enum { CHANNELS = 3 };

struct ll_run {
    struct client_job job; /* first */
    ll_client *client;
    struct call *call;
    struct ll_run_callbacks callbacks;
    void *arg;
    char what[16]; /* of the request, for messages */
    char id[LL_RUN_ID];
    uint64_t handed[CHANNELS];     /* offset behind what was handed out */
    uint64_t taken_late[CHANNELS]; /* of that, what `output` did not count */
    bool detach, over, detached;
    bool failed;         /* failure says why there is no result */
    bool handling, dead; /* an event is being handled; it was freed meanwhile */
    struct ll_failure failure;
};

static ll_run *run_of(struct client_job *job) {
    return (ll_run *)job;
}

/* ---- its end ---- */

/* LL_ELOST is kept for what may have run. */
static void set_not_sent(ll_run *run, const struct ll_failure *cause) {
    run->failure = *cause;
    if (cause->code == LL_ELOST)
        run->failure.code = -ECONNABORTED;
}

/* What is known when there is no result: certainly not started, or not known. */
static void set_failure(ll_run *run, const struct ll_failure *cause) {
    const char *host = run->client->host;
    run->failed = true;
    enum call_outcome outcome = call_outcome(run->call);
    const struct message_refused *refused = call_refusal(run->call);
    if (outcome == CALL_REFUSED && refused->code != CODE_NONE)
        failure_refused(&run->failure, host, run->what, refused);
    else if (outcome == CALL_REFUSED && cause != NULL)
        set_not_sent(run, cause);
    else if (outcome == CALL_UNKNOWN && refused->code == CODE_UNKNOWN_RUN)
        failure_set(&run->failure, LL_EUNKNOWNRUN,
                    "%s: the server does not know the run %s (any more): it may have run, it was not started again",
                    host, run->id);
    else if (outcome == CALL_UNKNOWN)
        failure_set(&run->failure, LL_ELOST,
                    "%s; what became of the command is not known; when there is a link again: landline attach %s %s",
                    cause != NULL ? cause->sentence : "the server's answers do not fit together", host, run->id);
    else
        failure_set(&run->failure, LL_EPROTOCOL, "%s: the server broke the protocol", host);
}

static void finish(ll_run *run) {
    run->over = true;
    client_remove(&run->job);
    if (run->callbacks.over != NULL)
        run->callbacks.over(run->arg, run); /* may free the run */
}

static void give_up(ll_run *run, const struct ll_failure *cause) {
    call_give_up(run->call);
    set_failure(run, cause);
    finish(run);
}

/* ---- as a job ---- */

static int open_stream(struct client_job *job, struct session *session) {
    ll_run *run = run_of(job);
    if (call_stream(run->call) != 0)
        return 0;
    int error = call_open(run->call, session, client_unix_ms(), clock_boot_ms());
    if (error < 0)
        return error;
    session_set_tag(session, call_stream(run->call), &run->job.user);
    return 0;
}

static void cut(struct client_job *job) {
    call_cut(run_of(job)->call);
}

/* Only what was sent can be lost; what never left is simply not done. */
static bool survives(const struct client_job *job) {
    return call_was_sent(((const ll_run *)job)->call);
}

static void failed(struct client_job *job, const struct ll_failure *failure) {
    give_up(run_of(job), failure);
}

static void hand_out(ll_run *run, const struct call_output *output) {
    unsigned channel = output->channel;
    size_t n = output->bytes.size, counted = n;
    run->handed[channel] = output->offset + n;
    if (run->callbacks.output != NULL)
        counted = run->callbacks.output(run->arg, run, (int)channel, output->bytes.data, n);
    run->taken_late[channel] += n - (counted < n ? counted : n);
    call_consumed(run->call, output->channel, run->handed[channel] - run->taken_late[channel]);
}

static void opened(ll_run *run) {
    run->job.tries = 0;
    run_id_print(call_id(run->call), run->id);
    if (run->callbacks.opened != NULL)
        run->callbacks.opened(run->arg, run);
    /* A resume tells how far the input has come: that is room too. */
    if (!run->over && run->callbacks.input_room != NULL)
        run->callbacks.input_room(run->arg, run);
    if (!run->detach || run->over)
        return;
    run->detached = true;
    call_detach(run->call);
    finish(run);
}

static void over(ll_run *run) {
    if (call_outcome(run->call) != CALL_RESULT)
        set_failure(run, NULL);
    finish(run);
}

static void event(struct link_user *user, const struct session_event *event) {
    ll_run *run = (ll_run *)user;
    struct call_output output = {0};
    run->handling = true;
    int step = call_event(run->call, event, &output);
    switch (step) {
    case CALL_OPENED:
        opened(run);
        break;
    case CALL_OUTPUT:
        hand_out(run, &output);
        break;
    case CALL_OUTPUT_END:
        if (run->callbacks.output_end != NULL)
            run->callbacks.output_end(run->arg, run, event->channel);
        break;
    case CALL_RESUME:
        if (client_reopen_later(&run->job) != 0)
            give_up(run, NULL);
        break;
    case CALL_OVER:
        over(run);
        break;
    case CALL_NOTHING:
        if (event->type == MESSAGE_CREDIT && run->callbacks.input_room != NULL)
            run->callbacks.input_room(run->arg, run);
        break;
    default:
        if (step < 0)
            give_up(run, NULL);
    }
    run->handling = false;
    if (run->dead)
        ll_run_free(run);
}

static int next_data(struct link_user *user, uint8_t head[MESSAGE_DATA_HEAD], struct slice *payload) {
    return call_data(((ll_run *)user)->call, head, payload);
}

/* ---- making ---- */

static int start(ll_client *client, struct call *call, const char *what, const struct ll_run_callbacks *callbacks,
                 void *arg, ll_run **out) {
    ll_run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        call_free(call);
        return -ENOMEM;
    }
    run->job = (struct client_job){.user = {.event = event, .data = next_data},
                                   .open = open_stream,
                                   .cut = cut,
                                   .survives = survives,
                                   .failed = failed};
    run->client = client;
    run->call = call;
    if (callbacks != NULL)
        run->callbacks = *callbacks;
    run->arg = arg;
    snprintf(run->what, sizeof run->what, "%s", what);
    run_id_print(call_id(call), run->id);
    *out = run;
    return 0;
}

int ll_run_start(ll_client *client, const struct ll_run_options *options, const struct ll_run_callbacks *callbacks,
                 void *arg, ll_run **out) {
    struct call *call;
    *out = NULL;
    int error = request_call(&call, options, client_unix_ms());
    if (error == 0)
        error = start(client, call, options->login || options->name != NULL ? "shell" : "run", callbacks, arg, out);
    if (error != 0)
        return error;
    (*out)->detach = options->detach;
    client_add(client, &(*out)->job);
    return 0;
}

int ll_run_attach(ll_client *client, const struct ll_attach_options *options, const struct ll_run_callbacks *callbacks,
                  void *arg, ll_run **out) {
    struct call *call;
    *out = NULL;
    int error = request_attach_call(&call, options, client_unix_ms());
    if (error == 0)
        error = start(client, call, "attach", callbacks, arg, out);
    if (error != 0)
        return error;
    client_add(client, &(*out)->job);
    return 0;
}

int ll_run_resume(ll_client *client, const void *token, size_t size, const struct ll_run_callbacks *callbacks,
                  void *arg, ll_run **out) {
    struct call *call;
    char boot[CLOCK_BOOT_ID];
    *out = NULL;
    clock_boot_id(boot);
    int error = call_restore(&call, (struct slice){token, size}, boot);
    if (error == 0)
        error = start(client, call, "run", callbacks, arg, out);
    if (error != 0)
        return error;
    client_add(client, &(*out)->job);
    return 0;
}

int64_t ll_run_token(const ll_run *run, void *out, size_t size) {
    struct buf b;
    char boot[CLOCK_BOOT_ID];
    buf_init(&b, 2 * (size_t)LIMIT_OPEN_PAYLOAD);
    clock_boot_id(boot);
    call_save(run->call, boot, client_unix_ms(), clock_boot_ms(), &b);
    int64_t n = b.failed != 0 ? b.failed : (int64_t)buf_size(&b);
    if (n >= 0 && (size_t)n <= size)
        memcpy(out, buf_front(&b), (size_t)n);
    buf_free(&b);
    return n;
}

void ll_run_free(ll_run *run) {
    if (run == NULL)
        return;
    if (!run->over)
        ll_run_detach(run);
    client_remove(&run->job);
    run->dead = true;
    if (run->handling)
        return; /* event() does the rest */
    call_free(run->call);
    free(run);
}

const char *ll_run_id(const ll_run *run) {
    return run->id;
}

/* ---- while it runs ---- */

/* What the call put into the session goes out, now or after the event that is being handled. */
static void push(ll_run *run) {
    struct link *link = run->job.client != NULL ? client_link(run->client) : NULL;
    if (link != NULL)
        link_ready(link, &run->job.user);
}

void ll_run_taken(ll_run *run, int channel, size_t n) {
    if (channel < 1 || channel >= CHANNELS)
        return;
    uint64_t *late = &run->taken_late[channel];
    *late -= n < *late ? n : *late;
    if (run->over)
        return;
    call_consumed(run->call, (uint8_t)channel, run->handed[channel] - *late);
    push(run);
}

int ll_run_stop(ll_run *run, int channel) {
    if (channel < 1 || channel >= CHANNELS)
        return -EINVAL;
    if (run->over)
        return -ESRCH;
    int error = call_stop_output(run->call, (uint8_t)channel);
    push(run);
    return error < 0 ? error : 0;
}

int64_t ll_run_input(ll_run *run, const void *bytes, size_t n) {
    if (!ll_run_input_wanted(run))
        return -EPIPE;
    int64_t took = call_input(run->call, bytes, n);
    if (took > 0)
        push(run);
    return took;
}

size_t ll_run_input_room(const ll_run *run) {
    return ll_run_input_wanted(run) ? call_input_room(run->call) : 0;
}

bool ll_run_input_wanted(const ll_run *run) {
    return !run->over && call_input_wanted(run->call);
}

void ll_run_input_end(ll_run *run) {
    if (run->over)
        return;
    call_input_end(run->call);
    push(run);
}

int ll_run_signal(ll_run *run, int signal) {
    if (run->over)
        return -ESRCH;
    if (signal < 1 || signal > 64)
        return -EINVAL;
    if (call_stream(run->call) == 0)
        return -ENOTCONN;
    int error = call_signal(run->call, (uint8_t)signal);
    push(run);
    return error < 0 ? error : 0;
}

int ll_run_resize(ll_run *run, const struct ll_terminal_size *size) {
    struct run_window_size window = {size->rows, size->columns, size->xpixel, size->ypixel};
    if (run->over)
        return -ESRCH;
    int error = call_window_size(run->call, &window);
    push(run);
    return error < 0 ? error : 0;
}

int ll_run_detach(ll_run *run) {
    if (run->over)
        return -ESRCH;
    run->detached = true;
    call_detach(run->call);
    push(run);
    finish(run);
    return 0;
}

/* ---- results ---- */

int ll_run_result(const ll_run *run, struct ll_result *result, struct ll_failure *failure) {
    if (!run->over)
        return failure_set(failure, -EINPROGRESS, "%s: the run %s is not over", run->client->host, run->id);
    if (run->failed) {
        if (failure != NULL)
            *failure = run->failure;
        return run->failure.code;
    }
    if (run->detached)
        *result = (struct ll_result){.ending = LL_DETACHED};
    else
        result_of_call(result, run->call);
    return 0;
}

int ll_run_wait(ll_run *run, double timeout_s, struct ll_result *result, struct ll_failure *failure) {
    int64_t deadline =
        timeout_s < 0 || timeout_s > 9e9 ? LL_NEVER : clock_after(clock_now(), (int64_t)(timeout_s * 1e9));
    int error = client_serve(run->client, &run->over, deadline);
    return error != 0 ? failure_set(failure, error, "%s: %s", run->client->host, ll_strerror(error))
                      : ll_run_result(run, result, failure);
}
