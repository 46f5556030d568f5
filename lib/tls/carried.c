/* What an OpenSSL that the module carries (lib/border) need not do, as nobody else is in the process.
 *
 * The linker is told to wrap these functions (meson.build): what OpenSSL calls by such a name is __wrap_ and that name here. Each
 * does what the other does for what landline asks of it; only sooner, or without what nobody would look at. What a
 * version of OpenSSL does not call is wrapped in vain. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/evp.h>

#include "lib/tls/slim.h"

int __wrap_ossl_err_load_crypto_strings(void);
int __wrap_ossl_err_load_SSL_strings(void);
void __wrap_openssl_add_all_ciphers_int(void);
void __wrap_openssl_add_all_digests_int(void);
void __wrap_OPENSSL_load_builtin_modules(void);
int __wrap_EVP_PKEY_asn1_get_count(void);
void __real_ERR_set_error(int library, int reason, const char *format, ...);
void __wrap_ERR_set_error(int library, int reason, const char *format, ...);
void __wrap_ERR_set_debug(const char *file, int line, const char *function);
int __wrap___sprintf_chk(char *out, int flag, size_t size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Of these, tls_own_process() leaves out the call; so their tables can be left out too, and with them what the tables name: it is
 * pointers that the dynamic loader would have to put right. */
int __wrap_ossl_err_load_crypto_strings(void) {
    return 1;
}

int __wrap_ossl_err_load_SSL_strings(void) {
    return 1;
}

void __wrap_openssl_add_all_ciphers_int(void) {
}

void __wrap_openssl_add_all_digests_int(void) {
}

void __wrap_OPENSSL_load_builtin_modules(void) {
}

/* Old names of the kinds of keys, for the map of names. The slim provider gives its own ones. */
int __wrap_EVP_PKEY_asn1_get_count(void) {
    return 0;
}

/* Errors have a number, which is all that is looked at. */
void __wrap_ERR_set_error(int library, int reason, const char *format, ...) {
    (void)format;
    __real_ERR_set_error(library, reason, NULL);
}

void __wrap_ERR_set_debug(const char *file, int line, const char *function) {
    (void)file, (void)line, (void)function;
}

/* libssl fetches whatever it knows, to see what is there; to be told no takes it through all providers, each time. */
#define FETCHES(type, name, operation)                                                                                 \
    type *__real_##name(OSSL_LIB_CTX *context, const char *algorithm, const char *properties);                         \
    type *__wrap_##name(OSSL_LIB_CTX *context, const char *algorithm, const char *properties);                         \
    type *__wrap_##name(OSSL_LIB_CTX *context, const char *algorithm, const char *properties) {                        \
        return slim_lacks(operation, algorithm) ? NULL : __real_##name(context, algorithm, properties);                \
    }
FETCHES(EVP_CIPHER, EVP_CIPHER_fetch, OSSL_OP_CIPHER)
FETCHES(EVP_MD, EVP_MD_fetch, OSSL_OP_DIGEST)
FETCHES(EVP_KEYMGMT, EVP_KEYMGMT_fetch, OSSL_OP_KEYMGMT)
FETCHES(EVP_KEYEXCH, EVP_KEYEXCH_fetch, OSSL_OP_KEYEXCH)
FETCHES(EVP_SIGNATURE, EVP_SIGNATURE_fetch, OSSL_OP_SIGNATURE)

/* Used for the secrets of a connection alone, which libssl writes in hexadecimal digits, each byte by itself. */
int __wrap___sprintf_chk(char *out, int flag, size_t size, const char *format, ...) {
    static const char digits[] = "0123456789abcdef";
    va_list arguments;
    int n = 2;
    va_start(arguments, format);
    if (size > 2 && strcmp(format, "%02x") == 0) {
        unsigned int byte = va_arg(arguments, unsigned int);
        out[0] = digits[byte >> 4 & 15];
        out[1] = digits[byte & 15];
        out[2] = '\0';
    } else {
        n = __builtin___vsprintf_chk(out, flag, size, format, arguments);
    }
    va_end(arguments);
    return n;
}
