/* landline/observe/text.h: columns and line breaks. */
#include "landline/observe/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static size_t width(const char *text) {
    return text_width(text, strlen(text));
}

static void widths(void **state) {
    (void)state;
    assert_int_equal(width(""), 0);
    assert_int_equal(width("abc"), 3);
    assert_int_equal(width("握手"), 4);
    assert_int_equal(width("a─▶"), 3);
    assert_int_equal(width("e\xcc\x81"), 1);
    assert_int_equal(width("\xff\xfe"), 2);
    assert_int_equal(width("\xe6\x8f"), 2); /* cut in the middle */
    assert_int_equal(width("😀"), 2);
}

static void breaks(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t columns, bytes;
    } cases[] = {
        {"one two three", 20, 13},
        {"one two three", 13, 13},
        {"one two three", 12, 8},
        {"one two three", 7, 8},
        {"one two three", 3, 4},
        {"abcdef", 3, 3},
        {"abcdef", 0, 1},
        {"握手完成", 5, 6},
        {"握手完成", 1, 3},
        {"ab 握手", 5, 6},
        {"", 5, 0},
        {"握手，完成", 4, 3},
        {"握手，完成", 6, 9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(text_break(cases[i].text, strlen(cases[i].text), cases[i].columns), cases[i].bytes);
}

/* Every way to break a text uses all of it, never more columns than there are, and whole characters. */
static void all_breaks(void **state) {
    (void)state;
    static const char text[] =
        "第一次握手：{a}发送 SYN, with its initial number x (here 1000000), 进入 SYN_SENT 状态。";
    for (size_t columns = 2; columns < 90; columns++) {
        size_t at = 0, left = strlen(text);
        while (left > 0) {
            size_t n = text_break(text + at, left, columns), shown = n;
            assert_true(n > 0 && n <= left);
            while (shown > 0 && text[at + shown - 1] == ' ')
                shown--;
            assert_true(text_width(text + at, shown) <= columns);
            assert_true(((uint8_t)text[at] & 0xc0) != 0x80);
            at += n;
            left -= n;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths),
        cmocka_unit_test(breaks),
        cmocka_unit_test(all_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
