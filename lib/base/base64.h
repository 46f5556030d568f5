/* Base64 (RFC 4648) without padding. */
#ifndef LIB_BASE_BASE64_H
#define LIB_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters of n bytes. */
#define BASE64_SIZE(n) (((n)*8 + 5) / 6)

/* The 64 digits: of section 4, and of section 5, which are good for addresses and names of files. */
extern const char base64_plain[], base64_url[];

/* n bytes as BASE64_SIZE(n) characters, and no NUL. */
void base64_encode(char *out, const uint8_t *bytes, size_t n, const char *digits);

/* Back, from BASE64_SIZE(n) characters into n bytes. False, with `out` undefined, for any other character (also a '=' or a
 * NUL, so that a text may be shorter), and for bits set behind the last byte: one value has one text. */
bool base64_decode(uint8_t *out, size_t n, const char *text, const char *digits);

#endif
