/* How many transfers may be under way (landline/service/transfer_service.c). That the next one is allowed shows in that its
 * worker is tried to be started, for which there is no memory here. */
#include "landline/service/file_worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "tests/unit/net/fault.h"

static struct file_worker workers[LIMIT_TRANSFERS];
static uint16_t said;

static void note(struct exchange *x, uint16_t code, uint32_t error, const char *text) {
    (void)x, (void)error;
    assert_true(strlen(text) > 0);
    said = code;
}

/* What the key 0 is told that asks for one more than `all`, of which `of_key` are its own. */
static uint16_t refusal(size_t all, size_t of_key, size_t waiting) {
    static const struct exchange_ops ops = {.refused = note};
    const struct passwd *user = geteuid() == 0 ? getpwuid(0) : NULL;
    struct service_host host = {.alone = true};
    struct peer peer = {.terms.as = user != NULL ? user->pw_name : NULL};
    struct exchange x = {.ops = &ops, .host = &host, .peer = &peer, .service = service_find("ls", 2)};
    struct buf request;
    memset(workers, 0, sizeof workers);
    for (size_t i = 0; i < all + waiting; i++) {
        workers[i].next = host.workers;
        workers[i].key[0] = i >= of_key && i < all;
        workers[i].waits = i >= all;
        host.workers = &workers[i];
    }
    buf_init(&request, 4096);
    tree_put_get(&request, &(struct tree_get){.flags = TREE_LIST, .count = 1, .paths = {(const uint8_t *)"\0\0\0", 4}});
    said = 0;
    fault_set(FAULT_MALLOC, 0, ENOMEM);
    x.service->open(&x, 0, (struct slice){buf_front(&request), buf_size(&request)});
    fault_clear();
    assert_ptr_equal(host.workers, all + waiting > 0 ? &workers[all + waiting - 1] : NULL);
    buf_free(&request);
    return said;
}

static void of_a_server(void **state) {
    (void)state;
    assert_int_equal(refusal(LIMIT_TRANSFERS - 1, 0, 0), CODE_SYSTEM);
    assert_int_equal(refusal(LIMIT_TRANSFERS - 1, 0, 1), CODE_SYSTEM);
    assert_int_equal(refusal(LIMIT_TRANSFERS, 0, 0), CODE_FULL);
}

static void of_a_key(void **state) {
    (void)state;
    assert_int_equal(refusal(LIMIT_TRANSFERS_KEY - 1, LIMIT_TRANSFERS_KEY - 1, 0), CODE_SYSTEM);
    assert_int_equal(refusal(LIMIT_TRANSFERS_KEY, LIMIT_TRANSFERS_KEY - 1, 1), CODE_SYSTEM);
    assert_int_equal(refusal(LIMIT_TRANSFERS_KEY, LIMIT_TRANSFERS_KEY, 0), CODE_FULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_server),
        cmocka_unit_test(of_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
