#include "lib/tls/certificate.h"

#include <string.h>

#include "landline/error.h"
#include "lib/tls/sha256.h"

#define ED25519 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70
#define NAME                                                                                                           \
    0x30, 0x13, 0x31, 0x11, 0x30, 0x0f, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x08, 'l', 'a', 'n', 'd', 'l', 'i', 'n', 'e'
#define SPKI 0x30, 0x2a, ED25519, 0x03, 0x21, 0x00

static const uint8_t head[] = {0x30, 0x81, 0xd4};

/* TBSCertificate up to the 32 bytes of the key, which end it. */
static const uint8_t to_be_signed[] = {0x30,
                                       0x81,
                                       0x87,
                                       0xa0,
                                       0x03,
                                       0x02,
                                       0x01,
                                       0x02,
                                       0x02,
                                       0x01,
                                       0x01,
                                       ED25519,
                                       NAME,
                                       /* Validity */ 0x30,
                                       0x20,
                                       0x17,
                                       0x0d,
                                       '2',
                                       '0',
                                       '0',
                                       '1',
                                       '0',
                                       '1',
                                       '0',
                                       '0',
                                       '0',
                                       '0',
                                       '0',
                                       '0',
                                       'Z',
                                       0x18,
                                       0x0f,
                                       '9',
                                       '9',
                                       '9',
                                       '9',
                                       '1',
                                       '2',
                                       '3',
                                       '1',
                                       '2',
                                       '3',
                                       '5',
                                       '9',
                                       '5',
                                       '9',
                                       'Z',
                                       NAME,
                                       SPKI};

static const uint8_t signature[] = {ED25519, 0x03, 0x41, 0x00};

enum {
    SIGNATURE = 64,
    SIGNED_SIZE = sizeof to_be_signed + CERTIFICATE_KEY,
};
_Static_assert(sizeof head + SIGNED_SIZE + sizeof signature + SIGNATURE == CERTIFICATE_SIZE, "the lengths above");

int certificate_make(uint8_t out[CERTIFICATE_SIZE], const uint8_t public_key[CERTIFICATE_KEY], OSSL_LIB_CTX *context,
                     EVP_PKEY *key) {
    uint8_t *signed_part = out + sizeof head, *tail = signed_part + SIGNED_SIZE;
    memcpy(out, head, sizeof head);
    memcpy(signed_part, to_be_signed, sizeof to_be_signed);
    memcpy(signed_part + sizeof to_be_signed, public_key, CERTIFICATE_KEY);
    memcpy(tail, signature, sizeof signature);

    size_t size = SIGNATURE;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = md != NULL && EVP_DigestSignInit_ex(md, NULL, NULL, context, NULL, key, NULL) == 1 &&
             EVP_DigestSign(md, tail + sizeof signature, &size, signed_part, SIGNED_SIZE) == 1 && size == SIGNATURE;
    EVP_MD_CTX_free(md);
    return ok ? 0 : LL_ETLS;
}

void certificate_pin(struct tls_pin *pin, const uint8_t public_key[CERTIFICATE_KEY]) {
    static const uint8_t prefix[] = {SPKI};
    uint8_t spki[sizeof prefix + CERTIFICATE_KEY];
    memcpy(spki, prefix, sizeof prefix);
    memcpy(spki + sizeof prefix, public_key, CERTIFICATE_KEY);
    tls_sha256(pin->bytes, spki, sizeof spki);
}
