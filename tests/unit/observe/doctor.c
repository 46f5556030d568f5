/* landline/observe/doctor.h: the list of findings, and the one thing to change. */
#include "landline/observe/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static bool contains(const struct buf *b, const char *text) {
    return memmem(buf_front(b), buf_size(b), text, strlen(text)) != NULL;
}

static void the_worst_comes_first(void **state) {
    (void)state;
    struct doctor d;
    doctor_init(&d);
    assert_null(doctor_worst(&d));
    doctor_add(&d, "a", "fact", DOCTOR_FACT, "%d", 1);
    doctor_add(&d, "a", "wrong without advice", DOCTOR_WRONG, "x");
    assert_null(doctor_worst(&d));
    doctor_advise(doctor_add(&d, "a", "worse", DOCTOR_WORSE, "x"), "first");
    assert_string_equal(doctor_worst(&d)->advice, "first");
    doctor_advise(doctor_add(&d, "b", "wrong", DOCTOR_WRONG, "x"), "second %s", "thing");
    doctor_advise(doctor_add(&d, "b", "wrong too", DOCTOR_WRONG, "x"), "third");
    assert_string_equal(doctor_worst(&d)->advice, "second thing");
    doctor_free(&d);
}

static void reports(void **state) {
    (void)state;
    struct doctor d;
    struct buf out;
    doctor_init(&d);
    buf_init(&out, 1 << 20);
    doctor_text(&out, &d);
    assert_true(contains(&out, "Nothing to change.\n"));
    buf_clear(&out);
    doctor_json(&out, &d);
    assert_true(contains(&out, "\"change\":null}"));
    for (int i = 0; i < 100; i++)
        doctor_add(&d, "many", "fact", DOCTOR_FACT, "%d", i)->took_ns = i * 1000000;
    doctor_advise(doctor_add(&d, "last", "hostile\033[31m\"", DOCTOR_WRONG, "value\n\"%s", "\xff"), "do \"this\"");
    buf_clear(&out);
    doctor_text(&out, &d);
    assert_int_equal(out.failed, 0);
    assert_false(contains(&out, "\033"));
    assert_true(contains(&out, "hostile\\x1b[31m\""));
    assert_true(contains(&out, "[99.00 ms]"));
    assert_true(contains(&out, "The one thing to change: do \"this\"\n"));
    buf_clear(&out);
    doctor_json(&out, &d);
    assert_true(contains(&out, "\"name\":\"hostile\\\\x1b[31m\\\"\""));
    assert_true(contains(&out, "\"value\":\"value\\\\n\\\"\\\\xff\""));
    assert_true(contains(&out, "\"change\":\"do \\\"this\\\"\"}"));
    assert_false(contains(&out, ",}"));
    buf_free(&out);
    doctor_free(&d);
}

static void long_texts_are_cut(void **state) {
    (void)state;
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct doctor d;
    doctor_init(&d);
    struct finding *f = doctor_add(&d, "a", text, DOCTOR_WRONG, "%s", text);
    doctor_advise(f, "%s", text);
    assert_int_equal(strlen(f->name), sizeof f->name - 1);
    assert_int_equal(strlen(f->value), sizeof f->value - 1);
    assert_int_equal(strlen(f->advice), sizeof f->advice - 1);
    doctor_advise(NULL, "nothing");
    doctor_free(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_comes_first),
        cmocka_unit_test(reports),
        cmocka_unit_test(long_texts_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
