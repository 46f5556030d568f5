/* landline/loop.h: descriptors, the question style, posts, nesting, stopping. */
#include "landline/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    ll_loop *loop;
    int ours, theirs; /* a socket pair */
    ll_watch *watch;
    int calls;
    unsigned events, wants;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    f->ours = pair[0];
    f->theirs = pair[1];
    assert_int_equal(ll_loop_new(&f->loop), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    ll_loop_free(f->loop);
    close(f->ours);
    close(f->theirs);
    free(f);
    return 0;
}

static void count(void *arg, unsigned events) {
    struct fixture *f = arg;
    f->calls++;
    f->events = events;
}

static void watch(struct fixture *f, unsigned events) {
    assert_int_equal(ll_loop_fd(f->loop, f->ours, events, count, f, &f->watch), 0);
}

static int step(struct fixture *f) {
    return ll_loop_step(f->loop, 0);
}

static void level_triggered(void **state) {
    struct fixture *f = *state;
    watch(f, LL_READ);
    assert_int_equal(ll_watch_fileno(f->watch), f->ours);
    assert_int_equal(step(f), 0);
    assert_int_equal(write(f->theirs, "ab", 2), 2);
    assert_int_equal(step(f), 1);
    assert_int_equal(step(f), 1);
    assert_int_equal(f->events, LL_READ);
    char byte[2];
    assert_int_equal(read(f->ours, byte, 2), 2);
    assert_int_equal(step(f), 0);
    assert_int_equal(f->calls, 2);
}

static void set_changes_interest(void **state) {
    struct fixture *f = *state;
    watch(f, 0);
    assert_int_equal(write(f->theirs, "a", 1), 1);
    assert_int_equal(step(f), 0);
    ll_watch_set(f->watch, LL_READ | LL_WRITE);
    assert_int_equal(step(f), 1);
    assert_int_equal(f->events, LL_READ | LL_WRITE);
    ll_watch_set(f->watch, LL_WRITE);
    assert_int_equal(step(f), 1);
    assert_int_equal(f->events, LL_WRITE);
    ll_watch_set(f->watch, 0);
    ll_watch_set(f->watch, LL_READ);
    ll_watch_set(f->watch, 0);
    assert_int_equal(step(f), 0);
}

/* A paused watch must not spin on a peer that has gone, and must say so once it is asked again. */
static void hang_up_of_a_paused_watch(void **state) {
    struct fixture *f = *state;
    watch(f, 0);
    shutdown(f->theirs, SHUT_RDWR);
    assert_int_equal(step(f), 0);
    assert_int_equal(step(f), 0);
    ll_watch_set(f->watch, LL_HANGUP);
    assert_int_equal(step(f), 1);
    assert_int_equal(f->events, LL_HANGUP);
    ll_watch_set(f->watch, LL_WRITE);
    assert_int_equal(step(f), 1);
    assert_int_equal(f->events, LL_WRITE);
}

static void half_close_is_told_without_reading(void **state) {
    struct fixture *f = *state;
    watch(f, LL_HANGUP);
    assert_int_equal(write(f->theirs, "a", 1), 1);
    assert_int_equal(step(f), 0);
    shutdown(f->theirs, SHUT_WR);
    assert_int_equal(step(f), 1);
    assert_int_equal(f->events, LL_HANGUP);
}

static void edges_are_told_once(void **state) {
    struct fixture *f = *state;
    char byte;
    watch(f, LL_READ | LL_HANGUP | LL_EDGE);
    assert_int_equal(write(f->theirs, "ab", 2), 2);
    assert_int_equal(step(f), 1);
    assert_int_equal(f->events, LL_READ);
    assert_int_equal(read(f->ours, &byte, 1), 1);
    assert_int_equal(step(f), 0);
    assert_int_equal(write(f->theirs, "c", 1), 1);
    assert_int_equal(step(f), 1);
    assert_int_equal(step(f), 0);
    shutdown(f->theirs, SHUT_WR);
    assert_int_equal(step(f), 1);
    assert_int_equal(f->events, LL_READ | LL_HANGUP);
    assert_int_equal(step(f), 0);
}

static void an_edge_that_is_not_finished_is_told_again(void **state) {
    struct fixture *f = *state;
    char bytes[2];
    watch(f, LL_READ | LL_EDGE);
    assert_int_equal(write(f->theirs, "ab", 2), 2);
    assert_int_equal(step(f), 1);
    ll_watch_again(f->watch);
    assert_int_equal(step(f), 1);
    assert_int_equal(read(f->ours, bytes, 2), 2);
    ll_watch_again(f->watch); /* in vain */
    assert_int_equal(step(f), 0);
    assert_int_equal(f->calls, 2);
}

/* One callback pauses the watch after its edge was fetched, and another one goes on with it: nothing is told to nobody. */
static void pause_before(void *arg, unsigned events) {
    struct fixture *f = arg;
    (void)events;
    ll_watch_set(f->watch, 0);
}

static void an_edge_is_not_lost_to_a_pause(void **state) {
    struct fixture *f = *state;
    int pipe_ends[2];
    ll_watch *first;
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(ll_loop_fd(f->loop, pipe_ends[0], LL_READ, pause_before, f, &first), 0);
    watch(f, LL_READ | LL_EDGE);
    assert_int_equal(write(pipe_ends[1], "x", 1), 1); /* ready first, so called first */
    assert_int_equal(write(f->theirs, "a", 1), 1);
    assert_int_equal(step(f), 1);
    assert_int_equal(f->calls, 0);
    ll_watch_free(first);
    ll_watch_set(f->watch, LL_READ | LL_EDGE);
    assert_int_equal(step(f), 1);
    assert_int_equal(f->events, LL_READ);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void urgent_data(void **state) {
    struct fixture *f = *state;
    watch(f, LL_PRIORITY);
    if (send(f->theirs, "!", 1, MSG_OOB) < 0)
        skip(); /* a kernel without out-of-band data on UNIX sockets */
    assert_int_equal(step(f), 1);
    assert_int_equal(f->events, LL_PRIORITY);
}

static unsigned answer(void *arg) {
    struct fixture *f = arg;
    return f->wants;
}

static void the_loop_asks(void **state) {
    struct fixture *f = *state;
    watch(f, 0);
    f->wants = LL_WRITE;
    ll_watch_ask(f->watch, answer);
    assert_int_equal(step(f), 1);
    f->wants = LL_READ; /* asked again because it called back */
    assert_int_equal(step(f), 0);
    f->wants = LL_WRITE; /* not asked again unless touched */
    assert_int_equal(step(f), 0);
    ll_watch_touch(f->watch);
    assert_int_equal(step(f), 1);
    ll_watch_ask(f->watch, NULL);
    ll_watch_set(f->watch, 0);
    assert_int_equal(step(f), 0);
    assert_int_equal(f->calls, 2);
}

static void refuses_what_it_cannot_watch(void **state) {
    struct fixture *f = *state;
    ll_watch *w = (ll_watch *)f;
    assert_int_equal(ll_loop_fd(f->loop, f->ours, 1U << 7, count, f, &w), -EINVAL);
    assert_null(w);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(ll_loop_fd(f->loop, file, LL_READ, count, f, &w), -EPERM);
    close(file);
    assert_int_equal(ll_loop_fd(f->loop, file, LL_READ, count, f, &w), -EBADF);
    watch(f, LL_READ);
    assert_int_equal(ll_loop_fd(f->loop, f->ours, LL_READ, count, f, &w), -EEXIST);
    ll_watch_free(NULL);
    ll_timer_free(NULL);
    ll_signal_free(NULL);
    ll_child_free(NULL);
    ll_loop_free(NULL);
}

/* Closed before it was freed: the kernel refuses the change, and the callback hears of it. */
static void a_refused_change_calls_back(void **state) {
    struct fixture *f = *state;
    watch(f, LL_READ);
    close(f->ours);
    ll_watch_set(f->watch, LL_WRITE);
    assert_int_equal(ll_loop_deadline(f->loop), 0);
    assert_int_equal(f->events, LL_WRITE);
    ll_watch_set(f->watch, LL_READ);
    assert_int_equal(step(f), 1);
    assert_int_equal(f->events, LL_READ);
    ll_watch_free(f->watch);
    f->ours = -1;
}

struct crowd {
    struct fixture *f;
    ll_watch *watches[8];
    int fds[8], calls;
};

static void frees_all(void *arg, unsigned events) {
    struct crowd *c = arg;
    (void)events;
    c->calls++;
    for (int i = 0; i < 8; i++)
        ll_watch_free(c->watches[i]);
}

static void freed_in_a_callback_is_never_called(void **state) {
    struct fixture *f = *state;
    struct crowd c = {.f = f};
    for (int i = 0; i < 8; i++) {
        c.fds[i] = dup(f->ours);
        assert_int_equal(ll_loop_fd(f->loop, c.fds[i], LL_WRITE, frees_all, &c, &c.watches[i]), 0);
        ll_watch_set(c.watches[i], LL_WRITE | LL_READ);
    }
    assert_int_equal(step(f), 1);
    assert_int_equal(step(f), 0);
    assert_int_equal(c.calls, 1);
    assert_int_equal(ll_loop_run(f->loop), 0); /* nothing left: returns */
    for (int i = 0; i < 8; i++)
        close(c.fds[i]);
}

static void reenters(void *arg, unsigned events) {
    struct fixture *f = arg;
    (void)events;
    f->calls++;
    assert_int_equal(ll_loop_step(f->loop, 0), -EBUSY);
    assert_int_equal(ll_loop_run(f->loop), -EBUSY);
    assert_true(ll_loop_deadline(f->loop) == LL_NEVER);
    assert_true(ll_loop_now(f->loop) == ll_loop_now(f->loop));
    ll_loop_stop(f->loop);
}

static void stops_and_refuses_to_nest_itself(void **state) {
    struct fixture *f = *state;
    assert_int_equal(ll_loop_fd(f->loop, f->ours, LL_WRITE, reenters, f, &f->watch), 0);
    assert_int_equal(ll_loop_run(f->loop), 0);
    assert_int_equal(f->calls, 1);
    assert_int_equal(ll_loop_run(f->loop), 0);
    assert_int_equal(f->calls, 2);
    ll_loop_stop(f->loop);
    assert_int_equal(ll_loop_run(f->loop), 0);
    assert_int_equal(f->calls, 2);
}

static void nests_in_a_foreign_loop(void **state) {
    struct fixture *f = *state;
    watch(f, 0);
    ll_watch_set(f->watch, LL_READ);
    assert_true(ll_loop_deadline(f->loop) == LL_NEVER);
    struct pollfd outer = {.fd = ll_loop_fileno(f->loop), .events = POLLIN};
    assert_int_equal(poll(&outer, 1, 0), 0);
    assert_int_equal(write(f->theirs, "a", 1), 1);
    assert_int_equal(poll(&outer, 1, -1), 1);
    assert_int_equal(step(f), 1);
}

static void posted(void *arg) {
    struct fixture *f = arg;
    if (++f->calls == 1000)
        ll_loop_stop(f->loop);
}

static void *posts(void *arg) {
    struct fixture *f = arg;
    for (int i = 0; i < 500; i++)
        assert_int_equal(ll_loop_post(f->loop, posted, f), 0);
    return NULL;
}

static void posts_from_threads(void **state) {
    struct fixture *f = *state;
    watch(f, LL_READ); /* keeps the loop going */
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, posts, f), 0);
    assert_int_equal(ll_loop_run(f->loop), 0);
    assert_int_equal(f->calls, 1000);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(ll_loop_post(f->loop, posted, f), 0); /* dropped by ll_loop_free */
}

static void post_again(void *arg) {
    struct fixture *f = arg;
    if (++f->calls < 3)
        assert_int_equal(ll_loop_post(f->loop, post_again, f), 0);
}

static void a_post_keeps_the_loop_running(void **state) {
    struct fixture *f = *state;
    assert_int_equal(ll_loop_post(f->loop, post_again, f), 0);
    assert_int_equal(ll_loop_run(f->loop), 0);
    assert_int_equal(f->calls, 3);
}

static void wakes(void **state) {
    struct fixture *f = *state;
    ll_loop_wake(f->loop);
    assert_int_equal(ll_loop_step(f->loop, LL_NEVER), 0);
    assert_int_equal(step(f), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(level_triggered),
        TEST(edges_are_told_once),
        TEST(an_edge_that_is_not_finished_is_told_again),
        TEST(an_edge_is_not_lost_to_a_pause),
        TEST(set_changes_interest),
        TEST(hang_up_of_a_paused_watch),
        TEST(half_close_is_told_without_reading),
        TEST(urgent_data),
        TEST(the_loop_asks),
        TEST(refuses_what_it_cannot_watch),
        TEST(a_refused_change_calls_back),
        TEST(freed_in_a_callback_is_never_called),
        TEST(stops_and_refuses_to_nest_itself),
        TEST(nests_in_a_foreign_loop),
        TEST(posts_from_threads),
        TEST(a_post_keeps_the_loop_running),
        TEST(wakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
