#include "lib/loop/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct ll_child {
    struct owned owned;
    int pidfd;
    bool own_pidfd;
    pid_t pid;
    ll_watch *watch; /* NULL once the end was reported */
    ll_child_fn *call;
    void *arg;
};

static int64_t nanoseconds(struct timeval t) {
    return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_usec * 1000;
}

static void describe(struct ll_child_end *end, const siginfo_t *info, const struct rusage *usage) {
    bool exited = info->si_code == CLD_EXITED;
    end->pid = info->si_pid;
    end->status = exited ? info->si_status : 0;
    end->signal = exited ? 0 : info->si_status;
    end->core = info->si_code == CLD_DUMPED;
    end->user_ns = nanoseconds(usage->ru_utime);
    end->system_ns = nanoseconds(usage->ru_stime);
    end->max_rss_kib = usage->ru_maxrss;
}

static void stop_watching(ll_child *c) {
    ll_watch_free(c->watch);
    c->watch = NULL;
    if (c->own_pidfd && c->pidfd >= 0)
        close(c->pidfd);
    c->pidfd = -1;
}

static void ended(void *arg, unsigned events) {
    (void)events;
    ll_child *c = arg;
    struct ll_child_end end = {.pid = c->pid};
    siginfo_t info;
    struct rusage usage;
    int e = poller_child_take(c->pidfd, &info, &usage);
    if (e == 0)
        return;
    if (e > 0)
        describe(&end, &info, &usage);
    else
        end.error = e;
    stop_watching(c);
    c->call(c->arg, &end);
}

static void release(struct owned *self) {
    ll_child_free((ll_child *)self);
}

static int watch_child(ll_loop *loop, ll_child child, ll_child **out) {
    ll_child *c = malloc(sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    *c = child;
    int e = ll_loop_fd(loop, c->pidfd, LL_READ, ended, c, &c->watch);
    if (e < 0) {
        free(c);
        return e;
    }
    loop_own(loop, &c->owned, release);
    *out = c;
    return 0;
}

int ll_loop_child(ll_loop *loop, pid_t pid, ll_child_fn *call, void *arg, ll_child **out) {
    *out = NULL;
    int pidfd = poller_child_open(pid);
    if (pidfd < 0)
        return pidfd;
    ll_child child = {.pidfd = pidfd, .own_pidfd = true, .pid = pid, .call = call, .arg = arg};
    int e = watch_child(loop, child, out);
    if (e < 0)
        close(pidfd);
    return e;
}

int ll_loop_child_fd(ll_loop *loop, int pidfd, ll_child_fn *call, void *arg, ll_child **out) {
    *out = NULL;
    return watch_child(loop, (ll_child){.pidfd = pidfd, .call = call, .arg = arg}, out);
}

void ll_child_free(ll_child *c) {
    if (c == NULL)
        return;
    stop_watching(c);
    loop_disown(&c->owned);
    free(c);
}
