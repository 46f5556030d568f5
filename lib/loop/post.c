/* Calls from other threads: a queue behind a lock, and a bell that the loop waits for. */
#include "lib/loop/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct post {
    struct post *next;
    ll_call_fn *call;
    void *arg;
};

int post_open(ll_loop *loop) {
    struct posts *p = &loop->posts;
    p->end = &p->first;
    p->bell = poller_bell_open();
    if (p->bell < 0)
        return p->bell;
    int e = poller_add(&loop->poller, p->bell, EPOLLIN, NULL);
    if (e < 0) {
        close(p->bell);
        return e;
    }
    pthread_mutex_init(&p->lock, NULL);
    return 0;
}

/* Takes the whole queue. */
static struct post *take(struct posts *p) {
    pthread_mutex_lock(&p->lock);
    struct post *first = p->first;
    p->first = NULL;
    p->end = &p->first;
    pthread_mutex_unlock(&p->lock);
    return first;
}

void post_close(ll_loop *loop) {
    for (struct post *next, *post = take(&loop->posts); post != NULL; post = next) {
        next = post->next;
        free(post);
    }
    pthread_mutex_destroy(&loop->posts.lock);
    close(loop->posts.bell);
}

bool post_pending(ll_loop *loop) {
    pthread_mutex_lock(&loop->posts.lock);
    bool pending = loop->posts.first != NULL;
    pthread_mutex_unlock(&loop->posts.lock);
    return pending;
}

int post_run(ll_loop *loop) {
    int ran = 0;
    loop->woken = true;
    poller_bell_silence(loop->posts.bell); /* before the queue is taken: a post after that rings again */
    for (struct post *next, *post = take(&loop->posts); post != NULL; post = next, ran++) {
        next = post->next;
        ll_call_fn *call = post->call;
        void *arg = post->arg;
        free(post);
        call(arg);
    }
    return ran;
}

int ll_loop_post(ll_loop *loop, ll_call_fn *call, void *arg) {
    struct posts *p = &loop->posts;
    struct post *post = malloc(sizeof *post);
    if (post == NULL)
        return -ENOMEM;
    *post = (struct post){.call = call, .arg = arg};
    pthread_mutex_lock(&p->lock);
    *p->end = post;
    p->end = &post->next;
    pthread_mutex_unlock(&p->lock);
    poller_bell_ring(p->bell);
    return 0;
}

void ll_loop_wake(ll_loop *loop) {
    poller_bell_ring(loop->posts.bell);
}
