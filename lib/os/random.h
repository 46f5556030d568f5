/* Bytes nobody can guess, from the kernel. For keys there is lib/tls/crypto.h; this is for identifiers and for spreading
 * things in time, where the crypto library would only cost start-up time. */
#ifndef LIB_OS_RANDOM_H
#define LIB_OS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* 0, or -errno (no kernel that landline runs on fails here). */
int random_bytes(void *out, size_t n);

/* A number in 0 … below - 1, or 0 where there is no randomness; below > 0. */
uint64_t random_below(uint64_t below);

#endif
