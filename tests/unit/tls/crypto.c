/* lib/tls/crypto.h, sha256.h and pin.h: published vectors. */
#include "lib/tls/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "landline/error.h"
#include "lib/tls/pin.h"
#include "lib/tls/sha256.h"

static void expect_hex(const uint8_t bytes[32], const char *hex) {
    char got[65];
    for (int i = 0; i < 32; i++) {
        got[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        got[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    got[64] = '\0';
    assert_string_equal(got, hex);
}

/* FIPS 180-4 examples. */
static void sha256(void **state) {
    (void)state;
    static const char text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    static const char hex[] = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
    uint8_t out[32];
    assert_int_equal(tls_sha256(out, "", 0), 0);
    expect_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(tls_sha256(out, text, sizeof text - 1), 0);
    expect_hex(out, hex);
}

/* RFC 4231, cases 1, 2 and 6. */
static void mac(void **state) {
    (void)state;
    uint8_t key[131], out[32];
    memset(key, 0x0b, 20);
    assert_int_equal(tls_mac(out, key, 20, "Hi There", 8), 0);
    expect_hex(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_int_equal(tls_mac(out, "Jefe", 4, "what do ya want for nothing?", 28), 0);
    expect_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    static const char text[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    assert_int_equal(tls_mac(out, key, sizeof key, text, sizeof text - 1), 0);
    expect_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void helpers(void **state) {
    (void)state;
    uint8_t a[1000] = {0}, b[1000] = {0};
    assert_true(tls_equal(a, b, sizeof a));
    assert_int_equal(tls_random(a, sizeof a), 0);
    assert_int_equal(tls_random(b, sizeof b), 0);
    assert_false(tls_equal(a, b, 16));
    assert_false(tls_equal(a + 984, b + 984, 16));
    memcpy(b, a, sizeof b);
    b[999] ^= 0x80;
    assert_true(tls_equal(a, b, 999));
    assert_false(tls_equal(a, b, 1000));
    tls_wipe(a, sizeof a);
    for (size_t i = 0; i < sizeof a; i++)
        assert_int_equal(a[i], 0);
}

static void pins(void **state) {
    (void)state;
    /* The key of RFC 8032 7.1, test 1. */
    static const char text[] = "SHA256:BuP9j9opu2CrWVV95h7bCuzbIxE0vjDnW0Vfjht5L6k";
    struct tls_pin pin, other;
    char again[TLS_PIN_TEXT], changed[TLS_PIN_TEXT + 2];
    assert_int_equal(sizeof text, TLS_PIN_TEXT);
    assert_int_equal(tls_pin_parse(&pin, text), 0);
    tls_pin_format(&pin, again);
    assert_string_equal(again, text);

    static const char *const wrong[] = {
        "",
        "SHA256:",
        "BuP9j9opu2CrWVV95h7bCuzbIxE0vjDnW0Vfjht5L6k",
        "SHA256:BuP9j9opu2CrWVV95h7bCuzbIxE0vjDnW0Vfjht5L6k=",
        "SHA256:BuP9j9opu2CrWVV95h7bCuzbIxE0vjDnW0Vfjht5L6",
        "SHA256:BuP9j9opu2CrWVV95h7bCuzbIxE0vjDnW0Vfjht5L6l", /* stray bits */
        "SHA256: uP9j9opu2CrWVV95h7bCuzbIxE0vjDnW0Vfjht5L6k",
        "SHA256:BuP9j9opu2CrWVV95h7bCuzbIxE0vjDnW0Vfjht5L6 ",
        "sha256:BuP9j9opu2CrWVV95h7bCuzbIxE0vjDnW0Vfjht5L6k",
        "SHA256:BuP9j9opu2CrWVV95h7bCuzbIxE0vjDnW0Vfjht-L6k",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(tls_pin_parse(&other, wrong[i]), LL_EFORMAT);
    for (size_t i = 7; i < TLS_PIN_TEXT - 1; i++) {
        memcpy(changed, text, sizeof text);
        changed[i] = changed[i] == 'g' ? 'w' : 'g'; /* differ in bits that count in every place */
        assert_int_equal(tls_pin_parse(&other, changed), 0);
        assert_false(tls_pin_equal(&pin, &other));
    }
    assert_true(tls_pin_equal(&pin, &pin));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256),
        cmocka_unit_test(mac),
        cmocka_unit_test(helpers),
        cmocka_unit_test(pins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
