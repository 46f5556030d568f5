/* The inside of an identity, for the policy alone. */
#ifndef LIB_TLS_IDENTITY_KEY_H
#define LIB_TLS_IDENTITY_KEY_H

#include <openssl/evp.h>

#include "lib/tls/identity.h"
#include "lib/tls/library.h"

/* Both stay the identity's; who keeps one takes a reference. */
EVP_PKEY *identity_key(const struct tls_identity *identity);
struct tls_library *identity_library(const struct tls_identity *identity);

#endif
