/* landline/error.h and lib/base/error.h: every code has one text and one name. */
#include "lib/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

static void texts(void **state) {
    (void)state;
    assert_string_equal(ll_strerror(0), "success");
    assert_string_equal(ll_strerror(-ECONNREFUSED), "Connection refused");
    assert_string_equal(ll_strerror(LL_ETIMEOUT), "timed out");
    assert_string_equal(ll_strerror(LL_EGAI(EAI_NONAME)), gai_strerror(EAI_NONAME));
    assert_string_equal(ll_strerror(-4096), "error -4096");
    assert_string_equal(ll_strerror(-8192), "error -8192");
    assert_string_equal(ll_strerror(-12345), "error -12345");
    assert_string_equal(ll_strerror(5), "error 5");
}

static void names(void **state) {
    (void)state;
    assert_string_equal(ll_error_name(-ECONNREFUSED), "ECONNREFUSED");
    assert_string_equal(ll_error_name(LL_EPIN), "LL_EPIN");
    assert_string_equal(ll_error_name(LL_EGAI(EAI_NONAME)), "EAI_NONAME");
    assert_string_equal(ll_error_name(LL_EGAI(-4000)), "UNKNOWN");
    assert_string_equal(ll_error_name(-4000), "UNKNOWN");
    assert_string_equal(ll_error_name(0), "UNKNOWN");
}

/* The list is complete, in order, and its numbers never change: these are promises to programs. */
static void list(void **state) {
    (void)state;
    static const struct {
        int code, number;
        const char *name, *text;
    } rows[] = {
#define ROW(name, number, text) {name, number, #name, text},
        LL_ERROR_LIST(ROW)
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(rows[i].number, i + 1);
        assert_int_equal(rows[i].code, -4096 - rows[i].number);
        assert_string_equal(ll_error_name(rows[i].code), rows[i].name);
        assert_string_equal(ll_strerror(rows[i].code), rows[i].text);
    }
    assert_int_equal(LL_EOF, -4097);
    assert_int_equal(LL_EUSAGE, -4125);
    assert_int_equal(LL_EGAI(2), LL_EGAI(-2));
}

static void formats(void **state) {
    (void)state;
    struct ll_error_info info = {.code = 1, .subject = "old"};
    char text[64], small[8];
    assert_int_equal(error_at(&info, -ECONNREFUSED, "connect", "127.0.0.1:1"), -ECONNREFUSED);
    const char *whole = "connect 127.0.0.1:1: Connection refused";
    assert_int_equal(ll_error_format(&info, text, sizeof text), (int)strlen(whole));
    assert_string_equal(text, whole);
    assert_int_equal(ll_error_format(&info, small, sizeof small), (int)strlen(whole));
    assert_string_equal(small, "connect");
    assert_int_equal(ll_error_format(&info, NULL, 0), (int)strlen(whole));

    assert_int_equal(error_at(&info, -EMFILE, "socket", NULL), -EMFILE);
    ll_error_format(&info, text, sizeof text);
    assert_string_equal(text, "socket: Too many open files");
    info.call = NULL;
    ll_error_format(&info, text, sizeof text);
    assert_string_equal(text, "landline: Too many open files");
    assert_int_equal(error_at(NULL, LL_EOF, "recv", "x"), LL_EOF);
}

static void subjects_are_escaped_and_cut(void **state) {
    (void)state;
    struct ll_error_info info;
    char text[400];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    error_at(&info, -EPERM, "open", text);
    assert_int_equal(strlen(info.subject), sizeof info.subject - 1);
    error_at(&info, -EPERM, "open", "a\x1b[31m");
    assert_string_equal(info.subject, "a\\x1b[31m");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(names),
        cmocka_unit_test(list),
        cmocka_unit_test(formats),
        cmocka_unit_test(subjects_are_escaped_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
