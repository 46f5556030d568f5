#include "lib/tls/pin.h"

#include <string.h>

#include <openssl/evp.h>

#include "landline/error.h"
#include "lib/tls/crypto.h"

static const char PREFIX[] = "SHA256:";

enum {
    PREFIX_SIZE = sizeof PREFIX - 1,
    BASE64_SIZE = 44, /* of 32 bytes, with its one '=' */
};

void tls_pin_format(const struct tls_pin *pin, char out[TLS_PIN_TEXT]) {
    unsigned char base64[BASE64_SIZE + 1];
    EVP_EncodeBlock(base64, pin->bytes, TLS_PIN_SIZE);
    memcpy(out, PREFIX, PREFIX_SIZE);
    memcpy(out + PREFIX_SIZE, base64, BASE64_SIZE - 1);
    out[TLS_PIN_TEXT - 1] = '\0';
}

int tls_pin_parse(struct tls_pin *pin, const char *text) {
    if (strlen(text) != TLS_PIN_TEXT - 1 || memcmp(text, PREFIX, PREFIX_SIZE) != 0)
        return LL_EFORMAT;
    unsigned char base64[BASE64_SIZE], bytes[BASE64_SIZE];
    memcpy(base64, text + PREFIX_SIZE, BASE64_SIZE - 1);
    base64[BASE64_SIZE - 1] = '=';
    if (EVP_DecodeBlock(bytes, base64, BASE64_SIZE) < TLS_PIN_SIZE)
        return LL_EFORMAT;

    /* The decoder forgives white space and stray bits; what prints back the same had neither. */
    struct tls_pin parsed;
    char again[TLS_PIN_TEXT];
    memcpy(parsed.bytes, bytes, TLS_PIN_SIZE);
    tls_pin_format(&parsed, again);
    if (strcmp(again, text) != 0)
        return LL_EFORMAT;
    *pin = parsed;
    return 0;
}

bool tls_pin_equal(const struct tls_pin *a, const struct tls_pin *b) {
    return tls_equal(a->bytes, b->bytes, TLS_PIN_SIZE);
}
