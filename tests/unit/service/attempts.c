/* landline/service/attempts.h */
#include "landline/service/attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static struct attempts memory;

static bool come(uint8_t key, uint32_t id, uint32_t number) {
    uint8_t keys[PEER_KEY] = {0}, ids[TREE_ID] = {0};
    keys[PEER_KEY - 1] = key;
    memcpy(ids + TREE_ID - sizeof id, &id, sizeof id);
    return attempts_come(&memory, keys, ids, number);
}

static void only_later_ones(void **state) {
    (void)state;
    memset(&memory, 0, sizeof memory);
    assert_false(come(1, 1, 0));
    assert_true(come(1, 1, 2));
    assert_false(come(1, 1, 2));
    assert_false(come(1, 1, 1));
    assert_true(come(1, 1, UINT32_MAX));
    assert_false(come(1, 1, UINT32_MAX - 1));
    assert_true(come(2, 1, 1)); /* another key's */
    assert_true(come(1, 2, 1));
    assert_true(come(1, 0, 1));
}

static void the_oldest_are_forgotten(void **state) {
    (void)state;
    const uint32_t kept = sizeof memory.puts / sizeof *memory.puts;
    memset(&memory, 0, sizeof memory);
    for (uint32_t id = 0; id <= kept; id++)
        assert_true(come(1, id, 7));
    for (uint32_t id = kept; id > 0; id--)
        assert_false(come(1, id, 7));
    assert_true(come(1, 0, 7));
    assert_true(come(1, 1, 7)); /* its place was taken */
    assert_false(come(1, 3, 7));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_later_ones), cmocka_unit_test(the_oldest_are_forgotten)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
