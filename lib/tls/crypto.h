/* The few cryptographic functions other rooms need that need no crypto library; sha256.h has the others.
 *
 * None of them blocks; all may be called from any thread. */
#ifndef LIB_TLS_CRYPTO_H
#define LIB_TLS_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* n bytes from the system's generator, good for keys, tokens and identifiers. 0, or LL_ETLS where there is no entropy, which no
 * caller may ignore. */
int tls_random(void *out, size_t n);

/* Whether n bytes are the same, in a time that does not depend on where they differ. */
bool tls_equal(const void *a, const void *b, size_t n);

/* Overwrites a secret in a way the compiler keeps. */
void tls_wipe(void *bytes, size_t n);

#endif
