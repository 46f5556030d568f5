/* Watches. The kernel is told of a changed interest only before a wait: a watch that changed is put on the loop's
 * agenda, and settling the agenda compares what is wanted with what was told. Freed watches go the same way, because
 * events already fetched may still point to them. */
#include "lib/loop/loop.h"

#include <errno.h>
#include <stdlib.h>

enum {
    ALL_EVENTS = LL_READ | LL_WRITE | LL_PRIORITY | LL_HANGUP,
    ASKABLE = ALL_EVENTS | LL_EDGE,
    UNTOLD = 0xff, /* as `told`: whatever is wanted, the kernel is told, and looks at the descriptor anew */
};

/* Without an interest the kernel would still report errors and hang-ups, for ever; edge-triggered it does so at most
 * once, and the dispatcher drops that. */
static uint32_t bits_of(unsigned events) {
    if (events == 0)
        return EPOLLET;
    return (events & LL_READ ? (uint32_t)EPOLLIN : 0) | (events & LL_WRITE ? (uint32_t)EPOLLOUT : 0) |
           (events & LL_PRIORITY ? (uint32_t)EPOLLPRI : 0) | (events & LL_HANGUP ? (uint32_t)EPOLLRDHUP : 0) |
           (events & LL_EDGE ? (uint32_t)EPOLLET : 0);
}

static unsigned events_of(uint32_t bits) {
    if (bits & (EPOLLERR | EPOLLHUP))
        return ALL_EVENTS;
    return (bits & EPOLLIN ? LL_READ : 0U) | (bits & EPOLLOUT ? LL_WRITE : 0U) | (bits & EPOLLPRI ? LL_PRIORITY : 0U) |
           (bits & EPOLLRDHUP ? LL_HANGUP : 0U);
}

static void put_on_agenda(ll_watch *w) {
    if (w->on_agenda)
        return;
    w->on_agenda = true;
    w->next_on_agenda = w->loop->agenda;
    w->loop->agenda = w;
}

static void release(struct owned *self) {
    ll_watch_free((ll_watch *)self);
}

int ll_loop_fd(ll_loop *loop, int fd, unsigned events, ll_watch_fn *call, void *arg, ll_watch **out) {
    *out = NULL;
    if (events & ~(unsigned)ASKABLE)
        return -EINVAL;
    ll_watch *w = calloc(1, sizeof *w);
    if (w == NULL)
        return -ENOMEM;
    *w = (ll_watch){.loop = loop, .fd = fd, .call = call, .arg = arg};
    w->wanted = w->told = (uint8_t)events;
    int e = poller_add(&loop->poller, fd, bits_of(events), w);
    if (e < 0) {
        free(w);
        return e;
    }
    loop_own(loop, &w->owned, release);
    loop->watches++;
    *out = w;
    return 0;
}

void ll_watch_set(ll_watch *w, unsigned events) {
    w->wanted = (uint8_t)(events & ASKABLE);
    if (w->wanted != w->told)
        put_on_agenda(w);
}

void ll_watch_again(ll_watch *w) {
    w->told = UNTOLD;
    put_on_agenda(w);
}

void ll_watch_ask(ll_watch *w, ll_wants_fn *wants) {
    w->wants = wants;
    put_on_agenda(w);
}

void ll_watch_touch(ll_watch *w) {
    put_on_agenda(w);
}

int ll_watch_fileno(const ll_watch *w) {
    return w->fd;
}

void ll_watch_free(ll_watch *w) {
    if (w == NULL)
        return;
    poller_remove(&w->loop->poller, w->fd);
    loop_disown(&w->owned);
    w->loop->watches--;
    w->call = NULL;
    put_on_agenda(w); /* which frees it, when nothing can point to it any more */
}

static void ask(ll_watch *w) {
    if (w->wants != NULL)
        w->wanted = (uint8_t)(w->wants(w->arg) & ASKABLE);
}

/* Returns 1 if the watch had to call back because the kernel refused. */
static int settle_one(ll_loop *loop, ll_watch *w) {
    ask(w);
    if (w->wanted == w->told)
        return 0;
    w->told = w->wanted;
    if (poller_change(&loop->poller, w->fd, bits_of(w->wanted), w) == 0 || w->wanted == 0)
        return 0;
    w->call(w->arg, w->wanted & ALL_EVENTS);
    return 1;
}

int watch_settle(ll_loop *loop) {
    int ran = 0;
    ll_watch *next;
    /* What a callback puts on the agenda meanwhile waits for the next pass. */
    ll_watch *w = loop->agenda;
    loop->agenda = NULL;
    for (; w != NULL; w = next) {
        next = w->next_on_agenda;
        w->on_agenda = false;
        if (w->call == NULL)
            free(w);
        else
            ran += settle_one(loop, w);
    }
    return ran;
}

int watch_dispatch(ll_loop *loop, int n) {
    int ran = 0;
    for (int i = 0; i < n; i++) {
        const struct epoll_event *event = &loop->poller.events[i];
        ll_watch *w = event->data.ptr;
        if (w == NULL) {
            ran += post_run(loop);
            continue;
        }
        if (w->call == NULL)
            continue; /* freed by a callback of this pass */
        if (w->on_agenda)
            ask(w);
        unsigned events = events_of(event->events) & w->wanted;
        if (events == 0) {
            /* An edge is told once: who asks for it again before the next wait must not miss it. */
            if (w->told & LL_EDGE)
                ll_watch_again(w);
            continue;
        }
        if (w->wants != NULL)
            put_on_agenda(w);
        w->call(w->arg, events);
        ran++;
    }
    return ran;
}
