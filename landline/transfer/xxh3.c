#include "landline/transfer/xxh3_body.h"
#include "lib/base/cpu.h"

const struct xxh3 xxh3_plain = XXH3_FUNCTIONS;

const struct xxh3 *xxh3(void) {
#ifdef LANDLINE_AVX2
    if (cpu_has_avx2())
        return &xxh3_avx2;
#endif
    return &xxh3_plain;
}
