/* What this room keeps of OpenSSL: one library context of its own, and what was fetched from it.
 *
 * A context of its own, because the process's default one reads openssl.cnf, which may load or change anything, and
 * because only what is loaded into this one can be negotiated. Shared by counting: the identity makes it, policies hold
 * it.
 *
 * What each measure saves, in instructions of a client process up to the policy (callgrind, OpenSSL 3.0.22, x86-64; the
 * dynamic loader's 3.3 million not counted):
 *
 *      17.1 million   everything as it comes
 *      11.0           with the slim provider (slim.h)
 *       3.4           and with tls_own_process(): no openssl.cnf, error texts and tables of old algorithm names
 *       2.5           and with carried.c, which only the program's module has (OpenSSL 3.0.19)
 *
 * and a handshake costs each side 4.7 million instead of 5.6, because the peer's key is decoded by looking through one
 * decoder and not through 80; 3.2 million of them are the curves. */
#ifndef LIB_TLS_LIBRARY_H
#define LIB_TLS_LIBRARY_H

#include <openssl/evp.h>
#include <openssl/provider.h>

struct tls_library {
    _Atomic int holders;
    OSSL_LIB_CTX *context;
    EVP_KEM *anchor;         /* keeps the default provider alive though it is not active */
    OSSL_PROVIDER *provider; /* the active one */
    EVP_CIPHER *aes_gcm, *chacha;
};

/* NULL when memory runs out or the default provider is not there. A process that is ours has one, which it keeps to its end:
 * nobody is left then for whom taking it apart would be of use. */
struct tls_library *tls_library_open(void);
struct tls_library *tls_library_hold(struct tls_library *library);
void tls_library_drop(struct tls_library *library);

#endif
