#include "lib/tls/pin.h"

#include <string.h>

#include "landline/error.h"
#include "lib/base/base64.h"
#include "lib/tls/crypto.h"

static const char PREFIX[] = "SHA256:";

enum { PREFIX_SIZE = sizeof PREFIX - 1 };

_Static_assert(TLS_PIN_TEXT == PREFIX_SIZE + BASE64_SIZE(TLS_PIN_SIZE) + 1, "prefix, digest, NUL");

void tls_pin_format(const struct tls_pin *pin, char out[TLS_PIN_TEXT]) {
    memcpy(out, PREFIX, PREFIX_SIZE);
    base64_encode(out + PREFIX_SIZE, pin->bytes, TLS_PIN_SIZE, base64_plain);
    out[TLS_PIN_TEXT - 1] = '\0';
}

int tls_pin_parse(struct tls_pin *pin, const char *text) {
    struct tls_pin parsed;
    if (strlen(text) != TLS_PIN_TEXT - 1 || memcmp(text, PREFIX, PREFIX_SIZE) != 0 ||
        !base64_decode(parsed.bytes, TLS_PIN_SIZE, text + PREFIX_SIZE, base64_plain))
        return LL_EFORMAT;
    *pin = parsed;
    return 0;
}

bool tls_pin_equal(const struct tls_pin *a, const struct tls_pin *b) {
    return tls_equal(a->bytes, b->bytes, TLS_PIN_SIZE);
}
