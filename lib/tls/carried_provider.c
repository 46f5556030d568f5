/* OpenSSL's default provider once more, with what landline uses of it alone.
 *
 * The one of OpenSSL names 300 algorithms, and so whoever carries it carries them; the dynamic loader puts their pointers right at
 * each start. This is in its place (carried.c says how): the same code of the same algorithms, begun and ended as OpenSSL 3.0's
 * providers/defltprov.c does it. The names that are not public are those of that version: meson.build asks for it. */
#include <openssl/bio.h>
#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include "lib/tls/slim.h"

/* Of OpenSSL 3.0. */
typedef struct prov_ctx_st PROV_CTX;
PROV_CTX *ossl_prov_ctx_new(void);
void ossl_prov_ctx_free(PROV_CTX *context);
void ossl_prov_ctx_set0_libctx(PROV_CTX *context, OSSL_LIB_CTX *library);
void ossl_prov_ctx_set0_handle(PROV_CTX *context, const OSSL_CORE_HANDLE *handle);
void ossl_prov_ctx_set0_core_bio_method(PROV_CTX *context, BIO_METHOD *method);
BIO_METHOD *ossl_prov_ctx_get0_core_bio_method(PROV_CTX *context);
BIO_METHOD *ossl_bio_prov_init_bio_method(void);
int ossl_prov_bio_from_dispatch(const OSSL_DISPATCH *functions);
int ossl_prov_seeding_from_dispatch(const OSSL_DISPATCH *functions);

#define PROPERTY             "provider=default"
#define ALGORITHM(functions) extern const OSSL_DISPATCH functions[];
ALGORITHM(ossl_sha256_functions)
ALGORITHM(ossl_sha512_functions)
ALGORITHM(ossl_aes128gcm_functions)
ALGORITHM(ossl_chacha20_ossl_poly1305_functions)
ALGORITHM(ossl_aes256ctr_functions)
ALGORITHM(ossl_aes256ecb_functions)
ALGORITHM(ossl_hmac_functions)
ALGORITHM(ossl_kdf_hkdf_functions)
ALGORITHM(ossl_kdf_tls1_3_kdf_functions)
ALGORITHM(ossl_drbg_ctr_functions)
ALGORITHM(ossl_seed_src_functions)
ALGORITHM(ossl_x25519_keymgmt_functions)
ALGORITHM(ossl_ed25519_keymgmt_functions)
ALGORITHM(ossl_x25519_keyexch_functions)
ALGORITHM(ossl_ed25519_signature_functions)
ALGORITHM(ossl_ecdsa_signature_functions)
ALGORITHM(ossl_SubjectPublicKeyInfo_der_to_ed25519_decoder_functions)

static const OSSL_ALGORITHM digests[] = {
    {"SHA2-256:SHA-256:SHA256:2.16.840.1.101.3.4.2.1", PROPERTY, ossl_sha256_functions, NULL},
    {"SHA2-512:SHA-512:SHA512:2.16.840.1.101.3.4.2.3", PROPERTY, ossl_sha512_functions, NULL},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM ciphers[] = {
    {"AES-128-GCM:id-aes128-GCM:2.16.840.1.101.3.4.1.6", PROPERTY, ossl_aes128gcm_functions, NULL},
    {"ChaCha20-Poly1305", PROPERTY, ossl_chacha20_ossl_poly1305_functions, NULL},
    {"AES-256-CTR", PROPERTY, ossl_aes256ctr_functions, NULL},
    {"AES-256-ECB:2.16.840.1.101.3.4.1.41", PROPERTY, ossl_aes256ecb_functions, NULL},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM macs[] = {
    {"HMAC", PROPERTY, ossl_hmac_functions, NULL},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM derivations[] = {
    {"HKDF", PROPERTY, ossl_kdf_hkdf_functions, NULL},
    {"TLS13-KDF", PROPERTY, ossl_kdf_tls1_3_kdf_functions, NULL},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM generators[] = {
    {"CTR-DRBG", PROPERTY, ossl_drbg_ctr_functions, NULL},
    {"SEED-SRC", PROPERTY, ossl_seed_src_functions, NULL},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM key_kinds[] = {
    {"X25519:1.3.101.110", PROPERTY, ossl_x25519_keymgmt_functions, NULL},
    {"ED25519:1.3.101.112", PROPERTY, ossl_ed25519_keymgmt_functions, NULL},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM exchanges[] = {
    {"X25519:1.3.101.110", PROPERTY, ossl_x25519_keyexch_functions, NULL},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM signatures[] = {
    {"ED25519:1.3.101.112", PROPERTY, ossl_ed25519_signature_functions, NULL},
    {"ECDSA", PROPERTY, ossl_ecdsa_signature_functions, NULL},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM decoders[] = {
    {"ED25519", PROPERTY ",fips=yes,input=der,structure=SubjectPublicKeyInfo",
     ossl_SubjectPublicKeyInfo_der_to_ed25519_decoder_functions, NULL},
    {NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *query(void *context, int operation, int *no_cache) {
    static const OSSL_ALGORITHM *const tables[OSSL_OP__HIGHEST + 1] = {
        [OSSL_OP_DIGEST] = digests,    [OSSL_OP_CIPHER] = ciphers,       [OSSL_OP_MAC] = macs,
        [OSSL_OP_KDF] = derivations,   [OSSL_OP_RAND] = generators,      [OSSL_OP_KEYMGMT] = key_kinds,
        [OSSL_OP_KEYEXCH] = exchanges, [OSSL_OP_SIGNATURE] = signatures, [OSSL_OP_DECODER] = decoders,
    };
    (void)context;
    *no_cache = 0;
    return operation > 0 && operation <= OSSL_OP__HIGHEST ? tables[operation] : NULL;
}

static void end(void *context) {
    BIO_meth_free(ossl_prov_ctx_get0_core_bio_method(context));
    ossl_prov_ctx_free(context);
}

static OSSL_LIB_CTX *library_of(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in) {
    for (; in->function_id != 0; in++)
        if (in->function_id == OSSL_FUNC_CORE_GET_LIBCTX)
            return (OSSL_LIB_CTX *)OSSL_FUNC_core_get_libctx(in)(handle);
    return NULL;
}

OSSL_provider_init_fn __wrap_ossl_default_provider_init, __wrap_ossl_base_provider_init;

int __wrap_ossl_default_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                                      const OSSL_DISPATCH **out, void **context) {
    static const OSSL_DISPATCH functions[] = {
        {OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))end},
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
        {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))slim_capabilities},
        {0, NULL},
    };
    OSSL_LIB_CTX *library = library_of(handle, in);
    if (library == NULL || !ossl_prov_bio_from_dispatch(in) || !ossl_prov_seeding_from_dispatch(in))
        return 0;
    PROV_CTX *made = ossl_prov_ctx_new();
    BIO_METHOD *method = made != NULL ? ossl_bio_prov_init_bio_method() : NULL;
    if (method == NULL) {
        ossl_prov_ctx_free(made);
        return 0;
    }
    ossl_prov_ctx_set0_libctx(made, library);
    ossl_prov_ctx_set0_handle(made, handle);
    ossl_prov_ctx_set0_core_bio_method(made, method);
    *out = functions;
    *context = made;
    return 1;
}

/* Nobody loads it. */
int __wrap_ossl_base_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                                   void **context) {
    (void)handle, (void)in, (void)out, (void)context;
    return 0;
}
