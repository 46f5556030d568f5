#include "landline/client/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "landline/client/lookup.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/os/clock.h"

enum { TARGETS = 16 };

static const int64_t STAGGER = 250 * 1000000LL;

/* One HOST:PORT of the list. */
struct target {
    struct dial *dial;
    char *text; /* as it stands in the list */
    char host[LIMIT_HOST_ADDRESSES + 1];
    int port;
    struct lookup *lookup; /* while it goes on */
};

struct attempt {
    struct dial *dial;
    struct target *target;
    struct ll_address address;
    ll_socket *socket;
    ll_watch *watch;
    bool started, over;
};

struct dial {
    ll_loop *loop;
    char *addresses; /* cut at its commas */
    struct target targets[TARGETS];
    size_t target_count, lookups; /* lookups that go on */
    struct attempt *attempts;     /* in the order in which they are to start */
    size_t attempt_count, next, running;
    ll_timer *stagger, *limit;
    int error; /* of the first that failed */
    struct ll_error_info info;
    dial_fn *done;
    void *arg;
};

static void advance(struct dial *dial);

static void attempt_end(struct attempt *attempt) {
    ll_watch_free(attempt->watch);
    attempt->watch = NULL;
    ll_socket_free(attempt->socket);
    attempt->socket = NULL;
    attempt->over = true;
}

static void note(struct dial *dial, int error, const struct ll_error_info *info) {
    if (dial->error != 0)
        return;
    dial->error = error;
    dial->info = *info;
}

static void finish(struct dial *dial, const struct dial_end *end) {
    ll_timer_set(dial->stagger, LL_NEVER);
    ll_timer_set(dial->limit, LL_NEVER);
    dial->done(dial->arg, end); /* may free the dial */
}

static void fail(struct dial *dial) {
    finish(dial, &(struct dial_end){.error = dial->error, .info = dial->info});
}

static void win(struct attempt *attempt) {
    struct dial *dial = attempt->dial;
    ll_watch_free(attempt->watch);
    attempt->watch = NULL;
    ll_socket *socket = attempt->socket;
    attempt->socket = NULL;
    ll_socket_setsockopt_int(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    for (size_t i = 0; i < dial->attempt_count; i++)
        attempt_end(&dial->attempts[i]);
    finish(dial, &(struct dial_end){.socket = socket, .host = attempt->target->host, .address = attempt->target->text});
}

static void attempt_failed(struct attempt *attempt, int error) {
    struct dial *dial = attempt->dial;
    struct ll_error_info info;
    error_at(&info, error, "connect", attempt->target->text);
    attempt_end(attempt);
    dial->running--;
    note(dial, error, &info);
}

static void writable(void *arg, unsigned events) {
    (void)events;
    struct attempt *attempt = arg;
    struct dial *dial = attempt->dial;
    int e = ll_socket_connect(attempt->socket, &attempt->address); /* again: it says how the first one ended */
    if (e == -EALREADY)
        return;
    if (e == 0 || e == -EISCONN) {
        win(attempt);
        return;
    }
    attempt_failed(attempt, e);
    advance(dial);
}

/* 0: it goes on, or is connected, which the loop will tell; negative: failed. */
static int attempt_start(struct attempt *attempt) {
    struct dial *dial = attempt->dial;
    attempt->started = true;
    dial->running++;
    int error = ll_socket_open(ll_address_family(&attempt->address), SOCK_STREAM | SOCK_NONBLOCK, 0, &attempt->socket);
    if (error == 0)
        error = ll_socket_connect(attempt->socket, &attempt->address);
    if (error != 0 && error != -EINPROGRESS)
        return error;
    return ll_loop_fd(dial->loop, ll_socket_fileno(attempt->socket), LL_WRITE, writable, attempt, &attempt->watch);
}

/* Starts what is due; false when nothing is left. */
static bool start_next(struct dial *dial) {
    while (dial->next < dial->attempt_count) {
        struct attempt *attempt = &dial->attempts[dial->next++];
        int error = attempt_start(attempt);
        if (error == 0) {
            ll_timer_set(dial->stagger, clock_after(clock_now(), STAGGER));
            return true;
        }
        attempt_failed(attempt, error);
    }
    return dial->running > 0 || dial->lookups > 0;
}

static void advance(struct dial *dial) {
    if (!start_next(dial))
        fail(dial);
}

static void stagger_over(void *arg) {
    advance(arg);
}

static void limit_over(void *arg) {
    struct dial *dial = arg;
    if (dial->error == 0)
        dial->error = error_at(&dial->info, LL_ETIMEOUT, "connect", dial->targets[0].text);
    fail(dial);
}

static int add_attempt(struct dial *dial, struct target *target, const struct ll_address *address) {
    /* Those that run are watched by their address in memory: never move the array under them. */
    if (dial->attempt_count >= (size_t)TARGETS * LOOKUP_MOST)
        return LL_ELIMIT;
    dial->attempts[dial->attempt_count++] = (struct attempt){.dial = dial, .target = target, .address = *address};
    return 0;
}

static void looked_up(void *arg, const struct lookup_answer *answer) {
    struct target *target = arg;
    struct dial *dial = target->dial;
    lookup_free(target->lookup);
    target->lookup = NULL;
    dial->lookups--;
    if (answer->error != 0)
        note(dial, answer->error, &answer->info);
    for (size_t i = 0; i < answer->count; i++)
        add_attempt(dial, target, &answer->addresses[i]);
    advance(dial);
}

static int begin_target(struct dial *dial, struct target *target, int64_t deadline) {
    struct ll_address address;
    if (ll_address_ip(&address, target->host, target->port) == 0)
        return add_attempt(dial, target, &address);
    int error = lookup_start(&target->lookup, dial->loop, target->host, target->port, deadline, looked_up, target);
    if (error == 0)
        dial->lookups++;
    return error;
}

static int parse_targets(struct dial *dial) {
    char *rest = dial->addresses, *one;
    while ((one = strsep(&rest, ",")) != NULL) {
        if (dial->target_count == TARGETS)
            return LL_ELIMIT;
        struct target *target = &dial->targets[dial->target_count++];
        target->dial = dial;
        target->text = one;
        int error = ll_address_split(one, target->host, sizeof target->host, &target->port);
        if (error != 0 || target->port == 0)
            return LL_EADDRESS;
    }
    return 0;
}

static int prepare(struct dial *dial, const char *addresses, int64_t deadline) {
    dial->addresses = strdup(addresses);
    dial->attempts = calloc((size_t)TARGETS * LOOKUP_MOST, sizeof *dial->attempts);
    if (dial->addresses == NULL || dial->attempts == NULL)
        return -ENOMEM;
    int error = ll_loop_timer(dial->loop, LL_NEVER, stagger_over, dial, &dial->stagger);
    if (error == 0)
        error = ll_loop_timer(dial->loop, deadline, limit_over, dial, &dial->limit);
    if (error == 0)
        error = parse_targets(dial);
    for (size_t i = 0; error == 0 && i < dial->target_count; i++)
        error = begin_target(dial, &dial->targets[i], deadline);
    return error;
}

int dial_start(struct dial **out, ll_loop *loop, const char *addresses, int64_t deadline, dial_fn *done, void *arg) {
    struct dial *dial = calloc(1, sizeof *dial);
    *out = NULL;
    if (dial == NULL)
        return -ENOMEM;
    dial->loop = loop;
    dial->done = done;
    dial->arg = arg;
    int error = prepare(dial, addresses, deadline);
    if (error != 0) {
        dial_free(dial);
        return error;
    }
    *out = dial;
    if (!start_next(dial)) /* told by the loop: never before this returns */
        ll_timer_set(dial->stagger, 0);
    return 0;
}

void dial_free(struct dial *dial) {
    if (dial == NULL)
        return;
    for (size_t i = 0; i < dial->attempt_count; i++)
        attempt_end(&dial->attempts[i]);
    for (size_t i = 0; i < dial->target_count; i++)
        lookup_free(dial->targets[i].lookup);
    ll_timer_free(dial->stagger);
    ll_timer_free(dial->limit);
    free(dial->attempts);
    free(dial->addresses);
    free(dial);
}
