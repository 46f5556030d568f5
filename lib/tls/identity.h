/* An identity: one Ed25519 key, which is all a user or a server is known by.
 *
 * The key lives in one file, PEM PKCS#8 (RFC 8410), mode 0600. The self-signed certificate that TLS wants around it is
 * derived from it in memory, the same bytes every time, and carries no information: fixed name, fixed dates. */
#ifndef LIB_TLS_IDENTITY_H
#define LIB_TLS_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include "landline/error.h"
#include "lib/tls/pin.h"

struct tls_identity;

enum {
    TLS_PUBLIC_SIZE = 32, /* a raw Ed25519 public key */
    TLS_PUBLIC_TEXT = 52, /* "ed25519:" and base64 without padding, with its NUL */
};

/* Opens the key file at `path`, and makes it first if nothing is there (the folder must exist). A file that is made
 * appears whole or not at all (temporary file, fsync, link); when two processes make it at once, both end up with the one
 * that won. Errors, each with path in `info` (may be NULL):
 *   LL_EKEYFILE   others can read or write it, another user owns it, it is no regular file, or larger than
 *                 LIMIT_KEY_FILE, or not one Ed25519 private key in PEM; info->call says which
 *   -errno        the file system said no
 *   LL_ETLS       the crypto library failed
 * Blocks on the file system only. */
int tls_identity_open(struct tls_identity **out, const char *path, struct ll_error_info *info);

/* The same, but a file that is missing is -ENOENT. */
int tls_identity_load(struct tls_identity **out, const char *path, struct ll_error_info *info);

/* As tls_identity_open(), for a client that may need no public key before it has said its first word: that is made when it
 * is first asked for, which is while the server works on its answer. What asks for it may be told zeros then, if memory has
 * run out. */
int tls_identity_open_client(struct tls_identity **out, const char *path, struct ll_error_info *info);

/* A new key in memory only. */
int tls_identity_make(struct tls_identity **out);

/* An identity with the given private key (the 32-byte seed of RFC 8032), for tests that need the same key each time. */
int tls_identity_from_seed(struct tls_identity **out, const uint8_t seed[32]);

/* Ends it; NULL is fine. Policies made from it keep what they need. */
void tls_identity_close(struct tls_identity *identity);

/* Valid as long as the identity. */
const struct tls_pin *tls_identity_pin(const struct tls_identity *identity);
const uint8_t *tls_identity_public(const struct tls_identity *identity);

/* "ed25519:…" into out, terminated. */
void tls_identity_format(const struct tls_identity *identity, char out[TLS_PUBLIC_TEXT]);

#endif
