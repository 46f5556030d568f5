/* lib/os/fd.h and socket.h: results are counts or -errno. */
#include "lib/os/fd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/os/socket.h"

static void flags(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fd_set_cloexec(ends[0]), 0);
    assert_int_equal(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
    assert_int_equal(fd_is_nonblocking(ends[0]), 0);
    assert_int_equal(os_set_nonblocking(ends[0], 1), 0);
    assert_int_equal(fd_is_nonblocking(ends[0]), 1);
    assert_int_equal(os_set_nonblocking(ends[0], 0), 0);
    assert_int_equal(fd_is_nonblocking(ends[0]), 0);
    int copy = fd_duplicate(ends[0]);
    assert_true(copy >= 3);
    assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fd_close(copy), 0);
    assert_int_equal(fd_close(copy), -EBADF);
    assert_int_equal(fd_duplicate(-1), -EBADF);
    assert_int_equal(fd_set_cloexec(-1), -EBADF);
    assert_int_equal(fd_is_nonblocking(-1), -EBADF);
    assert_int_equal(os_set_nonblocking(-1, 1), -EBADF);
    assert_int_equal(fd_seek(ends[0], 0), -ESPIPE);
    assert_int_equal(write(ends[1], "ab", 2), 2);
    char bytes[4];
    off_t at = 0;
    assert_int_equal(fd_read(ends[0], bytes, 4, NULL), 2);
    assert_int_equal(fd_read(ends[0], bytes, 4, &at), -ESPIPE);
    assert_int_equal(fd_sendfile(ends[1], -1, &at, 4), -EBADF);
    fd_close(ends[0]);
    fd_close(ends[1]);
}

static void events_and_deadlines(void **state) {
    (void)state;
    struct pollfd fd = {.fd = fd_event(), .events = POLLIN};
    assert_true(fd.fd >= 0);
    assert_int_equal(os_poll(&fd, 1, 1), 0); /* long past: looks once and does not wait */
    int64_t deadline = clock_now() + 20000000;
    assert_int_equal(os_poll(&fd, 1, deadline), 0);
    assert_true(clock_now() >= deadline);
    fd_event_set(fd.fd);
    fd_event_set(fd.fd);
    assert_int_equal(os_poll(&fd, 1, CLOCK_NEVER), 1);
    assert_int_equal(os_poll(&fd, 1, 1), 1);
    fd_close(fd.fd);
}

static void what_waits(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fd_waiting(ends[0]), 0);
    assert_int_equal(write(ends[1], "seven..", 7), 7);
    assert_int_equal(fd_waiting(ends[0]), 7);
    fd_close(ends[0]);
    fd_close(ends[1]);
    assert_int_equal(fd_waiting(ends[0]), -EBADF);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(flags), cmocka_unit_test(what_waits),
                                       cmocka_unit_test(events_and_deadlines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
