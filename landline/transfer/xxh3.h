/* XXH3 (64 bits) with the widest instructions that the processor has: the results are the same, the time is not. Measured on
 * contents that are in the cache: 0.071 ns a byte for XXH64, 0.053 for XXH3 with SSE2, 0.018 with AVX2
 * (`build/bench/bench-digest`). The header of libxxhash chooses when it is compiled; here it is compiled twice. */
#ifndef LANDLINE_TRANSFER_XXH3_H
#define LANDLINE_TRANSFER_XXH3_H

#include <stddef.h>
#include <stdint.h>

enum { XXH3_STATE = 576, XXH3_ALIGNMENT = 64 };

/* `state` is XXH3_STATE bytes at an address that is a multiple of XXH3_ALIGNMENT. */
struct xxh3 {
    void (*reset)(void *state);
    void (*update)(void *state, const void *bytes, size_t n);
    uint64_t (*digest)(const void *state);
    uint64_t (*of)(const void *bytes, size_t n);
};

/* The one for this processor. */
const struct xxh3 *xxh3(void);

extern const struct xxh3 xxh3_plain;
#ifdef LANDLINE_AVX2
extern const struct xxh3 xxh3_avx2;
#endif

#endif
