/* lib/base/ascii.h against the rule itself, for every byte, length and alignment. */
#include "lib/base/ascii.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static void uppers_letters_and_nothing_else(void **state) {
    (void)state;
    unsigned char bytes[256 + 16];
    for (size_t start = 0; start < 8; start++)
        for (size_t n = 0; n <= 256; n++) {
            for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (unsigned char)(i + 3 * start);
            ascii_upper(bytes + start, n);
            for (size_t i = 0; i < sizeof bytes; i++) {
                unsigned char was = (unsigned char)(i + 3 * start);
                int letter = i >= start && i < start + n && was >= 'a' && was <= 'z';
                assert_int_equal(bytes[i], letter ? was - 'a' + 'A' : was);
            }
        }
}

static void leaves_other_alphabets(void **state) {
    (void)state;
    char text[] = "grüße, привет, 在python3中socket";
    ascii_upper((unsigned char *)text, strlen(text));
    assert_string_equal(text, "GRüßE, привет, 在PYTHON3中SOCKET");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uppers_letters_and_nothing_else),
        cmocka_unit_test(leaves_other_alphabets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
