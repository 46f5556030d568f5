/* lib/tls/knock.h. The vectors were made with Python's hashlib, hmac and base64, from the words of the header alone. */
#include "lib/tls/knock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "landline/error.h"
#include "lib/base/limits.h"
#include "lib/tls/sha256.h"

static struct tls_pin counting_pin(void) {
    struct tls_pin pin;
    for (size_t i = 0; i < TLS_PIN_SIZE; i++)
        pin.bytes[i] = (uint8_t)i;
    return pin;
}

static void vectors(void **state) {
    (void)state;
    struct tls_pin counting = counting_pin(), hashed, ones;
    tls_sha256(hashed.bytes, "landline", 8);
    memset(ones.bytes, 0xff, sizeof ones.bytes);
    const struct {
        const struct tls_pin *pin;
        uint64_t time;
        const char *name, *sni;
    } table[] = {
        {&counting, 1800000000, "box.example", "aaaaaadljhjab2deikbrvq4fbioms7w6f7ku2ci.box.example"},
        {&counting, 0, NULL, "aaaaaaaaaaaabe3z46rl5wiq5cozr5hnme2l6si.landline"},
        {&hashed, 1767225599, "a.b.example", "aaaaaadjkw4p7e3m3vrkcb5figjib7ppxlttv7i.a.b.example"},
        {&ones, UINT64_MAX, "192.0.2.1", "7777777777776y4rf7juuck46xdg2jvyubii4ya.landline"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char sni[KNOCK_NAME];
        assert_int_equal(knock_make(table[i].pin, table[i].time, table[i].name, sni), 0);
        assert_string_equal(sni, table[i].sni);
        assert_int_equal(knock_check(table[i].pin, table[i].time, sni), KNOCK_OK);
    }
}

static void names(void **state) {
    (void)state;
    struct tls_pin pin = counting_pin();
    char sni[KNOCK_NAME], name[KNOCK_NAME];
    static const char *const nameless[] = {"", "127.0.0.1", "::1", "fe80::1%eth0"};
    for (size_t i = 0; i < sizeof nameless / sizeof nameless[0]; i++) {
        assert_int_equal(knock_make(&pin, 1, nameless[i], sni), 0);
        assert_string_equal(sni + KNOCK_LABEL, ".landline");
    }
    assert_int_equal(knock_make(&pin, 1, "Box.Example.", sni), 0);
    assert_string_equal(sni + KNOCK_LABEL, ".Box.Example");
    static const char *const wrong[] = {".",
                                        "..",
                                        ".a",
                                        "a..b",
                                        "a b",
                                        "a\nb",
                                        ("b\xc3\xbc"
                                         "cher"),
                                        "a/b"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(knock_make(&pin, 1, wrong[i], sni), LL_EADDRESS);

    /* 253 characters in all, and one more; a label of 63, and one more */
    size_t most = KNOCK_NAME - 1 - KNOCK_LABEL - 1;
    memset(name, 'a', sizeof name);
    for (size_t i = 63; i < most; i += 64)
        name[i] = '.';
    name[most] = '\0';
    assert_int_equal(knock_make(&pin, 1, name, sni), 0);
    assert_int_equal(strlen(sni), KNOCK_NAME - 1);
    assert_int_equal(knock_check(&pin, 1, sni), KNOCK_OK);
    name[most] = 'a';
    name[most + 1] = '\0';
    assert_int_equal(knock_make(&pin, 1, name, sni), LL_ELIMIT);
    memset(name, 'a', 64);
    name[63] = '\0';
    assert_int_equal(knock_make(&pin, 1, name, sni), 0);
    name[63] = 'a';
    name[64] = '\0';
    assert_int_equal(knock_make(&pin, 1, name, sni), LL_EADDRESS);
}

static void clocks(void **state) {
    (void)state;
    struct tls_pin pin = counting_pin();
    char sni[KNOCK_NAME];
    const uint64_t t = 1800000000, age = LIMIT_KNOCK_AGE;
    assert_int_equal(knock_make(&pin, t, "box", sni), 0);
    assert_int_equal(knock_check(&pin, t + age - 1, sni), KNOCK_OK);
    assert_int_equal(knock_check(&pin, t + age, sni), KNOCK_OK);
    assert_int_equal(knock_check(&pin, t + age + 1, sni), KNOCK_CLOCK);
    assert_int_equal(knock_check(&pin, t - age + 1, sni), KNOCK_OK);
    assert_int_equal(knock_check(&pin, t - age, sni), KNOCK_OK);
    assert_int_equal(knock_check(&pin, t - age - 1, sni), KNOCK_CLOCK);
    assert_int_equal(knock_check(&pin, 0, sni), KNOCK_CLOCK);
    assert_int_equal(knock_check(&pin, UINT64_MAX, sni), KNOCK_CLOCK);
}

static void forgeries(void **state) {
    (void)state;
    struct tls_pin pin = counting_pin(), other = pin;
    char sni[KNOCK_NAME], changed[KNOCK_NAME];
    other.bytes[31] ^= 1;
    assert_int_equal(knock_make(&pin, 1800000000, "box", sni), 0);
    assert_int_equal(knock_check(&other, 1800000000, sni), KNOCK_MAC);

    /* Letters in either case are the same; any other character in any place is not. */
    for (size_t i = 0; i < KNOCK_LABEL; i++) {
        memcpy(changed, sni, sizeof changed);
        if (changed[i] >= 'a' && changed[i] <= 'z')
            changed[i] = (char)(changed[i] - 'a' + 'A');
        assert_int_equal(knock_check(&pin, 1800000000, changed), KNOCK_OK);
        changed[i] = sni[i] == 'e' ? 'q' : 'e';
        int r = knock_check(&pin, 1800000000, changed);
        assert_true(r == KNOCK_MAC || (i == KNOCK_LABEL - 1 && r == KNOCK_NONE));
        for (const char *c = "018-_=. \x80"; *c != '\0'; c++) {
            changed[i] = *c;
            assert_int_equal(knock_check(&pin, 1800000000, changed), KNOCK_NONE);
        }
    }
    assert_int_equal(knock_check(&pin, 1800000000, ""), KNOCK_NONE);
    assert_int_equal(knock_check(&pin, 1800000000, "box.example"), KNOCK_NONE);
    for (size_t n = 0; n <= KNOCK_LABEL; n++) {
        snprintf(changed, sizeof changed, "%.*s", (int)n, sni);
        assert_int_equal(knock_check(&pin, 1800000000, changed), KNOCK_NONE);
    }
}

static void texts(void **state) {
    (void)state;
    for (int i = KNOCK_OK; i <= KNOCK_ERROR; i++)
        assert_true(strlen(knock_text((enum knock_result)i)) > 0);
    assert_string_equal(knock_text((enum knock_result)99), knock_text(KNOCK_ERROR));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),   cmocka_unit_test(names), cmocka_unit_test(clocks),
        cmocka_unit_test(forgeries), cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
