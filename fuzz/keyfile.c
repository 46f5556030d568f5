/* Any bytes as a key file, and as the text of a pin. */
#include "lib/tls/keyfile.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/limits.h"
#include "lib/tls/pin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t seed[KEYFILE_SEED], again[KEYFILE_SEED];
    char text[LIMIT_KEY_FILE + 1];
    struct tls_pin pin;
    if (keyfile_parse(seed, (const char *)data, size) == 0) {
        keyfile_format(text, seed);
        if (keyfile_parse(again, text, KEYFILE_PEM) != 0 || memcmp(again, seed, sizeof seed) != 0)
            abort();
    }
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (tls_pin_parse(&pin, text) == 0) {
        char printed[TLS_PIN_TEXT];
        tls_pin_format(&pin, printed);
        if (strcmp(printed, text) != 0)
            abort();
    }
    return 0;
}
