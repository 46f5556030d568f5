#include "landline/transfer/digest.h"

#include <endian.h>

/* Of the bytes that the struct keeps for it, those at the right address. */
static void *state(uint8_t room[XXH3_STATE + XXH3_ALIGNMENT]) {
    uintptr_t at = (uintptr_t)room;
    return room + (XXH3_ALIGNMENT - at % XXH3_ALIGNMENT) % XXH3_ALIGNMENT;
}

void digest_init(struct digest *d) {
    d->at = 0;
    d->hash = xxh3();
    d->hash->reset(state(d->chunk));
    d->hash->reset(state(d->whole));
}

static size_t inside(const struct digest *d) {
    return (size_t)(d->at % TREE_CHUNK);
}

size_t digest_room(const struct digest *d) {
    return TREE_CHUNK - inside(d);
}

void digest_add(struct digest *d, const void *bytes, size_t n) {
    d->hash->update(state(d->chunk), bytes, n);
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
    d->hash->update(state(d->whole), &big, sizeof big);
}

uint64_t digest_close_chunk(struct digest *d) {
    uint64_t value = d->hash->digest(state(d->chunk));
    enter(d, value);
    d->hash->reset(state(d->chunk));
    return value;
}

void digest_known_chunk(struct digest *d, uint64_t n, uint64_t chunk_digest) {
    enter(d, chunk_digest);
    d->at += n;
}

uint64_t digest_whole(struct digest *d) {
    enter(d, d->at);
    return d->hash->digest(state(d->whole));
}

uint64_t digest_of(const void *bytes, size_t n) {
    const struct xxh3 *hash = xxh3();
    uint64_t big[2] = {htobe64(hash->of(bytes, n)), htobe64((uint64_t)n)};
    return n > 0 ? hash->of(big, sizeof big) : hash->of(big + 1, sizeof *big);
}
