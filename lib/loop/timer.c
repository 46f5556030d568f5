/* Timers, in a binary heap of keys. A timer that moves later keeps its place, and its key is brought up to date only
 * when it comes to the front: an idle time-out that every byte pushes back costs one comparison a byte. */
#include "lib/loop/loop.h"

#include <errno.h>
#include <stdlib.h>

#define NOWHERE SIZE_MAX

static void put(struct timers *t, size_t i, struct timer_slot slot) {
    t->heap[i] = slot;
    slot.timer->place = i;
}

static void sift_up(struct timers *t, size_t i, struct timer_slot slot) {
    while (i > 0 && slot.key < t->heap[(i - 1) / 2].key) {
        put(t, i, t->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(t, i, slot);
}

static void sift_down(struct timers *t, size_t i, struct timer_slot slot) {
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < t->used && t->heap[child + 1].key < t->heap[child].key)
            child++;
        if (child >= t->used || slot.key <= t->heap[child].key)
            break;
        put(t, i, t->heap[child]);
        i = child;
    }
    put(t, i, slot);
}

/* Puts a slot where place i is free, up or down. */
static void settle(struct timers *t, size_t i, struct timer_slot slot) {
    if (i > 0 && slot.key < t->heap[(i - 1) / 2].key)
        sift_up(t, i, slot);
    else
        sift_down(t, i, slot);
}

static void take_out(struct timers *t, ll_timer *timer) {
    size_t i = timer->place;
    if (i == NOWHERE)
        return;
    timer->place = NOWHERE;
    struct timer_slot last = t->heap[--t->used];
    if (i < t->used)
        settle(t, i, last);
}

static void release(struct owned *self) {
    ll_timer_free((ll_timer *)self);
}

static int reserve(struct timers *t) {
    if (t->count < t->capacity)
        return 0;
    size_t capacity = t->capacity == 0 ? 16 : 2 * t->capacity;
    struct timer_slot *heap = reallocarray(t->heap, capacity, sizeof *heap);
    if (heap == NULL)
        return -ENOMEM;
    t->heap = heap;
    t->capacity = capacity;
    return 0;
}

int ll_loop_timer(ll_loop *loop, int64_t deadline, ll_call_fn *call, void *arg, ll_timer **out) {
    *out = NULL;
    ll_timer *timer = malloc(sizeof *timer);
    if (timer == NULL || reserve(&loop->timers) < 0) {
        free(timer);
        return -ENOMEM;
    }
    *timer = (ll_timer){.loop = loop, .place = NOWHERE, .deadline = LL_NEVER, .call = call, .arg = arg};
    loop_own(loop, &timer->owned, release);
    loop->timers.count++;
    ll_timer_set(timer, deadline);
    *out = timer;
    return 0;
}

void ll_timer_set(ll_timer *timer, int64_t deadline) {
    struct timers *t = &timer->loop->timers;
    t->armed -= timer->deadline != LL_NEVER;
    t->armed += deadline != LL_NEVER;
    timer->deadline = deadline;
    if (deadline == LL_NEVER) {
        take_out(t, timer);
        return;
    }
    /* One that a due timer arms for the past waits for the next pass, or it could keep this one going for ever. */
    int64_t key = deadline > t->running ? deadline : t->running + 1;
    if (timer->place == NOWHERE)
        sift_up(t, t->used++, (struct timer_slot){key, timer});
    else if (key < t->heap[timer->place].key)
        sift_up(t, timer->place, (struct timer_slot){key, timer});
}

int64_t ll_timer_deadline(const ll_timer *timer) {
    return timer->deadline;
}

void ll_timer_free(ll_timer *timer) {
    if (timer == NULL)
        return;
    ll_timer_set(timer, LL_NEVER);
    timer->loop->timers.count--;
    loop_disown(&timer->owned);
    free(timer);
}

int64_t timer_earliest(const ll_loop *loop) {
    return loop->timers.used > 0 ? loop->timers.heap[0].key : LL_NEVER;
}

int timer_run(ll_loop *loop) {
    struct timers *t = &loop->timers;
    if (t->used == 0)
        return 0;
    int64_t now = ll_loop_now(loop);
    int ran = 0;
    t->running = now;
    while (t->used > 0 && t->heap[0].key <= now) {
        ll_timer *timer = t->heap[0].timer;
        if (timer->deadline > t->heap[0].key) { /* it was pushed back meanwhile */
            sift_down(t, 0, (struct timer_slot){timer->deadline, timer});
            continue;
        }
        ll_timer_set(timer, LL_NEVER);
        timer->call(timer->arg);
        ran++;
    }
    t->running = INT64_MIN;
    return ran;
}
