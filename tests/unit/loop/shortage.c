/* landline/loop.h: what the system is short of. The limit of one process is lowered; the rest fails on demand. */
#include "landline/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

struct fixture {
    ll_loop *loop;
    struct rlimit files;
    pid_t pid;
    int calls, ends[2];
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &f->files), 0);
    assert_int_equal(pipe(f->ends), 0);
    assert_code(ll_loop_new(&f->loop), 0);
    f->pid = fork();
    assert_true(f->pid >= 0);
    if (f->pid == 0)
        _exit(0);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    fault_clear();
    setrlimit(RLIMIT_NOFILE, &f->files);
    ll_loop_free(f->loop);
    waitpid(f->pid, NULL, 0);
    close(f->ends[0]);
    close(f->ends[1]);
    free(f);
    return 0;
}

/* Leaves room for so many more: 0 or 1. */
static void leave_descriptors(const struct fixture *f, int count) {
    int next = dup(0);
    assert_true(next >= 0);
    close(next);
    struct rlimit lower = {.rlim_cur = (rlim_t)(next + count), .rlim_max = f->files.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
}

static void on_signal(void *arg, int signo, pid_t pid) {
    (void)signo;
    (void)pid;
    ((struct fixture *)arg)->calls++;
}

static void on_end(void *arg, const struct ll_child_end *end) {
    assert_int_equal(end->error, 0);
    ((struct fixture *)arg)->calls++;
}

static void on_ready(void *arg, unsigned events) {
    (void)events;
    ((struct fixture *)arg)->calls++;
}

static void on_call(void *arg) {
    ((struct fixture *)arg)->calls++;
}

/* ---- Everything that makes something, to be tried in turn; a failure sets the pointer to NULL, whatever it was ---- */

static int make_loop(struct fixture *f) {
    ll_loop *loop = f->loop;
    int r = ll_loop_new(&loop);
    assert_int_equal(loop != NULL, r == 0);
    ll_loop_free(loop);
    return r;
}

static int make_watch(struct fixture *f) {
    ll_watch *watch = (ll_watch *)f;
    int r = ll_loop_fd(f->loop, f->ends[0], LL_READ, on_ready, f, &watch);
    assert_int_equal(watch != NULL, r == 0);
    ll_watch_free(watch);
    return r;
}

static int make_timer(struct fixture *f) {
    ll_timer *timer = (ll_timer *)f;
    int r = ll_loop_timer(f->loop, LL_NEVER, on_call, f, &timer);
    assert_int_equal(timer != NULL, r == 0);
    ll_timer_free(timer);
    return r;
}

static int make_signal(struct fixture *f) {
    ll_signal *signal = (ll_signal *)f;
    int r = ll_loop_signal(f->loop, SIGUSR1, on_signal, f, &signal);
    assert_int_equal(signal != NULL, r == 0);
    ll_signal_free(signal);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGUSR1));
    return r;
}

static int make_child(struct fixture *f) {
    ll_child *child = (ll_child *)f;
    int r = ll_loop_child(f->loop, f->pid, on_end, f, &child);
    assert_int_equal(child != NULL, r == 0);
    ll_child_free(child);
    return r;
}

static int post(struct fixture *f) {
    return ll_loop_post(f->loop, on_call, f);
}

static void the_process_has_no_descriptors(void **state) {
    struct fixture *f = *state;
    ll_child *child;
    ll_signal *first, *second;
    assert_code(ll_loop_signal(f->loop, SIGUSR2, on_signal, f, &first), 0);
    leave_descriptors(f, 0);
    assert_code(make_loop(f), -EMFILE);
    assert_code(make_child(f), -EMFILE);
    assert_code(ll_loop_signal(f->loop, SIGUSR1, on_signal, f, &second), 0); /* shares the one of the first */
    ll_signal_free(second);
    ll_signal_free(first);
    setrlimit(RLIMIT_NOFILE, &f->files);
    leave_descriptors(f, 0);
    assert_code(make_signal(f), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &f->files);
    leave_descriptors(f, 1); /* enough for epoll, not for the bell */
    assert_code(make_loop(f), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &f->files);
    assert_code(make_loop(f), 0);
    assert_code(make_signal(f), 0);
    assert_code(ll_loop_child(f->loop, f->pid, on_end, f, &child), 0); /* nothing was reaped meanwhile */
    assert_code(ll_loop_run(f->loop), 0);
    assert_int_equal(f->calls, 1);
    ll_child_free(child);
}

/* Whatever of it fails, the code is told, nothing is left open, and the next attempt succeeds. */
static void what_makes_something_fails(void **state) {
    struct fixture *f = *state;
    static const struct {
        int (*make)(struct fixture *);
        enum fault fault;
        int skip, error;
    } rows[] = {
        {make_loop, FAULT_CALLOC, 0, ENOMEM},
        {make_loop, FAULT_EPOLL_CREATE, 0, ENFILE},
        {make_loop, FAULT_EPOLL_CREATE, 0, ENOMEM},
        {make_loop, FAULT_EVENTFD, 0, ENFILE},
        {make_loop, FAULT_EPOLL_CTL, 0, ENOSPC},
        {make_watch, FAULT_CALLOC, 0, ENOMEM},
        {make_watch, FAULT_EPOLL_CTL, 0, ENOSPC},
        {make_watch, FAULT_EPOLL_CTL, 0, ENOMEM},
        {make_timer, FAULT_REALLOCARRAY, 0, ENOMEM},
        {make_timer, FAULT_MALLOC, 0, ENOMEM},
        {make_signal, FAULT_CALLOC, 0, ENOMEM},
        {make_signal, FAULT_SIGNALFD, 0, ENFILE},
        {make_signal, FAULT_CALLOC, 1, ENOMEM},
        {make_signal, FAULT_EPOLL_CTL, 0, ENOSPC},
        {make_child, FAULT_SYSCALL, 0, ENFILE},
        {make_child, FAULT_MALLOC, 0, ENOMEM},
        {make_child, FAULT_CALLOC, 0, ENOMEM},
        {make_child, FAULT_EPOLL_CTL, 0, ENOSPC},
        {post, FAULT_MALLOC, 0, ENOMEM},
    };
    int before = open_descriptors();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fault_set(rows[i].fault, rows[i].skip, rows[i].error);
        assert_code(rows[i].make(f), -rows[i].error);
        assert_int_equal(open_descriptors(), before);
        fault_clear();
        if (rows[i].make != make_timer) /* whose room, once taken, stays */
            assert_code(rows[i].make(f), 0);
        assert_int_equal(open_descriptors(), before);
    }
    assert_code(make_timer(f), 0);
    assert_code(ll_loop_step(f->loop, 0), 1); /* the post that succeeded, and no other */
    assert_int_equal(f->calls, 1);
}

/* What the wait says is told; that a signal interrupted it is not. */
static void the_wait_fails(void **state) {
    struct fixture *f = *state;
    assert_code(post(f), 0);
    fault_set(FAULT_EPOLL_WAIT, 0, EBADF);
    assert_code(ll_loop_step(f->loop, LL_NEVER), -EBADF);
    fault_set(FAULT_EPOLL_WAIT, 0, EBADF);
    assert_code(ll_loop_run(f->loop), -EBADF);
    assert_int_equal(f->calls, 0);
    fault_set(FAULT_EPOLL_WAIT, 0, EINTR);
    assert_code(ll_loop_run(f->loop), 0);
    assert_int_equal(f->calls, 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_process_has_no_descriptors),
        TEST(what_makes_something_fails),
        TEST(the_wait_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
