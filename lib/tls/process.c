#include "lib/tls/process.h"

#include <stdatomic.h>

#include <openssl/ssl.h>

static atomic_bool is_own;

void tls_own_process(void) {
    atomic_store(&is_own, true);
}

bool tls_process_is_own(void) {
    return atomic_load(&is_own);
}

void tls_process_begin(void) {
    if (tls_process_is_own())
        OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_SSL_STRINGS |
                             OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
                             OPENSSL_INIT_NO_ADD_ALL_DIGESTS,
                         NULL);
}
