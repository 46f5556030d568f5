#include "lib/base/base64.h"

#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

const char base64_plain[] = LETTERS "+/", base64_url[] = LETTERS "-_";

void base64_encode(char *out, const uint8_t *bytes, size_t n, const char *digits) {
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 6; held -= 6)
            *out++ = digits[bits >> (held - 6) & 63];
    }
    if (held > 0)
        *out = digits[bits << (6 - held) & 63];
}

bool base64_decode(uint8_t *out, size_t n, const char *text, const char *digits) {
    uint32_t bits = 0;
    int held = 0;
    for (size_t at = 0; at < n; text++) {
        const char *digit = *text != '\0' ? strchr(digits, *text) : NULL;
        if (digit == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[at++] = (uint8_t)(bits >> held);
        }
    }
    return (bits & ((1u << held) - 1)) == 0;
}
