#include "landline/transfer/xxh3_body.h"

const struct xxh3 xxh3_plain = XXH3_FUNCTIONS;

const struct xxh3 *xxh3(void) {
#ifdef LANDLINE_AVX2
    if (__builtin_cpu_supports("avx2"))
        return &xxh3_avx2;
#endif
    return &xxh3_plain;
}
