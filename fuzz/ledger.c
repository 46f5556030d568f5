/* The ledger's file: any bytes are loaded as far as they are good, and what was loaded can be dumped and loaded again. */
#include "landline/proto/ledger.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ledger *make(void) {
    static const uint8_t instance[LEDGER_INSTANCE];
    const struct ledger_config config = {0};
    struct ledger *l = ledger_new(&config, instance, 1000);
    if (l == NULL)
        abort();
    return l;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ledger *a = make(), *b = make();
    struct buf one, two;
    size_t used;
    buf_init(&one, 16 << 20);
    buf_init(&two, 16 << 20);
    int e = ledger_load(a, data, size, 5000, &used);
    if (used > size || (e == 0) != (used == size))
        abort();
    ledger_torn(data, size, used);
    ledger_dump(a, &one);
    if (ledger_load(b, buf_front(&one), buf_size(&one), 5000, &used) < 0 || ledger_count(a) != ledger_count(b))
        abort();
    ledger_dump(b, &two);
    if (buf_size(&one) != buf_size(&two) || memcmp(buf_front(&one), buf_front(&two), buf_size(&one)) != 0)
        abort();
    ledger_expire(a, UINT64_MAX);
    ledger_free(a);
    ledger_free(b);
    buf_free(&one);
    buf_free(&two);
    return 0;
}
