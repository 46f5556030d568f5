/* Work that may be left behind: the C library's resolver cannot be told to stop, so it is not waited for. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "lib/net/resolve.h"
#include "lib/net/socket.h"
#include "lib/os/fd.h"

/* How often a wait looks whether its socket was closed. */
enum { LOOK_NS = 50 * 1000 * 1000 };

void abandon_release(struct abandon_job *job) {
    if (atomic_fetch_sub(&job->holders, 1) != 1)
        return;
    if (job->done >= 0)
        fd_close(job->done);
    job->release(job);
}

static void *run(void *argument) {
    struct abandon_job *job = argument;
    job->work(job);
    atomic_store(&job->finished, 1);
    fd_event_set(job->done);
    abandon_release(job);
    return NULL;
}

/* A detached thread with all signals blocked: the program's handlers run in the program's threads. */
static int start(struct abandon_job *job) {
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    int r = pthread_attr_init(&attributes);
    if (r != 0)
        return -r;
    sigfillset(&all);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    r = pthread_attr_setsigmask_np(&attributes, &all);
    if (r == 0)
        r = pthread_create(&thread, &attributes, run, job);
    pthread_attr_destroy(&attributes);
    return -r;
}

static int wait_done(struct abandon_job *job, int64_t deadline, ll_socket *socket) {
    for (;;) {
        int64_t until = deadline, look = clock_after(clock_now(), LOOK_NS);
        if (socket != NULL && look < until)
            until = look;
        struct pollfd fd = {.fd = job->done, .events = POLLIN};
        int r = os_poll(&fd, 1, until);
        if (atomic_load(&job->finished))
            return 0;
        if (r == 0 && until == deadline)
            return LL_ETIMEOUT;
        if (r == -EINTR)
            r = socket_ask(socket);
        if (socket != NULL && socket_is_closed(socket))
            return LL_ECLOSED;
        if (r < 0)
            return r;
    }
}

int abandon_run(struct abandon_job *job, int64_t deadline, ll_socket *socket) {
    atomic_init(&job->holders, 1);
    atomic_init(&job->finished, 0);
    job->done = fd_event();
    int r = job->done;
    if (r >= 0) {
        atomic_fetch_add(&job->holders, 1);
        r = start(job);
        if (r < 0)
            abandon_release(job);
        else
            r = wait_done(job, deadline, socket);
    }
    if (r < 0)
        abandon_release(job);
    return r;
}
