#include "lib/loop/loop.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/os/clock.h"

void loop_own(ll_loop *loop, struct owned *object, void (*release)(struct owned *)) {
    object->release = release;
    object->previous = &loop->owned;
    object->next = loop->owned.next;
    object->next->previous = object;
    loop->owned.next = object;
}

void loop_disown(struct owned *object) {
    object->previous->next = object->next;
    object->next->previous = object->previous;
}

int ll_loop_new(ll_loop **out) {
    *out = NULL;
    ll_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return -ENOMEM;
    loop->owned.next = loop->owned.previous = &loop->owned;
    loop->timers.running = INT64_MIN;
    int e = poller_open(&loop->poller);
    if (e < 0)
        goto no_poller;
    e = post_open(loop);
    if (e < 0)
        goto no_posts;
    *out = loop;
    return 0;
no_posts:
    poller_close(&loop->poller);
no_poller:
    free(loop);
    return e;
}

void ll_loop_free(ll_loop *loop) {
    if (loop == NULL)
        return;
    while (loop->owned.next != &loop->owned)
        loop->owned.next->release(loop->owned.next);
    watch_settle(loop);
    post_close(loop);
    poller_close(&loop->poller);
    free(loop->timers.heap);
    free(loop);
}

int64_t ll_loop_now(ll_loop *loop) {
    if (!loop->now_is_fresh) {
        loop->now = clock_now();
        loop->now_is_fresh = loop->in_pass;
    }
    return loop->now;
}

void ll_loop_stop(ll_loop *loop) {
    loop->stopped = true;
}

int ll_loop_fileno(const ll_loop *loop) {
    return loop->poller.fd;
}

int64_t ll_loop_deadline(ll_loop *loop) {
    if (!loop->in_pass && watch_settle(loop) > 0)
        return 0;
    return timer_earliest(loop);
}

/* Waits once and runs what is due; how many callbacks ran. */
static int pass(ll_loop *loop, int64_t deadline) {
    int ran = watch_settle(loop);
    int64_t until = timer_earliest(loop);
    if (deadline < until)
        until = deadline;
    int64_t timeout = ran > 0 || loop->stopped ? 0 : until;
    if (timeout != 0 && timeout != LL_NEVER) {
        int64_t now = clock_now();
        timeout = until > now ? until - now : 0;
    }
    int n = poller_wait(&loop->poller, timeout);
    loop->now_is_fresh = false;
    if (n < 0)
        return n == -EINTR ? ran : n;
    ran += watch_dispatch(loop, n);
    return ran + timer_run(loop);
}

int ll_loop_step(ll_loop *loop, int64_t deadline) {
    if (loop->in_pass)
        return -EBUSY;
    loop->in_pass = true;
    loop->woken = false;
    int ran;
    do
        ran = pass(loop, deadline);
    while (ran == 0 && !loop->woken && !loop->stopped && (deadline == LL_NEVER || clock_now() < deadline));
    loop->in_pass = loop->now_is_fresh = false;
    return ran;
}

static bool has_something(ll_loop *loop) {
    return loop->watches > 0 || loop->timers.armed > 0 || post_pending(loop);
}

int ll_loop_run(ll_loop *loop) {
    if (loop->in_pass)
        return -EBUSY;
    int e = 0;
    while (e >= 0 && !loop->stopped && has_something(loop))
        e = ll_loop_step(loop, LL_NEVER);
    loop->stopped = false;
    return e < 0 ? e : 0;
}
