/* The certificate around an Ed25519 key: the least that RFC 5280 allows, so that it can be written and read without an
 * X.509 library. Version 3, serial 1, issuer and subject CN=landline, valid from 2020 to the end of time (RFC 5280
 * 4.1.2.5), no extensions. Nobody reads more of it than the key. */
#ifndef LIB_TLS_CERTIFICATE_H
#define LIB_TLS_CERTIFICATE_H

#include <stdint.h>

#include <openssl/evp.h>

#include "lib/tls/pin.h"

enum {
    CERTIFICATE_SIZE = 215,
    CERTIFICATE_KEY = 32,
};

/* Writes the certificate of the key pair, signed by itself; the same bytes each time, as Ed25519 signatures are
 * deterministic. Returns 0 or LL_ETLS. */
int certificate_make(uint8_t out[CERTIFICATE_SIZE], const uint8_t public_key[CERTIFICATE_KEY], OSSL_LIB_CTX *context,
                     EVP_PKEY *key);

/* The pin of an Ed25519 public key: SHA-256 of its SubjectPublicKeyInfo. */
void certificate_pin(struct tls_pin *pin, const uint8_t public_key[CERTIFICATE_KEY]);

#endif
