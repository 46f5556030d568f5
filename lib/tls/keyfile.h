/* The file with a private key: PEM PKCS#8 of one Ed25519 key (RFC 8410 7), readable by its owner alone. */
#ifndef LIB_TLS_KEYFILE_H
#define LIB_TLS_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

#include "landline/error.h"

enum {
    KEYFILE_SEED = 32,
    KEYFILE_PEM = 119, /* the file: three lines */
};

/* Reads the seed from the file at path. Errors as tls_identity_load(). */
int keyfile_read(uint8_t seed[KEYFILE_SEED], const char *path, struct ll_error_info *info);

/* Makes the file with the seed, whole or not at all; -EEXIST when there is one already. */
int keyfile_write(const uint8_t seed[KEYFILE_SEED], const char *path, struct ll_error_info *info);

/* The text of the file, pure: for the tests and the fuzzer. Parse takes what `openssl genpkey -algorithm ed25519` writes,
 * with either line ending; returns 0 or LL_EKEYFILE. */
void keyfile_format(char out[KEYFILE_PEM + 1], const uint8_t seed[KEYFILE_SEED]);
int keyfile_parse(uint8_t seed[KEYFILE_SEED], const char *text, size_t n);

#endif
