/* Contents that come from a pipe: what was read of it can be read again, as far as it is kept. */
#include "landline/transfer/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "landline/transfer/source_state.h"

enum { KEPT = 10 };

static int ends[2];
static struct source_stream stream;

static int set_up(void **state) {
    (void)state;
    if (pipe(ends) != 0)
        return -1;
    stream = (struct source_stream){.fd = ends[0], .keeps = KEPT, .version = 7};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    source_stream_free(&stream);
    close(ends[0]);
    return ends[1] >= 0 ? close(ends[1]) : 0;
}

static void give(const char *text) {
    assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
}

static void give_end(void) {
    close(ends[1]);
    ends[1] = -1;
}

static void expect(uint64_t at, size_t most, const char *text) {
    char bytes[64];
    assert_int_equal(source_stream_read(&stream, at, bytes, most), strlen(text));
    assert_memory_equal(bytes, text, strlen(text));
}

static void expect_error(uint64_t at, ssize_t code) {
    char bytes[64];
    assert_int_equal(source_stream_read(&stream, at, bytes, sizeof bytes), code);
}

static void is_read_again(void **unused) {
    (void)unused;
    give("abcdefgh");
    expect(0, 5, "abcde");
    expect(5, 64, "fgh");
    expect(0, 64, "abcdefgh");
    expect(3, 2, "de");
    give("ijklm");
    expect(8, 64, "ijklm");
    expect(3, 64, "defghijklm"); /* around the end of what is kept */
    expect(4, 64, "efghijklm");
    expect_error(2, -ESPIPE);
    expect_error(0, -ESPIPE);
    expect_error(14, -ESPIPE); /* nobody has that yet */
    expect_error(UINT64_MAX, -ESPIPE);
}

static void its_end_stays(void **unused) {
    (void)unused;
    give("abc");
    give_end();
    expect(0, 64, "abc");
    expect(3, 64, "");
    expect(1, 64, "bc");
    expect(3, 64, "");
}

static void no_more_is_read_than_is_kept(void **unused) {
    (void)unused;
    give("abcdefghijklmno");
    expect(0, 64, "abcdefghij");
    expect(0, 64, "abcdefghij");
    expect(10, 64, "klmno");
    expect(5, 64, "fghijklmno");
}

static void what_cannot_be_read(void **unused) {
    (void)unused;
    stream.fd = ends[1];
    expect_error(0, -EBADF);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_end_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_more_is_read_than_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_read, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
