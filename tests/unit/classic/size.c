/* landline/classic/size.h: the size that has no end mark, in every cut. */
#include "landline/classic/size.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/limits.h"

/* Feeds the stream in pieces of `cut` bytes; the verdict after the last one. */
static enum size_verdict feed(const char *stream, size_t n, size_t cut, uint64_t *value, size_t *length) {
    struct size size = {0};
    enum size_verdict verdict = SIZE_MORE;
    for (size_t at = 0; at < n; at += cut) {
        assert_int_not_equal(verdict, SIZE_COMPLETE); /* never before the last byte */
        assert_int_not_equal(verdict, SIZE_WRONG);
        size_feed(&size, stream + at, n - at < cut ? n - at : cut);
        verdict = size_judge(&size, value, length);
    }
    return verdict;
}

static void assert_stream(const char *stream, enum size_verdict expected, uint64_t value, size_t length) {
    for (size_t cut = 1; cut <= strlen(stream); cut++) {
        uint64_t found;
        size_t digits;
        assert_int_equal(feed(stream, strlen(stream), cut, &found, &digits), expected);
        if (expected == SIZE_COMPLETE || expected == SIZE_IF_SILENT) {
            assert_int_equal(found, value);
            assert_int_equal(digits, length);
        }
    }
}

static void finds_sizes_in_every_cut(void **state) {
    (void)state;
    assert_stream("0", SIZE_COMPLETE, 0, 1);
    assert_stream("1x", SIZE_COMPLETE, 1, 1);
    assert_stream("3abc", SIZE_COMPLETE, 3, 1);
    assert_stream("12hello, world", SIZE_COMPLETE, 12, 2);
    assert_stream("10\n123456789", SIZE_COMPLETE, 10, 2);
    assert_stream("", SIZE_MORE, 0, 0);
    assert_stream("12", SIZE_IF_SILENT, 1, 1); /* the size 12, or the file "2" */
    assert_stream("12hello", SIZE_MORE, 0, 0);
}

static void tells_files_that_begin_with_digits(void **state) {
    (void)state;
    assert_stream("12345", SIZE_MORE, 0, 0);
    assert_stream("42026", SIZE_IF_SILENT, 4, 1);
    assert_stream("102026-11-22", SIZE_IF_SILENT, 10, 2);
    assert_stream("2026", SIZE_MORE, 0, 0);
}

static void finds_the_sizes_of_the_old_pieces(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 1023, 1024, 1025, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *stream = malloc(sizes[i] + 8);
        size_t digits = (size_t)snprintf(stream, 8, "%zu", sizes[i]);
        memset(stream + digits, 'x', sizes[i]);
        for (size_t cut = 1; cut <= digits + sizes[i]; cut += cut < 20 ? 1 : 97) {
            uint64_t value;
            size_t length;
            assert_int_equal(feed(stream, digits + sizes[i], cut, &value, &length), SIZE_COMPLETE);
            assert_int_equal(value, sizes[i]);
            assert_int_equal(length, digits);
        }
        free(stream);
    }
}

static void refuses_what_no_size_explains(void **state) {
    (void)state;
    struct size size = {0};
    uint64_t value;
    size_t length;
    size_feed(&size, "no", 2);
    assert_int_equal(size_judge(&size, &value, &length), SIZE_WRONG);
    size = (struct size){0};
    size_feed(&size, "0 and more", 10);
    assert_int_equal(size_judge(&size, &value, &length), SIZE_WRONG);
    size = (struct size){0};
    size_feed(&size, "3abcd", 5);
    assert_int_equal(size_judge(&size, &value, &length), SIZE_WRONG);
}

static void takes_numbers_up_to_the_limit(void **state) {
    (void)state;
    char digits[SIZE_DIGITS + 2];
    memset(digits, '9', sizeof digits);
    for (size_t n = SIZE_DIGITS - 1; n <= SIZE_DIGITS + 1; n++) {
        struct size size = {0};
        uint64_t value;
        size_t length;
        assert_int_equal(size_feed(&size, digits, n), n < SIZE_DIGITS ? n : SIZE_DIGITS);
        assert_int_equal(size_judge(&size, &value, &length), SIZE_MORE);
    }
}

static void counts_what_is_certainly_the_files(void **state) {
    (void)state;
    struct size size = {0};
    assert_int_equal(size_feed(&size, "1", 1), 1);
    assert_int_equal(size_feed(&size, "2ab", 3), 1);
    assert_int_equal(size_feed(&size, "34", 2), 0);
    assert_int_equal(size.total, 6);
    size = (struct size){0};
    assert_int_equal(size_feed(&size, "00", 2), 1);
}

static void waits_less_where_the_first_receive_agrees(void **state) {
    (void)state;
    struct size size = {0};
    size_feed(&size, "10", 2);
    size_feed(&size, "2026-11-22", 10);
    assert_int_equal(size_silence(&size, 2), LIMIT_CLASSIC_SILENCE_HINTED_MS);
    assert_int_equal(size_silence(&size, 3), LIMIT_CLASSIC_SILENCE_MS);
    size = (struct size){0};
    size_feed(&size, "1", 1); /* says nothing: a stream that comes byte by byte begins so too */
    assert_int_equal(size_silence(&size, 1), LIMIT_CLASSIC_SILENCE_MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_sizes_in_every_cut),
        cmocka_unit_test(tells_files_that_begin_with_digits),
        cmocka_unit_test(finds_the_sizes_of_the_old_pieces),
        cmocka_unit_test(refuses_what_no_size_explains),
        cmocka_unit_test(takes_numbers_up_to_the_limit),
        cmocka_unit_test(counts_what_is_certainly_the_files),
        cmocka_unit_test(waits_less_where_the_first_receive_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
