#include "lib/tls/gcm.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <intel-ipsec-mb.h>

#include "landline/error.h"
#include "lib/base/cpu.h"
#include "lib/tls/crypto.h"

struct gcm {
    struct gcm_key_data key; /* wants its alignment */
    struct gcm_context_data message;
};

/* The library chooses its functions per processor and keeps them in a manager; these are of no use without such a processor. */
static struct {
    aes_gcm_pre_t expand;
    aes_gcm_init_t begin;
    aes_gcm_enc_dec_update_t seal, open;
    aes_gcm_enc_dec_finalize_t sealed, opened;
} library;
static int result; /* of loading it */

struct functions {
    IMB_MGR *(*make)(uint64_t flags);
    void (*choose)(IMB_MGR *manager);
    void (*end)(IMB_MGR *manager);
    unsigned (*version)(void);
};

/* dlsym() gives a pointer to an object; POSIX wants it to serve for functions too. */
static bool find(void *from, const char *name, void *function) {
    void *found = dlsym(from, name);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

/* Whether the manager has what we came for, in what this processor can do and the library has tried on itself. */
static bool take(const IMB_MGR *manager) {
    library.expand = manager->gcm128_pre;
    library.begin = manager->gcm128_init;
    library.seal = manager->gcm128_enc_update;
    library.open = manager->gcm128_dec_update;
    library.sealed = manager->gcm128_enc_finalize;
    library.opened = manager->gcm128_dec_finalize;
    return (manager->features & IMB_FEATURE_SELF_TEST_PASS) != 0 && library.expand != NULL && library.begin != NULL &&
           library.seal != NULL && library.open != NULL && library.sealed != NULL && library.opened != NULL;
}

/* A manager is laid out as in the header's version of the library or as in a later one, never as in an earlier. */
static int load_from(void *from) {
    const uint64_t wide = IMB_CPUFLAGS_AVX512_T2; /* with less, it is no quicker than OpenSSL */
    struct functions f;
    if (!find(from, "imb_get_version", &f.version) || !find(from, "alloc_mb_mgr", &f.make) ||
        !find(from, "init_mb_mgr_avx512", &f.choose) || !find(from, "free_mb_mgr", &f.end) ||
        f.version() < IMB_VERSION_NUM)
        return -ENOENT;
    IMB_MGR *manager = f.make(0);
    if (manager == NULL)
        return -ENOENT;
    int e = LL_ENOTSUP;
    if ((manager->features & wide) == wide) {
        f.choose(manager);
        e = take(manager) ? 0 : -ENOENT;
    }
    f.end(manager);
    return e;
}

static void load(void) {
    if (!cpu_has_avx512_gcm()) { /* not even looked for: the library is 12 MB */
        result = LL_ENOTSUP;
        return;
    }
    void *from = dlopen("libIPSec_MB.so.1", RTLD_NOW | RTLD_LOCAL);
    result = from != NULL ? load_from(from) : -ENOENT;
}

int gcm_load(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return result;
}

struct gcm *gcm_new(const uint8_t key[GCM_KEY]) {
    enum { ALIGNMENT = _Alignof(struct gcm) };
    struct gcm *gcm =
        gcm_load() == 0 ? aligned_alloc(ALIGNMENT, (sizeof *gcm + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT) : NULL;
    if (gcm != NULL)
        library.expand(key, &gcm->key);
    return gcm;
}

void gcm_free(struct gcm *gcm) {
    if (gcm != NULL)
        tls_wipe(gcm, sizeof *gcm);
    free(gcm);
}

void gcm_begin(struct gcm *gcm, const uint8_t nonce[GCM_NONCE], const uint8_t *data, size_t n) {
    library.begin(&gcm->key, &gcm->message, nonce, data, n);
}

void gcm_seal(struct gcm *gcm, uint8_t *out, const uint8_t *in, size_t n) {
    library.seal(&gcm->key, &gcm->message, out, in, n);
}

void gcm_sealed(struct gcm *gcm, uint8_t tag[GCM_TAG]) {
    library.sealed(&gcm->key, &gcm->message, tag, GCM_TAG);
}

void gcm_open(struct gcm *gcm, uint8_t *out, const uint8_t *in, size_t n) {
    library.open(&gcm->key, &gcm->message, out, in, n);
}

void gcm_opened(struct gcm *gcm, uint8_t tag[GCM_TAG]) {
    library.opened(&gcm->key, &gcm->message, tag, GCM_TAG);
}
