/* The inside of an identity, for the policy alone. */
#ifndef LIB_TLS_IDENTITY_KEY_H
#define LIB_TLS_IDENTITY_KEY_H

#include <openssl/evp.h>

#include "lib/tls/identity.h"
#include "lib/tls/library.h"

/* One holder more: tls_identity_close() ends it for each. */
struct tls_identity *identity_hold(const struct tls_identity *identity);

/* Both stay the identity's. No key: no memory. */
EVP_PKEY *identity_key(const struct tls_identity *identity);
struct tls_library *identity_library(const struct tls_identity *identity);

#endif
