/* landline/loop.h: signals and children. */
#include "landline/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    ll_loop *loop;
    ll_signal *signal;
    ll_child *child;
    int calls, signo;
    pid_t from;
    struct ll_child_end end;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(ll_loop_new(&f->loop), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    ll_loop_free(f->loop);
    free(f);
    return 0;
}

static void got(void *arg, int signo, pid_t pid) {
    struct fixture *f = arg;
    f->calls++;
    f->signo = signo;
    f->from = pid;
}

static int blocked(int signo) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return sigismember(&mask, signo);
}

static void a_signal_is_a_callback(void **state) {
    struct fixture *f = *state;
    assert_int_equal(ll_loop_signal(f->loop, SIGUSR1, got, f, &f->signal), 0);
    assert_true(blocked(SIGUSR1));
    assert_int_equal(ll_loop_step(f->loop, 0), 0);
    raise(SIGUSR1);
    assert_int_equal(ll_loop_step(f->loop, LL_NEVER), 1);
    assert_int_equal(f->signo, SIGUSR1);
    assert_int_equal(f->from, getpid());
    ll_signal_free(f->signal);
    assert_false(blocked(SIGUSR1));
}

static void a_blocked_signal_stays_blocked(void **state) {
    struct fixture *f = *state;
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    assert_int_equal(ll_loop_signal(f->loop, SIGUSR2, got, f, &f->signal), 0);
    ll_signal_free(f->signal);
    assert_true(blocked(SIGUSR2));
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

/* Each comes to its own object, whichever came first or goes first; and again after the last has gone. */
static void several_signals(void **state) {
    struct fixture *f = *state;
    static const int numbers[] = {SIGUSR1, SIGUSR2, SIGHUP};
    for (size_t first = 0; first < 3; first++) {
        ll_signal *signals[3];
        int seen = 0;
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(ll_loop_signal(f->loop, numbers[i], got, f, &signals[i]), 0);
        for (size_t i = 0; i < 3; i++)
            raise(numbers[i]);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(ll_loop_step(f->loop, LL_NEVER), 1);
            for (size_t k = 0; k < 3; k++)
                seen |= f->signo == numbers[k] ? 1 << k : 0;
        }
        assert_int_equal(seen, 7);
        for (size_t i = 0; i < 3; i++) {
            size_t gone = (first + i) % 3, left = (first + 2) % 3;
            ll_signal_free(signals[gone]);
            assert_false(blocked(numbers[gone]));
            if (i == 2)
                break;
            raise(numbers[left]);
            assert_int_equal(ll_loop_step(f->loop, LL_NEVER), 1);
            assert_int_equal(f->signo, numbers[left]);
        }
    }
}

static void no_such_signal(void **state) {
    struct fixture *f = *state;
    assert_int_equal(ll_loop_signal(f->loop, 12345, got, f, &f->signal), -EINVAL);
    assert_null(f->signal);
}

static void over(void *arg, const struct ll_child_end *end) {
    struct fixture *f = arg;
    f->calls++;
    f->end = *end;
    ll_child_free(f->child);
}

static pid_t child_that(int exits_with, int dies_of) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        volatile char *memory = malloc(8 << 20); /* enough to be seen in the report */
        for (int i = 0; memory != NULL && i < 8 << 20; i += 1024)
            memory[i] = 1;
        if (dies_of != 0)
            raise(dies_of);
        _exit(exits_with);
    }
    return pid;
}

static void an_exit_is_reported_and_reaped(void **state) {
    struct fixture *f = *state;
    pid_t pid = child_that(7, 0);
    assert_int_equal(ll_loop_child(f->loop, pid, over, f, &f->child), 0);
    assert_int_equal(ll_loop_run(f->loop), 0);
    assert_int_equal(f->calls, 1);
    assert_int_equal(f->end.pid, pid);
    assert_int_equal(f->end.status, 7);
    assert_int_equal(f->end.signal, 0);
    assert_int_equal(f->end.error, 0);
    assert_true(f->end.max_rss_kib >= 4 << 10);
    assert_int_equal(waitpid(pid, NULL, 0), -1);
}

static void a_kill_is_told_apart(void **state) {
    struct fixture *f = *state;
    pid_t pid = child_that(0, SIGKILL);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    assert_int_equal(ll_loop_child_fd(f->loop, pidfd, over, f, &f->child), 0);
    assert_int_equal(ll_loop_run(f->loop), 0);
    assert_int_equal(f->end.pid, pid);
    assert_int_equal(f->end.signal, SIGKILL);
    assert_int_equal(f->end.status, 0);
    assert_int_equal(close(pidfd), 0); /* it stayed ours */
}

static void reaped_by_somebody_else(void **state) {
    struct fixture *f = *state;
    pid_t pid = child_that(3, 0);
    assert_int_equal(ll_loop_child(f->loop, pid, over, f, &f->child), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(ll_loop_run(f->loop), 0);
    assert_int_equal(f->end.error, -ECHILD);
    assert_int_equal(f->end.pid, pid);
    assert_int_equal(ll_loop_child(f->loop, pid, over, f, &f->child), -ESRCH);
    assert_null(f->child);
    assert_int_equal(ll_loop_child_fd(f->loop, -1, over, f, &f->child), -EBADF);
}

static void freed_before_the_end_is_not_reaped(void **state) {
    struct fixture *f = *state;
    int hold[2];
    assert_int_equal(pipe(hold), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(hold[1]);
        _exit(read(hold[0], &byte, 1) == 0 ? 5 : 6);
    }
    close(hold[0]);
    assert_int_equal(ll_loop_child(f->loop, pid, over, f, &f->child), 0);
    assert_int_equal(ll_loop_step(f->loop, 0), 0);
    ll_child_free(f->child);
    close(hold[1]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 5);
    assert_int_equal(f->calls, 0);
}

static void left_over_objects_go_with_the_loop(void **state) {
    struct fixture *f = *state;
    pid_t pid = child_that(0, 0);
    assert_int_equal(ll_loop_child(f->loop, pid, over, f, &f->child), 0);
    assert_int_equal(ll_loop_signal(f->loop, SIGUSR1, got, f, &f->signal), 0);
    ll_loop_free(f->loop);
    f->loop = NULL;
    assert_false(blocked(SIGUSR1));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_signal_is_a_callback),
        TEST(a_blocked_signal_stays_blocked),
        TEST(several_signals),
        TEST(no_such_signal),
        TEST(an_exit_is_reported_and_reaped),
        TEST(a_kill_is_told_apart),
        TEST(reaped_by_somebody_else),
        TEST(freed_before_the_end_is_not_reaped),
        TEST(left_over_objects_go_with_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
