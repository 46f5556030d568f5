/* landline/socket.h: a file onto a stream. */
#include "landline/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/os/fd.h"
#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

enum { SIZE = 300000 };

static int clear(void **state) {
    (void)state;
    fault_clear();
    ll_thread_set_interrupt(NULL, NULL);
    return 0;
}

/* An unlinked file with SIZE bytes that differ. */
static int make_file(size_t size) {
    char path[] = "/tmp/net-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    unsigned char *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 13 + i / 251);
    assert_int_equal(write(fd, bytes, size), size);
    free(bytes);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

struct reader {
    ll_socket *socket;
    size_t count, wrong, from;
    pthread_t thread;
};

static void *read_all(void *argument) {
    struct reader *r = argument;
    unsigned char bytes[4096];
    ssize_t n;
    while ((n = ll_socket_recv(r->socket, bytes, sizeof bytes, 0)) > 0) {
        for (size_t i = 0; i < (size_t)n; i++, r->count++) {
            size_t at = r->from + r->count;
            r->wrong += bytes[i] != (unsigned char)(at * 13 + at / 251);
        }
    }
    return NULL;
}

static void start(struct reader *r, ll_socket *pair[2], size_t from) {
    *r = (struct reader){.socket = pair[1], .from = from};
    assert_int_equal(pthread_create(&r->thread, NULL, read_all, r), 0);
}

static void finish(struct reader *r, ll_socket *pair[2], size_t wanted) {
    ll_socket_shutdown(pair[0], SHUT_WR);
    pthread_join(r->thread, NULL);
    assert_int_equal(r->count, wanted);
    assert_int_equal(r->wrong, 0);
    free_pair(pair);
}

static void parts_of_a_file(void **state) {
    (void)state;
    static const struct {
        off_t offset;
        uint64_t count;
        size_t sent;
    } rows[] = {
        {0, 0, SIZE},      {0, SIZE, SIZE}, {0, 1, 1},        {5, 0, SIZE - 5},
        {100, 1000, 1000}, {SIZE, 0, 0},    {SIZE + 5, 9, 0}, {10, SIZE * 2, SIZE - 10},
    };
    static const double modes[] = {LL_FOREVER, 60};
    for (int fallback = 0; fallback < 2; fallback++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows * 2; i++) {
            ll_socket *pair[2];
            struct reader reader;
            uint64_t sent = 99;
            int file = make_file(SIZE);
            tcp_pair(pair);
            ll_socket_settimeout(pair[0], modes[i % 2]);
            start(&reader, pair, (size_t)rows[i / 2].offset);
            if (fallback)
                fault_set(FAULT_SENDFILE, 0, EINVAL);
            assert_code(ll_socket_sendfile(pair[0], file, rows[i / 2].offset, rows[i / 2].count, &sent), 0);
            assert_int_equal(sent, rows[i / 2].sent);
            if (sent > 0)
                assert_int_equal(lseek(file, 0, SEEK_CUR), rows[i / 2].offset + (off_t)sent);
            finish(&reader, pair, rows[i / 2].sent);
            close(file);
        }
    }
}

static void from_a_pipe(void **state) {
    (void)state;
    int ends[2];
    ll_socket *pair[2];
    struct reader reader;
    uint64_t sent = 0;
    unsigned char bytes[5000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 13 + i / 251);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], bytes, sizeof bytes), sizeof bytes);
    unix_pair(pair, SOCK_STREAM);
    start(&reader, pair, 0);
    assert_code(ll_socket_sendfile(pair[0], ends[0], 0, 4000, &sent), 0);
    assert_int_equal(sent, 4000);
    close(ends[1]);
    assert_code(ll_socket_sendfile(pair[0], ends[0], 0, 0, &sent), 0);
    assert_int_equal(sent, 1000);
    assert_code(ll_socket_sendfile(pair[0], ends[0], 5, 0, &sent), -ESPIPE);
    assert_int_equal(sent, 0);
    finish(&reader, pair, 5000);
    close(ends[0]);
}

static void refused(void **state) {
    (void)state;
    ll_socket *pair[2];
    uint64_t sent = 5;
    int file = make_file(10);
    unix_pair(pair, SOCK_STREAM);
    assert_code(ll_socket_sendfile(pair[0], file, -1, 0, &sent), -EINVAL);
    assert_int_equal(sent, 0);
    ll_socket_setblocking(pair[0], false);
    assert_code(ll_socket_sendfile(pair[0], file, 0, 0, NULL), -EINVAL);
    ll_socket_setblocking(pair[0], true);
    assert_code(ll_socket_sendfile(pair[0], -1, 0, 0, NULL), -EBADF);
    int folder = open("/tmp", O_RDONLY | O_DIRECTORY);
    assert_code(ll_socket_sendfile(pair[0], folder, 0, 0, NULL), -EISDIR);
    close(folder);
    int only_write = open("/dev/null", O_WRONLY);
    assert_code(ll_socket_sendfile(pair[0], only_write, 0, 0, NULL), -EBADF);
    close(only_write);
    fault_set(FAULT_SENDFILE, 0, EINVAL);
    fault_set(FAULT_PREAD, 0, EIO);
    assert_code(ll_socket_sendfile(pair[0], file, 0, 0, NULL), -EIO);
    struct ll_error_info info;
    ll_socket_error(pair[0], &info);
    assert_string_equal(info.call, "read");
    free_pair(pair);
    unix_pair(pair, SOCK_DGRAM);
    assert_code(ll_socket_sendfile(pair[0], file, 0, 0, NULL), -EINVAL);
    free_pair(pair);
    close(file);
}

static void times_out(void **state) {
    (void)state;
    for (int fallback = 0; fallback < 2; fallback++) {
        ll_socket *pair[2];
        uint64_t sent = 0;
        int file = make_file(SIZE * 10);
        unix_pair(pair, SOCK_STREAM);
        ll_socket_settimeout(pair[0], 0.05);
        if (fallback)
            fault_set(FAULT_SENDFILE, 0, EINVAL);
        assert_code(ll_socket_sendfile(pair[0], file, 0, 0, &sent), LL_ETIMEOUT);
        assert_true(sent > 0 && sent < SIZE * 10);
        assert_int_equal(lseek(file, 0, SEEK_CUR), sent);
        free_pair(pair);
        close(file);
    }
}

static void caught(int number) {
    (void)number;
    static const char text[] = "SIGPIPE was raised\n";
    (void)!write(2, text, sizeof text - 1);
    _exit(9);
}

/* sendfile(2) raises SIGPIPE and cannot be told not to; the program never sees it, and keeps one that was its own. */
static void no_sigpipe(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = caught}, before;
    sigset_t pipe, pending, old;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigaction(SIGPIPE, &action, &before);
    for (int fallback = 0; fallback < 2; fallback++) {
        ll_socket *pair[2];
        int file = make_file(10);
        unix_pair(pair, SOCK_STREAM);
        ll_socket_close(pair[1]);
        if (fallback)
            fault_set(FAULT_SENDFILE, 0, ENOSYS);
        assert_code(ll_socket_sendfile(pair[0], file, 0, 0, NULL), -EPIPE);
        sigpending(&pending);
        assert_int_equal(sigismember(&pending, SIGPIPE), 0);

        pthread_sigmask(SIG_BLOCK, &pipe, &old);
        raise(SIGPIPE);
        assert_code(ll_socket_sendfile(pair[0], file, 0, 0, NULL), -EPIPE);
        sigpending(&pending);
        assert_int_equal(sigismember(&pending, SIGPIPE), 1);
        assert_int_equal(sigtimedwait(&pipe, NULL, &(struct timespec){0}), SIGPIPE);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        free_pair(pair);
        close(file);
    }
    sigaction(SIGPIPE, &before, NULL);
}

static int stop(void *argument) {
    int *times = argument;
    return --*times <= 0;
}

static void hooks(void **state) {
    (void)state;
    for (int fallback = 0; fallback < 2; fallback++) {
        ll_socket *pair[2];
        uint64_t sent = 0;
        int times = 1, file = make_file(SIZE);
        unix_pair(pair, SOCK_STREAM);
        ll_socket_set_interrupt(pair[0], stop, &times);
        if (fallback)
            fault_set(FAULT_SENDFILE, 0, EINVAL);
        struct reader reader;
        start(&reader, pair, 0);
        assert_code(ll_socket_sendfile(pair[0], file, 0, 0, &sent), LL_EINTERRUPTED);
        assert_true(sent > 0);
        finish(&reader, pair, (size_t)sent);
        close(file);
    }
}

static int close_it(void *argument) {
    ll_socket_close(argument);
    return 0;
}

/* Reading the file is interrupted: it goes on, or stops, or finds the socket closed. */
static void reading_is_interrupted(void **state) {
    (void)state;
    ll_socket *pair[2];
    uint64_t sent = 0;
    int times = 5, file = make_file(10);
    unix_pair(pair, SOCK_STREAM);
    ll_socket_set_interrupt(pair[0], stop, &times);
    fault_set(FAULT_SENDFILE, 0, EINVAL);
    fault_set(FAULT_PREAD, 0, EINTR);
    assert_code(ll_socket_sendfile(pair[0], file, 0, 0, &sent), 0);
    assert_int_equal(sent, 10);
    times = 1;
    fault_set(FAULT_SENDFILE, 0, EINVAL);
    fault_set(FAULT_PREAD, 0, EINTR);
    assert_code(ll_socket_sendfile(pair[0], file, 0, 0, &sent), LL_EINTERRUPTED);
    ll_socket_set_interrupt(pair[0], close_it, pair[0]);
    fault_set(FAULT_SENDFILE, 0, EINVAL);
    fault_set(FAULT_PREAD, 0, EINTR);
    assert_code(ll_socket_sendfile(pair[0], file, 0, 0, &sent), LL_ECLOSED);
    free_pair(pair);
    close(file);
}

#define cleared(test) cmocka_unit_test_teardown(test, clear)
int main(void) {
    const struct CMUnitTest tests[] = {
        cleared(parts_of_a_file),
        cleared(from_a_pipe),
        cleared(refused),
        cleared(times_out),
        cleared(no_sigpipe),
        cleared(hooks),
        cleared(reading_is_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
