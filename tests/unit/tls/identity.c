/* lib/tls/identity.h and keyfile.h: the key, its file, and every reason not to use it. */
#include "lib/tls/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "lib/base/limits.h"
#include "lib/tls/certificate.h"
#include "lib/tls/identity_key.h"
#include "lib/tls/keyfile.h"
#include "tests/unit/tls/pair.h"

/* RFC 8032 7.1, test 1 */
static const uint8_t seed[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
                                 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
                                 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
                          "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                          "-----END PRIVATE KEY-----\n";

static char folder[] = "/tmp/landline-identity-XXXXXX";
static char path[sizeof folder + 8];

static int make_folder(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/key", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder); /* fails where a test left a file behind */
}

static void put_file(const char *text, size_t n, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), n);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void known_key(void **state) {
    (void)state;
    struct tls_identity *id;
    char text[TLS_PIN_TEXT], public_text[TLS_PUBLIC_TEXT];
    assert_int_equal(tls_identity_from_seed(&id, seed), 0);
    tls_pin_format(tls_identity_pin(id), text);
    assert_string_equal(text, "SHA256:BuP9j9opu2CrWVV95h7bCuzbIxE0vjDnW0Vfjht5L6k");
    tls_identity_format(id, public_text);
    assert_string_equal(public_text, "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_int_equal(tls_identity_public(id)[0], 0xd7);
    tls_identity_close(id);
    tls_identity_close(NULL);
}

/* What we write by hand, the library's X.509 and PEM readers take, and mean the same by it. */
static void certificate(void **state) {
    (void)state;
    struct tls_identity *id;
    uint8_t der[CERTIFICATE_SIZE], again[CERTIFICATE_SIZE], *spki = NULL, digest[32];
    assert_int_equal(tls_identity_from_seed(&id, seed), 0);
    OSSL_LIB_CTX *context = identity_library(id)->context;
    assert_int_equal(certificate_make(der, tls_identity_public(id), context, identity_key(id)), 0);
    assert_int_equal(certificate_make(again, tls_identity_public(id), context, identity_key(id)), 0);
    assert_memory_equal(der, again, sizeof der);
    const uint8_t *at = der;
    X509 *x = d2i_X509(NULL, &at, sizeof der);
    assert_non_null(x);
    assert_ptr_equal(at, der + sizeof der);
    assert_int_equal(X509_verify(x, X509_get0_pubkey(x)), 1);
    assert_int_equal(X509_get_version(x), X509_VERSION_3);
    assert_int_equal(X509_cmp_current_time(X509_get0_notBefore(x)), -1);
    assert_int_equal(X509_cmp_current_time(X509_get0_notAfter(x)), 1);
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
    assert_int_equal(EVP_Digest(spki, (size_t)n, digest, NULL, EVP_sha256(), NULL), 1);
    assert_memory_equal(digest, tls_identity_pin(id)->bytes, sizeof digest);
    OPENSSL_free(spki);
    X509_free(x);
    tls_identity_close(id);
}

static void pem_text(void **state) {
    (void)state;
    char text[KEYFILE_PEM + 1];
    uint8_t got[32], raw[32];
    size_t size = sizeof raw;
    keyfile_format(text, seed);
    assert_string_equal(text, pem);
    BIO *bio = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    assert_non_null(key);
    assert_int_equal(EVP_PKEY_get_raw_private_key(key, raw, &size), 1);
    assert_memory_equal(raw, seed, 32);
    EVP_PKEY_free(key);
    BIO_free(bio);

    assert_int_equal(keyfile_parse(got, text, KEYFILE_PEM), 0);
    assert_memory_equal(got, seed, 32);
    assert_int_equal(keyfile_parse(got, text, KEYFILE_PEM - 1), 0); /* no newline at the end */
    for (size_t n = 0; n < KEYFILE_PEM - 1; n++)
        assert_int_equal(keyfile_parse(got, text, n), LL_EKEYFILE);
    assert_int_equal(keyfile_parse(got, text, KEYFILE_PEM + 1), LL_EKEYFILE);
    for (size_t i = 0; i < KEYFILE_PEM; i++) {
        text[i] = (char)(text[i] ^ 0x80);
        assert_int_equal(keyfile_parse(got, text, KEYFILE_PEM), LL_EKEYFILE);
        text[i] = (char)(text[i] ^ 0x80);
    }
    static const char windows[] = "-----BEGIN PRIVATE KEY-----\r\n"
                                  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\r\n"
                                  "-----END PRIVATE KEY-----\r\n";
    assert_int_equal(keyfile_parse(got, windows, sizeof windows - 1), 0);
}

static void made_on_first_use(void **state) {
    (void)state;
    struct tls_identity *first, *second;
    struct stat st;
    assert_int_equal(tls_identity_load(&first, path, NULL), -ENOENT);
    assert_null(first);
    mode_t mask = umask(0777);
    assert_int_equal(tls_identity_open(&first, path, NULL), 0);
    umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(st.st_size, KEYFILE_PEM);
    assert_int_equal(tls_identity_open(&second, path, NULL), 0);
    assert_true(tls_pin_equal(tls_identity_pin(first), tls_identity_pin(second)));
    assert_int_equal(keyfile_write(seed, path, NULL), -EEXIST);
    tls_identity_close(first);
    tls_identity_close(second);
    assert_int_equal(unlink(path), 0);

    assert_int_equal(tls_identity_make(&first), 0);
    assert_int_equal(tls_identity_make(&second), 0);
    assert_false(tls_pin_equal(tls_identity_pin(first), tls_identity_pin(second)));
    tls_identity_close(first);
    tls_identity_close(second);
}

/* Eight processes at once: all end up with one key. */
static void expect_known(const struct tls_pin *pin) {
    char text[TLS_PIN_TEXT];
    tls_pin_format(pin, text);
    assert_string_equal(text, "SHA256:BuP9j9opu2CrWVV95h7bCuzbIxE0vjDnW0Vfjht5L6k");
}

/* Its public key is made when it is asked for: by whoever has the identity, or by a handshake that has outlived it. */
static void of_a_client(void **state) {
    (void)state;
    struct tls_identity *id;
    struct pair p;
    put_file(pem, sizeof pem - 1, 0600);
    assert_int_equal(tls_identity_open_client(&id, path, NULL), 0);
    expect_known(tls_identity_pin(id));
    tls_identity_close(id);

    pair_open(&p);
    tls_policy_free(p.client_policy);
    assert_int_equal(tls_identity_open_client(&id, path, NULL), 0);
    assert_int_equal(tls_policy_new(&p.client_policy, TLS_CLIENT, id), 0);
    tls_identity_close(id);
    pair_connect(&p);
    pair_handshake(&p);
    assert_non_null(tls_engine_peer(p.server));
    expect_known(tls_engine_peer(p.server));
    pair_close(&p);

    unlink(path);
    assert_int_equal(tls_identity_open_client(&id, path, NULL), 0); /* makes one */
    tls_identity_close(id);
    unlink(path);
}

static void made_by_many(void **state) {
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            struct tls_identity *id;
            int r = tls_identity_open(&id, path, NULL);
            r = r == 0 && write(fds[1], tls_identity_pin(id), TLS_PIN_SIZE) == TLS_PIN_SIZE ? 0 : 1;
            _exit(r);
        }
    close(fds[1]);
    for (int i = 0; i < 8; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    struct tls_pin pins[8];
    assert_int_equal(read(fds[0], pins, sizeof pins), sizeof pins);
    for (int i = 1; i < 8; i++)
        assert_true(tls_pin_equal(&pins[0], &pins[i]));
    close(fds[0]);
    assert_int_equal(unlink(path), 0);
}

static void expect_refusal(int code, const char *call) {
    struct tls_identity *id;
    struct ll_error_info info;
    assert_int_equal(tls_identity_open(&id, path, &info), code);
    assert_null(id);
    assert_int_equal(info.code, code);
    assert_string_equal(info.call, call);
    assert_string_equal(info.subject, path);
}

static void refusals(void **state) {
    (void)state;
    static const mode_t open_modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644, 0666, 0777};
    for (size_t i = 0; i < sizeof open_modes / sizeof open_modes[0]; i++) {
        put_file(pem, KEYFILE_PEM, open_modes[i]);
        expect_refusal(LL_EKEYFILE, "key file: open to other users (chmod 600)");
        unlink(path);
    }
    put_file(pem, KEYFILE_PEM - 20, 0600);
    expect_refusal(LL_EKEYFILE, "key file: not an Ed25519 key in PEM");
    unlink(path);
    put_file("", 0, 0600);
    expect_refusal(LL_EKEYFILE, "key file: not an Ed25519 key in PEM");
    unlink(path);

    char *large = malloc(LIMIT_KEY_FILE + 1);
    memset(large, '\n', LIMIT_KEY_FILE + 1);
    put_file(large, LIMIT_KEY_FILE + 1, 0600);
    expect_refusal(LL_EKEYFILE, "key file: too large");
    unlink(path);
    put_file(large, LIMIT_KEY_FILE, 0600);
    expect_refusal(LL_EKEYFILE, "key file: not an Ed25519 key in PEM");
    unlink(path);
    free(large);

    assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
    expect_refusal(LL_EKEYFILE, "key file: not a regular file");
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refusal(LL_EKEYFILE, "key file: not a regular file");
    rmdir(path);
    if (geteuid() == 0) {
        put_file(pem, KEYFILE_PEM, 0600);
        assert_int_equal(chown(path, 65534, 0), 0);
        expect_refusal(LL_EKEYFILE, "key file: owned by another user");
        unlink(path);
    }
    put_file(pem, KEYFILE_PEM, 0400);
    struct tls_identity *id;
    assert_int_equal(tls_identity_open(&id, path, NULL), 0);
    tls_identity_close(id);
    unlink(path);
}

static void no_place(void **state) {
    (void)state;
    struct tls_identity *id;
    struct ll_error_info info;
    char deep[sizeof path + 8];
    snprintf(deep, sizeof deep, "%s/no/key", folder);
    assert_int_equal(tls_identity_open(&id, deep, &info), -ENOENT);
    assert_string_equal(info.call, "make key file");
    assert_string_equal(info.subject, deep);
    put_file(pem, KEYFILE_PEM, 0600);
    snprintf(deep, sizeof deep, "%s/x", path);
    assert_int_equal(tls_identity_open(&id, deep, &info), -ENOTDIR);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_key),         cmocka_unit_test(certificate),  cmocka_unit_test(pem_text),
        cmocka_unit_test(made_on_first_use), cmocka_unit_test(made_by_many), cmocka_unit_test(refusals),
        cmocka_unit_test(of_a_client),       cmocka_unit_test(no_place),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
