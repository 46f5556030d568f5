#include "lib/loop/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct ll_signal {
    struct owned owned;
    ll_loop *loop;
    int signo, was_blocked;
    ll_signal *next;
    ll_signal_fn *call;
    void *arg;
};

static void arrived(void *arg, unsigned events) {
    (void)events;
    ll_loop *loop = arg;
    siginfo_t info;
    /* One per pass: the callback may free anything, and what else is pending keeps the descriptor readable. */
    if (poller_signal_take(loop->signals.fd, &info) <= 0)
        return;
    for (ll_signal *s = loop->signals.first; s != NULL; s = s->next)
        if (s->signo == info.si_signo) {
            s->call(s->arg, s->signo, info.si_pid);
            return;
        }
}

static void release(struct owned *self) {
    ll_signal_free((ll_signal *)self);
}

/* Adds the signal to the loop's descriptor, which the first one makes. */
static int add(ll_signal *s) {
    struct signals *all = &s->loop->signals;
    if (all->watch == NULL)
        sigemptyset(&all->set);
    int e = poller_signal_add(all->watch != NULL ? all->fd : -1, &all->set, s->signo, &s->was_blocked);
    if (e < 0)
        return e;
    all->fd = e;
    if (all->watch == NULL && (e = ll_loop_fd(s->loop, all->fd, LL_READ, arrived, s->loop, &all->watch)) < 0) {
        poller_signal_remove(all->fd, &all->set, s->signo, s->was_blocked);
        close(all->fd);
        return e;
    }
    s->next = all->first;
    all->first = s;
    return 0;
}

static void take_out(ll_signal *s) {
    struct signals *all = &s->loop->signals;
    ll_signal **at = &all->first;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    poller_signal_remove(all->fd, &all->set, s->signo, s->was_blocked);
    if (all->first == NULL) {
        ll_watch_free(all->watch);
        all->watch = NULL;
        close(all->fd);
    }
}

int ll_loop_signal(ll_loop *loop, int signo, ll_signal_fn *call, void *arg, ll_signal **out) {
    *out = NULL;
    ll_signal *s = calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    *s = (ll_signal){.loop = loop, .signo = signo, .call = call, .arg = arg};
    int e = add(s);
    if (e < 0) {
        free(s);
        return e;
    }
    loop_own(loop, &s->owned, release); /* behind the watch, which so is released after the last signal */
    *out = s;
    return 0;
}

void ll_signal_free(ll_signal *s) {
    if (s == NULL)
        return;
    take_out(s);
    loop_disown(&s->owned);
    free(s);
}
