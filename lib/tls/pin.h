/* A pin: the SHA-256 of a public key, by which the two ends know each other (RFC 7469 2.4 has the idea).
 *
 * Hashed is the DER SubjectPublicKeyInfo of the key, 44 bytes for Ed25519 (RFC 8410). Shown as OpenSSH shows
 * fingerprints: "SHA256:" and the base64 of the 32 bytes without padding, 50 characters in all. */
#ifndef LIB_TLS_PIN_H
#define LIB_TLS_PIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TLS_PIN_SIZE = 32,
    TLS_PIN_TEXT = 51, /* "SHA256:…" with its NUL */
};

struct tls_pin {
    uint8_t bytes[TLS_PIN_SIZE];
};

/* "SHA256:…" into out, terminated. */
void tls_pin_format(const struct tls_pin *pin, char out[TLS_PIN_TEXT]);

/* Reads exactly what tls_pin_format() writes, the NUL-terminated text and nothing after it: 0, or LL_EFORMAT (also for
 * stray bits in the last character, so that one pin has one text). */
int tls_pin_parse(struct tls_pin *pin, const char *text);

/* In constant time, though pins are no secret. */
bool tls_pin_equal(const struct tls_pin *a, const struct tls_pin *b);

#endif
