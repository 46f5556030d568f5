#include "landline/client/split.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "landline/client/client_state.h"
#include "landline/client/failure.h"
#include "landline/client/widen.h"
#include "lib/base/limits.h"
#include "lib/os/clock.h"
#include "lib/os/random.h"

static const int64_t MS = 1000000, TICK_MS = 250, RETRY_MS = 500, LONGEST_PAUSE_MS = 30000;

enum {
    TRIES = 5,  /* to bring one stream up, in one attempt at the transfer */
    LOSSES = 8, /* of streams, after which the transfer goes on with one */
};

struct branch {
    struct split *split;
    ll_client *client;
    struct client_transfer *transfer;
    struct transfer_report report; /* nobody's: the engine counts */
    bool opened, over;
    unsigned tries;
    int64_t again_at;
};

struct split {
    struct client_transfer *transfer;
    ll_client *first;
    const struct client_transfer_options *options;
    uint8_t id[TREE_ID];
    int control[2]; /* ours, the engine's; -1: no attempt */
    struct widen widen;
    unsigned losses;
    int64_t not_before; /* after a loss: when others may join again */
    bool running, asked, lost, again,
        told; /* asked: to join, in this attempt; who never hears that it has may have been used */
    ll_timer *timer;
    struct branch branches[TREE_STREAMS]; /* [0] is not used */
};

/* ---- one stream ---- */

static void tell(struct split *s, const char *text) {
    if (!s->told && s->options->note != NULL)
        s->options->note(s->options->arg, text);
    s->told = true;
}

static void branch_opened(void *arg) {
    struct branch *b = arg;
    b->opened = true;
}

/* The rest is the timer's: this one's own call is still going on. */
static void branch_over(void *arg, int code, const struct ll_failure *failure) {
    struct branch *b = arg;
    struct split *s = b->split;
    b->over = true;
    b->again_at = clock_now() + RETRY_MS * MS;
    if (code != LL_EUNKNOWNRUN && code != LL_ELOST && code != LL_ETIMEOUT)
        b->tries = TRIES; /* it would say so again */
    if (b->tries >= TRIES)
        tell(s, failure->sentence);
    if (b->opened && s->running) {
        s->running = false;
        s->lost = true;
        s->losses++;
        ll_timer_set(s->timer, 0);
    }
}

static void drop(struct branch *b) {
    client_transfer_free(b->transfer);
    ll_client_free(b->client);
    b->transfer = NULL;
    b->client = NULL;
    b->opened = b->over = false;
}

/* A client like the first, with a connection of its own. */
static int client_like(const ll_client *first, ll_client **out) {
    char pin[TLS_PIN_TEXT];
    tls_pin_format(&first->pin, pin);
    const struct ll_client_options options = {.host = first->host,
                                              .addresses = first->addresses,
                                              .pin = pin,
                                              .key_file = first->key_path,
                                              .silence_s = (double)first->silence_ms / 1000,
                                              .no_broker = true,
                                              .loop = first->loop};
    int e = ll_client_open(&options, out, NULL);
    if (e == 0)
        (*out)->window_max = LIMIT_WINDOW_SPLIT;
    return e;
}

static void start(struct split *s, struct branch *b, uint8_t number) {
    struct tree_join join = {.stream = number};
    struct ll_failure failure;
    struct buf request;
    memcpy(join.id, s->id, TREE_ID);
    buf_init(&request, LIMIT_OPEN_PAYLOAD);
    tree_put_join(&request, &join);
    const struct client_transfer_options options = {.service = "join",
                                                    .request = {buf_front(&request), buf_size(&request)},
                                                    .receives = s->options->receives,
                                                    .control = s->control[0],
                                                    .number = number,
                                                    .opened = branch_opened,
                                                    .over = branch_over,
                                                    .arg = b,
                                                    .report = &b->report};
    b->split = s;
    b->tries++;
    int e = request.failed != 0 ? request.failed : client_like(s->first, &b->client);
    if (e == 0)
        e = client_transfer_start(b->client, &options, &b->transfer);
    s->asked = s->asked || e == 0;
    buf_free(&request);
    if (e != 0) {
        failure_set(&failure, e, "%s", ll_strerror(e));
        branch_over(b, e, &failure);
    }
}

/* ---- all of them ---- */

/* It is measured again while it matters: what is queued on the way makes any line long, now and then. */
static int64_t round_trip(const struct split *s) {
    struct link *link = client_link(s->first);
    if (link == NULL)
        return 0;
    if (!s->widen.decided)
        session_ping(link_session(link), ll_loop_now(s->first->loop));
    link_ready(link, NULL);
    return session_rtt(link_session(link));
}

static unsigned wanted(struct split *s, int64_t now) {
    if (s->options->streams != TRANSFER_AUTO)
        return s->options->streams;
    return widen_next(&s->widen, atomic_load(&s->options->report->bytes), round_trip(s), now);
}

/* As many as there are to be. */
static void keep(struct split *s, int64_t now) {
    unsigned count = s->losses < LOSSES && now >= s->not_before ? wanted(s, now) : 1;
    for (unsigned i = 1; i < count; i++) {
        struct branch *b = &s->branches[i];
        if (b->transfer == NULL && b->tries < TRIES && now >= b->again_at)
            start(s, b, (uint8_t)i);
    }
    ll_timer_set(s->timer, clock_after(now, TICK_MS * MS));
}

static void tick(void *arg) {
    struct split *s = arg;
    int64_t now = clock_now();
    for (unsigned i = 1; i < TREE_STREAMS; i++)
        if (s->branches[i].over)
            drop(&s->branches[i]);
    bool lost = s->lost, again = s->again;
    s->lost = s->again = false;
    if (again)
        client_transfer_again(s->transfer);
    else if (lost)
        client_transfer_break(s->transfer);
    else if (s->running)
        keep(s, now);
}

int split_new(struct split **out, struct client_transfer *transfer, ll_client *first,
              const struct client_transfer_options *options) {
    struct split *s = calloc(1, sizeof *s);
    *out = s;
    if (s == NULL)
        return -ENOMEM;
    *s = (struct split){.transfer = transfer, .first = first, .options = options, .control = {-1, -1}};
    first->window_max = LIMIT_WINDOW_SPLIT;
    widen_begin(&s->widen, 1, TREE_STREAMS, 0, clock_now());
    return ll_loop_timer(first->loop, LL_NEVER, tick, s, &s->timer);
}

void split_free(struct split *s) {
    if (s == NULL)
        return;
    split_end(s);
    ll_timer_free(s->timer);
    free(s);
}

int split_begin(struct split *s, struct session *session, uint32_t stream) {
    split_end(s);
    s->asked = false;
    int e = random_bytes(s->id, sizeof s->id);
    if (e == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->control) != 0)
        e = -errno;
    if (e == 0 && s->options->streams == TRANSFER_AUTO)
        session_ping(session, ll_loop_now(s->first->loop)); /* before anything is queued */
    return e != 0 ? e : session_control(session, stream, TREE_SPLIT, s->id, sizeof s->id);
}

int split_control(const struct split *s) {
    return s->control[1];
}

void split_opened(struct split *s) {
    int64_t pause = RETRY_MS << s->losses;
    pause = pause < LONGEST_PAUSE_MS ? pause : LONGEST_PAUSE_MS;
    s->not_before = s->losses > 0 ? clock_now() + pause * MS : 0;
    s->running = true;
    if (s->losses == LOSSES)
        tell(s, "connections are lost again and again: going on with one");
    ll_timer_set(s->timer, 0);
}

void split_end(struct split *s) {
    if (s == NULL)
        return;
    s->running = s->lost = s->again = false;
    if (s->timer != NULL)
        ll_timer_set(s->timer, LL_NEVER);
    for (unsigned i = 1; i < TREE_STREAMS; i++) {
        drop(&s->branches[i]);
        s->branches[i].tries = 0;
        s->branches[i].again_at = 0;
    }
    for (int i = 0; i < 2; i++) {
        if (s->control[i] >= 0)
            close(s->control[i]);
        s->control[i] = -1;
    }
}

bool split_again(struct split *s) {
    if (!s->asked)
        return false;
    s->losses += s->running; /* the server's side has lost it, and ours not yet */
    s->running = false;
    s->again = true;
    ll_timer_set(s->timer, 0);
    return true;
}
