/* landline/cli/keys.h: escapes, cut anywhere. */
#include "landline/cli/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* All that goes to the other side, and the commands found, for input given in pieces of `piece` bytes. */
static void filter(const char *input, size_t piece, char *out, char *found) {
    struct keys keys = {0};
    const uint8_t *at = (const uint8_t *)input;
    for (size_t left = strlen(input); left > 0;) {
        uint8_t kept[100];
        size_t used, n, size = left < piece ? left : piece;
        enum keys_command command = keys_filter(&keys, at, size, &used, kept, &n);
        assert_true(used <= size && n <= size + 1);
        memcpy(out, kept, n);
        out += n;
        if (command != KEYS_NONE)
            *found++ = (char)('0' + command);
        at += used;
        left -= used;
    }
    *out = *found = '\0';
}

static void escapes(void **state) {
    (void)state;
    static const struct {
        const char *input, *out, *found;
    } cases[] = {
        {"ls ~.\r", "ls ~.\r", ""},     {"~.", "", "1"},      {"ls\r~.", "ls\r", "1"},
        {"ls\n~d", "ls\n", "2"},        {"~~.", "~.", ""},    {"~x~.", "~x~.", ""},
        {"~?~?a~?", "a~?", "44"},       {"~\032b", "b", "3"}, {"~\r~.", "~\r", "1"},
        {"\r\r~~\r~.", "\r\r~\r", "1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece <= strlen(cases[i].input); piece++) {
            char out[100], found[10];
            filter(cases[i].input, piece, out, found);
            assert_string_equal(out, cases[i].out);
            assert_string_equal(found, cases[i].found);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(escapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
