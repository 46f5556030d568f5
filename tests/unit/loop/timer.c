/* landline/loop.h: points in time; lib/os/clock.h. */
#include "lib/os/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "landline/loop.h"

enum { MANY = 500, MS = 1000000 };

struct item {
    struct fixture *f;
    ll_timer *timer;
    int64_t ran_at;
    int order;
};

struct fixture {
    ll_loop *loop;
    int ran;
    struct item items[MANY];
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

static void due(void *arg) {
    struct item *i = arg;
    i->ran_at = clock_now();
    i->order = ++i->f->ran;
}

static struct item *arm(struct fixture *f, int n, int64_t deadline) {
    struct item *i = &f->items[n];
    i->f = f;
    assert_int_equal(ll_loop_timer(f->loop, deadline, due, i, &i->timer), 0);
    return i;
}

static void never_early_and_in_order(void **state) {
    struct fixture *f = *state;
    int64_t start = ll_loop_now(f->loop);
    int64_t deadline[MANY];
    for (int n = 0; n < MANY; n++) {
        deadline[n] = start + (n * 7919LL) % MANY * MS / 10;
        arm(f, n, deadline[n]);
    }
    assert_int_equal(ll_loop_run(f->loop), 0);
    assert_int_equal(f->ran, MANY);
    for (int n = 0; n < MANY; n++) {
        assert_true(f->items[n].ran_at >= deadline[n]);
        assert_int_equal(f->items[n].order, 1 + (n * 7919LL) % MANY);
        assert_true(ll_timer_deadline(f->items[n].timer) == LL_NEVER);
    }
}

/* A model of the heap: random arming, moving and freeing, then everything that is left runs in order. */
static void any_order_of_changes(void **state) {
    struct fixture *f = *state;
    int64_t past = clock_now() - 1000000;
    int64_t wanted[MANY];
    unsigned seed = 7;
    for (int n = 0; n < MANY; n++)
        arm(f, n, wanted[n] = past + (seed = seed * 1103515245 + 12345) % 100000);
    for (int k = 0; k < 10 * MANY; k++) {
        int n = (int)((seed = seed * 1103515245 + 12345) >> 8) % MANY;
        unsigned what = (seed >> 4) % 8;
        wanted[n] = what == 0 ? LL_NEVER : past + (seed >> 3) % 100000;
        if (what == 1) {
            ll_timer_free(f->items[n].timer);
            arm(f, n, wanted[n]);
        } else {
            ll_timer_set(f->items[n].timer, wanted[n]);
        }
        assert_true(ll_timer_deadline(f->items[n].timer) == wanted[n]);
    }
    int armed = 0;
    for (int n = 0; n < MANY; n++)
        armed += wanted[n] != LL_NEVER;
    assert_int_equal(ll_loop_step(f->loop, 0), armed);
    for (int a = 0; a < MANY; a++)
        for (int b = 0; b < MANY; b++)
            if (wanted[a] < wanted[b] && wanted[b] != LL_NEVER)
                assert_true(f->items[a].order < f->items[b].order);
    assert_true(ll_loop_deadline(f->loop) == LL_NEVER);
}

static void pushed_back_does_not_run(void **state) {
    struct fixture *f = *state;
    int64_t now = clock_now();
    struct item *idle = arm(f, 0, now + 1);
    ll_timer_set(idle->timer, now + 3600LL * 1000 * MS);
    arm(f, 1, now + 20 * MS);
    assert_true(ll_loop_deadline(f->loop) <= now + 20 * MS);
    assert_int_equal(ll_loop_step(f->loop, LL_NEVER), 1);
    assert_int_equal(idle->order, 0);
    assert_int_equal(f->items[1].order, 1);
}

static void a_deadline_ends_the_step(void **state) {
    struct fixture *f = *state;
    arm(f, 0, clock_now() + 3600LL * 1000 * MS);
    int64_t until = clock_now() + 5 * MS;
    assert_int_equal(ll_loop_step(f->loop, until), 0);
    assert_true(clock_now() >= until);
}

static void rearm(void *arg) {
    struct item *i = arg;
    due(arg);
    ll_timer_set(i->timer, 0); /* long past */
}

static void rearmed_in_the_past_waits_a_pass(void **state) {
    struct fixture *f = *state;
    struct item *i = &f->items[0];
    i->f = f;
    assert_int_equal(ll_loop_timer(f->loop, 0, rearm, i, &i->timer), 0);
    for (int k = 1; k <= 3; k++) {
        assert_int_equal(ll_loop_step(f->loop, LL_NEVER), 1);
        assert_int_equal(f->ran, k);
    }
}

static void free_two(void *arg) {
    struct item *i = arg;
    i->f->ran++;
    ll_timer_free(i->f->items[0].timer);
    ll_timer_free(i->f->items[1].timer);
}

static void freed_in_a_callback(void **state) {
    struct fixture *f = *state;
    for (int n = 0; n < 2; n++) {
        f->items[n].f = f;
        assert_int_equal(ll_loop_timer(f->loop, 0, free_two, &f->items[n], &f->items[n].timer), 0);
    }
    assert_int_equal(ll_loop_run(f->loop), 0);
    assert_int_equal(f->ran, 1);
}

static void arithmetic(void **state) {
    (void)state;
    assert_true(clock_after(5, 6) == 11);
    assert_true(clock_after(5, CLOCK_NEVER) == CLOCK_NEVER);
    assert_int_equal(clock_milliseconds(10, CLOCK_NEVER), -1);
    assert_int_equal(clock_milliseconds(10, 10), 0);
    assert_int_equal(clock_milliseconds(10, 9), 0);
    assert_int_equal(clock_milliseconds(10, 11), 1);
    assert_int_equal(clock_milliseconds(10, 10 + MS), 1);
    assert_int_equal(clock_milliseconds(10, 11 + MS), 2);
    assert_int_equal(clock_milliseconds(0, CLOCK_NEVER - 1), INT_MAX);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(never_early_and_in_order),         TEST(any_order_of_changes),
        TEST(pushed_back_does_not_run),         TEST(a_deadline_ends_the_step),
        TEST(rearmed_in_the_past_waits_a_pass), TEST(freed_in_a_callback),
        cmocka_unit_test(arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
