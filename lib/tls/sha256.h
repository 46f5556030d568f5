/* SHA-256 and its MAC. Neither blocks or fails; they may be called from any thread. (In the program they are behind lib/border,
 * and LL_ENOTSUP or -errno there says that it cannot be loaded: no caller may ignore the result.) */
#ifndef LIB_TLS_SHA256_H
#define LIB_TLS_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum {
    TLS_SHA256_SIZE = 32,
};

/* SHA-256 (FIPS 180-4) of n bytes. 0. */
int tls_sha256(uint8_t out[TLS_SHA256_SIZE], const void *bytes, size_t n);

/* HMAC-SHA-256 (RFC 2104) of n bytes. 0. */
int tls_mac(uint8_t out[TLS_SHA256_SIZE], const void *key, size_t key_size, const void *bytes, size_t n);

#endif
