/* landline/observe/echo.h: ICMP echo built and taken apart. */
#include "landline/observe/echo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ID = 0x1234, SEQ = 7 };

static void request(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    echo_request(&b, AF_INET, ID, SEQ, 3);
    static const uint8_t expected[] = {8, 0, 0, 0, 0x12, 0x34, 0, 7, 7, 8, 9};
    assert_int_equal(buf_size(&b), sizeof expected);
    uint8_t *m = buf_front(&b);
    uint32_t sum = 0; /* RFC 1071: over everything, checksum included, it is all ones */
    for (size_t i = 0; i < sizeof expected; i++)
        sum += (uint32_t)m[i] << (i % 2 == 0 ? 8 : 0);
    assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
    m[2] = m[3] = 0;
    assert_memory_equal(m, expected, sizeof expected);
    buf_clear(&b);
    echo_request(&b, AF_INET6, ID, SEQ, 0);
    assert_memory_equal(buf_front(&b), "\x80\0\0\0\x12\x34\0\x07", 8);
    buf_clear(&b);
    echo_request(&b, AF_INET, ID, SEQ, 1000 - ECHO_HEADER);
    assert_int_equal(b.failed, 0);
    buf_clear(&b);
    echo_request(&b, AF_INET, ID, SEQ, 1001 - ECHO_HEADER);
    assert_int_not_equal(b.failed, 0);
    buf_free(&b);
}

static struct echo parse(const uint8_t *bytes, size_t n, int family, bool with_ip, int id) {
    uint8_t *copy = malloc(n == 0 ? 1 : n); /* exactly this long, for the sanitizers */
    memcpy(copy, bytes, n);
    struct echo e = echo_parse(copy, n, family, with_ip, id);
    free(copy);
    return e;
}

static void replies(void **state) {
    (void)state;
    uint8_t v4[] = {0x46, 0, 0, 35, 0, 0, 0, 0, 61, 1, 0,    0,    127, 0, 0, 1, 127, 0,
                    0,    1, 1, 1,  1, 1, 0, 0, 0,  0, 0x12, 0x34, 0,   7, 7, 8, 9};
    struct echo e = parse(v4, sizeof v4, AF_INET, true, ID);
    assert_int_equal(e.kind, ECHO_REPLY);
    assert_int_equal(e.sequence, SEQ);
    assert_int_equal(e.hops, 61);
    assert_int_equal(e.size, 11);
    assert_int_equal(parse(v4 + 24, 11, AF_INET, false, -1).kind, ECHO_REPLY);
    assert_int_equal(parse(v4, sizeof v4, AF_INET, true, ID + 1).kind, ECHO_OTHER);
    for (size_t n = 0; n < 32; n++)
        assert_int_equal(parse(v4, n, AF_INET, true, ID).kind, ECHO_OTHER);
    v4[34]++;
    assert_int_equal(parse(v4, sizeof v4, AF_INET, true, ID).kind, ECHO_DAMAGED);
    v4[9] = 6; /* TCP */
    assert_int_equal(parse(v4, sizeof v4, AF_INET, true, ID).kind, ECHO_OTHER);
    static const uint8_t v6[] = {129, 0, 0, 0, 0x12, 0x34, 0, 7};
    assert_int_equal(parse(v6, sizeof v6, AF_INET6, false, ID).kind, ECHO_REPLY);
    assert_int_equal(parse(v6, sizeof v6, AF_INET, false, ID).kind, ECHO_OTHER);
}

static void errors(void **state) {
    (void)state;
    uint8_t v4[] = {3, 1, 0,   0, 0, 0, 0,   0, 0x45, 0, 0, 28, 0, 0, 0,    0,    64, 1,
                    0, 0, 127, 0, 0, 1, 127, 0, 0,    2, 8, 0,  0, 0, 0x12, 0x34, 0,  7};
    struct echo e = parse(v4, sizeof v4, AF_INET, false, ID);
    assert_int_equal(e.kind, ECHO_ERROR);
    assert_int_equal(e.sequence, SEQ);
    assert_string_equal(echo_error_text(AF_INET, e.type, e.code), "host unreachable");
    assert_string_equal(echo_error_text(AF_INET, 99, 99), "cannot be delivered");
    for (size_t n = 0; n < sizeof v4; n++)
        assert_int_equal(parse(v4, n, AF_INET, false, ID).kind, ECHO_OTHER);
    v4[8] = 0x44; /* a header that is too short */
    assert_int_equal(parse(v4, sizeof v4, AF_INET, false, ID).kind, ECHO_OTHER);
    uint8_t v6[8 + 40 + 8] = {1, 3};
    v6[8] = 0x60;
    v6[14] = 58;
    memcpy(v6 + 48, "\x80\0\0\0\x12\x34\0\x07", 8);
    e = parse(v6, sizeof v6, AF_INET6, false, ID);
    assert_int_equal(e.kind, ECHO_ERROR);
    assert_string_equal(echo_error_text(AF_INET6, e.type, e.code), "address unreachable");
    for (size_t n = 0; n < sizeof v6; n++)
        assert_int_equal(parse(v6, n, AF_INET6, false, ID).kind, ECHO_OTHER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request),
        cmocka_unit_test(replies),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
