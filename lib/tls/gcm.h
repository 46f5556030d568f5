/* AES-128-GCM (NIST SP 800-38D) with instructions of 512 bits, for bulk: 10 GB/s where OpenSSL 3.0, which knows those of 128 bits,
 * makes 3 (docs/ARCHITECTURE.md, "The cipher of bulk", names the command).
 *
 * It is libipsec-mb's (Debian: libipsec-mb1), loaded when it is first wanted: a short call does not pay for it, and where it or such
 * a processor is missing, OpenSSL does the same. Keys and running state are wiped when they end. */
#ifndef LIB_TLS_GCM_H
#define LIB_TLS_GCM_H

#include <stddef.h>
#include <stdint.h>

enum { GCM_KEY = 16, GCM_NONCE = 12, GCM_TAG = 16 };

struct gcm;

/* Loads it, if that was not tried before: 0; LL_ENOTSUP, this processor or this build has no use for it; -ENOENT, it is not
 * installed, or too old. The first call opens files, so a process in a sandbox makes it before that closes; its answer counts for as long
 * as the process lives. Any thread. */
int gcm_load(void);

/* A key. NULL: it cannot be loaded, or no memory. */
struct gcm *gcm_new(const uint8_t key[GCM_KEY]);
/* NULL is fine. */
void gcm_free(struct gcm *gcm);

/* A message: begun with its nonce and n bytes of additional data, sealed or opened in pieces of any size, in place or apart, and ended
 * by its tag, which after opening is the caller's to compare. */
void gcm_begin(struct gcm *gcm, const uint8_t nonce[GCM_NONCE], const uint8_t *data, size_t n);
void gcm_seal(struct gcm *gcm, uint8_t *out, const uint8_t *in, size_t n);
void gcm_sealed(struct gcm *gcm, uint8_t tag[GCM_TAG]);
void gcm_open(struct gcm *gcm, uint8_t *out, const uint8_t *in, size_t n);
void gcm_opened(struct gcm *gcm, uint8_t tag[GCM_TAG]);

#endif
