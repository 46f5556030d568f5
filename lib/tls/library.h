/* What this room keeps of OpenSSL: one library context of its own, and what was fetched from it.
 *
 * A context of its own, because the process's default one reads openssl.cnf, which may load or change anything, and
 * because the algorithms that are fetched from this one are all that can be negotiated. Shared by counting: the identity makes
 * it, policies and engines hold it. */
#ifndef LIB_TLS_LIBRARY_H
#define LIB_TLS_LIBRARY_H

#include <openssl/bio.h>
#include <openssl/evp.h>

struct tls_library {
    _Atomic int holders;
    OSSL_LIB_CTX *context;
    OSSL_PROVIDER *provider;
    EVP_CIPHER *aes_gcm, *chacha;
};

/* NULL when memory runs out or the default provider is not there. */
struct tls_library *tls_library_open(void);
struct tls_library *tls_library_hold(struct tls_library *library);
void tls_library_drop(struct tls_library *library);

#endif
