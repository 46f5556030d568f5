/* Base64 (RFC 4648 4) without padding, for the short texts that fingerprints and keys are shown as. */
#ifndef LIB_BASE_BASE64_H
#define LIB_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters of n bytes. */
#define BASE64_SIZE(n) (((n)*8 + 5) / 6)

/* n bytes as BASE64_SIZE(n) characters, and no NUL. */
void base64_encode(char *out, const uint8_t *bytes, size_t n);

/* Back, from BASE64_SIZE(n) characters into n bytes. False, with `out` undefined, for any other character (also a '=' or a
 * NUL, so that a text may be shorter), and for bits set behind the last byte: one value has one text. */
bool base64_decode(uint8_t *out, size_t n, const char *text);

#endif
