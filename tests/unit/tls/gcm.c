/* lib/tls/gcm.h against OpenSSL, and records before and after a key has seen bulk. Skipped where there is no such processor. */
#include "lib/tls/gcm.h"

#include "lib/tls/record.h"
#include "tests/unit/tls/plain.h"

enum { MOST = 3 * RECORD_PLAIN };

static uint8_t text[MOST], ours[MOST + RECORD_TAG], theirs[MOST + RECORD_TAG];

static uint32_t state = 20261127;
static uint32_t draw(uint32_t below) {
    state = state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)state * below >> 32);
}

static int needs_it(void **unused) {
    (void)unused;
    if (gcm_load() != 0)
        skip();
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)draw(256);
    return 0;
}

struct message {
    uint8_t key[GCM_KEY], nonce[GCM_NONCE], data[32];
    size_t data_size, n;
};

static struct message any(size_t most) {
    struct message m = {.data_size = draw(sizeof m.data + 1), .n = draw((uint32_t)most + 1)};
    for (size_t i = 0; i < sizeof m.key; i++)
        m.key[i] = (uint8_t)draw(256);
    for (size_t i = 0; i < sizeof m.nonce; i++)
        m.nonce[i] = (uint8_t)draw(256);
    for (size_t i = 0; i < sizeof m.data; i++)
        m.data[i] = (uint8_t)draw(256);
    return m;
}

/* Into theirs[], the tag behind. */
static void seal_by_openssl(const struct message *m) {
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n;
    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, m->key, m->nonce), 1);
    if (m->data_size > 0)
        assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, m->data, (int)m->data_size), 1);
    if (m->n > 0)
        assert_int_equal(EVP_EncryptUpdate(c, theirs, &n, text, (int)m->n), 1);
    assert_int_equal(EVP_EncryptFinal_ex(c, theirs + m->n, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, theirs + m->n), 1);
    EVP_CIPHER_CTX_free(c);
}

/* All of it in pieces; small ones as often as large ones. */
static void in_pieces(struct gcm *g, void (*crypt)(struct gcm *, uint8_t *, const uint8_t *, size_t), uint8_t *out,
                      const uint8_t *in, size_t n) {
    for (size_t at = 0; at < n;) {
        size_t left = n - at, piece = draw(1u << draw(17));
        piece = piece < left ? piece : left;
        crypt(g, out + at, in + at, piece);
        at += piece;
    }
}

static void as_openssl(void **unused) {
    (void)unused;
    uint8_t tag[GCM_TAG];
    for (int i = 0; i < 2000; i++) {
        struct message m = any(i % 2 != 0 ? MOST : 300);
        struct gcm *g = gcm_new(m.key);
        assert_non_null(g);
        seal_by_openssl(&m);
        gcm_begin(g, m.nonce, m.data, m.data_size);
        in_pieces(g, gcm_seal, ours, text, m.n);
        gcm_sealed(g, ours + m.n);
        assert_memory_equal(ours, theirs, m.n + GCM_TAG);
        gcm_begin(g, m.nonce, m.data, m.data_size);
        in_pieces(g, gcm_open, ours, ours, m.n);
        gcm_opened(g, tag);
        assert_memory_equal(ours, text, m.n);
        assert_memory_equal(tag, theirs + m.n, sizeof tag);
        gcm_free(g);
    }
}

/* --- records --- */

static void set_keys(struct record_key *seals, struct record_key *opens, const EVP_CIPHER *cipher) {
    uint8_t secret[RECORD_SECRET];
    for (size_t i = 0; i < sizeof secret; i++)
        secret[i] = (uint8_t)draw(256);
    assert_int_equal(record_key_set(seals, RECORD_SEAL, cipher, secret), 0);
    assert_int_equal(record_key_set(opens, RECORD_OPEN, cipher, secret), 0);
}

static size_t seal(struct record_key *key, size_t n) {
    size_t half = n / 3;
    struct iovec part[] = {{text, half}, {text + half, n - half}};
    struct record_parts parts = {part, 2, 0};
    assert_int_equal(record_seal(key, RECORD_DATA, &parts, n, ours), 0);
    return n + RECORD_OVERHEAD;
}

static uint8_t elsewhere[RECORD_PLAIN];
static uint8_t *choose(void *arg, const uint8_t *head, size_t n) {
    (void)arg, (void)head;
    return n <= sizeof elsewhere ? elsewhere : NULL;
}

static void open_right(struct record_key *key, size_t size, size_t n, size_t head) {
    struct record_place place = {head, choose, NULL};
    const uint8_t *apart = NULL;
    size_t got = 0;
    assert_int_equal(record_open(key, ours, size, &place, &got, &apart), RECORD_DATA);
    assert_int_equal(got, n);
    size_t here = apart != NULL ? head : n;
    assert_memory_equal(ours + RECORD_HEADER, text, here);
    if (apart != NULL)
        assert_memory_equal(apart, text + head, n - head);
}

/* Each side turns to it by itself, in its own time, and neither knows of the other. */
static void from_any_to_any(void **unused) {
    (void)unused;
    for (int who = 0; who < 4; who++) {
        struct record_key seals = {0}, opens = {0};
        set_keys(&seals, &opens, EVP_aes_128_gcm());
        for (int i = 0; i < 300; i++) {
            size_t n = i % 3 == 0 ? draw(600) : RECORD_PLAIN - draw(2);
            if ((who & 1) != 0)
                seals.large = 0; /* held back */
            if ((who & 2) != 0)
                opens.large = 0;
            if (i == 200) {
                assert_int_equal(seals.gcm == NULL, (who & 1) != 0);
                assert_int_equal(opens.gcm == NULL, (who & 2) != 0);
                assert_int_equal(record_key_update(&seals), 0);
                assert_int_equal(record_key_update(&opens), 0);
                assert_null(seals.gcm);
                assert_null(opens.gcm);
            }
            size_t size = seal(&seals, n);
            open_right(&opens, size, n, i % 2 != 0 ? 9 : 0);
        }
        record_key_clear(&seals);
        record_key_clear(&opens);
    }
}

/* OpenSSL keeps a key that carries so many records of n bytes. */
static void stays(const EVP_CIPHER *cipher, int records, size_t n) {
    struct record_key seals = {0}, opens = {0};
    set_keys(&seals, &opens, cipher);
    for (int i = 0; i < records; i++)
        open_right(&opens, seal(&seals, n), n, 0);
    assert_null(seals.gcm);
    assert_null(opens.gcm);
    record_key_clear(&seals);
    record_key_clear(&opens);
}

static void small_ones_do_not_count(void **unused) {
    (void)unused;
    stays(EVP_aes_128_gcm(), 5000, 1000);
}

static void only_aes(void **unused) {
    (void)unused;
    stays(EVP_chacha20_poly1305(), 200, RECORD_PLAIN);
}

/* Each byte of a record counts. */
static void tampered(void **unused) {
    (void)unused;
    struct record_key seals = {0}, opens = {0};
    const uint8_t *apart;
    size_t n;
    set_keys(&seals, &opens, EVP_aes_128_gcm());
    while (opens.gcm == NULL)
        open_right(&opens, seal(&seals, RECORD_PLAIN), RECORD_PLAIN, 0);
    struct record_place nowhere = {0};
    for (size_t i = 0; i < 100 + RECORD_OVERHEAD; i++) {
        size_t size = seal(&seals, 100);
        ours[i] ^= (uint8_t)(1 << draw(8));
        assert_int_equal(record_open(&opens, ours, size, &nowhere, &n, &apart), LL_EPROTOCOL);
    }
    open_right(&opens, seal(&seals, 100), 100, 0);
    record_key_clear(&seals);
    record_key_clear(&opens);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(as_openssl, needs_it),
        cmocka_unit_test_setup(from_any_to_any, needs_it),
        cmocka_unit_test_setup(small_ones_do_not_count, needs_it),
        cmocka_unit_test_setup(only_aes, needs_it),
        cmocka_unit_test_setup(tampered, needs_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
