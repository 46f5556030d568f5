/* What lib/base/cpu.h says, against the kernel's word. */
#include "lib/base/cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* The first processor's features, a space before and behind each; empty where the kernel names none, as on other architectures. */
static char flags[8192];

static int read_flags(void **state) {
    char line[sizeof flags];
    FILE *f = fopen("/proc/cpuinfo", "re");
    (void)state;
    assert_non_null(f);
    while (flags[0] == '\0' && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "flags", 5) == 0)
            snprintf(flags, sizeof flags, " %.*s ", (int)strcspn(strchr(line, ':') + 1, "\n"), strchr(line, ':') + 1);
    fclose(f);
    return 0;
}

static bool flag(const char *name) {
    char word[32];
    snprintf(word, sizeof word, " %s ", name);
    return strstr(flags, word) != NULL;
}

static void as_the_kernel_says(void **state) {
    (void)state;
    assert_int_equal(cpu_has_avx2(), flag("avx2"));
    assert_int_equal(cpu_has_avx512_gcm(), flag("avx512bw") && flag("vaes") && flag("vpclmulqdq"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup(as_the_kernel_says, read_flags)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
