/* The few cryptographic functions other rooms need, so that no other room needs OpenSSL.
 *
 * None of them blocks; all may be called from any thread. Those that return int give 0, or LL_ETLS when the crypto
 * library cannot do it (out of memory, or no entropy), which no caller may ignore. */
#ifndef LIB_TLS_CRYPTO_H
#define LIB_TLS_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TLS_SHA256_SIZE = 32,
};

/* SHA-256 (FIPS 180-4) of n bytes. */
int tls_sha256(uint8_t out[TLS_SHA256_SIZE], const void *bytes, size_t n);

/* HMAC-SHA-256 (RFC 2104) of n bytes. */
int tls_mac(uint8_t out[TLS_SHA256_SIZE], const void *key, size_t key_size, const void *bytes, size_t n);

/* n bytes from the system's generator, good for keys, tokens and identifiers. */
int tls_random(void *out, size_t n);

/* Whether n bytes are the same, in a time that does not depend on where they differ. */
bool tls_equal(const void *a, const void *b, size_t n);

/* Overwrites a secret in a way the compiler keeps. */
void tls_wipe(void *bytes, size_t n);

/* SHA-256 of a stream, piece by piece. tls_digest_open() gives NULL when memory runs out; close takes NULL. After
 * finish only close may be called. */
struct tls_digest;
struct tls_digest *tls_digest_open(void);
int tls_digest_add(struct tls_digest *d, const void *bytes, size_t n);
int tls_digest_finish(struct tls_digest *d, uint8_t out[TLS_SHA256_SIZE]);
void tls_digest_close(struct tls_digest *d);

#endif
