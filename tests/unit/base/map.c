/* lib/base/map.h against a plain array, through growth and removal. */
#include "lib/base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>

#include "tests/unit/net/fault.h"

enum { KEYS = 500 };

static void like_an_array(void **state) {
    (void)state;
    struct map map = {0};
    static char there[KEYS];
    bool in[KEYS] = {0};
    size_t count = 0;
    uint64_t random = 1;
    assert_null(map_get(&map, 7));
    assert_null(map_take(&map, 7));
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        size_t k = (size_t)(random >> 33) % KEYS;
        uint64_t key = k * 16; /* alike in their low bits */
        if (random >> 63) {
            assert_int_equal(map_put(&map, key, &there[k]), 0);
            count += !in[k];
            in[k] = true;
        } else {
            assert_ptr_equal(map_take(&map, key), in[k] ? &there[k] : NULL);
            count -= in[k];
            in[k] = false;
        }
        assert_int_equal(map.count, count);
        size_t other = (size_t)(random >> 17) % KEYS;
        assert_ptr_equal(map_get(&map, other * 16), in[other] ? &there[other] : NULL);
    }
    size_t at = 0, seen = 0;
    while (map_each(&map, &at) != NULL)
        seen++;
    assert_int_equal(seen, count);
    map_free(&map);
}

static void out_of_memory_changes_nothing(void **state) {
    (void)state;
    struct map map = {0};
    static char there[KEYS];
    uint64_t in = 0;
    fault_set(FAULT_CALLOC, 0, ENOMEM);
    assert_int_equal(map_put(&map, 0, there), -ENOMEM);
    assert_int_equal(map.count, 0);
    for (; in < KEYS; in++) {
        fault_set(FAULT_CALLOC, 0, ENOMEM); /* each growth fails once */
        if (map_put(&map, in, &there[in]) == -ENOMEM)
            assert_int_equal(map_put(&map, in, &there[in]), 0);
    }
    fault_clear();
    assert_int_equal(map.count, KEYS);
    for (uint64_t i = 0; i < in; i++)
        assert_ptr_equal(map_get(&map, i), &there[i]);
    map_free(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(like_an_array),
                                       cmocka_unit_test(out_of_memory_changes_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
