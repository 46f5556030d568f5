/* The record layer of TLS 1.3 after the handshake (RFC 8446 5), one direction: a key, and records sealed or opened with
 * it.
 *
 * Why not the TLS library's: it takes one record, one copy and one call at a time, which costs a fifth of the throughput
 * of a bulk transfer, and its object holds some 10 KB per idle connection. Both suites are SHA-256 ones (RFC 8446 B.4). */
#ifndef LIB_TLS_RECORD_H
#define LIB_TLS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <openssl/evp.h>

#include "lib/tls/gcm.h"

enum {
    RECORD_HEADER = 5,
    RECORD_TAG = 16,
    RECORD_OVERHEAD = RECORD_HEADER + 1 + RECORD_TAG, /* header, inner type, tag */
    RECORD_PLAIN = 16 << 10,                          /* 5.1: the most plaintext of one record */
    RECORD_BODY = RECORD_PLAIN + 256,                 /* 5.2: the most that may stand behind a header */
    RECORD_SECRET = 32,
};

enum record_type {
    RECORD_ALERT = 21,
    RECORD_HANDSHAKE = 22,
    RECORD_DATA = 23,
};

enum record_direction {
    RECORD_OPEN = 0, /* as EVP_CipherInit wants it */
    RECORD_SEAL = 1,
};

struct record_key {
    EVP_CIPHER_CTX *cipher;
    struct gcm *gcm; /* NULL: not in its place */
    uint16_t large;  /* records of a size for it, until it is wanted */
    bool seals;
    uint8_t secret[RECORD_SECRET]; /* the traffic secret: the next key comes from it */
    uint8_t iv[12];
    uint64_t sequence;
};

/* Derives key and IV from a traffic secret (7.3). Returns 0, -ENOMEM, LL_ETLS. */
int record_key_set(struct record_key *key, enum record_direction direction, const EVP_CIPHER *cipher,
                   const uint8_t secret[RECORD_SECRET]);
/* Goes on to the next generation (7.2). */
int record_key_update(struct record_key *key);
/* For whoever seals in its place: whether it is one of TLS_AES_128_GCM_SHA256, and the key's bytes (n as the cipher has). */
bool record_key_is_aes(const struct record_key *key);
void record_key_export(const struct record_key *key, uint8_t *out, size_t n);
/* Wipes it; a key that was never set is fine. */
void record_key_clear(struct record_key *key);

/* Where a reader stands in a list of parts. */
struct record_parts {
    const struct iovec *part;
    int count;   /* parts left, the one at hand included */
    size_t skip; /* bytes of the part at hand that were taken */
};

/* Seals the next n bytes (at most RECORD_PLAIN) of the parts into one record of n + RECORD_OVERHEAD bytes at out.
 * Returns 0 or LL_ETLS. */
int record_seal(struct record_key *key, enum record_type type, struct record_parts *parts, size_t n, uint8_t *out);

/* The size of the record that starts with these n bytes, header included: 0 while the header is not there, LL_EPROTOCOL
 * if it is none that may come after a handshake. */
int record_size(const uint8_t *bytes, size_t n);

/* Another place for the contents of records, behind the first `head` bytes. `choose` sees those before anything of the record is
 * authenticated, and gives room for n bytes, or NULL. What stands there counts once the record was opened. */
struct record_place {
    size_t head; /* 0: none */
    uint8_t *(*choose)(void *arg, const uint8_t *head, size_t n);
    void *arg;
};

/* Opens the record of `size` bytes in place: the content is then record[RECORD_HEADER] … and *n bytes long, and its type
 * is returned; LL_EPROTOCOL if it was tampered with or has no content type. Where *apart is not NULL, the content behind its first
 * place->head bytes lies there instead: only ever data. */
int record_open(struct record_key *key, uint8_t *record, size_t size, const struct record_place *place, size_t *n,
                const uint8_t **apart);

#endif
