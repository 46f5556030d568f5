/* How many connections a transfer gets, by what each number of them brings. */
#include "landline/client/widen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { MOST = 8 };
static const int64_t TICK = 250000000, LONG = 10000000, LONGER = 50000000; /* ns */

/* Runs for a minute on a line that carries rate[n] MB/s with n connections: how many there are in the end, and *after: when that was
 * decided, in ticks. */
static unsigned run_over(int64_t round_trip, const double rate[MOST + 1], int *after) {
    struct widen w;
    double bytes = 0;
    unsigned n = 1;
    widen_begin(&w, 1, MOST, 0, 0);
    *after = 0;
    for (int tick = 1; tick <= 240; tick++) {
        bytes += rate[n] * 1e6 / 4;
        n = widen_next(&w, (uint64_t)bytes, round_trip, tick * TICK);
        if (!w.decided)
            *after = tick;
    }
    assert_true(w.decided && n == w.streams);
    return n;
}

static unsigned run(const double rate[MOST + 1], int *after) {
    return run_over(LONG, rate, after);
}

static void each_brings_as_much(void **state) {
    (void)state;
    int after;
    assert_int_equal(run((const double[]){0, 1, 2, 3, 4, 5, 6, 7, 8}, &after), 8);
    assert_true(after <= 7); /* 2 s for three doublings, and to see that … */
    assert_int_equal(run_over(LONGER, (const double[]){0, 1, 2, 3, 4, 5, 6, 7, 8}, &after), 8);
    assert_true(after > 24 &&
                after <= 31); /* … and 8 s where a trip takes long: each is measured twice, for a second */
}

static void more_bring_nothing(void **state) {
    (void)state;
    int after;
    assert_int_equal(run((const double[]){0, 9, 9, 9, 9, 9, 9, 9, 9}, &after), 2); /* one was tried, and no other */
    assert_int_equal(run((const double[]){0, 9, 5, 5, 5, 5, 5, 5, 5}, &after), 2);
}

static void the_line_is_full(void **state) {
    (void)state;
    int after;
    assert_int_equal(run((const double[]){0, 5, 10, 10, 10, 10, 10, 10, 10}, &after), 4);
    assert_int_equal(run((const double[]){0, 4, 5.1, 5.1, 5.1, 5.1, 5.1, 5.1, 5.1}, &after), 4);
    assert_int_equal(run((const double[]){0, 4, 4.9, 4.9, 4.9, 4.9, 4.9, 4.9, 4.9}, &after),
                     2); /* less than a quarter */
}

/* A rate that still rises says nothing yet. */
static void a_slow_start(void **state) {
    struct widen w;
    uint64_t bytes = 0;
    (void)state;
    widen_begin(&w, 1, MOST, 0, 0);
    for (int second = 1; second <= 8; second++) {
        bytes += 1000ULL << second;
        assert_int_equal(widen_next(&w, bytes, LONG, second * 4 * TICK), 1);
    }
    bytes += 1000ULL << 8;
    assert_int_equal(widen_next(&w, bytes, LONG, 36 * TICK), 2);
    assert_int_equal(widen_next(&w, bytes + (1 << 20), LONG, 36 * TICK + 1), 2); /* too soon to look */
    widen_begin(&w, 1, MOST, 0, 0);
    for (int second = 1; second < 60; second++) /* nothing moves: that is not the connection's fault */
        assert_int_equal(widen_next(&w, 0, LONG, second * 4 * TICK), 1);
}

/* On loopback, or between two machines of one room, there is one, however slow it is. */
static void a_short_line(void **state) {
    static const int64_t trips[] = {0, 1, 100000, 9999999};
    (void)state;
    for (size_t i = 0; i < sizeof trips / sizeof *trips; i++) {
        struct widen w;
        widen_begin(&w, 1, MOST, 0, 0);
        for (int tick = 1; tick < 240; tick++)
            assert_int_equal(widen_next(&w, (uint64_t)tick * 1000000, trips[i], tick * TICK), 1);
    }
    struct widen w; /* it seemed long at first */
    widen_begin(&w, 1, MOST, 0, 0);
    assert_int_equal(widen_next(&w, 1000000, LONG, TICK), 1);
    for (int tick = 2; tick < 100; tick++)
        assert_int_equal(widen_next(&w, (uint64_t)tick * 1000000, LONG - 1, tick * TICK), 1);
}

static void where_there_are_enough(void **state) {
    struct widen w;
    (void)state;
    widen_begin(&w, 3, 3, 0, 0);
    assert_true(w.decided && widen_next(&w, 1 << 30, LONG, 100 * TICK) == 3);
    widen_begin(&w, 2, 3, 0, 0);
    uint64_t bytes = 0;
    for (int second = 1; second < 10; second++)
        widen_next(&w, bytes += 1000, LONG, second * 4 * TICK);
    assert_int_equal(w.streams, 3); /* not four */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_brings_as_much),    cmocka_unit_test(more_bring_nothing),
        cmocka_unit_test(the_line_is_full),       cmocka_unit_test(a_slow_start),
        cmocka_unit_test(where_there_are_enough), cmocka_unit_test(a_short_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
