#include "lib/tls/identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/error.h"
#include "lib/tls/certificate.h"
#include "lib/tls/crypto.h"
#include "lib/tls/identity_key.h"
#include "lib/tls/keyfile.h"

struct tls_identity {
    struct tls_library *library;
    EVP_PKEY *key;
    uint8_t public_key[TLS_PUBLIC_SIZE];
    struct tls_pin pin;
};

int tls_identity_from_seed(struct tls_identity **out, const uint8_t seed[32]) {
    *out = NULL;
    struct tls_identity *id = calloc(1, sizeof *id);
    if (id == NULL)
        return -ENOMEM;
    size_t size = sizeof id->public_key;
    id->library = tls_library_open();
    if (id->library != NULL)
        id->key = EVP_PKEY_new_raw_private_key_ex(id->library->context, "ED25519", NULL, seed, KEYFILE_SEED);
    if (id->key == NULL || EVP_PKEY_get_raw_public_key(id->key, id->public_key, &size) != 1) {
        tls_identity_close(id);
        return LL_ETLS;
    }
    certificate_pin(&id->pin, id->public_key);
    *out = id;
    return 0;
}

int tls_identity_make(struct tls_identity **out) {
    uint8_t seed[KEYFILE_SEED];
    int r = tls_random(seed, sizeof seed);
    if (r == 0)
        r = tls_identity_from_seed(out, seed);
    tls_wipe(seed, sizeof seed);
    return r;
}

int tls_identity_load(struct tls_identity **out, const char *path, struct ll_error_info *info) {
    uint8_t seed[KEYFILE_SEED];
    *out = NULL;
    int r = keyfile_read(seed, path, info);
    if (r != 0)
        return r;
    r = tls_identity_from_seed(out, seed);
    tls_wipe(seed, sizeof seed);
    return r == 0 ? 0 : error_at(info, r, "load key", path);
}

int tls_identity_open(struct tls_identity **out, const char *path, struct ll_error_info *info) {
    int r = tls_identity_load(out, path, info);
    if (r != -ENOENT)
        return r;
    uint8_t seed[KEYFILE_SEED];
    r = tls_random(seed, sizeof seed);
    if (r != 0)
        return error_at(info, r, "make key", path);
    r = keyfile_write(seed, path, info);
    tls_wipe(seed, sizeof seed);
    /* Read back, also after -EEXIST: whoever made it first, this is the key. */
    return r == 0 || r == -EEXIST ? tls_identity_load(out, path, info) : r;
}

void tls_identity_close(struct tls_identity *identity) {
    if (identity == NULL)
        return;
    EVP_PKEY_free(identity->key);
    tls_library_drop(identity->library);
    free(identity);
}

const struct tls_pin *tls_identity_pin(const struct tls_identity *identity) {
    return &identity->pin;
}

const uint8_t *tls_identity_public(const struct tls_identity *identity) {
    return identity->public_key;
}

void tls_identity_format(const struct tls_identity *identity, char out[TLS_PUBLIC_TEXT]) {
    static const char name[] = "ed25519:";
    memcpy(out, name, sizeof name - 1);
    base64_encode(out + sizeof name - 1, identity->public_key, TLS_PUBLIC_SIZE, base64_plain);
    out[TLS_PUBLIC_TEXT - 1] = '\0';
}

EVP_PKEY *identity_key(const struct tls_identity *identity) {
    return identity->key;
}

struct tls_library *identity_library(const struct tls_identity *identity) {
    return identity->library;
}
