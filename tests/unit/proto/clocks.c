/* landline/proto/clocks.h: never later than it was, for clocks that go apart. */
#include "landline/proto/clocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { HOUR = 3600 * 1000 };

static uint64_t earliest(uint64_t ours, uint64_t theirs, uint64_t at) {
    return clocks_earliest(&(struct clocks){ours, theirs}, at);
}

static void what_is_not_known(void **unused) {
    (void)unused;
    assert_int_equal(earliest(5000, 3000, 0), 0);
    assert_int_equal(earliest(0, 0, 3000), 0);
    assert_int_equal(earliest(5000, 0, 3000), 0);
    assert_int_equal(earliest(5000, 3000 + HOUR, 3000), 0); /* before our clock began */
    assert_true(earliest(5000, UINT64_MAX, 1) == 0);
    assert_true(earliest(UINT64_MAX, 1, UINT64_MAX) == 0);
    assert_true(earliest(5000, 1, UINT64_MAX) > 0);
}

/* Theirs gains or loses 3 ms a second, both are read as whole ms, and ours may have been read long before theirs: the result is
 * never later than the truth, and not much earlier. Times in us from the moment when theirs was read. */
static void never_later(void **unused) {
    (void)unused;
    static const int64_t moments[] = {-HOUR * 1000LL, -1000001, -999,    -1,           0, 1, 999, 1000,
                                      255999,         256000,   1000001, HOUR * 1000LL};
    const int64_t theirs_us = 20LL * HOUR * 1000 + 999, ours_us = 30LL * HOUR * 1000 + 1;
    for (int gain = -3000; gain <= 3000; gain += 3000)
        for (int64_t delay_ms = 0; delay_ms <= 100; delay_ms += 50)
            for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
                int64_t at_us = theirs_us + moments[i] + moments[i] * gain / 1000000;
                int64_t truth_us = ours_us + delay_ms * 1000 + moments[i];
                int64_t told_us =
                    (int64_t)earliest((uint64_t)ours_us / 1000, (uint64_t)theirs_us / 1000, (uint64_t)at_us / 1000) *
                    1000;
                int64_t far_us = moments[i] < 0 ? -moments[i] : moments[i];
                assert_true(told_us <= truth_us);
                assert_true(told_us >= truth_us - delay_ms * 1000 - far_us / 140 - 5000);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_not_known), cmocka_unit_test(never_later)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
