/* The services of the run family on a server that is short of memory: nothing is started, and the client may ask again. */
#include "landline/service/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "landline/proto/invite.h"
#include "landline/proto/run.h"
#include "tests/unit/net/fault.h"

static uint16_t said;

static void note(struct exchange *x, uint16_t code, uint32_t error, const char *text) {
    (void)x;
    (void)error;
    assert_true(strlen(text) > 0);
    said = code;
}

/* What a run request is refused with where the allocation after the next `skip` fails; a grant that allows nothing stops it
 * otherwise. */
static uint16_t refusal(const struct slice request, int skip) {
    static const struct exchange_ops ops = {.refused = note};
    struct peer peer = {0};
    struct exchange x = {.ops = &ops, .peer = &peer, .service = service_find("run", 3)};
    said = 0;
    fault_set(FAULT_MALLOC, skip, ENOMEM);
    x.service->open(&x, 0, request);
    fault_clear();
    return said;
}

static void no_memory_for_a_request(void **state) {
    (void)state;
    const struct slice argv[] = {{(const uint8_t *)"true", 4}};
    const struct run_request request = {
        .id = {{1}}, .argv = (struct slice *)(uintptr_t)argv, .argc = 1, .flags = RUN_NO_STDIN};
    struct buf bytes;
    buf_init(&bytes, 4096);
    run_request_put(&bytes, &request);
    const struct slice whole = {buf_front(&bytes), buf_size(&bytes)}, cut = {whole.data, whole.size - 1};
    assert_int_equal(refusal(whole, 0), CODE_FULL);
    assert_int_equal(refusal(whole, 1), CODE_NO_GRANT);
    assert_int_equal(refusal(cut, 0), CODE_MALFORMED);
    buf_free(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_for_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
