/* landline/cli/json.h: JSON that any parser takes. */
#include "landline/cli/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void objects(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    struct json j = json_begin(&out);
    json_text(&j, "a", "x\"\\\n\x01\x7fä");
    json_number(&j, "n", -5);
    json_unsigned(&j, "u", UINT64_MAX);
    json_bool(&j, "b", true);
    json_bytes(&j, "t", "ok", 2);
    json_bytes(&j, "d", "\xff\x00\x01", 3);
    json_bytes(&j, "e", "\xed\xa0\x80z", 4);
    json_array_begin(&j, "l");
    json_element(&j, "1\xff", 2);
    json_element(&j, "", 0);
    json_array_end(&j);
    json_bool(&j, "z", false);
    json_end(&j);
    buf_add_u8(&out, 0);
    assert_int_equal(out.failed, 0);
    assert_string_equal((const char *)buf_front(&out),
                        "{\"a\":\"x\\\"\\\\\\u000a\\u0001\\u007fä\",\"n\":-5,\"u\":18446744073709551615,\"b\":true,"
                        "\"t\":\"ok\",\"d_base64\":\"/wAB\",\"e_base64\":\"7aCAeg==\",\"l\":[\"1\\udcff\",\"\"],"
                        "\"z\":false}\n");
    buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(objects)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
