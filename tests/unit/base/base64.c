/* lib/base/base64.h: the vectors of RFC 4648 without their padding, every value of a byte, and what is no base64. */
#include "lib/base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static const struct {
    const char *bytes, *text;
} vectors[] = {
    {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
    {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"},
};

static void vectors_of_the_rfc(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        size_t n = strlen(vectors[i].bytes), size = strlen(vectors[i].text);
        char text[16];
        uint8_t bytes[16];
        memset(text, '!', sizeof text);
        memset(bytes, '!', sizeof bytes);
        assert_int_equal(BASE64_SIZE(n), size);
        base64_encode(text, (const uint8_t *)vectors[i].bytes, n, base64_plain);
        assert_memory_equal(text, vectors[i].text, size);
        assert_int_equal(text[size], '!');
        assert_true(base64_decode(bytes, n, vectors[i].text, base64_plain));
        assert_memory_equal(bytes, vectors[i].bytes, n);
        assert_int_equal(bytes[n], '!');
    }
}

static void every_byte_comes_back(void **state) {
    (void)state;
    uint8_t bytes[256], back[256];
    char text[BASE64_SIZE(256) + 1];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 167 + 13);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        base64_encode(text, bytes, n, base64_plain);
        text[BASE64_SIZE(n)] = '\0';
        assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
                         BASE64_SIZE(n));
        assert_true(base64_decode(back, n, text, base64_plain));
        assert_memory_equal(back, bytes, n);
    }
}

static void high_values(void **state) {
    (void)state;
    char text[4];
    base64_encode(text, (const uint8_t *)"\xfb\xff\xbf", 3, base64_plain);
    assert_memory_equal(text, "+/+/", 4);
    base64_encode(text, (const uint8_t *)"\xfb\xff\xbf", 3, base64_url);
    assert_memory_equal(text, "-_-_", 4);
    uint8_t bytes[3];
    assert_true(base64_decode(bytes, 3, "-_-_", base64_url));
    assert_memory_equal(bytes, "\xfb\xff\xbf", 3);
    assert_false(base64_decode(bytes, 3, "+/+/", base64_url));
}

static void refuses_what_is_none(void **state) {
    (void)state;
    uint8_t bytes[3];
    static const char *const wrong[] = {"Zm9=", "Zm9", "Z", "", "Zm9 ", "Zm9\n", "Zm9-", "Zm9_", "Z\xc3\xa4v"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(base64_decode(bytes, 3, wrong[i], base64_plain));
}

/* "Zg" and "Zh" would both be an "f". */
static void refuses_bits_behind_the_end(void **state) {
    (void)state;
    uint8_t bytes[2];
    assert_true(base64_decode(bytes, 1, "Zg", base64_plain));
    assert_false(base64_decode(bytes, 1, "Zh", base64_plain));
    assert_false(base64_decode(bytes, 1, "Zv", base64_plain));
    assert_true(base64_decode(bytes, 2, "Zm8", base64_plain));
    assert_false(base64_decode(bytes, 2, "Zm9", base64_plain));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_the_rfc),
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(high_values),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(refuses_bits_behind_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
