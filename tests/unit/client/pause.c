/* landline/client/pause.h, in a time and on a network of the test's: when the next try is due, whatever is heard of the network. */
#include "landline/client/pause.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "landline/client/moved.h"
#include "lib/os/clock.h"

static const int64_t MS = 1000000, S = 1000 * MS, BEGIN = 1000 * S;

static struct {
    int64_t now, timer; /* timer: when it is due */
    void (*due)(void *arg);
    void (*came)(void *arg); /* while somebody hears */
    void *due_arg, *came_arg;
    int no_hearing, tries;
} world;

int64_t __wrap_clock_now(void);
int __wrap_ll_loop_timer(ll_loop *loop, int64_t at, void (*due)(void *), void *arg, ll_timer **out);
void __wrap_ll_timer_set(ll_timer *timer, int64_t at);
void __wrap_ll_timer_free(ll_timer *timer);
int __wrap_moved_hear(struct moved **out, ll_loop *loop, void (*came)(void *arg), void *arg);
void __wrap_moved_free(struct moved *moved);

int64_t __wrap_clock_now(void) {
    return world.now;
}

int __wrap_ll_loop_timer(ll_loop *loop, int64_t at, void (*due)(void *), void *arg, ll_timer **out) {
    (void)loop;
    world.timer = at;
    world.due = due;
    world.due_arg = arg;
    *out = NULL;
    return 0;
}

void __wrap_ll_timer_set(ll_timer *timer, int64_t at) {
    (void)timer;
    world.timer = at;
}

void __wrap_ll_timer_free(ll_timer *timer) {
    (void)timer;
}

int __wrap_moved_hear(struct moved **out, ll_loop *loop, void (*came)(void *arg), void *arg) {
    (void)loop;
    *out = NULL;
    if (world.no_hearing != 0)
        return world.no_hearing;
    assert_null(world.came);
    world.came = came;
    world.came_arg = arg;
    *out = (struct moved *)&world;
    return 0;
}

void __wrap_moved_free(struct moved *moved) {
    if (moved != NULL)
        world.came = NULL;
}

static void try_it(void *arg) {
    (void)arg;
    world.tries++;
}

static struct pause *begin(void) {
    struct pause *p;
    world.now = BEGIN;
    world.came = NULL;
    world.tries = world.no_hearing = 0;
    assert_int_equal(pause_new(&p, NULL, try_it, NULL), 0);
    return p;
}

/* The time goes on to there, and what is due happens. */
static void until(int64_t then) {
    while (world.timer <= then) {
        world.now = world.timer > world.now ? world.timer : world.now;
        world.timer = LL_NEVER;
        world.due(world.due_arg);
    }
    world.now = then;
}

/* `n` tries that fail at once, each after its pause: the next pause has begun. */
static void failing(struct pause *p, int n) {
    pause_begin(p, 0, CLOCK_NEVER);
    for (int i = 0; i < n; i++) {
        until(world.timer);
        pause_begin(p, 0, CLOCK_NEVER);
    }
}

static void they_grow(void **state) {
    (void)state;
    struct pause *p = begin();
    pause_skip(p);
    until(BEGIN);
    assert_int_equal(world.tries, 1);
    for (int64_t ms = 100, i = 0; i < 12; i++, ms = ms < 12800 ? 2 * ms : 15000) {
        pause_begin(p, 0, CLOCK_NEVER);
        assert_in_range(world.timer - world.now, ms * MS / 2, ms * MS);
        until(world.timer);
        assert_int_equal(world.tries, i + 2);
    }
    pause_begin(p, 0, world.now + 20 * MS);
    assert_int_equal(world.timer, world.now + 20 * MS);
    pause_end(p);
    assert_int_equal(world.timer, LL_NEVER);
    pause_begin(p, 0, CLOCK_NEVER);
    assert_in_range(world.timer - world.now, 50 * MS, 100 * MS);
    pause_free(p);
}

static void news_cuts_it_short(void **state) {
    (void)state;
    struct pause *p = begin();
    failing(p, 9);
    int64_t tried = world.now;
    until(tried + 3 * S);
    assert_int_equal(world.tries, 9);
    world.came(world.came_arg);
    until(tried + 3 * S);
    assert_int_equal(world.tries, 10);
    /* The next pauses are short ones. */
    pause_begin(p, 0, CLOCK_NEVER);
    assert_in_range(world.timer - world.now, 800 * MS, 1600 * MS);
    pause_end(p);
    assert_null(world.came);
    pause_free(p);
}

/* At most one try a second, though it is told 100 times a second that a way has come; and none that is due is put off by it. */
static void no_storm(void **state) {
    (void)state;
    struct pause *p = begin();
    failing(p, 9);
    world.tries = 0;
    int64_t from = world.now;
    for (int i = 1; i <= 6000; i++) {
        int before = world.tries;
        world.came(world.came_arg);
        until(from + i * 10 * MS);
        if (world.tries != before)
            pause_begin(p, 0, CLOCK_NEVER);
    }
    assert_in_range(world.tries, 58, 62 * 5 / 4);
    pause_end(p);
    failing(p, 1);
    int64_t due = world.timer;
    world.came(world.came_arg);
    assert_int_equal(world.timer, due);
    pause_free(p);
}

/* A busy server has said when. */
static void busy_is_obeyed(void **state) {
    (void)state;
    struct pause *p = begin();
    failing(p, 3);
    pause_begin(p, 5000, CLOCK_NEVER);
    assert_in_range(world.timer - world.now, 5 * S, 5 * S + 5 * S / 4);
    int64_t due = world.timer;
    until(world.now + 2 * S);
    world.came(world.came_arg);
    assert_int_equal(world.timer, due);
    until(due);
    assert_int_equal(world.tries, 4);
    pause_begin(p, 0, CLOCK_NEVER);
    assert_in_range(world.timer - world.now, 1600 * MS, 3200 * MS); /* nor was it news afterwards */
    pause_free(p);
}

/* A try that gets no answer is repeated after news, when it has had its time. */
static void while_a_try_goes_on(void **state) {
    (void)state;
    struct pause *p = begin();
    failing(p, 6);
    until(world.timer);
    int64_t tried = world.now;
    assert_int_equal(world.tries, 7);
    assert_int_equal(world.timer, LL_NEVER);
    until(tried + 1 * S);
    world.came(world.came_arg);
    world.came(world.came_arg);
    until(tried + 3 * S - 1);
    assert_int_equal(world.tries, 7);
    until(tried + 3 * S);
    assert_int_equal(world.tries, 8);
    until(tried + 30 * S);
    assert_int_equal(world.tries, 8);
    world.came(world.came_arg);
    until(tried + 30 * S);
    assert_int_equal(world.tries, 9);
    /* It has an answer: what was heard meanwhile tries nothing more. */
    world.came(world.came_arg);
    pause_end(p);
    until(tried + 60 * S);
    assert_int_equal(world.tries, 9);
    pause_free(p);
}

static void a_system_that_says_nothing(void **state) {
    (void)state;
    struct pause *p = begin();
    world.no_hearing = -EPROTONOSUPPORT;
    failing(p, 2);
    assert_in_range(world.timer - world.now, 200 * MS, 400 * MS);
    until(world.timer);
    assert_int_equal(world.tries, 3);
    pause_free(p);
    pause_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_grow),
        cmocka_unit_test(news_cuts_it_short),
        cmocka_unit_test(no_storm),
        cmocka_unit_test(busy_is_obeyed),
        cmocka_unit_test(while_a_try_goes_on),
        cmocka_unit_test(a_system_that_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
