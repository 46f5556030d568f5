#include "landline/client/lookup.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "landline/resolve.h"
#include "lib/base/limits.h"
#include "lib/os/clock.h"
#include "lib/os/fd.h"

/* Shared with the thread; whoever leaves last frees it. */
struct job {
    pthread_mutex_t lock;
    int owners;
    int event; /* rung when the answer is there */
    char host[LIMIT_HOST_ADDRESSES + 1];
    char service[8];
    int64_t deadline;
    struct lookup_answer answer;
};

struct lookup {
    struct job *job;
    ll_watch *watch;
    lookup_fn *done;
    void *arg;
};

static void job_leave(struct job *job) {
    pthread_mutex_lock(&job->lock);
    int left = --job->owners;
    pthread_mutex_unlock(&job->lock);
    if (left > 0)
        return;
    if (job->event >= 0)
        fd_close(job->event);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

static void ask(struct job *job) {
    struct ll_addrinfo_hints hints = {.type = SOCK_STREAM};
    struct ll_addrinfo *answers = NULL;
    double seconds = (double)(job->deadline - clock_now()) / 1e9;
    int n = ll_getaddrinfo(job->host, job->service, &hints, seconds > 0 ? seconds : 0, &answers, &job->answer.info);
    job->answer.error = n < 0 ? n : 0;
    for (int i = 0; i < n && i < LOOKUP_MOST; i++)
        job->answer.addresses[job->answer.count++] = answers[i].address;
    ll_addrinfo_free(answers);
}

static void *lookup_thread(void *argument) {
    struct job *job = argument;
    ask(job);
    fd_event_set(job->event);
    job_leave(job);
    return NULL;
}

static struct job *job_new(const char *host, int port, int64_t deadline) {
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    pthread_mutex_init(&job->lock, NULL);
    job->owners = 1;
    job->deadline = deadline;
    snprintf(job->host, sizeof job->host, "%s", host);
    snprintf(job->service, sizeof job->service, "%d", port);
    job->event = fd_event();
    return job;
}

/* Signals are the caller's business: none is taken by the thread. */
static int job_run(struct job *job) {
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    job->owners++;
    int error = pthread_create(&thread, NULL, lookup_thread, job);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        job->owners--;
        return -error;
    }
    pthread_detach(thread);
    return 0;
}

static void answered(void *arg, unsigned events) {
    (void)events;
    struct lookup *lookup = arg;
    struct job *job = lookup->job;
    ll_watch_free(lookup->watch);
    lookup->watch = NULL;
    lookup->job = NULL;
    lookup->done(lookup->arg, &job->answer); /* may free the lookup */
    job_leave(job);
}

int lookup_start(struct lookup **out, ll_loop *loop, const char *host, int port, int64_t deadline, lookup_fn *done,
                 void *arg) {
    struct lookup *lookup = calloc(1, sizeof *lookup);
    *out = NULL;
    if (lookup == NULL)
        return -ENOMEM;
    lookup->done = done;
    lookup->arg = arg;
    lookup->job = job_new(host, port, deadline);
    int error = lookup->job == NULL ? -ENOMEM : lookup->job->event < 0 ? lookup->job->event : 0;
    if (error == 0)
        error = ll_loop_fd(loop, lookup->job->event, LL_READ, answered, lookup, &lookup->watch);
    if (error == 0)
        error = job_run(lookup->job);
    if (error != 0) {
        lookup_free(lookup);
        return error;
    }
    *out = lookup;
    return 0;
}

void lookup_free(struct lookup *lookup) {
    if (lookup == NULL)
        return;
    ll_watch_free(lookup->watch);
    if (lookup->job != NULL)
        job_leave(lookup->job);
    free(lookup);
}
