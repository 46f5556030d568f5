/* The digest of a file's contents, in chunks (docs/PROTOCOL.md section 7.6).
 *
 * Each chunk of 4 MiB has an XXH3 of its own, so that a part that arrived is proved and never hashed again; the digest of
 * the whole is the XXH3 over the digests of the chunks and the size. It protects against mistakes of disks, memory and
 * programs: the channel is authenticated already. */
#ifndef LANDLINE_TRANSFER_DIGEST_H
#define LANDLINE_TRANSFER_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "landline/proto/tree.h"
#include "landline/transfer/xxh3.h"

struct digest {
    uint64_t at; /* bytes seen */
    const struct xxh3 *hash;
    uint8_t
        chunk[XXH3_STATE + XXH3_ALIGNMENT]; /* the states, in place so that a file costs no allocation: it cannot be */
    uint8_t whole[XXH3_STATE + XXH3_ALIGNMENT]; /* copied or moved */
};

void digest_init(struct digest *d);
/* Bytes that still belong to the chunk at hand; never 0. */
size_t digest_room(const struct digest *d);
/* Adds n bytes, at most digest_room(); the chunk must be closed when it is full. */
void digest_add(struct digest *d, const void *bytes, size_t n);
/* The same for n zero bytes, which a hole has. */
void digest_add_zeros(struct digest *d, size_t n);
/* Ends the chunk: its digest, which also enters the whole. */
uint64_t digest_close_chunk(struct digest *d);
/* A chunk that was proved earlier: n bytes with that digest. */
void digest_known_chunk(struct digest *d, uint64_t n, uint64_t chunk_digest);
/* The digest of everything; an open chunk is closed. */
uint64_t digest_whole(struct digest *d);
/* For contents in one piece. */
uint64_t digest_of(const void *bytes, size_t n);

#endif
