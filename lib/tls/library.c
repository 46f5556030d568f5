#include "lib/tls/library.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/tls/process.h"
#include "lib/tls/slim.h"

/* Puts the slim provider in the place of the default one. That one is made inactive, so that nothing is fetched from it
 * but through the filter; it stays initialised as long as something that was fetched from it lives (the anchor, chosen
 * because its class has one algorithm). */
static void load_providers(struct tls_library *l) {
    OSSL_PROVIDER *whole = OSSL_PROVIDER_load(l->context, "default");
    if (whole == NULL)
        return;
    l->provider = whole;
    if (slim_prepare(whole) != 0 || !slim_has_more(whole))
        return; /* an OpenSSL with other tables, slower to start, otherwise the same; or what is slim by itself */
    l->anchor = EVP_KEM_fetch(l->context, "RSA", NULL);
    if (l->anchor == NULL)
        return;
    OSSL_PROVIDER_unload(whole);
    l->provider = slim_load(l->context, whole);
}

static struct tls_library *make(void) {
    struct tls_library *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    tls_process_begin();
    l->holders = 1;
    l->context = OSSL_LIB_CTX_new();
    if (l->context != NULL)
        load_providers(l);
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

static struct tls_library *kept;

static void keep(void) {
    kept = make();
}

struct tls_library *tls_library_open(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!tls_process_is_own())
        return make();
    pthread_once(&once, keep);
    return kept != NULL ? tls_library_hold(kept) : NULL;
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
    EVP_KEM_free(library->anchor);
    OSSL_LIB_CTX_free(library->context);
    free(library);
}
