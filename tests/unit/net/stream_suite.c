#include "stream_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static const struct stream_maker *maker;

struct ends {
    ll_stream *a, *b;
};

static int set_up(void **state) {
    struct ends *e = calloc(1, sizeof *e);
    maker->make(&e->a, &e->b);
    *state = e;
    return 0;
}

static int tear_down(void **state) {
    struct ends *e = *state;
    ll_stream_close(e->a);
    ll_stream_close(e->b);
    free(e);
    return 0;
}

static void pump(struct ends *e) {
    if (maker->pump != NULL)
        maker->pump(e->a, e->b);
}

/* Waits, where there is something to wait for, until `s` may go on with `events`. */
static void wait_for(struct ends *e, ll_stream *s, unsigned events) {
    pump(e);
    if (ll_stream_ready(s, events) != 0 || !maker->fileno)
        return;
    unsigned wants = ll_stream_wants(s, events);
    struct pollfd p = {.fd = ll_stream_fileno(s)};
    p.events = (short)((wants & LL_READ ? POLLIN : 0) | (wants & LL_WRITE ? POLLOUT : 0));
    assert_int_equal(poll(&p, 1, 1000), 1);
}

/* Reads exactly n bytes, or until a code comes, which it returns. */
static ssize_t read_all(struct ends *e, ll_stream *s, char *to, size_t n) {
    size_t have = 0;
    for (int tries = 0; have < n && tries < 100000; tries++) {
        ssize_t got = ll_stream_read(s, to + have, n - have);
        if (got == -EAGAIN)
            wait_for(e, s, LL_READ);
        else if (got < 0)
            return got;
        else
            have += (size_t)got;
    }
    return (ssize_t)have;
}

static void write_all(struct ends *e, ll_stream *s, const char *bytes, size_t n) {
    for (int tries = 0; n > 0 && tries < 100000; tries++) {
        ssize_t put = ll_stream_write(s, bytes, n);
        if (put == -EAGAIN) {
            wait_for(e, s, LL_WRITE);
            continue;
        }
        assert_true(put > 0);
        bytes += put;
        n -= (size_t)put;
    }
    assert_int_equal(n, 0);
}

static ssize_t next_code(struct ends *e, ll_stream *s) {
    char byte;
    return read_all(e, s, &byte, 1);
}

static void both_ways(void **state) {
    struct ends *e = *state;
    char got[8];
    write_all(e, e->a, "to b", 4);
    write_all(e, e->b, "to a!", 5);
    assert_int_equal(read_all(e, e->b, got, 4), 4);
    assert_memory_equal(got, "to b", 4);
    assert_int_equal(read_all(e, e->a, got, 5), 5);
    assert_memory_equal(got, "to a!", 5);
    assert_int_equal(ll_stream_read(e->a, got, sizeof got), -EAGAIN);
}

static void gathered(void **state) {
    struct ends *e = *state;
    struct iovec parts[4] = {{"one", 3}, {NULL, 0}, {"two", 3}, {"", 0}};
    ssize_t n = ll_stream_writev(e->a, parts, 4);
    assert_true(n > 0 && n <= 6);
    if (n < 6)
        write_all(e, e->a, &"onetwo"[n], (size_t)(6 - n));
    char got[6];
    assert_int_equal(read_all(e, e->b, got, 6), 6);
    assert_memory_equal(got, "onetwo", 6);
    assert_int_equal(ll_stream_writev(e->a, parts, -1), -EINVAL);
    assert_int_equal(ll_stream_writev(e->a, parts, 1025), -EINVAL);
    assert_int_equal(ll_stream_writev(e->a, NULL, 0), 0);
    assert_int_equal(ll_stream_writev(e->a, &parts[1], 1), 0);
    assert_int_equal(ll_stream_write(e->a, NULL, 0), 0);
    assert_int_equal(ll_stream_read(e->b, got, 0), 0);
}

static void end_follows_the_bytes(void **state) {
    struct ends *e = *state;
    if (!maker->half_close) {
        assert_int_equal(ll_stream_shutdown_write(e->a), LL_ENOTSUP);
        return;
    }
    write_all(e, e->a, "last", 4);
    int r = ll_stream_shutdown_write(e->a);
    for (int tries = 0; r == -EAGAIN && tries < 1000; tries++) {
        wait_for(e, e->a, LL_WRITE);
        r = ll_stream_shutdown_write(e->a);
    }
    assert_int_equal(r, 0);
    assert_int_equal(ll_stream_shutdown_write(e->a), 0);
    assert_int_equal(ll_stream_write(e->a, "x", 1), -EPIPE);
    char got[4];
    assert_int_equal(read_all(e, e->b, got, 4), 4);
    assert_memory_equal(got, "last", 4);
    assert_int_equal(next_code(e, e->b), LL_EOF);
    assert_int_equal(next_code(e, e->b), LL_EOF);
    write_all(e, e->b, "back", 4); /* the other direction goes on */
    assert_int_equal(read_all(e, e->a, got, 4), 4);
    assert_memory_equal(got, "back", 4);
}

static void close_is_an_end(void **state) {
    struct ends *e = *state;
    write_all(e, e->a, "bye", 3);
    pump(e);
    ll_stream_close(e->a);
    e->a = NULL;
    char got[3];
    assert_int_equal(read_all(e, e->b, got, 3), 3);
    assert_int_equal(next_code(e, e->b), LL_EOF);
    /* The first write may still be accepted, until the system has heard of the close. */
    ssize_t n = 0;
    for (int tries = 0; (n >= 0 || n == -EAGAIN) && tries < 1000; tries++) {
        n = ll_stream_write(e->b, "x", 1);
        if (n > 0)
            wait_for(e, e->b, LL_WRITE);
    }
    assert_true(n == -EPIPE || n == -ECONNRESET);
}

/* Fills it until it says stop, empties it, and holds all bytes against what was written. */
static void pushes_back(void **state) {
    struct ends *e = *state;
    static char block[8192], got[8192];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i * 7 + i / 251);
    size_t put = 0, read = 0;
    int stops = 0;
    while (put < (8U << 20) && stops < 3) {
        ssize_t n = ll_stream_write(e->a, block + put % sizeof block, sizeof block - put % sizeof block);
        if (n > 0)
            put += (size_t)n;
        else
            assert_int_equal(n, -EAGAIN);
        stops += n < 0;
        pump(e);
    }
    assert_true(stops == 3);
    while (read < put) {
        size_t at = read % sizeof block, want = sizeof block - at;
        want = want < put - read ? want : put - read;
        assert_int_equal(read_all(e, e->b, got, want), want);
        assert_memory_equal(got, block + at, want);
        read += want;
    }
    write_all(e, e->a, "z", 1); /* there is room again */
    assert_int_equal(read_all(e, e->b, got, 1), 1);
}

static void tells_what_to_wait_for(void **state) {
    struct ends *e = *state;
    if (maker->fileno)
        assert_true(ll_stream_fileno(e->a) >= 0);
    else
        assert_int_equal(ll_stream_fileno(e->a), LL_ENOTSUP);
    assert_true((ll_stream_wants(e->a, LL_READ) & (LL_READ | LL_WRITE)) != 0);
    assert_true((ll_stream_wants(e->a, LL_WRITE) & (LL_READ | LL_WRITE)) != 0);
    assert_int_equal(ll_stream_ready(e->a, LL_READ), 0);
    assert_int_equal(ll_stream_ready(e->a, 0), 0);
}

int stream_suite(const struct stream_maker *kind) {
    maker = kind;
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(both_ways),       TEST(gathered),    TEST(end_follows_the_bytes),
        TEST(close_is_an_end), TEST(pushes_back), TEST(tells_what_to_wait_for),
    };
    return _cmocka_run_group_tests(kind->name, tests, sizeof tests / sizeof *tests, NULL, NULL);
}
