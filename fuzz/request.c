/* A run request: what is taken keeps every rule, and can be written again to the same bytes. */
#include "landline/proto/run.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct run_request *r) {
    for (uint32_t i = 0; i < r->argc; i++)
        if (r->argv[i].size > LIMIT_ARGUMENT || (r->argv[i].size > 0 && memchr(r->argv[i].data, 0, r->argv[i].size)))
            abort();
    for (uint32_t i = 0; i < r->variable_count; i++)
        if (r->variables[i].name.size == 0 || memchr(r->variables[i].name.data, '=', r->variables[i].name.size))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct run_request r;
    struct buf b;
    buf_init(&b, 16 << 20);
    if (run_request_get((struct slice){data, size}, &r) == 0) {
        uint8_t print[RUN_PRINT_SIZE];
        check(&r);
        run_request_fingerprint(&r, print);
        run_request_put(&b, &r);
        if (buf_size(&b) != size || memcmp(buf_front(&b), data, size) != 0)
            abort();
        run_request_again(buf_front(&b), 1, 2, 3, 4);
    }
    run_request_free(&r);
    buf_free(&b);
    return 0;
}
