/* What an engine holds: little when idle, nearly nothing for a stranger, nothing when it is gone. */
#include "lib/tls/engine.h"

#include <malloc.h>
#include <unistd.h>

#include "tests/unit/tls/pair.h"

enum {
    ENGINES = 64,
    IDLE_MOST = 4 << 10,     /* an established engine that waits; the aim was 24 KB for a whole connection */
    SLACK = 1 << 10,         /* what the TLS library may change in its own tables */
    STRANGER_MOST = 1 << 10, /* a server engine that has heard nothing */
};

static size_t in_use(void) {
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

/* The sanitizers have a malloc of their own, which does not count. */
static bool counting(void) {
    size_t before = in_use();
    void *volatile block = malloc(5000);
    bool counts = in_use() >= before + 5000;
    free(block);
    return counts;
}

static void use(struct pair *p) {
    static uint8_t bytes[300000];
    assert_int_equal(write_bytes(p->client, bytes, sizeof bytes), 0);
    for (size_t n = 0; n < sizeof bytes;) {
        carry(p->client, p->server, SIZE_MAX);
        n += read_bytes(p->server, bytes, sizeof bytes);
    }
    assert_int_equal(write_bytes(p->server, "ok", 2), 0);
    carry(p->server, p->client, SIZE_MAX);
    assert_int_equal(read_bytes(p->client, bytes, sizeof bytes), 2);
}

/* Holds many engines at once and lets them go; returns what one held. */
static size_t hold_many(struct pair *p) {
    struct tls_engine *clients[ENGINES], *servers[ENGINES];
    size_t before = in_use();
    for (int i = 0; i < ENGINES; i++) {
        clients[i] = p->client;
        servers[i] = p->server;
        p->client = p->server = NULL;
        pair_connect(p);
        pair_handshake(p);
        use(p);
    }
    size_t each = (in_use() - before) / (2 * ENGINES);
    for (int i = 0; i < ENGINES; i++) {
        tls_engine_free(clients[i]);
        tls_engine_free(servers[i]);
    }
    return each;
}

static void idle(void **state) {
    (void)state;
    struct pair p;
    if (!counting())
        skip();
    pair_open(&p);
    pair_handshake(&p);
    use(&p);
    hold_many(&p); /* what the TLS library and malloc keep from the first time is not an engine's */
    size_t before = in_use();
    size_t each = hold_many(&p);
    print_message("an idle engine holds %zu bytes\n", each);
    assert_true(each > sizeof(void *) && each <= IDLE_MOST);
    assert_true(in_use() <= before + SLACK);
    pair_close(&p);
}

static void strangers(void **state) {
    (void)state;
    struct pair p;
    struct tls_engine *servers[ENGINES];
    const uint8_t *hello;
    size_t n;
    if (!counting())
        skip();
    pair_open(&p);
    size_t before = in_use();
    for (int i = 0; i < ENGINES; i++)
        assert_int_equal(tls_engine_new_server(&servers[i], p.server_policy, NOW), 0);
    size_t silent = (in_use() - before) / ENGINES;
    tls_engine_pending(p.client, &hello, &n);
    for (int i = 0; i < ENGINES; i++)
        assert_int_equal(tls_engine_feed(servers[i], hello, n - 1), n - 1);
    size_t slow = (in_use() - before) / ENGINES;
    print_message("a silent stranger holds %zu bytes, one that stops in its ClientHello %zu\n", silent, slow);
    assert_true(silent > 0 && silent <= STRANGER_MOST);
    assert_true(slow <= STRANGER_MOST + LIMIT_TLS_HELLO);
    for (int i = 0; i < ENGINES; i++)
        tls_engine_free(servers[i]);
    assert_true(in_use() <= before + SLACK);
    pair_close(&p);
}

int main(int argc, char **argv) {
    (void)argc;
    /* malloc counts the freed blocks in its per-thread cache as used; without the cache it counts right. */
    if (getenv("GLIBC_TUNABLES") == NULL) {
        setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
        execv("/proc/self/exe", argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle),
        cmocka_unit_test(strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
