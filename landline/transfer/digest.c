#include "landline/transfer/digest.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

_Static_assert(sizeof(XXH64_state_t) <= sizeof(((struct digest *)NULL)->chunk), "room for the state of XXH64");
_Static_assert(_Alignof(XXH64_state_t) <= _Alignof(uint64_t), "alignment of the state of XXH64");

static XXH64_state_t *state(uint64_t words[11]) {
    return (XXH64_state_t *)(void *)words;
}

void digest_init(struct digest *d) {
    d->at = 0;
    XXH64_reset(state(d->chunk), 0);
    XXH64_reset(state(d->whole), 0);
}

static size_t inside(const struct digest *d) {
    return (size_t)(d->at % TREE_CHUNK);
}

size_t digest_room(const struct digest *d) {
    return TREE_CHUNK - inside(d);
}

void digest_add(struct digest *d, const void *bytes, size_t n) {
    XXH64_update(state(d->chunk), bytes, n);
    d->at += n;
}

void digest_add_zeros(struct digest *d, size_t n) {
    static const uint8_t zeros[64 * 1024];
    for (size_t piece; n > 0; n -= piece) {
        piece = n < sizeof zeros ? n : sizeof zeros;
        digest_add(d, zeros, piece);
    }
}

static void enter(struct digest *d, uint64_t value) {
    uint64_t big = htobe64(value);
    XXH64_update(state(d->whole), &big, sizeof big);
}

uint64_t digest_close_chunk(struct digest *d) {
    uint64_t value = XXH64_digest(state(d->chunk));
    enter(d, value);
    XXH64_reset(state(d->chunk), 0);
    return value;
}

void digest_known_chunk(struct digest *d, uint64_t n, uint64_t chunk_digest) {
    enter(d, chunk_digest);
    d->at += n;
}

uint64_t digest_whole(struct digest *d) {
    enter(d, d->at);
    return XXH64_digest(state(d->whole));
}

uint64_t digest_of(const void *bytes, size_t n) {
    uint64_t big[2] = {htobe64(XXH64(bytes, n, 0)), htobe64((uint64_t)n)};
    return n > 0 ? XXH64(big, sizeof big, 0) : XXH64(big + 1, sizeof *big, 0);
}
