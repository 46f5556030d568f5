/* landline/cli/options.h: command lines. What it says goes to standard error and is not looked at here. */
#include "landline/cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static int never(const struct command *self, int argc, char **argv) {
    (void)self, (void)argc, (void)argv;
    return 99;
}

static const struct command command = {"test", never, "a test", "HOST [--] COMMAND", 125};

static struct {
    bool quiet;
    int verbose;
    const char *text;
    struct option_list list;
    int64_t duration;
    uint64_t size;
} got;

static const struct option_row rows[] = {
    {"quiet", 'q', OPTION_FLAG, &got.quiet, NULL, "be quiet", NULL},
    {"verbose", 'v', OPTION_COUNT, &got.verbose, NULL, "say more", NULL},
    {"text", 't', OPTION_TEXT, &got.text, "TEXT", "a text", NULL},
    {"env", 'e', OPTION_LIST, &got.list, "NAME=VALUE", "a list", NULL},
    {"timeout", 0, OPTION_DURATION, &got.duration, "DURATION", "a time", NULL},
    {"size", 0, OPTION_SIZE, &got.size, "SIZE", "a size", NULL},
    {0},
};

static struct operands operands;

/* Splits `line` at spaces and parses it. */
static int parse(const char *line, int command_after, int max) {
    static char words[1000];
    static char *argv[50];
    int argc = 0;
    option_list_free(&got.list);
    memset(&got, 0, sizeof got);
    strncpy(words, line, sizeof words - 1);
    for (char *rest, *word = strtok_r(words, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = strcmp(word, "''") == 0 ? (char *)"" : word;
    struct options options = {.command = &command, .rows = rows, .min = 1, .max = max, .command_after = command_after};
    return options_parse(&options, argc, argv, &operands);
}

static void anywhere(void **state) {
    (void)state;
    assert_int_equal(parse("test -qvv box --text=a b --env X=1 -eY=2 -e Z --timeout 1.5s", 0, 2), -1);
    assert_true(got.quiet);
    assert_int_equal(got.verbose, 2);
    assert_string_equal(got.text, "a");
    assert_int_equal(got.list.count, 3);
    assert_string_equal(got.list.values[1], "Y=2");
    assert_true(got.duration == 1500000000);
    assert_int_equal(operands.count, 2);
    assert_string_equal(operands.values[0], "box");
    assert_string_equal(operands.values[1], "b");
    assert_int_equal(parse("test -- -q --nothing", 0, 2), -1);
    assert_false(got.quiet);
    assert_string_equal(operands.values[0], "-q");
    assert_int_equal(parse("test -", 0, 2), -1);
    assert_string_equal(operands.values[0], "-");
}

static void command_line(void **state) {
    (void)state;
    assert_int_equal(parse("test -q box -v ls -q --text=x --", 1, -1), -1);
    assert_int_equal(operands.count, 5);
    assert_string_equal(operands.values[1], "ls");
    assert_string_equal(operands.values[4], "--");
    assert_int_equal(got.verbose, 1);
    assert_null(got.text);
    assert_int_equal(parse("test box -q -- -v -- a", 1, -1), -1);
    assert_int_equal(operands.count, 4);
    assert_string_equal(operands.values[1], "-v");
    assert_string_equal(operands.values[2], "--");
    assert_int_equal(parse("test -- box ls -q", 1, -1), -1);
    assert_int_equal(operands.count, 3);
    assert_false(got.quiet);
    assert_int_equal(parse("test -- box -- ls", 1, -1), -1);
    assert_int_equal(operands.count, 2);
    assert_int_equal(parse("test box '' -q", 1, -1), -1);
    assert_int_equal(operands.count, 3);
    assert_string_equal(operands.values[1], "");
}

static void wrong(void **state) {
    (void)state;
    static const char *const bad[] = {
        "test",        "test a b c",  "test box --txt=1",     "test box --quiet=1", "test box --text",
        "test box -t", "test box -x", "test box --timeout x", "test box --size=1Q", "test box --timeout=",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i], 0, 2), 125);
    assert_int_equal(parse("test --help", 0, 2), 0);
    assert_int_equal(parse("test -h", 0, 2), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anywhere),
        cmocka_unit_test(command_line),
        cmocka_unit_test(wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
