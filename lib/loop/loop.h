/* Inside the loop: what loop.c, watch.c, timer.c, signal.c, child.c and post.c share. */
#ifndef LIB_LOOP_LOOP_H
#define LIB_LOOP_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/loop.h"
#include "lib/os/poller.h"

/* The first member of every object on a loop, so that ll_loop_free() can free what was left on it. */
struct owned {
    struct owned *previous, *next;
    void (*release)(struct owned *self);
};

struct ll_watch {
    struct owned owned;
    ll_loop *loop;
    int fd;
    uint8_t wanted; /* what the owner asks for */
    uint8_t told;   /* what the kernel knows */
    bool on_agenda;
    ll_watch_fn *call; /* NULL once it was freed */
    ll_wants_fn *wants;
    void *arg;
    ll_watch *next_on_agenda;
};

struct ll_timer {
    struct owned owned;
    ll_loop *loop;
    size_t place;     /* index in the heap, or NOWHERE */
    int64_t deadline; /* may be later than the key in the heap; see timer.c */
    ll_call_fn *call;
    void *arg;
};

struct timer_slot {
    int64_t key;
    ll_timer *timer;
};

struct timers {
    struct timer_slot *heap;
    size_t used, capacity;
    size_t count;    /* timers that exist; the heap has room for all of them */
    size_t armed;    /* those of them with a deadline */
    int64_t running; /* while due timers run: the present they were compared with, else INT64_MIN */
};

struct post;

struct posts {
    pthread_mutex_t lock;
    struct post *first, **end;
    int bell;
};

/* All signals of a loop share one descriptor. */
struct signals {
    sigset_t set;
    int fd; /* valid while there is a watch */
    ll_watch *watch;
    ll_signal *first;
};

struct ll_loop {
    struct owned owned; /* the head of the ring of objects */
    size_t watches;     /* how many could call back */
    ll_watch *agenda;   /* watches to look at before the next wait: changed or freed */
    int64_t now;
    bool now_is_fresh, in_pass, stopped, woken;
    struct timers timers;
    struct posts posts;
    struct signals signals;
    struct poller poller;
};

void loop_own(ll_loop *loop, struct owned *object, void (*release)(struct owned *));
void loop_disown(struct owned *object);

/* Brings the kernel's interests up to date and frees watches that were freed; only while no event is in flight.
 * Returns how many watches called back with an interest that the kernel refused. */
int watch_settle(ll_loop *loop);
/* Hands the events of one wait to their watches; returns how many called back. */
int watch_dispatch(ll_loop *loop, int n);

/* Runs what is due now; returns how many. */
int timer_run(ll_loop *loop);
/* Not after any deadline of an armed timer. */
int64_t timer_earliest(const ll_loop *loop);

int post_open(ll_loop *loop);
void post_close(ll_loop *loop);
int post_run(ll_loop *loop);
bool post_pending(ll_loop *loop);

#endif
