/* The functions of xxh3.h, for the instructions that the including file is compiled for. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "landline/transfer/xxh3.h"

_Static_assert(sizeof(XXH3_state_t) <= XXH3_STATE && _Alignof(XXH3_state_t) <= XXH3_ALIGNMENT, "room for the state");

static void reset(void *state) {
    XXH3_64bits_reset(state);
}

static void update(void *state, const void *bytes, size_t n) {
    XXH3_64bits_update(state, bytes, n);
}

static uint64_t digest(const void *state) {
    return XXH3_64bits_digest(state);
}

static uint64_t of(const void *bytes, size_t n) {
    return XXH3_64bits(bytes, n);
}

#define XXH3_FUNCTIONS                                                                                                 \
    { .reset = reset, .update = update, .digest = digest, .of = of }
