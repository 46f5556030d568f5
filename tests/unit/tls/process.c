/* lib/tls/process.h: with all that OpenSSL can leave out left out, everything still works; and openssl.cnf changes nothing. */
#include "lib/tls/process.h"

#include <unistd.h>

#include "lib/tls/identity_key.h"
#include "tests/unit/tls/pair.h"

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

/* What OpenSSL had to make is made once. */
static void is_kept(void **state) {
    (void)state;
    struct tls_identity *id;
    const struct tls_library *library = NULL;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tls_identity_make(&id), 0);
        assert_true(library == NULL || library == identity_library(id));
        library = identity_library(id);
        assert_int_equal(library->holders, 2);
        tls_identity_close(id);
        assert_int_equal(library->holders, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(works),
        cmocka_unit_test(is_kept),
    };
    /* A configuration that asks for TLS 1.2 and a cipher that we do not have, were it read. */
    char path[] = "/tmp/landline-process-XXXXXX";
    static const char text[] =
        "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMaxProtocol = TLSv1.2\n"
        "CipherString = AES256-SHA\nGroups = P-521\n";
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, text, sizeof text - 1) != sizeof text - 1)
        return 1;
    close(fd);
    setenv("OPENSSL_CONF", path, 1);
    tls_own_process();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
