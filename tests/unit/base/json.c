/* lib/base/json.h: strings that any JSON reader takes, and that tell all names apart. */
#include "lib/base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static void check(const char *in, size_t size, const char *wanted) {
    struct buf b;
    buf_init(&b, 1000);
    json_string(&b, in, size);
    assert_int_equal(b.failed, 0);
    assert_int_equal(buf_size(&b), strlen(wanted));
    assert_memory_equal(buf_front(&b), wanted, strlen(wanted));
    buf_free(&b);
}

static void strings(void **state) {
    (void)state;
    check("", 0, "\"\"");
    check("plain ~ text", 12, "\"plain ~ text\"");
    check("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    check("\n\0\x1f\x7f", 4, "\"\\u000a\\u0000\\u001f\\u007f\"");
    check("\xc3\xa9\xf0\x9f\x90\xa7", 6, "\"\xc3\xa9\xf0\x9f\x90\xa7\"");
    check("\xff"
          "a\xc3",
          3, "\"\\udcffa\\udcc3\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(strings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
