/* landline/socket.h: blocking, time-outs, non-blocking; signals and hooks; what is remembered of failures. */
#include "landline/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

static int clear(void **state) {
    (void)state;
    fault_clear();
    ll_thread_set_interrupt(NULL, NULL);
    return 0;
}

static void settimeout(void **state) {
    (void)state;
    ll_socket *s;
    double seconds;
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    static const struct {
        double seconds;
        int code, blocking, flag;
    } rows[] = {
        {0, 0, 0, 1},
        {0.5, 0, 1, 1},
        {1e-12, 0, 1, 1},
        {LL_FOREVER, 0, 1, 0},
        {-1, -EINVAL, 1, 0},
        {NAN, -EINVAL, 1, 0},
        {-1e-9, -EINVAL, 1, 0},
        {-INFINITY, -EINVAL, 1, 0},
        {1e10, -EOVERFLOW, 1, 0},
        {1e300, -EOVERFLOW, 1, 0},
        {9e9, 0, 1, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_code(ll_socket_settimeout(s, rows[i].seconds), rows[i].code);
        assert_int_equal(ll_socket_getblocking(s), rows[i].blocking);
        assert_int_equal((fcntl(ll_socket_fileno(s), F_GETFL) & O_NONBLOCK) != 0, rows[i].flag);
    }
    ll_socket_settimeout(s, 1e-12);
    assert_code(ll_socket_gettimeout(s, &seconds), 0);
    assert_true(seconds == 1e-9); /* rounded up: a small time-out is not "non-blocking" */
    ll_socket_setblocking(s, true);
    ll_socket_gettimeout(s, &seconds);
    assert_true(seconds == LL_FOREVER);
    ll_socket_setblocking(s, false);
    ll_socket_gettimeout(s, &seconds);
    assert_true(seconds == 0);
    fault_set(FAULT_IOCTL, 0, EBADF);
    assert_code(ll_socket_settimeout(s, 1), -EBADF);
    assert_int_equal(ll_socket_getblocking(s), 0);
    assert_code(ll_socket_gettimeout(NULL, &seconds), -EINVAL);
    assert_code(ll_socket_gettimeout(s, NULL), -EINVAL);
    assert_code(ll_socket_getblocking(NULL), -EINVAL);
    ll_socket_free(s);
}

/* -EAGAIN is for non-blocking mode, LL_ETIMEOUT for a time-out, and each takes the time it says. */
static void three_modes(void **state) {
    (void)state;
    ll_socket *pair[2];
    char byte;
    unix_pair(pair, SOCK_STREAM);
    ll_socket_setblocking(pair[0], false);
    assert_code(ll_socket_recv(pair[0], &byte, 1, 0), -EAGAIN);
    ll_socket_settimeout(pair[0], 0.05);
    double begin = seconds_now();
    assert_code(ll_socket_recv(pair[0], &byte, 1, 0), LL_ETIMEOUT);
    assert_true(seconds_now() - begin >= 0.05);
    assert_code(ll_socket_recv(pair[0], &byte, 1, MSG_DONTWAIT), -EAGAIN);
    ll_socket_setblocking(pair[0], true);
    assert_code(ll_socket_recv(pair[0], &byte, 1, MSG_DONTWAIT), -EAGAIN);

    /* The system's own time-out of a blocking socket is not ours. */
    struct timeval brief = {.tv_usec = 10000};
    assert_code(ll_socket_setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof brief), 0);
    assert_code(ll_socket_recv(pair[0], &byte, 1, 0), -EAGAIN);
    free_pair(pair);
}

/* What can be done at once is done at once: no poll before, no clock. */
static void ready_needs_no_poll(void **state) {
    (void)state;
    ll_socket *pair[2];
    char byte;
    unix_pair(pair, SOCK_STREAM);
    ll_socket_settimeout(pair[0], 5);
    ll_socket_settimeout(pair[1], 5);
    fault_set(FAULT_POLL, 99, EIO);
    fault_set(FAULT_MALLOC, 99, EIO);
    assert_code(ll_socket_send(pair[1], "x", 1, 0), 1);
    assert_code(ll_socket_recv(pair[0], &byte, 1, 0), 1);
    assert_int_equal(fault_calls(FAULT_POLL), 0);
    assert_int_equal(fault_calls(FAULT_MALLOC), 0);
    free_pair(pair);
}

/* poll(2) can say ready when it is not; the call waits on, and does not spin. */
static void false_alarms(void **state) {
    (void)state;
    ll_socket *pair[2];
    char bytes[4];
    unix_pair(pair, SOCK_STREAM);
    ll_socket_send(pair[1], "x", 1, 0);
    ll_socket_settimeout(pair[0], 30);
    fault_set(FAULT_RECV, 0, EAGAIN); /* there is a byte, so poll says ready at once */
    assert_code(ll_socket_recv(pair[0], bytes, 1, 0), 1);

    /* An unconnected datagram socket is always writable, its receiver is full. */
    struct ll_address name;
    ll_socket *to, *from;
    assert_code(ll_socket_open(AF_UNIX, SOCK_DGRAM, 0, &to), 0);
    assert_code(ll_socket_open(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, &from), 0);
    ll_address_unix(&name, "");
    assert_code(ll_socket_bind(to, &name), 0);
    assert_code(ll_socket_getsockname(to, &name), 0);
    while (ll_socket_sendto(from, "x", 1, 0, &name) == 1)
        ;
    ll_socket_settimeout(from, 0.1);
    fault_set(FAULT_POLL, 1 << 20, EIO);
    assert_code(ll_socket_sendto(from, "x", 1, 0, &name), LL_ETIMEOUT);
    assert_true(fault_calls(FAULT_POLL) < 100);
    ll_socket_settimeout(from, 0.0015);
    assert_code(ll_socket_sendto(from, "x", 1, 0, &name), LL_ETIMEOUT);
    ll_socket_free(to);
    ll_socket_free(from);
    free_pair(pair);
}

/* ---- Signals ---- */

struct asked {
    int times, stop_at;
};

static int count(void *argument) {
    struct asked *a = argument;
    return ++a->times == a->stop_at;
}

/* Signals every few milliseconds, and the time-out is still the time-out: no less, and not begun anew. */
static void eintr_with_remaining_time(void **state) {
    (void)state;
    ll_socket *pair[2];
    char byte;
    struct asked asked = {0};
    struct pester pester;
    unix_pair(pair, SOCK_STREAM);
    ll_socket_set_interrupt(pair[0], count, &asked);
    ll_socket_settimeout(pair[0], 0.2);
    pester_start(&pester);
    double begin = seconds_now();
    assert_code(ll_socket_recv(pair[0], &byte, 1, 0), LL_ETIMEOUT);
    assert_true(seconds_now() - begin >= 0.2);
    pester_stop(&pester);
    assert_true(asked.times > 0);
    free_pair(pair);
}

static void hook_says_stop(void **state) {
    (void)state;
    static const double modes[] = {LL_FOREVER, 300};
    for (size_t i = 0; i < 2; i++) {
        for (int of_thread = 0; of_thread < 2; of_thread++) {
            ll_socket *pair[2];
            char byte;
            struct asked asked = {.stop_at = 3};
            struct pester pester;
            unix_pair(pair, SOCK_STREAM);
            ll_socket_settimeout(pair[0], modes[i]);
            if (of_thread)
                ll_thread_set_interrupt(count, &asked);
            else
                assert_code(ll_socket_set_interrupt(pair[0], count, &asked), 0);
            pester_start(&pester);
            assert_code(ll_socket_recv(pair[0], &byte, 1, 0), LL_EINTERRUPTED);
            pester_stop(&pester);
            assert_int_equal(asked.times, 3);
            ll_thread_set_interrupt(NULL, NULL);
            free_pair(pair);
        }
    }
    assert_code(ll_socket_set_interrupt(NULL, count, NULL), -EINVAL);
}

static int send_a_byte(void *argument) {
    ll_socket_send(argument, "z", 1, MSG_DONTWAIT);
    return 0;
}

/* A hook may use the socket's other end, and the call goes on where it was. */
static void call_goes_on_after_a_signal(void **state) {
    (void)state;
    ll_socket *pair[2];
    char byte = 0;
    struct pester pester;
    unix_pair(pair, SOCK_STREAM);
    ll_socket_set_interrupt(pair[0], send_a_byte, pair[1]);
    pester_start(&pester);
    assert_code(ll_socket_recv(pair[0], &byte, 1, 0), 1);
    pester_stop(&pester);
    assert_int_equal(byte, 'z');
    free_pair(pair);
}

/* The call is still in the socket, so its descriptor's number is still reserved. */
static void close_now(ll_socket *s) {
    int fd = ll_socket_fileno(s);
    if (fd >= 0) {
        assert_code(ll_socket_close(s), 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    }
}

static int close_it(void *argument) {
    close_now(argument);
    return 0;
}

static int close_and_stop(void *argument) {
    close_now(argument);
    return 1;
}

static void hook_closes_the_socket(void **state) {
    (void)state;
    static ll_interrupt_hook *const hooks[] = {close_it, close_and_stop};
    for (size_t i = 0; i < 2; i++) {
        for (int with_timeout = 0; with_timeout < 2; with_timeout++) {
            ll_socket *pair[2];
            char byte;
            struct pester pester;
            unix_pair(pair, SOCK_STREAM);
            if (with_timeout)
                ll_socket_settimeout(pair[0], 300);
            ll_socket_set_interrupt(pair[0], hooks[i], pair[0]);
            pester_start(&pester);
            int fd = ll_socket_fileno(pair[0]);
            assert_code(ll_socket_recv(pair[0], &byte, 1, 0), LL_ECLOSED);
            pester_stop(&pester);
            assert_int_equal(fcntl(fd, F_GETFD), -1);
            free_pair(pair);
        }
    }
}

static void eintr_in_nonblocking_mode(void **state) {
    (void)state;
    ll_socket *pair[2];
    struct asked asked = {.stop_at = 2};
    char byte;
    unix_pair(pair, SOCK_STREAM);
    ll_socket_setblocking(pair[0], false);
    ll_socket_set_interrupt(pair[0], count, &asked);
    fault_set(FAULT_RECV, 0, EINTR);
    assert_code(ll_socket_recv(pair[0], &byte, 1, 0), -EAGAIN);
    fault_set(FAULT_RECV, 0, EINTR);
    assert_code(ll_socket_recv(pair[0], &byte, 1, 0), LL_EINTERRUPTED);
    free_pair(pair);
}

static void poll_fails(void **state) {
    (void)state;
    ll_socket *pair[2];
    char byte;
    unix_pair(pair, SOCK_STREAM);
    ll_socket_settimeout(pair[0], 30);
    fault_set(FAULT_POLL, 0, ENOMEM);
    assert_code(ll_socket_recv(pair[0], &byte, 1, 0), -ENOMEM);
    free_pair(pair);
}

/* ---- Failures ---- */

static void check_error(ll_socket *s, int code, const char *text) {
    struct ll_error_info info;
    char out[256];
    assert_code(ll_socket_error(s, &info), 0);
    assert_code(info.code, code);
    ll_error_format(&info, out, sizeof out);
    assert_string_equal(out, text);
}

static void failures_carry_call_and_address(void **state) {
    (void)state;
    ll_socket *s, *l, *pair[2];
    struct ll_address a;
    struct ll_error_info info;
    char byte, text[LL_ADDRESS_TEXT], wanted[LL_ADDRESS_TEXT + 64];
    tcp_pair(pair);
    ll_socket_error(pair[0], &info);
    assert_int_equal(info.code, 0);

    ll_socket_setblocking(pair[0], false);
    assert_code(ll_socket_recv(pair[0], &byte, 1, 0), -EAGAIN);
    ll_socket_error(pair[0], &info);
    assert_int_equal(info.code, 0); /* "not now" is no failure */

    ll_socket_settimeout(pair[0], 0.01);
    assert_code(ll_socket_recv(pair[0], &byte, 1, 0), LL_ETIMEOUT);
    ll_socket_getpeername(pair[0], &a);
    ll_address_format(&a, text, sizeof text);
    snprintf(wanted, sizeof wanted, "recv %s: timed out", text);
    check_error(pair[0], LL_ETIMEOUT, wanted);
    ll_socket_settimeout(pair[1], 0.01);
    assert_code(ll_socket_recv(pair[1], &byte, 1, 0), LL_ETIMEOUT);
    ll_socket_getpeername(pair[1], &a); /* an accepted one knows its peer too */
    ll_address_format(&a, text, sizeof text);
    snprintf(wanted, sizeof wanted, "recv %s: timed out", text);
    check_error(pair[1], LL_ETIMEOUT, wanted);
    ll_socket_close(pair[0]);
    ll_socket_error(pair[0], &info);
    assert_code(info.code, LL_ETIMEOUT);
    free_pair(pair);

    l = listener(AF_INET, &a);
    ll_socket_free(l);
    ll_address_format(&a, text, sizeof text);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_connect(s, &a), -ECONNREFUSED);
    snprintf(wanted, sizeof wanted, "connect %s: Connection refused", text);
    check_error(s, -ECONNREFUSED, wanted);
    assert_code(ll_socket_listen(s, 1), 0);
    assert_code(ll_socket_getpeername(s, &a), -ENOTCONN);
    check_error(s, -ENOTCONN, "getpeername: Transport endpoint is not connected");
    assert_code(ll_socket_error(s, NULL), -EINVAL);
    assert_code(ll_socket_error(NULL, &info), -EINVAL);
    ll_socket_free(s);
}

#define cleared(test) cmocka_unit_test_teardown(test, clear)
int main(void) {
    const struct CMUnitTest tests[] = {
        cleared(settimeout),
        cleared(three_modes),
        cleared(ready_needs_no_poll),
        cleared(false_alarms),
        cleared(eintr_with_remaining_time),
        cleared(hook_says_stop),
        cleared(call_goes_on_after_a_signal),
        cleared(hook_closes_the_socket),
        cleared(eintr_in_nonblocking_mode),
        cleared(poll_fails),
        cleared(failures_carry_call_and_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
