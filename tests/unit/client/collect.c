/* landline/client.h: a run in one call, on a server in the same process. */
#include "tests/unit/server/embedded.h"

#include <errno.h>

#include "lib/base/limits.h"
#include "tests/unit/net/support.h"

static struct embedded here;
static ll_client *client;

static int set_up(void **state) {
    (void)state;
    embedded_make(&here);
    embedded_grant(&here, "run");
    embedded_open(&here, (struct ll_serve_options){0});
    client = embedded_client(&here);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ll_client_free(client);
    embedded_close(&here);
    return 0;
}

static void outputs(void **state) {
    const struct ll_run_options run = {.shell = "echo out; echo err >&2; exit 3"};
    struct ll_collected got;
    (void)state;
    assert_code(ll_client_run(client, &run, &got, NULL), 0);
    assert_int_equal(got.result.ending, LL_EXITED);
    assert_int_equal(got.result.code, 3);
    assert_true(got.result.verified);
    assert_string_equal(got.output, "out\n");
    assert_string_equal(got.errors, "err\n");
    ll_collected_free(&got);
}

/* Exactly as much as can be collected, and a byte more. */
static void the_limit(void **state) {
    (void)state;
    for (int more = 0; more <= 1; more++) {
        char text[64];
        struct ll_collected got;
        struct ll_failure failure = {0};
        snprintf(text, sizeof text, "head -c %d /dev/zero", LIMIT_COLLECTED + more);
        const struct ll_run_options run = {.shell = text};
        assert_code(ll_client_run(client, &run, &got, &failure), more == 0 ? 0 : LL_ELIMIT);
        assert_code(failure.code, more == 0 ? 0 : LL_ELIMIT);
        assert_true(got.output_size <= LIMIT_COLLECTED && got.output_size > LIMIT_COLLECTED - LIMIT_DATA_FRAME);
        assert_true(more == 1 || got.output_size == LIMIT_COLLECTED);
        ll_collected_free(&got);
    }
}

static void nothing_to_run(void **state) {
    const struct ll_run_options none = {0};
    struct ll_collected got;
    struct ll_failure failure;
    (void)state;
    assert_code(ll_client_run(client, &none, &got, &failure), -EINVAL);
    assert_code(failure.code, -EINVAL);
    assert_true(strlen(failure.sentence) > 0);
    ll_collected_free(&got);
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(outputs), TEST(the_limit), TEST(nothing_to_run)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
