/* Memory that runs out at every allocation in turn, ours and the TLS library's: each call says so or does its work, nothing
 * crashes, and no engine is established with less than the whole. Engines leak nothing; OpenSSL 3.0 itself does, in its
 * table of names, when its start is starved. */
#include "lib/tls/engine.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "landline/tls.h"
#include "tests/unit/tls/pair.h"

/* Asked by the leak checker, where there is one. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libcrypto.so";
}

static long allocation, failing; /* the number of the next one, and of the one that fails (0: none) */

static bool starves(void) {
    return ++allocation == failing;
}

/* Ours come by way of the linker's --wrap, the TLS library's by its own hooks. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_malloc(size_t n) {
    return starves() ? NULL : __real_malloc(n);
}
void *__wrap_calloc(size_t n, size_t size) {
    return starves() ? NULL : __real_calloc(n, size);
}
static void *library_malloc(size_t n, const char *file, int line) {
    (void)file, (void)line;
    return n == 0 || starves() ? NULL : __real_malloc(n);
}
static void *library_realloc(void *p, size_t n, const char *file, int line) {
    (void)file, (void)line;
    return starves() ? NULL : realloc(p, n);
}
static void library_free(void *p, const char *file, int line) {
    (void)file, (void)line;
    free(p);
}

static void check_state(const struct tls_engine *e) {
    if (tls_engine_state(e) == TLS_ESTABLISHED)
        assert_non_null(tls_engine_peer(e));
    if (tls_engine_state(e) == TLS_FAILED)
        assert_true(tls_engine_error(e) < 0 && strlen(tls_engine_sentence(e)) > 0);
}

/* Everything once, going on as far as memory allows. Returns whether all of it worked. */
static bool live(struct pair *p) {
    uint8_t got[16];
    struct tls_engine *client = NULL, *server = NULL;
    bool whole = false;
    if (tls_engine_new_client(&client, p->client_policy, tls_identity_pin(p->server_key), "box", NOW) == 0 &&
        tls_engine_new_server(&server, p->server_policy, NOW) == 0) {
        settle(client, server, SIZE_MAX);
        check_state(client);
        check_state(server);
        whole = write_bytes(client, "hello", 5) == 0;
        whole = tls_engine_update_key(server, true) == 0 && whole;
        whole = write_bytes(server, "welcome", 7) == 0 && whole;
        settle(client, server, SIZE_MAX);
        whole = read_bytes(server, got, sizeof got) == 5 && whole;
        whole = read_bytes(client, got, sizeof got) == 7 && whole;
        check_state(client);
        check_state(server);
        tls_engine_close(client);
    }
    tls_engine_free(client);
    tls_engine_free(server);
    return whole;
}

static void engines(void **state) {
    (void)state;
    struct pair p;
    pair_open(&p);
    assert_true(live(&p)); /* what is fetched once is there */
    bool whole = false;
    long n = 0;
    while (!whole && n < 100000) {
        allocation = 0;
        failing = ++n;
        whole = live(&p) && allocation < n; /* it never came to the nth */
    }
    failing = 0;
    print_message("%ld allocations\n", n);
    assert_true(whole && n > 100);
    pair_close(&p);
}

static bool begin(void) {
    struct tls_identity *id = NULL;
    struct tls_policy *client = NULL, *server = NULL;
    int r = tls_identity_make(&id);
    if (r == 0)
        r = tls_policy_new(&client, TLS_CLIENT, id);
    if (r == 0)
        r = tls_policy_new(&server, TLS_SERVER, id);
    assert_true(r == 0 || r == -ENOMEM || r == LL_ETLS);
    tls_policy_free(server);
    tls_policy_free(client);
    tls_identity_close(id);
    return r == 0;
}

static void beginnings(void **state) {
    (void)state;
    bool whole = false;
    long n = 0;
    while (!whole && n < 100000) {
        allocation = 0;
        failing = ++n;
        whole = begin() && allocation < n;
    }
    failing = 0;
    print_message("%ld allocations\n", n);
    assert_true(whole && n > 100);
}

/* --- landline/tls.h --- */

static char folder[] = "/tmp/landline-starved-XXXXXX", key[sizeof folder + 4];

static int make_folder(void **state) {
    (void)state;
    failing = 0;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(key, sizeof key, "%s/key", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(key);
    return rmdir(folder);
}

/* What calls gave while memory was short: one of the two codes that are promised. */
struct seen {
    bool no_memory, no_tls;
};

static bool note(struct seen *seen, int r) {
    assert_true(r == 0 || r == -ENOMEM || r == LL_ETLS);
    seen->no_memory |= r == -ENOMEM;
    seen->no_tls |= r == LL_ETLS;
    return r == 0;
}

static void keys(void **state) {
    (void)state;
    struct seen seen = {.no_memory = false};
    bool whole = false;
    for (long n = 1; !whole && n < 100000; n++) {
        ll_tls *tls;
        allocation = 0;
        failing = n;
        whole = note(&seen, ll_tls_open(key, NULL, &tls)) && allocation < n;
        failing = 0;
        ll_tls_close(tls);
    }
    assert_true(whole && seen.no_memory && seen.no_tls);
}

/* The transport is the stream's, also when there is none. */
static bool make_stream(ll_tls *tls, bool connect, struct seen *seen, long n) {
    ll_stream *ends[2], *stream;
    char byte;
    assert_int_equal(ll_stream_pair(1, &ends[0], &ends[1]), 0);
    allocation = 0;
    failing = n;
    bool made = note(seen, connect ? ll_tls_connect(tls, ends[0], ll_tls_pin(tls), "box", &stream)
                                   : ll_tls_accept(tls, ends[0], &stream));
    bool whole = made && allocation < n;
    failing = 0;
    if (!made)
        assert_int_equal(ll_stream_read(ends[1], &byte, 1), LL_EOF);
    ll_stream_close(stream);
    ll_stream_close(ends[1]);
    return whole;
}

static void streams(void **state) {
    (void)state;
    ll_tls *tls;
    assert_int_equal(ll_tls_open(key, NULL, &tls), 0);
    for (int connect = 0; connect < 2; connect++) {
        struct seen seen = {.no_memory = false};
        long n = 1;
        while (!make_stream(tls, connect == 1, &seen, n) && n < 100000)
            n++;
        assert_true(n < 100000 && seen.no_memory && seen.no_tls == (connect == 1));
    }
    ll_tls_close(tls);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines),
        cmocka_unit_test(beginnings),
        cmocka_unit_test_setup_teardown(keys, make_folder, NULL),
        cmocka_unit_test_teardown(streams, remove_folder),
    };
    if (CRYPTO_set_mem_functions(library_malloc, library_realloc, library_free) != 1)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
