/* What the programs for the virtual machine share: a check that says where it failed and goes on, a verdict. */
#ifndef TESTS_VM_PROGRAM_H
#define TESTS_VM_PROGRAM_H

#include <stdio.h>

#include "landline/error.h"

static int failures, checks;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        checks++;                                                                                                      \
        if (!(condition)) {                                                                                            \
            failures++;                                                                                                \
            printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                                           \
        }                                                                                                              \
    } while (0)

#define CHECK_CODE(call, expected)                                                                                     \
    do {                                                                                                               \
        long long got_ = (long long)(call), expected_ = (expected);                                                    \
        checks++;                                                                                                      \
        if (got_ != expected_) {                                                                                       \
            failures++;                                                                                                \
            printf("%s:%d: %s is %lld (%s), not %lld\n", __FILE__, __LINE__, #call, got_,                              \
                   got_ < 0 ? ll_error_name((int)got_) : "a count", expected_);                                        \
        }                                                                                                              \
    } while (0)

static int verdict(void) {
    printf("%d checks, %d failed\n", checks, failures);
    return failures == 0 && checks > 0 ? 0 : 1;
}

#endif
