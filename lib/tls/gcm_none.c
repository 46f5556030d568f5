/* Built without libipsec-mb, or for another processor. */
#include "lib/tls/gcm.h"

#include "landline/error.h"

int gcm_load(void) {
    return LL_ENOTSUP;
}

struct gcm *gcm_new(const uint8_t key[GCM_KEY]) {
    (void)key;
    return NULL;
}

void gcm_free(struct gcm *gcm) {
    (void)gcm;
}

/* There is no object that these could be called with. */
void gcm_begin(struct gcm *gcm, const uint8_t nonce[GCM_NONCE], const uint8_t *data, size_t n) {
    (void)gcm, (void)nonce, (void)data, (void)n;
}

void gcm_seal(struct gcm *gcm, uint8_t *out, const uint8_t *in, size_t n) {
    (void)gcm, (void)out, (void)in, (void)n;
}

void gcm_sealed(struct gcm *gcm, uint8_t tag[GCM_TAG]) {
    (void)gcm, (void)tag;
}

void gcm_open(struct gcm *gcm, uint8_t *out, const uint8_t *in, size_t n) {
    (void)gcm, (void)out, (void)in, (void)n;
}

void gcm_opened(struct gcm *gcm, uint8_t tag[GCM_TAG]) {
    (void)gcm, (void)tag;
}
