#include "lib/tls/slim.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/ssl.h>

#include "landline/error.h"

enum {
    MOST = 5, /* algorithms of one class, and the end */
};

static const struct {
    int operation;
    const char *name;
    const char *property; /* must be among its properties, if not NULL */
} wanted[] = {
    {OSSL_OP_DIGEST, "SHA256", NULL},
    {OSSL_OP_DIGEST, "SHA512", NULL}, /* inside Ed25519 */
    {OSSL_OP_CIPHER, "AES-128-GCM", NULL},
    {OSSL_OP_CIPHER, "ChaCha20-Poly1305", NULL},
    {OSSL_OP_CIPHER, "AES-256-CTR", NULL}, /* both inside CTR-DRBG */
    {OSSL_OP_CIPHER, "AES-256-ECB", NULL},
    {OSSL_OP_MAC, "HMAC", NULL},
    {OSSL_OP_KDF, "HKDF", NULL},
    {OSSL_OP_KDF, "TLS13-KDF", NULL},
    {OSSL_OP_RAND, "CTR-DRBG", NULL},
    {OSSL_OP_RAND, "SEED-SRC", NULL},
    {OSSL_OP_KEYMGMT, "X25519", NULL},
    {OSSL_OP_KEYMGMT, "ED25519", NULL},
    {OSSL_OP_KEYEXCH, "X25519", NULL},
    {OSSL_OP_SIGNATURE, "ED25519", NULL},
    {OSSL_OP_SIGNATURE, "ECDSA", NULL}, /* libssl counts Ed25519 as a kind of it */
    {OSSL_OP_DECODER, "ED25519", "structure=SubjectPublicKeyInfo"},
};

/* The filtered tables. They are the same for every context, as those that they are copied from are constants of
 * libcrypto's; written once. */
static OSSL_ALGORITHM tables[OSSL_OP__HIGHEST + 1][MOST];
static bool complete;

/* For the two callbacks without an argument; set only while they run. */
static _Thread_local OSSL_PROVIDER *origin;

static bool is_named(const char *names, const char *name) {
    size_t length = strlen(name);
    while (strncasecmp(names, name, length) != 0 || (names[length] != '\0' && names[length] != ':')) {
        names = strchr(names, ':');
        if (names == NULL)
            return false;
        names++;
    }
    return true;
}

static bool copy_wanted(size_t i) {
    int unused = 0;
    OSSL_ALGORITHM *to = tables[wanted[i].operation];
    const OSSL_ALGORITHM *from = OSSL_PROVIDER_query_operation(origin, wanted[i].operation, &unused);
    while (to->algorithm_names != NULL)
        to++;
    for (; from != NULL && from->algorithm_names != NULL; from++)
        if (is_named(from->algorithm_names, wanted[i].name) &&
            (wanted[i].property == NULL || strstr(from->property_definition, wanted[i].property) != NULL)) {
            *to = *from;
            return true;
        }
    return false;
}

static void fill(void) {
    bool all = true;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        all &= copy_wanted(i);
    complete = all;
}

int slim_prepare(OSSL_PROVIDER *whole) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    origin = whole;
    int r = pthread_once(&once, fill);
    origin = NULL;
    return r == 0 && complete ? 0 : LL_ENOTSUP;
}

bool slim_has_more(OSSL_PROVIDER *whole) {
    int unused = 0;
    return OSSL_PROVIDER_query_operation(whole, OSSL_OP_KEM, &unused) != NULL;
}

bool slim_lacks(int operation, const char *name) {
    if (!complete || name == NULL)
        return false;
    for (const OSSL_ALGORITHM *at = tables[operation]; at->algorithm_names != NULL; at++)
        if (is_named(at->algorithm_names, name))
            return false;
    return true;
}

static const OSSL_ALGORITHM *query(void *context, int operation, int *no_cache) {
    (void)context;
    *no_cache = 0; /* what was made of these once may be kept */
    return operation > 0 && operation <= OSSL_OP__HIGHEST ? tables[operation] : NULL;
}

/* The one group for the key exchange, in the words of provider-base(7). */
int slim_capabilities(void *context, const char *capability, OSSL_CALLBACK *callback, void *argument) {
    (void)context;
    static unsigned int id = 0x001d, bits = 128;
    static int min_tls = TLS1_3_VERSION, max_tls = 0, no_dtls = -1;
    static char name[] = "x25519", algorithm[] = "X25519";
    static const OSSL_PARAM group[] = {
        OSSL_PARAM_utf8_string(OSSL_CAPABILITY_TLS_GROUP_NAME, name, sizeof name),
        OSSL_PARAM_utf8_string(OSSL_CAPABILITY_TLS_GROUP_NAME_INTERNAL, algorithm, sizeof algorithm),
        OSSL_PARAM_utf8_string(OSSL_CAPABILITY_TLS_GROUP_ALG, algorithm, sizeof algorithm),
        OSSL_PARAM_uint(OSSL_CAPABILITY_TLS_GROUP_ID, &id),
        OSSL_PARAM_uint(OSSL_CAPABILITY_TLS_GROUP_SECURITY_BITS, &bits),
        OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MIN_TLS, &min_tls),
        OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MAX_TLS, &max_tls),
        OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MIN_DTLS, &no_dtls),
        OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MAX_DTLS, &no_dtls),
        OSSL_PARAM_END,
    };
    return strcasecmp(capability, "TLS-GROUP") != 0 || callback(group, argument);
}

static int start(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **context) {
    (void)handle, (void)in;
    static const OSSL_DISPATCH functions[] = {
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
        {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))slim_capabilities},
        {0, NULL},
    };
    if (origin == NULL)
        return 0;
    *out = functions;
    *context = OSSL_PROVIDER_get0_provider_ctx(origin); /* what the algorithms are made with */
    return 1;
}

OSSL_PROVIDER *slim_load(OSSL_LIB_CTX *context, OSSL_PROVIDER *whole) {
    origin = whole;
    OSSL_PROVIDER *slim = NULL;
    if (OSSL_PROVIDER_add_builtin(context, "landline", start) == 1)
        slim = OSSL_PROVIDER_load(context, "landline");
    origin = NULL;
    return slim;
}
