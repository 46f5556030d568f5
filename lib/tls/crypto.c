#include "lib/tls/crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* The low-level SHA-256: it needs no provider, no fetch and no memory (measured: the first EVP digest of a process costs
 * four million instructions, this one two thousand), and it cannot fail. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "landline/error.h"

enum { BLOCK = 64 };

struct tls_digest {
    SHA256_CTX sha;
};

int tls_sha256(uint8_t out[TLS_SHA256_SIZE], const void *bytes, size_t n) {
    SHA256_CTX sha;
    SHA256_Init(&sha);
    SHA256_Update(&sha, bytes, n);
    SHA256_Final(out, &sha);
    OPENSSL_cleanse(&sha, sizeof sha);
    return 0;
}

int tls_mac(uint8_t out[TLS_SHA256_SIZE], const void *key, size_t key_size, const void *bytes, size_t n) {
    uint8_t padded[BLOCK] = {0}, inner[TLS_SHA256_SIZE];
    if (key_size > BLOCK)
        tls_sha256(padded, key, key_size);
    else if (key_size > 0)
        memcpy(padded, key, key_size);

    SHA256_CTX sha;
    SHA256_Init(&sha);
    for (size_t i = 0; i < BLOCK; i++)
        padded[i] ^= 0x36;
    SHA256_Update(&sha, padded, BLOCK);
    SHA256_Update(&sha, bytes, n);
    SHA256_Final(inner, &sha);

    SHA256_Init(&sha);
    for (size_t i = 0; i < BLOCK; i++)
        padded[i] ^= 0x36 ^ 0x5c;
    SHA256_Update(&sha, padded, BLOCK);
    SHA256_Update(&sha, inner, sizeof inner);
    SHA256_Final(out, &sha);

    OPENSSL_cleanse(&sha, sizeof sha);
    OPENSSL_cleanse(padded, sizeof padded);
    OPENSSL_cleanse(inner, sizeof inner);
    return 0;
}

int tls_random(void *out, size_t n) {
    uint8_t *at = out;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno != EINTR)
            return LL_ETLS;
        if (got > 0) {
            at += got;
            n -= (size_t)got;
        }
    }
    return 0;
}

bool tls_equal(const void *a, const void *b, size_t n) {
    return CRYPTO_memcmp(a, b, n) == 0;
}

void tls_wipe(void *bytes, size_t n) {
    OPENSSL_cleanse(bytes, n);
}

struct tls_digest *tls_digest_open(void) {
    struct tls_digest *d = malloc(sizeof *d);
    if (d != NULL)
        SHA256_Init(&d->sha);
    return d;
}

int tls_digest_add(struct tls_digest *d, const void *bytes, size_t n) {
    return SHA256_Update(&d->sha, bytes, n) == 1 ? 0 : LL_ETLS;
}

int tls_digest_finish(struct tls_digest *d, uint8_t out[TLS_SHA256_SIZE]) {
    return SHA256_Final(out, &d->sha) == 1 ? 0 : LL_ETLS;
}

void tls_digest_close(struct tls_digest *d) {
    free(d);
}
