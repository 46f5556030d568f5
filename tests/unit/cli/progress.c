/* landline/cli/progress.h: the line at every width. */
#include "landline/cli/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static const int64_t SECOND = 1000000000;

static const struct progress_state usual = {
    .done = 123456789, .known = 987654321, .files = 12, .known_files = 3456, .all_known = true, .rate = 1e6};

/* Columns a text takes; of more than ASCII the line has only the ellipsis, which is one column wide. */
static size_t width(const char *text) {
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static const char *line_of(unsigned columns, const struct progress_state *s) {
    static char out[400];
    progress_line(out, sizeof out, columns, s);
    return out;
}

/* Never wider than the terminal, the last column free so that nothing wraps; parts go from the end, never from within. */
static void every_width(void **unused) {
    struct progress_state rows[6];
    (void)unused;
    for (size_t i = 0; i < 6; i++)
        rows[i] = usual;
    rows[1].all_known = false;
    rows[2].stalled_ns = 3600 * SECOND;
    rows[3] = (struct progress_state){0};
    rows[4] = (struct progress_state){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, true, 1e18, 0, 0, 0};
    rows[5].rate = 0.001;
    for (size_t i = 0; i < 6; i++) {
        char full[400];
        progress_line(full, sizeof full, 300, &rows[i]);
        size_t before = 0;
        for (unsigned columns = 20; columns <= 300; columns++) {
            const char *line = line_of(columns, &rows[i]);
            assert_true(width(line) < columns);
            assert_true(width(line) > 0);
            assert_null(strpbrk(line, "\r\n\x1b"));
            assert_memory_equal(line, full, strlen(line)); /* a beginning of the full one */
            assert_true(full[strlen(line)] == '\0' || strncmp(full + strlen(line), "  ", 2) == 0);
            assert_true(width(line) >= before);
            before = width(line);
        }
        assert_string_equal(line_of(300, &rows[i]), full);
    }
}

/* Too narrow for anything is no reason to write past the end. */
static void no_room(void **unused) {
    char small[8];
    (void)unused;
    for (unsigned columns = 0; columns < 20; columns++)
        assert_true(width(line_of(columns, &usual)) <= columns);
    memset(small, 'x', sizeof small);
    progress_line(small, 7, 300, &usual);
    assert_true(strlen(small) < 7 && small[7] == 'x');
}

static void what_it_says(void **unused) {
    struct progress_state s = usual;
    (void)unused;
    assert_non_null(strstr(line_of(300, &s), " 12 %"));
    assert_non_null(strstr(line_of(300, &s), "12 of 3456 files"));
    assert_non_null(strstr(line_of(300, &s), "left"));
    s.all_known = false;
    assert_non_null(strstr(line_of(300, &s), "so far"));
    assert_null(strstr(line_of(300, &s), "%"));
    assert_null(strstr(line_of(300, &s), "left"));
    s = usual, s.known_files = 1;
    assert_null(strstr(line_of(300, &s), "files"));
    s = usual, s.done = s.known;
    assert_non_null(strstr(line_of(300, &s), "100 %"));
    assert_null(strstr(line_of(300, &s), "left"));
}

static void stall_after_five_seconds(void **unused) {
    struct progress_state s = usual;
    (void)unused;
    s.stalled_ns = 5 * SECOND - 1;
    assert_null(strstr(line_of(300, &s), "nothing moves"));
    assert_non_null(strstr(line_of(300, &s), "/s"));
    s.stalled_ns = 5 * SECOND;
    assert_non_null(strstr(line_of(300, &s), "nothing moves since"));
    assert_null(strstr(line_of(300, &s), "/s"));
    assert_null(strstr(line_of(300, &s), "left"));
}

/* While more is done, the percentage never falls, and reaches 100 only at the end. */
static void monotonic(void **unused) {
    struct progress_state s = usual;
    unsigned before = 0, now;
    (void)unused;
    for (s.done = 0; s.done <= s.known; s.done += 1234567) {
        assert_int_equal(sscanf(line_of(300, &s), "%u %%", &now), 1);
        assert_true(now >= before && now < 100);
        before = now;
    }
    s.done = s.known - 1;
    assert_int_equal(sscanf(line_of(300, &s), "%u %%", &now), 1);
    assert_int_equal(now, 99);
}

/* What was counted ahead may be less than what comes: the percentage waits then, it does not fall. */
static void never_below_what_was_shown(void **unused) {
    struct progress_state s = usual;
    (void)unused;
    s.least = 40;
    assert_non_null(strstr(line_of(300, &s), " 40 %"));
    s.done = s.known / 2 + 1;
    assert_non_null(strstr(line_of(300, &s), " 50 %"));
    s.done = s.known = UINT64_MAX;
    s.done--;
    assert_int_equal(progress_percent(&s), 99);
    s.done++;
    assert_int_equal(progress_percent(&s), 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width),  cmocka_unit_test(no_room),
        cmocka_unit_test(what_it_says), cmocka_unit_test(stall_after_five_seconds),
        cmocka_unit_test(monotonic),    cmocka_unit_test(never_below_what_was_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
