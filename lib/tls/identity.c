#include "lib/tls/identity.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/error.h"
#include "lib/tls/certificate.h"
#include "lib/tls/crypto.h"
#include "lib/tls/identity_key.h"
#include "lib/tls/keyfile.h"

struct tls_identity {
    _Atomic int holders;
    struct tls_library *library;
    uint8_t seed[KEYFILE_SEED];
    pthread_mutex_t lock; /* around what settle() makes */
    EVP_PKEY *key;        /* NULL until then */
    uint8_t public_key[TLS_PUBLIC_SIZE];
    struct tls_pin pin;
};

static int make_key(struct tls_identity *id) {
    size_t size = sizeof id->public_key;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(id->library->context, "ED25519", NULL, id->seed, sizeof id->seed);
    if (key == NULL || EVP_PKEY_get_raw_public_key(key, id->public_key, &size) != 1) {
        EVP_PKEY_free(key);
        return LL_ETLS;
    }
    certificate_pin(&id->pin, id->public_key);
    id->key = key;
    return 0;
}

/* The public half, which costs as much as a signature, and all that follows from it. */
static int settle(const struct tls_identity *identity) {
    struct tls_identity *id =
        (struct tls_identity *)identity; /* to whoever asks, it is as if it had been there from the start */
    pthread_mutex_lock(&id->lock);
    int r = id->key != NULL ? 0 : make_key(id);
    pthread_mutex_unlock(&id->lock);
    return r;
}

static int begin(struct tls_identity **out, const uint8_t seed[KEYFILE_SEED]) {
    *out = NULL;
    struct tls_identity *id = calloc(1, sizeof *id);
    if (id == NULL)
        return -ENOMEM;
    id->holders = 1;
    pthread_mutex_init(&id->lock, NULL);
    memcpy(id->seed, seed, sizeof id->seed);
    id->library = tls_library_open();
    if (id->library == NULL) {
        tls_identity_close(id);
        return LL_ETLS;
    }
    *out = id;
    return 0;
}

/* r is the result of what made it. */
static int settled(int r, struct tls_identity **identity) {
    if (r == 0)
        r = settle(*identity);
    if (r != 0) {
        tls_identity_close(*identity);
        *identity = NULL;
    }
    return r;
}

int tls_identity_from_seed(struct tls_identity **out, const uint8_t seed[KEYFILE_SEED]) {
    return settled(begin(out, seed), out);
}

int tls_identity_make(struct tls_identity **out) {
    uint8_t seed[KEYFILE_SEED];
    int r = tls_random(seed, sizeof seed);
    if (r == 0)
        r = tls_identity_from_seed(out, seed);
    tls_wipe(seed, sizeof seed);
    return r;
}

static int load(struct tls_identity **out, const char *path, struct ll_error_info *info) {
    uint8_t seed[KEYFILE_SEED];
    *out = NULL;
    int r = keyfile_read(seed, path, info);
    if (r != 0)
        return r;
    r = begin(out, seed);
    tls_wipe(seed, sizeof seed);
    return r == 0 ? 0 : error_at(info, r, "load key", path);
}

int tls_identity_load(struct tls_identity **out, const char *path, struct ll_error_info *info) {
    int r = load(out, path, info);
    return r != 0 || settled(r, out) == 0 ? r : error_at(info, LL_ETLS, "load key", path);
}

int tls_identity_open_client(struct tls_identity **out, const char *path, struct ll_error_info *info) {
    int r = load(out, path, info);
    if (r != -ENOENT)
        return r;
    uint8_t seed[KEYFILE_SEED];
    r = tls_random(seed, sizeof seed);
    if (r != 0)
        return error_at(info, r, "make key", path);
    r = keyfile_write(seed, path, info);
    tls_wipe(seed, sizeof seed);
    /* Read back, also after -EEXIST: whoever made it first, this is the key. */
    return r == 0 || r == -EEXIST ? load(out, path, info) : r;
}

int tls_identity_open(struct tls_identity **out, const char *path, struct ll_error_info *info) {
    int r = tls_identity_open_client(out, path, info);
    return r != 0 || settled(r, out) == 0 ? r : error_at(info, LL_ETLS, "load key", path);
}

struct tls_identity *identity_hold(const struct tls_identity *identity) {
    struct tls_identity *held = (struct tls_identity *)identity;
    held->holders++;
    return held;
}

void tls_identity_close(struct tls_identity *identity) {
    if (identity == NULL || --identity->holders > 0)
        return;
    EVP_PKEY_free(identity->key);
    tls_library_drop(identity->library);
    pthread_mutex_destroy(&identity->lock);
    tls_wipe(identity, sizeof *identity);
    free(identity);
}

const struct tls_pin *tls_identity_pin(const struct tls_identity *identity) {
    settle(identity);
    return &identity->pin;
}

const uint8_t *tls_identity_public(const struct tls_identity *identity) {
    settle(identity);
    return identity->public_key;
}

void tls_identity_format(const struct tls_identity *identity, char out[TLS_PUBLIC_TEXT]) {
    static const char name[] = "ed25519:";
    memcpy(out, name, sizeof name - 1);
    base64_encode(out + sizeof name - 1, tls_identity_public(identity), TLS_PUBLIC_SIZE, base64_plain);
    out[TLS_PUBLIC_TEXT - 1] = '\0';
}

EVP_PKEY *identity_key(const struct tls_identity *identity) {
    return settle(identity) == 0 ? identity->key : NULL;
}

struct tls_library *identity_library(const struct tls_identity *identity) {
    return identity->library;
}
