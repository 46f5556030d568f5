/* lib/base/buf.h and reader.h: bounded writing, checked reading. */
#include "lib/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "landline/error.h"
#include "lib/base/reader.h"
#include "tests/unit/net/fault.h"

static void round_trip(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    buf_add_u8(&b, 0xfe);
    buf_add_u16(&b, 0x0102);
    buf_add_u32(&b, 0x03040506);
    buf_add_u64(&b, 0x0708090a0b0c0d0eULL);
    buf_add_str8(&b, "", 0);
    buf_add_str16(&b, "ab", 2);
    buf_add_str32(&b, "cde", 3);
    assert_int_equal(b.failed, 0);

    struct reader r = reader_of(buf_front(&b), buf_size(&b));
    assert_int_equal(reader_u8(&r), 0xfe);
    assert_int_equal(reader_u16(&r), 0x0102);
    assert_int_equal(reader_u32(&r), 0x03040506);
    assert_true(reader_u64(&r) == 0x0708090a0b0c0d0eULL);
    assert_int_equal(reader_str8(&r).size, 0);
    assert_memory_equal(reader_str16(&r).data, "ab", 2);
    assert_int_equal(reader_end(&r), LL_EFORMAT);
    assert_memory_equal(reader_str32(&r).data, "cde", 3);
    assert_int_equal(reader_end(&r), 0);
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_end(&r), LL_EFORMAT);
    buf_free(&b);
}

static void limit(void **state) {
    (void)state;
    char bytes[11] = {0};
    for (size_t n = 9; n <= 11; n++) {
        struct buf b;
        buf_init(&b, 10);
        buf_add(&b, bytes, n);
        assert_int_equal(b.failed, n <= 10 ? 0 : LL_ELIMIT);
        assert_int_equal(buf_size(&b), n <= 10 ? n : 0);
        buf_free(&b);
    }
    struct buf b;
    buf_init(&b, 1000);
    char long_string[256] = {0};
    buf_add_str8(&b, long_string, sizeof long_string);
    assert_int_equal(b.failed, LL_ELIMIT);
    buf_add_u8(&b, 1);
    assert_int_equal(buf_size(&b), 0);
    buf_clear(&b);
    buf_add_str8(&b, long_string, 255);
    assert_int_equal(b.failed, 0);
    buf_free(&b);
}

static void queue(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    unsigned char next_in = 0, next_out = 0;
    for (int i = 0; i < 5000; i++) {
        for (int k = 0; k < i % 7; k++)
            buf_add_u8(&b, next_in++);
        size_t take = buf_size(&b) < 3 ? buf_size(&b) : 3;
        for (size_t k = 0; k < take; k++)
            assert_int_equal(buf_front(&b)[k], next_out++);
        buf_consume(&b, take);
    }
    buf_free(&b);
}

/* What is inside survives every growth and every move to the front. */
static void growth(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    unsigned int in = 0, out = 0;
    while (in < 20000) {
        for (size_t room = 300; room > 0; room--, in++)
            buf_add_u32(&b, in);
        for (size_t take = 100; take > 0; take--, out++) {
            struct reader r = reader_of(buf_front(&b), 4);
            assert_int_equal(reader_u32(&r), out);
            buf_consume(&b, 4);
        }
        if (buf_size(&b) > 50000) {
            out += (unsigned int)(buf_size(&b) / 4);
            buf_consume(&b, buf_size(&b));
        }
    }
    assert_int_equal(b.failed, 0);
    buf_free(&b);
    assert_int_equal(buf_size(&b), 0);
    buf_add_u8(&b, 1);
    assert_int_equal(b.failed, 0);
    buf_free(&b);
}

static void no_memory(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    buf_add_u8(&b, 7);
    fault_set(FAULT_MALLOC, 0, ENOMEM);
    assert_null(buf_reserve(&b, 1000));
    assert_int_equal(b.failed, -ENOMEM);
    buf_add_u8(&b, 8); /* the error sticks, what was there stays */
    assert_int_equal(buf_size(&b), 1);
    assert_int_equal(*buf_front(&b), 7);
    fault_clear();
    buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(limit),     cmocka_unit_test(queue),
        cmocka_unit_test(growth),     cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
