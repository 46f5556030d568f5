#include "lib/loop/loop.h"

#include <errno.h>
#include <stdlib.h>

struct ll_signal {
    struct owned owned;
    int fd, signo, was_blocked;
    ll_watch *watch;
    ll_signal_fn *call;
    void *arg;
};

static void arrived(void *arg, unsigned events) {
    (void)events;
    ll_signal *s = arg;
    siginfo_t info;
    /* One per pass: the callback may free s, and what else is pending keeps the descriptor readable. */
    if (poller_signal_take(s->fd, &info) > 0)
        s->call(s->arg, s->signo, info.si_pid);
}

static void release(struct owned *self) {
    ll_signal_free((ll_signal *)self);
}

int ll_loop_signal(ll_loop *loop, int signo, ll_signal_fn *call, void *arg, ll_signal **out) {
    *out = NULL;
    ll_signal *s = calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    *s = (ll_signal){.signo = signo, .call = call, .arg = arg};
    int e = s->fd = poller_signal_open(signo, &s->was_blocked);
    if (e < 0)
        goto no_descriptor;
    e = ll_loop_fd(loop, s->fd, LL_READ, arrived, s, &s->watch);
    if (e < 0)
        goto no_watch;
    loop_own(loop, &s->owned, release);
    *out = s;
    return 0;
no_watch:
    poller_signal_close(s->fd, signo, s->was_blocked);
no_descriptor:
    free(s);
    return e;
}

void ll_signal_free(ll_signal *s) {
    if (s == NULL)
        return;
    ll_watch_free(s->watch);
    poller_signal_close(s->fd, s->signo, s->was_blocked);
    loop_disown(&s->owned);
    free(s);
}
