#include "lib/tls/sha256.h"

#include <string.h>

/* The low-level SHA-256: it needs no provider, no fetch and no memory (measured: the first EVP digest of a process costs
 * four million instructions, this one two thousand), and it cannot fail. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>

enum { BLOCK = 64 };

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
