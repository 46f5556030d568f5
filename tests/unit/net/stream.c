/* landline/stream.h over descriptors and in memory: the suite over each, and what is special to each. */
#include "stream_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void over(int fd_a, int fd_b, ll_stream **a, ll_stream **b) {
    assert_int_equal(ll_stream_fd(fd_a, a), 0);
    assert_int_equal(ll_stream_fd(fd_b, b), 0);
}

static void make_unix(ll_stream **a, ll_stream **b) {
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    over(pair[0], pair[1], a, b);
}

static void make_tcp(ll_stream **a, ll_stream **b) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&at, size), 0);
    int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    close(listener);
    over(client, server, a, b);
}

static void make_terminal(ll_stream **a, ll_stream **b) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    over(master, slave, a, b);
}

static void make_memory(ll_stream **a, ll_stream **b) {
    assert_int_equal(ll_stream_pair(1000, a, b), 0);
}

static void make_faulty(ll_stream **a, ll_stream **b) {
    struct ll_stream_faults faults = {.read_most = 3, .write_most = 5, .again_every = 3};
    assert_int_equal(ll_stream_pair(777, a, b), 0);
    assert_int_equal(ll_stream_set_faults(*a, &faults), 0);
    assert_int_equal(ll_stream_set_faults(*b, &faults), 0);
}

static void terminal_end_is_an_end(void **state) {
    (void)state;
    ll_stream *a, *b;
    make_terminal(&a, &b);
    assert_int_equal(ll_stream_shutdown_write(a), LL_ENOTSUP);
    ll_stream_close(b);
    char byte;
    assert_int_equal(ll_stream_read(a, &byte, 1), LL_EOF);
    ll_stream_close(a);
}

static int pending(void) {
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, SIGPIPE);
}

/* SIGPIPE has its default action here: raising it would end this test. */
static void no_signal_from_a_pipe(void **state) {
    (void)state;
    int ends[2];
    ll_stream *s;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(ll_stream_fd(ends[1], &s), 0);
    close(ends[0]);
    assert_int_equal(ll_stream_write(s, "x", 1), -EPIPE);
    assert_false(pending());
    /* One that was pending before stays. */
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    raise(SIGPIPE);
    assert_int_equal(ll_stream_write(s, "x", 1), -EPIPE);
    assert_true(pending());
    int taken;
    sigwait(&one, &taken);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    ll_stream_close(s);
}

static void takes_the_descriptor_also_on_failure(void **state) {
    (void)state;
    ll_stream *s;
    assert_int_equal(ll_stream_fd(-1, &s), -EBADF);
    assert_null(s);
    ll_stream_close(NULL);
    ll_stream *other;
    make_unix(&s, &other);
    assert_int_equal(ll_stream_set_faults(s, &(struct ll_stream_faults){0}), -EINVAL);
    int fd = ll_stream_fileno(s);
    ll_stream_close(s);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    ll_stream_close(other);
}

static void memory_sizes(void **state) {
    (void)state;
    ll_stream *a, *b;
    assert_int_equal(ll_stream_pair(0, &a, &b), -EINVAL);
    assert_int_equal(ll_stream_pair(SIZE_MAX / 2 + 1, &a, &b), -ENOMEM);
    assert_int_equal(ll_stream_pair(SIZE_MAX / 4, &a, &b), -ENOMEM);
    assert_null(a);
    assert_null(b);
    for (size_t n = 9; n <= 11; n++) {
        assert_int_equal(ll_stream_pair(10, &a, &b), 0);
        assert_int_equal(ll_stream_write(a, "0123456789a", n), n <= 10 ? n : 10);
        assert_int_equal(ll_stream_ready(a, LL_WRITE), n < 10 ? LL_WRITE : 0);
        assert_int_equal(ll_stream_ready(b, LL_READ | LL_WRITE), LL_READ | LL_WRITE);
        ll_stream_close(a);
        ll_stream_close(b);
    }
}

/* A link cut at every byte: what was written before arrives, nothing after it, and both ends hear the same code. */
static void cut_at_every_byte(void **state) {
    (void)state;
    static const int codes[] = {0, LL_EOF, LL_ELOST};
    for (size_t at = 0; at <= 12; at++) {
        for (size_t c = 0; c < 3; c++) {
            int code = codes[c] != 0 ? codes[c] : -ECONNRESET;
            struct ll_stream_faults faults = {.cut = 1, .cut_at = at, .cut_error = codes[c]};
            ll_stream *a, *b;
            char got[16];
            assert_int_equal(ll_stream_pair(64, &a, &b), 0);
            assert_int_equal(ll_stream_write(b, "lost", 4), 4);
            assert_int_equal(ll_stream_set_faults(a, &faults), 0);
            ssize_t wrote = ll_stream_write(a, "0123456789ab", 12);
            assert_int_equal(wrote, at > 0 ? (ssize_t)at : code == LL_EOF ? -EPIPE : code);
            assert_int_equal(ll_stream_write(a, "x", 1), code == LL_EOF ? -EPIPE : code);
            assert_int_equal(ll_stream_write(b, "x", 1), code == LL_EOF ? -EPIPE : code);
            assert_int_equal(ll_stream_read(a, got, 16), code);
            if (at > 0)
                assert_int_equal(ll_stream_read(b, got, 16), at);
            assert_memory_equal(got, "0123456789ab", at);
            assert_int_equal(ll_stream_read(b, got, 16), code);
            ll_stream_close(a);
            ll_stream_close(b);
        }
    }
}

int main(void) {
    static const struct stream_maker makers[] = {
        {"unix socket", make_unix, NULL, 1, 1},
        {"tcp socket", make_tcp, NULL, 1, 1},
        {"memory", make_memory, NULL, 1, 0},
        {"faulty memory", make_faulty, NULL, 1, 0},
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terminal_end_is_an_end),
        cmocka_unit_test(no_signal_from_a_pipe),
        cmocka_unit_test(takes_the_descriptor_also_on_failure),
        cmocka_unit_test(memory_sizes),
        cmocka_unit_test(cut_at_every_byte),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        failed += stream_suite(&makers[i]);
    return failed;
}
