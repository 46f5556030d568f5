/* lib/base/escape.h: nothing that a peer says drives a terminal. */
#include "lib/base/escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static void check(const char *in, const char *wanted) {
    char out[256];
    size_t length = escape_text(out, sizeof out, in);
    assert_string_equal(out, wanted);
    assert_int_equal(length, strlen(wanted));
}

static void plain(void **state) {
    (void)state;
    check("", "");
    check("hello, world ~", "hello, world ~");
    check("h\xc3\xa9llo \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x90\xa7",
          "h\xc3\xa9llo \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x90\xa7");
}

static void controls(void **state) {
    (void)state;
    check("a\nb\tc\rd\\e", "a\\nb\\tc\\rd\\\\e");
    check("\x1b[2J\x07\x7f", "\\x1b[2J\\x07\\x7f");
    check("\xc2\x9b"
          "31m",
          "\\xc2\\x9b31m");
}

/* What turns text around or hides it: zero width, line separators, overrides, isolates, byte order marks, annotations. */
static void tricks(void **state) {
    (void)state;
    check("\xe2\x80\x8b", "\\xe2\\x80\\x8b");
    check("\xe2\x80\xa8\xe2\x80\xae", "\\xe2\\x80\\xa8\\xe2\\x80\\xae");
    check("\xe2\x81\xa6", "\\xe2\\x81\\xa6");
    check("\xef\xbb\xbf", "\\xef\\xbb\\xbf");
    check("\xef\xbf\xb9", "\\xef\\xbf\\xb9");
    check("\xe2\x80\x90\xe2\x80\xaf\xe2\x81\xb0\xef\xbf\xbd", "\xe2\x80\x90\xe2\x80\xaf\xe2\x81\xb0\xef\xbf\xbd");
}

static void not_utf8(void **state) {
    (void)state;
    check("\xff\xfe", "\\xff\\xfe");
    check("\x80", "\\x80");
    check("\xc0\xaf", "\\xc0\\xaf"); /* too long a form */
    check("\xe0\x80\xaf", "\\xe0\\x80\\xaf");
    check("\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf");
    check("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* a surrogate */
    check("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
    check("\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80");
    check("\xe4\xb8", "\\xe4\\xb8"); /* cut off */
    check("\xe4\xb8x", "\\xe4\\xb8x");
}

static void bytes_with_nul(void **state) {
    (void)state;
    char out[32];
    assert_int_equal(escape_bytes(out, sizeof out, "a\0b", 3), 6);
    assert_string_equal(out, "a\\x00b");
}

/* Cut at whole escapes and whole characters, always terminated, never beyond size. */
static void cutting(void **state) {
    (void)state;
    const char *in = "ab\x01\xc3\xa9z";
    static const char *const wanted[] = {
        NULL, "", "a", "ab", "ab", "ab", "ab", "ab\\x01", "ab\\x01", "ab\\x01\xc3\xa9", "ab\\x01\xc3\xa9z"};
    for (size_t size = 0; size <= 10; size++) {
        char out[16];
        memset(out, '#', sizeof out);
        size_t length = escape_text(out, size, in);
        if (size > 0)
            assert_string_equal(out, wanted[size]);
        assert_int_equal(length, size > 0 ? strlen(wanted[size]) : 0);
        assert_int_equal(out[size], '#');
    }
}

/* What is escaped stays so, however often it passes; what is not becomes so. */
static void sentences(void **state) {
    (void)state;
    char once[64], twice[64];
    assert_int_equal(escape_sentence(once, sizeof once, "a\\nb\\\\: \x1b[\0\\", 12), 18);
    assert_string_equal(once, "a\\nb\\\\: \\x1b[\\x00\\");
    escape_sentence(twice, sizeof twice, once, strlen(once));
    assert_string_equal(twice, once);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),     cmocka_unit_test(controls),       cmocka_unit_test(tricks),
        cmocka_unit_test(not_utf8),  cmocka_unit_test(bytes_with_nul), cmocka_unit_test(cutting),
        cmocka_unit_test(sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
