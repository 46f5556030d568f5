#include "lib/tls/library.h"

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/provider.h>

struct tls_library *tls_library_open(void) {
    struct tls_library *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->holders = 1;
    l->context = OSSL_LIB_CTX_new();
    if (l->context != NULL)
        l->provider = OSSL_PROVIDER_load(l->context, "default");
    if (l->provider != NULL) {
        l->aes_gcm = EVP_CIPHER_fetch(l->context, "AES-128-GCM", NULL);
        l->chacha = EVP_CIPHER_fetch(l->context, "ChaCha20-Poly1305", NULL);
    }
    if (l->aes_gcm == NULL || l->chacha == NULL) {
        tls_library_drop(l);
        return NULL;
    }
    return l;
}

struct tls_library *tls_library_hold(struct tls_library *library) {
    library->holders++;
    return library;
}

void tls_library_drop(struct tls_library *library) {
    if (library == NULL || --library->holders > 0)
        return;
    EVP_CIPHER_free(library->aes_gcm);
    EVP_CIPHER_free(library->chacha);
    if (library->provider != NULL)
        OSSL_PROVIDER_unload(library->provider);
    OSSL_LIB_CTX_free(library->context);
    free(library);
}
