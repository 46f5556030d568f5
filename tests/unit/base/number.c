/* lib/base/number.h: numbers as people write them. */
#include "lib/base/number.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

#include "landline/error.h"

static void plain(void **state) {
    (void)state;
    uint64_t v = 77;
    assert_int_equal(number_parse("0", 0, 10, &v), 0);
    assert_int_equal(v, 0);
    assert_int_equal(number_parse("18446744073709551615", 0, UINT64_MAX, &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(number_parse("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
    assert_int_equal(number_parse("11", 0, 10, &v), -ERANGE);
    assert_int_equal(number_parse("1", 2, 10, &v), -ERANGE);
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1.0", "a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(number_parse(bad[i], 0, 10, &v), LL_EFORMAT);
    assert_true(v == UINT64_MAX);

    unsigned mask = 5;
    assert_int_equal(number_parse_octal("077", 0777, &mask), 0);
    assert_int_equal(mask, 077);
    assert_int_equal(number_parse_octal("1000", 0777, &mask), -ERANGE);
    assert_int_equal(number_parse_octal("8", 0777, &mask), LL_EFORMAT);
    assert_int_equal(number_parse_octal("", 0777, &mask), LL_EFORMAT);
}

static void durations(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"10m", 600000000000}, {"1.5s", 1500000000},     {"250ms", 250000000},    {"0", 0},
        {"90", 90000000000},   {"1h30m", 5400000000000}, {"2d", 172800000000000}, {"5us", 5000},
        {"0.000000001", 1},    {"1.25", 1250000000},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ns = -1;
        assert_int_equal(number_parse_duration(good[i].text, &ns), 0);
        assert_true(ns == good[i].ns);
    }
    static const char *const bad[] = {"", "s", "1x", "1.s", ".5s", "-1s", "1s ", "1h30", "1 s"};
    int64_t ns = -1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(number_parse_duration(bad[i], &ns), LL_EFORMAT);
    assert_int_equal(number_parse_duration("300000d", &ns), -ERANGE);
    assert_int_equal(number_parse_duration("99999999999999999999", &ns), -ERANGE);
    assert_true(ns == -1);
}

static void sizes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},           {"512", 512},         {"64K", 65536}, {"1.5G", 1610612736},
        {"10MB", 10000000}, {"1TiB", 1ULL << 40}, {"7B", 7},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t bytes = 99;
        assert_int_equal(number_parse_size(good[i].text, &bytes), 0);
        assert_true(bytes == good[i].bytes);
    }
    uint64_t v = 99;
    static const char *const bad[] = {"", "K", "1Q", "1KK", "-1", "1 K", "1K/s"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(number_parse_size(bad[i], &v), LL_EFORMAT);
    assert_int_equal(number_parse_size("16777216T", &v), -ERANGE);
    assert_int_equal(number_parse_rate("2M/s", &v), 0);
    assert_true(v == 2 << 20);
    assert_int_equal(number_parse_rate("64kbit", &v), 0);
    assert_true(v == 8000);
    assert_int_equal(number_parse_rate("1Mbit/s", &v), 0);
    assert_true(v == 125000);
    assert_int_equal(number_parse_rate("1Mbit/m", &v), LL_EFORMAT);
}

static void formats(void **state) {
    (void)state;
    char out[32];
    assert_string_equal(number_format_duration(out, sizeof out, 250000000), "250 ms");
    assert_string_equal(number_format_duration(out, sizeof out, 1500000000), "1.50 s");
    assert_string_equal(number_format_duration(out, sizeof out, 125000000000), "2 min 05 s");
    assert_string_equal(number_format_duration(out, sizeof out, 11520000000000), "3 h 12 min");
    assert_string_equal(number_format_duration(out, sizeof out, 183600000000000), "2 d 03 h");
    assert_string_equal(number_format_size(out, sizeof out, 1023), "1023 B");
    assert_string_equal(number_format_size(out, sizeof out, 1536), "1.5 KiB");
    assert_string_equal(number_format_size(out, sizeof out, 10ULL << 30), "10.0 GiB");
    assert_string_equal(number_format_size(out, sizeof out, UINT64_MAX), "15.9 EiB");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes),
        cmocka_unit_test(formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
