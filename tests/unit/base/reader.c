/* lib/base/reader.h: cannot run past the end, wherever the end is. */
#include "lib/base/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "landline/error.h"

static const uint8_t message[] = {1, 0, 2,   0, 0, 0,   3,   0, 0, 0, 0, 0,   0,  0,
                                  4, 1, 'a', 0, 2, 'b', 'c', 0, 0, 0, 1, 'd', 'e'};

/* Reads the whole message; what each getter gives is right or nothing. */
static int decode(struct reader *r) {
    uint8_t one = reader_u8(r);
    uint16_t two = reader_u16(r);
    uint32_t three = reader_u32(r);
    uint64_t four = reader_u64(r);
    struct slice a = reader_str8(r), bc = reader_str16(r), d = reader_str32(r);
    struct slice e = reader_bytes(r, 1);
    int end = reader_end(r);
    assert_true(one == 1 || end < 0);
    assert_true((two == 2 && three == 3 && four == 4) || end < 0);
    assert_true((a.size == 1 && bc.size == 2 && d.size == 1 && e.size == 1 && *e.data == 'e') || end < 0);
    return end;
}

static void every_length(void **state) {
    (void)state;
    for (size_t n = 0; n <= sizeof message; n++) {
        struct reader r = reader_of(message, n);
        assert_int_equal(decode(&r), n == sizeof message ? 0 : LL_EFORMAT);
        assert_true(r.at <= r.end);
        assert_true(n == sizeof message || r.failed);
    }
}

static void left_over(void **state) {
    (void)state;
    struct reader r = reader_of(message, 3);
    reader_u8(&r);
    assert_int_equal(reader_left(&r), 2);
    assert_int_equal(reader_end(&r), LL_EFORMAT);
    struct slice rest = reader_rest(&r);
    assert_int_equal(rest.size, 2);
    assert_ptr_equal(rest.data, message + 1);
    assert_int_equal(reader_end(&r), 0);
    assert_int_equal(reader_rest(&r).size, 0);
}

static void errors_stick(void **state) {
    (void)state;
    struct reader r = reader_of(message, sizeof message);
    reader_fail(&r);
    assert_int_equal(reader_u8(&r), 0);
    assert_null(reader_rest(&r).data);
    assert_null(reader_bytes(&r, 0).data);
    assert_int_equal(reader_end(&r), LL_EFORMAT);

    uint8_t lying[] = {255, 'x'};
    r = reader_of(lying, sizeof lying);
    assert_null(reader_str8(&r).data);
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_end(&r), LL_EFORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length),
        cmocka_unit_test(left_over),
        cmocka_unit_test(errors_stick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
