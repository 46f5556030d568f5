/* The digest of files: the same with every processor's instructions, in every cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "landline/transfer/digest.h"

enum { LONGEST = 70000 };

static uint8_t bytes[LONGEST];

static int fill(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 2654435761U >> 13);
    return 0;
}

/* From the specification of XXH3. */
static void test_of_nothing(void **state) {
    (void)state;
    assert_true(xxh3_plain.of("", 0) == 0x2d06800538d394c2ULL);
    assert_true(xxh3()->of("", 0) == 0x2d06800538d394c2ULL);
}

static void test_all_instructions_agree(void **state) {
    (void)state;
    static const size_t sizes[] = {0,   1,   3,   4,    8,    9,    16,   17,    128,
                                   129, 240, 241, 1023, 1024, 1025, 4096, 65536, LONGEST};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_true(xxh3_plain.of(bytes, sizes[i]) == xxh3()->of(bytes, sizes[i]));
}

static void test_every_cut_agrees(void **state) {
    (void)state;
    static const size_t cuts[] = {1, 7, 64, 255, 256, 1000, 4097, LONGEST};
    uint64_t want = digest_of(bytes, LONGEST);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct digest d;
        digest_init(&d);
        for (size_t at = 0, n; at < LONGEST; at += n) {
            n = LONGEST - at < cuts[i] ? LONGEST - at : cuts[i];
            digest_add(&d, bytes + at, n);
        }
        digest_close_chunk(&d);
        assert_true(digest_whole(&d) == want);
    }
}

static void test_chunks_that_are_known(void **state) {
    (void)state;
    struct digest all, rest;
    digest_init(&all);
    digest_add_zeros(&all, TREE_CHUNK);
    uint64_t first = digest_close_chunk(&all);
    digest_add(&all, bytes, 5);
    digest_close_chunk(&all);
    digest_init(&rest);
    digest_known_chunk(&rest, TREE_CHUNK, first);
    digest_add(&rest, bytes, 5);
    digest_close_chunk(&rest);
    assert_true(digest_whole(&all) == digest_whole(&rest));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_nothing),
        cmocka_unit_test(test_all_instructions_agree),
        cmocka_unit_test(test_every_cut_agrees),
        cmocka_unit_test(test_chunks_that_are_known),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
