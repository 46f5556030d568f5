/* lib/tls/carried.c: with an OpenSSL that is the program's own, linked as the module is, what is asked of it is there, and the rest is
 * not there without a word. */
#include <openssl/core_dispatch.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "lib/tls/identity_key.h"
#include "lib/tls/process.h"
#include "lib/tls/slim.h"
#include "tests/unit/tls/pair.h"

/* What libssl calls. */
int __sprintf_chk(char *out, int flag, size_t size, const char *format, ...);

static struct tls_identity *identity;

static int begin(void **state) {
    (void)state;
    return tls_identity_make(&identity);
}

static int end(void **state) {
    (void)state;
    tls_identity_close(identity);
    return 0;
}

static void works(void **state) {
    (void)state;
    struct pair p;
    uint8_t got[16];
    pair_open(&p);
    pair_handshake(&p);
    assert_int_equal(write_bytes(p.client, "hello", 5), 0);
    carry(p.client, p.server, SIZE_MAX);
    assert_int_equal(read_bytes(p.server, got, sizeof got), 5);
    pair_close(&p);
}

#define FINDS(type, name)                                                                                              \
    do {                                                                                                               \
        EVP_##type *found = EVP_##type##_fetch(context, name, NULL);                                                   \
        assert_non_null(found);                                                                                        \
        EVP_##type##_free(found);                                                                                      \
    } while (0)

static void has_the_dozen(void **state) {
    (void)state;
    OSSL_LIB_CTX *context = identity_library(identity)->context;
    FINDS(CIPHER, "AES-128-GCM");
    FINDS(CIPHER, "id-aes128-gcm");
    FINDS(CIPHER, "ChaCha20-Poly1305");
    FINDS(MD, "SHA256");
    FINDS(MD, "SHA2-512");
    FINDS(MAC, "HMAC");
    FINDS(KDF, "HKDF");
    FINDS(KDF, "TLS13-KDF");
    FINDS(RAND, "CTR-DRBG");
    FINDS(KEYMGMT, "X25519");
    FINDS(KEYMGMT, "1.3.101.112");
    FINDS(KEYEXCH, "X25519");
    FINDS(SIGNATURE, "ED25519");
    FINDS(SIGNATURE, "ECDSA");
}

static void has_no_more(void **state) {
    (void)state;
    OSSL_LIB_CTX *context = identity_library(identity)->context;
    ERR_clear_error();
    assert_null(EVP_CIPHER_fetch(context, "AES-256-GCM", NULL));
    assert_null(EVP_CIPHER_fetch(context, "AES-128-GC", NULL));
    assert_null(EVP_MD_fetch(context, "MD5", NULL));
    assert_null(EVP_KEYMGMT_fetch(context, "RSA", NULL));
    assert_null(EVP_KEYEXCH_fetch(context, "ECDH", NULL));
    assert_null(EVP_SIGNATURE_fetch(context, "RSA", NULL));
    assert_int_equal(ERR_peek_error(), 0);
    assert_null(EVP_KDF_fetch(context, "SSKDF", NULL)); /* those are not asked beforehand */
    assert_int_not_equal(ERR_get_error(), 0);
#if OPENSSL_VERSION_NUMBER < 0x30100000L
    assert_false(slim_has_more(identity_library(identity)->provider)); /* OpenSSL's own is not even in the program */
#endif
}

static void errors_are_numbers(void **state) {
    (void)state;
    const char *file, *function, *data;
    int line, flags;
    ERR_clear_error();
    ERR_raise_data(ERR_LIB_USER, 7, "a text of %d words", 5);
    unsigned long error = ERR_get_error_all(&file, &line, &function, &data, &flags);
    assert_int_equal(ERR_GET_LIB(error), ERR_LIB_USER);
    assert_int_equal(ERR_GET_REASON(error), 7);
    assert_string_equal(data, "");
    assert_string_equal(file, "");
    assert_int_equal(ERR_get_error(), 0);
}

static void writes_hexadecimal(void **state) {
    (void)state;
    char right[8], out[8];
    for (unsigned int byte = 0; byte < 256; byte++) {
        snprintf(right, sizeof right, "%02x", byte);
        assert_int_equal(__sprintf_chk(out, 1, 3, "%02x", byte), 2);
        assert_string_equal(out, right);
    }
    assert_int_equal(__sprintf_chk(out, 1, sizeof out, "%d, %s", 12, "abc"), 7);
    assert_string_equal(out, "12, abc");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(works),
        cmocka_unit_test(has_the_dozen),
        cmocka_unit_test(has_no_more),
        cmocka_unit_test(errors_are_numbers),
        cmocka_unit_test(writes_hexadecimal),
    };
    tls_own_process();
    return cmocka_run_group_tests(tests, begin, end);
}
