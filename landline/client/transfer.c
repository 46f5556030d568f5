#include "landline/client/transfer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "landline/client/client_state.h"
#include "landline/client/failure.h"
#include "landline/client/split.h"
#include "landline/proto/run.h"
#include "landline/transfer/lines.h"
#include "lib/base/escape.h"
#include "lib/base/limits.h"
#include "lib/os/ring.h"

enum {
    SAID = 400,                        /* bytes kept of what the server's worker said about its failure */
    AHEAD = TLS_READ_BULK + 64 * 1024, /* room in the ring for what one receive may bring */
};

struct client_transfer {
    struct client_job job; /* first */
    struct client_transfer_options options;
    struct buf request;
    uint32_t attempts;
    bool begun; /* an attempt has reached the server: it may still be under way there */
    ll_client *client;

    /* One attempt: a stream, a thread, a ring with two ends and their bells. */
    uint32_t stream; /* 0: none */
    bool running;    /* the thread was started and not joined */
    bool engine_gone, engine_over, output_over, has_result;
    pthread_t thread;
    int near, far; /* bells: the loop's and the engine's */
    int memory;    /* of a stream that joins, until another engine has it; -1 */
    struct ring ring, engine_ring;
    ll_watch *watch;
    ll_timer *tell;
    uint64_t told; /* how much had been put when the timer last looked */
    int engine_result;
    struct run_result result;
    char said[SAID];
    size_t said_size;
    bool interest; /* the engine has bytes for us that were not read because nothing could be sent */

    size_t lent;     /* bytes of the engine that the link was given, and has done with when it asks for more */
    struct buf down; /* for the engine, while the ring is full */
    uint64_t down_offset;
    bool over;

    struct split *split; /* NULL: it is one stream, or one that joins */
    bool broken;         /* one of the further streams was lost */
};

static struct client_transfer *transfer_of(void *user) {
    return user;
}

static struct session *session_of(const struct client_transfer *t) {
    return link_session(t->client->link);
}

/* ---- the thread ---- */

static void *run_engine(void *arg) {
    struct client_transfer *t = arg;
    struct transfer_io io;
    sigset_t all;
    sigfillset(&all); /* signals are the loop's, and a broken pipe is an error like others */
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    struct lines lines;
    lines_begin(&lines, &t->engine_ring, t->split != NULL ? split_control(t->split) : -1);
    int e = transfer_io_init_lines(&io, &lines);
    if (e == 0)
        e = t->options.engine(t->options.arg, &io);
    transfer_io_free(&io);
    lines_end(&lines);
    t->engine_result = e;
    shutdown(t->far, SHUT_RDWR);
    return NULL;
}

/* Ends the attempt: the engine finds its bell closed, and stops. */
static void end_attempt(struct client_transfer *t) {
    ll_watch_free(t->watch);
    t->watch = NULL;
    if (t->near >= 0)
        shutdown(t->near, SHUT_RDWR);
    if (t->running)
        pthread_join(t->thread, NULL);
    t->running = false;
    if (t->near >= 0)
        close(t->near);
    if (t->far >= 0)
        close(t->far);
    if (t->memory >= 0)
        close(t->memory);
    ring_close(&t->engine_ring);
    ring_close(&t->ring);
    split_end(t->split);
    t->near = t->far = t->memory = -1;
    t->stream = 0;
    t->lent = 0;
    t->told = 0;
    if (t->tell != NULL)
        ll_timer_set(t->tell, LL_NEVER);
    buf_clear(&t->down);
}

static void finish(struct client_transfer *t, int code, const struct ll_failure *failure) {
    struct ll_failure none = {0};
    if (t->over)
        return;
    t->over = true;
    end_attempt(t);
    client_remove(&t->job);
    t->options.over(t->options.arg, code, failure != NULL ? failure : &none);
}

static void fail(struct client_transfer *t, int code, const char *why) {
    struct ll_failure failure;
    failure_set(&failure, code, "%s: %s: %s", t->client->host, t->options.service, why);
    finish(t, code, &failure);
}

/* Both sides ended because one of the further streams was lost: that is as if the link had been. */
static bool goes_on(const struct client_transfer *t) {
    bool lost_there = t->result.kind == RUN_EXITED && t->result.code == TREE_LOST;
    return t->split != NULL && (t->engine_result == LL_ELOST || t->engine_result == 0) && (t->broken || lost_there) &&
           split_again(t->split);
}

/* The engine has ended, or the server has: is that all? */
static void judge(struct client_transfer *t) {
    bool worker_failed = t->has_result && (t->result.kind != RUN_EXITED || t->result.code != 0);
    if (!t->engine_over || (t->engine_result == 0 && !t->has_result))
        return;
    if (t->has_result && (worker_failed || t->engine_result != 0) && goes_on(t))
        return;
    if (worker_failed && t->said_size > 0) {
        char text[SAID];
        while (t->said_size > 0 && t->said[t->said_size - 1] == '\n')
            t->said_size--;
        escape_sentence(text, sizeof text, t->said, t->said_size);
        fail(t, LL_EREFUSED, text);
    } else if (t->engine_result == 0 && worker_failed) {
        fail(t, LL_EREFUSED, "the server's file worker failed");
    } else if (t->engine_result == LL_ELOST && !t->has_result) {
        return; /* the server's own words come before its end */
    } else if (t->engine_result != 0) {
        fail(t, t->engine_result, ll_strerror(t->engine_result));
    } else {
        finish(t, 0, NULL);
    }
}

/* ---- between the engine's ring and the stream ---- */

static void engine_ended(struct client_transfer *t) {
    struct link *link = client_link(t->client);
    pthread_join(t->thread, NULL);
    t->running = false;
    t->engine_over = true;
    ll_watch_set(t->watch, 0);
    /* A further stream is lost that the server used, and the server may not know it. */
    if (t->engine_result == LL_ELOST && t->split != NULL && !t->broken && !t->output_over)
        client_transfer_break(t);
    if (link != NULL && t->stream != 0) {
        session_end(link_session(link), t->stream, 0);
        link_ready(link, NULL);
    }
    /* An engine that gives up leaves a server that does not know: end the stream. */
    if (t->engine_result != 0 && t->engine_result != LL_ELOST && link != NULL && t->stream != 0 && !t->has_result) {
        session_done(link_session(link), t->stream);
        link_ready(link, NULL);
        t->stream = 0;
        fail(t, t->engine_result, ll_strerror(t->engine_result));
        return;
    }
    judge(t);
}

/* The engine hears of what was put once it is much, or in the first pass of the loop in which nothing more came. */
static void tell_engine(void *arg) {
    struct client_transfer *t = arg;
    if (t->ring.map == NULL)
        return;
    if (t->ring.put == t->told)
        ring_tell(&t->ring);
    else
        ll_timer_set(t->tell, 0);
    t->told = t->ring.put;
}

/* Where it has room for n bytes: there they may be decrypted to. */
static uint8_t *place_down(struct link_user *user, uint8_t channel, size_t n) {
    const struct client_transfer *t = transfer_of(user);
    bool direct = channel == 1 && t->stream != 0 && !t->engine_over && buf_size(&t->down) == 0;
    return direct && ring_room(&t->ring) >= (int64_t)n ? ring_back(&t->ring) : NULL;
}

/* Copies what the engine has room for, if it does not lie there already; how much. */
static size_t put_down(struct client_transfer *t, const uint8_t *bytes, size_t n) {
    int64_t room = t->engine_over ? (int64_t)n : ring_room(&t->ring);
    n = room < (int64_t)n ? (size_t)(room > 0 ? room : 0) : n;
    if (t->engine_over || n == 0)
        return n;
    if (bytes != ring_back(&t->ring))
        memcpy(ring_back(&t->ring), bytes, n);
    ring_put(&t->ring, n);
    ring_tell_of_much(&t->ring);
    ll_timer_set(t->tell, 0);
    return n;
}

static void flush_down(struct client_transfer *t) {
    size_t all = 0, n;
    do {
        while ((n = put_down(t, buf_front(&t->down), buf_size(&t->down))) > 0) {
            buf_consume(&t->down, n);
            all += n;
        }
    } while (buf_size(&t->down) > 0 && !ring_want_room(&t->ring, 1));
    t->down_offset += all;
    if (buf_size(&t->down) == 0 && t->output_over && !t->engine_over)
        ring_end(&t->ring);
    struct link *link = client_link(t->client);
    if (link == NULL || t->stream == 0 || all == 0)
        return;
    session_consumed(link_session(link), t->stream, 1, t->down_offset);
    link_ready(link, NULL);
}

/* Whether one receive more is too much; then the bell rings when it is not any more. */
static bool is_full(struct client_transfer *t) {
    if (t->engine_over || buf_size(&t->down) > 0)
        return !t->engine_over;
    return ring_room(&t->ring) < AHEAD && ring_want_room(&t->ring, t->ring.size / 2);
}

static void take_data(struct client_transfer *t, const struct session_event *event) {
    const uint8_t *bytes = event->u.data.bytes.data;
    size_t n = event->u.data.bytes.size, done = 0;
    if (event->channel == 2) {
        size_t room = sizeof t->said - t->said_size;
        memcpy(t->said + t->said_size, bytes, n < room ? n : room);
        t->said_size += n < room ? n : room;
        session_consumed(session_of(t), t->stream, 2, event->u.data.offset + n);
        return;
    }
    if (buf_size(&t->down) == 0)
        done = put_down(t, bytes, n);
    t->down_offset = event->u.data.offset + done - buf_size(&t->down);
    session_consumed(session_of(t), t->stream, 1, t->down_offset);
    bool waits = buf_size(&t->down) > 0;
    if (done < n)
        buf_add(&t->down, bytes + done, n - done);
    if (done < n && !waits)
        flush_down(t); /* which says that we wait for room */
    (is_full(t) ? link_hold : link_go_on)(t->client->link);
}

/* What the engine has for us and the link has not been given; 0 where there is none, which is then waited for. */
static size_t engine_bytes(struct client_transfer *t) {
    bool gone = t->engine_gone; /* before the look: what it left behind counts */
    int64_t n = t->engine_over ? 0 : ring_readable(&t->ring);
    if (n == 0 && gone && t->running)
        engine_ended(t);
    else if (n == 0 && !t->engine_over && !ring_want_bytes(&t->ring, 0))
        n = ring_readable(&t->ring);
    return n > 0 ? (size_t)n : 0;
}

static int next_data(struct link_user *user, uint8_t head[MESSAGE_DATA_HEAD], struct slice *payload) {
    struct client_transfer *t = transfer_of(user);
    if (t->stream == 0)
        return 0;
    ring_take(&t->ring, t->lent);
    t->lent = 0;
    uint64_t room = session_room(session_of(t), t->stream, 0);
    t->interest = room == 0; /* CREDIT will wake us */
    size_t n = engine_bytes(t);
    n = n < room ? n : (size_t)room;
    n = n < MESSAGE_DATA_MAX ? n : MESSAGE_DATA_MAX;
    if (n == 0 || session_data_head(session_of(t), t->stream, 0, n, head) != 0)
        return 0;
    *payload = (struct slice){ring_front(&t->ring), n};
    t->lent = n;
    return 1;
}

/* The stream is over, and nobody takes what the engine still says: it must not wait for room before it finds that out. */
static void let_pass(struct client_transfer *t) {
    int64_t n;
    t->lent = 0;
    do {
        while ((n = ring_readable(&t->ring)) > 0)
            ring_take(&t->ring, (size_t)n);
    } while (n == 0 && !t->engine_over && !ring_has_ended(&t->ring) && !ring_want_bytes(&t->ring, 0));
}

/* The engine rings: it has bytes, or room, or has ended. */
static void on_bell(void *arg, unsigned events) {
    struct client_transfer *t = arg;
    struct link *link = client_link(t->client);
    bool alive = ring_hear(&t->ring);
    (void)events;
    if (link != NULL)
        link_go_on(link);
    if (buf_size(&t->down) > 0)
        flush_down(t);
    if (!alive) {
        t->engine_gone = true;
        ll_watch_set(t->watch, 0);
    }
    if (link != NULL && t->stream != 0)
        link_ready(link, &t->job.user); /* asks for the bytes, and finds the end behind them */
    else if (!alive && t->running)
        engine_ended(t);
    else if (t->has_result)
        let_pass(t);
}

/* ---- as a job ---- */

/* The engine's end is here, too, or, where the engine is another transfer's, kept for that. */
static int open_ring(struct client_transfer *t) {
    int pair[2], memory = ring_memory(t->split != NULL || t->options.engine == NULL ? LINES_RING : RING_SIZE);
    if (memory < 0)
        return memory;
    int e = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ? -errno : 0;
    if (e == 0) {
        t->near = pair[0];
        t->far = pair[1];
        e = ring_open(&t->ring, memory, t->near, true);
    }
    if (e == 0 && t->options.engine != NULL)
        ring_open_beside(&t->engine_ring, &t->ring, t->far);
    if (e == 0 && t->options.engine == NULL)
        t->memory = memory;
    else
        close(memory);
    return e;
}

/* To the engine of the transfer that this stream has joined. */
static int hand_over(struct client_transfer *t) {
    int e = ring_send_end(t->options.control, t->options.number, t->far, t->memory);
    close(t->far);
    close(t->memory);
    t->far = t->memory = -1;
    return e;
}

/* A sink must know the stream before the source can use it; a source must not use it before the server has it. */
static int start_engine(struct client_transfer *t) {
    t->engine_gone = t->engine_over = t->output_over = t->has_result = t->interest = t->broken = false;
    t->said_size = 0;
    t->down_offset = 0;
    int e = open_ring(t);
    if (e == 0)
        e = ll_loop_fd(t->client->loop, t->near, LL_READ, on_bell, t, &t->watch);
    if (e == 0 && t->options.engine == NULL)
        e = t->options.receives ? hand_over(t) : 0;
    else if (e == 0 && (e = -pthread_create(&t->thread, NULL, run_engine, t)) == 0)
        t->running = true;
    if (e != 0)
        end_attempt(t);
    return e;
}

static int open_stream(struct client_job *job, struct session *session) {
    struct client_transfer *t = transfer_of(job);
    if (t->stream != 0)
        return 0;
    t->attempts++;
    if (t->options.numbered)
        tree_set_attempt(buf_front(&t->request), buf_size(&t->request), t->attempts);
    struct slice service = {(const uint8_t *)t->options.service, strlen(t->options.service)};
    struct slice request = {buf_front(&t->request), buf_size(&t->request)};
    int64_t stream = session_open(session, 0, service, request, SESSION_BULK);
    if (stream < 0)
        return (int)stream;
    t->stream = (uint32_t)stream;
    session_set_tag(session, t->stream, &job->user);
    link_place(t->client->link);
    int e = t->split != NULL ? split_begin(t->split, session, t->stream) : 0;
    return e != 0 ? e : start_engine(t);
}

static void cut(struct client_job *job) {
    struct client_transfer *t = transfer_of(job);
    t->begun = t->begun || (t->stream != 0 && !session_untouched(session_of(t)));
    end_attempt(t);
}

static bool survives(const struct client_job *job) {
    const struct client_transfer *t = (const struct client_transfer *)job;
    return !t->over && t->options.engine != NULL && !atomic_load(&t->options.report->stop);
}

static void failed(struct client_job *job, const struct ll_failure *failure) {
    finish(transfer_of(job), failure->code, failure);
}

static void take_refusal(struct client_transfer *t, const struct message_refused *refused) {
    struct ll_failure failure;
    int code = failure_refused(&failure, t->client->host, t->options.service, refused);
    t->stream = 0;
    if (refused->code != CODE_FULL || !t->begun) {
        finish(t, code, &failure);
        return;
    }
    /* What was begun is not given up for that: its place may be that of the attempt before, whose end the server does not know yet. */
    end_attempt(t);
    code = client_reopen_later(&t->job);
    if (code != 0)
        fail(t, code, ll_strerror(code));
}

static void take_result(struct client_transfer *t, struct slice result) {
    t->has_result = true;
    if (run_result_get(result, &t->result) != 0)
        t->result = (struct run_result){.kind = RUN_LOST};
    session_done(session_of(t), t->stream);
    t->stream = 0;
    t->output_over = true;
    flush_down(t);
    let_pass(t);
    if (t->engine_gone && t->running)
        engine_ended(t); /* it had rung for the last time, and what it left will not be sent */
    else
        judge(t);
}

static void take_opened(struct client_transfer *t) {
    t->begun = true;
    t->job.tries = 0;
    if (t->split != NULL)
        split_opened(t->split);
    if (t->options.engine != NULL)
        return;
    int e = t->options.receives ? 0 : hand_over(t);
    if (e != 0)
        fail(t, e, ll_strerror(e));
    else
        t->options.opened(t->options.arg);
}

static void event(struct link_user *user, const struct session_event *event) {
    struct client_transfer *t = transfer_of(user);
    switch (event->type) {
    case MESSAGE_OPENED:
        take_opened(t);
        break;
    case MESSAGE_DATA:
        take_data(t, event);
        break;
    case MESSAGE_CREDIT:
        if (t->interest)
            link_ready(t->client->link, &t->job.user);
        break;
    case MESSAGE_END:
        if (event->channel == 1) {
            t->output_over = true;
            flush_down(t);
        }
        break;
    case MESSAGE_REFUSED:
        take_refusal(t, &event->u.refused);
        break;
    case MESSAGE_RESULT:
        take_result(t, event->u.result);
        break;
    default:
        break;
    }
}

int client_transfer_start(ll_client *client, const struct client_transfer_options *options,
                          struct client_transfer **out) {
    struct client_transfer *t = calloc(1, sizeof *t);
    *out = NULL;
    if (t == NULL)
        return -ENOMEM;
    *t = (struct client_transfer){
        .job = {.user = {.event = event, .data = next_data, .place = place_down},
                .open = open_stream,
                .cut = cut,
                .survives = survives,
                .failed = failed},
        .options = *options,
        .client = client,
        .near = -1,
        .far = -1,
        .memory = -1,
    };
    buf_init(&t->request, LIMIT_OPEN_PAYLOAD);
    buf_init(&t->down, 2 * (size_t)LIMIT_WINDOW);
    buf_add(&t->request, options->request.data, options->request.size);
    int e = ll_loop_timer(client->loop, LL_NEVER, tell_engine, t, &t->tell);
    if (e == 0)
        e = t->request.failed;
    if (e == 0 && options->engine != NULL && options->streams > 1)
        e = split_new(&t->split, t, client, &t->options);
    if (e != 0) {
        client_transfer_free(t);
        return e;
    }
    *out = t;
    client_add(client, &t->job);
    return 0;
}

void client_transfer_break(struct client_transfer *t) {
    if (t->over || t->stream == 0 || t->has_result)
        return;
    t->broken = true;
    session_stop(session_of(t), t->stream, 1, CODE_ENDED);
    shutdown(t->near, SHUT_RDWR);
    link_ready(t->client->link, NULL);
}

void client_transfer_again(struct client_transfer *t) {
    end_attempt(t);
    client_reopen(&t->job);
}

void client_transfer_free(struct client_transfer *t) {
    if (t == NULL)
        return;
    atomic_store(&t->options.report->stop, !t->over);
    client_remove(&t->job);
    t->over = true;
    end_attempt(t);
    split_free(t->split);
    buf_free(&t->request);
    buf_free(&t->down);
    ll_timer_free(t->tell);
    free(t);
}
