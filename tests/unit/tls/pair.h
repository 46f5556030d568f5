/* Two engines, or an engine and whatever else, and the wire between them, in memory. */
#ifndef TESTS_UNIT_TLS_PAIR_H
#define TESTS_UNIT_TLS_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"
#include "lib/base/limits.h"
#include "lib/tls/engine.h"

static const uint64_t NOW = 1800000000;

struct pair {
    struct tls_identity *client_key, *server_key;
    struct tls_policy *client_policy, *server_policy;
    struct tls_engine *client, *server;
};

static inline struct tls_identity *identity_of(uint8_t fill) {
    uint8_t seed[32];
    struct tls_identity *id;
    memset(seed, fill, sizeof seed);
    assert_int_equal(tls_identity_from_seed(&id, seed), 0);
    return id;
}

/* Fresh engines under the pair's policies. */
static inline void pair_connect(struct pair *p) {
    tls_engine_free(p->client);
    tls_engine_free(p->server);
    assert_int_equal(tls_engine_new_client(&p->client, p->client_policy, tls_identity_pin(p->server_key), "box", NOW),
                     0);
    assert_int_equal(tls_engine_new_server(&p->server, p->server_policy, NOW), 0);
}

static inline void pair_open(struct pair *p) {
    memset(p, 0, sizeof *p);
    p->client_key = identity_of('c');
    p->server_key = identity_of('s');
    assert_int_equal(tls_policy_new(&p->client_policy, TLS_CLIENT, p->client_key), 0);
    assert_int_equal(tls_policy_new(&p->server_policy, TLS_SERVER, p->server_key), 0);
    pair_connect(p);
}

static inline void pair_close(struct pair *p) {
    tls_engine_free(p->client);
    tls_engine_free(p->server);
    tls_policy_free(p->client_policy);
    tls_policy_free(p->server_policy);
    tls_identity_close(p->client_key);
    tls_identity_close(p->server_key);
}

/* Carries what is pending in `from` to `to`, at most `cut` bytes at a time; returns how many were taken. */
static inline size_t carry(struct tls_engine *from, struct tls_engine *to, size_t cut) {
    const uint8_t *bytes;
    size_t n, total = 0;
    while (tls_engine_pending(from, &bytes, &n), n > 0) {
        size_t took = tls_engine_feed(to, bytes, n < cut ? n : cut);
        if (took == 0)
            break;
        tls_engine_sent(from, took);
        total += took;
    }
    return total;
}

/* Carries both ways until nothing moves. */
static inline void settle(struct tls_engine *a, struct tls_engine *b, size_t cut) {
    while (carry(a, b, cut) + carry(b, a, cut) > 0)
        ;
}

static inline void pair_handshake(struct pair *p) {
    settle(p->client, p->server, SIZE_MAX);
    assert_string_equal(tls_engine_sentence(p->client), "");
    assert_string_equal(tls_engine_sentence(p->server), "");
    assert_int_equal(tls_engine_state(p->client), TLS_ESTABLISHED);
    assert_int_equal(tls_engine_state(p->server), TLS_ESTABLISHED);
}

static inline int write_bytes(struct tls_engine *e, const void *bytes, size_t n) {
    struct iovec part = {(void *)bytes, n};
    return tls_engine_write(e, &part, 1);
}

/* All plaintext there is, up to size; returns how much. */
static inline size_t read_bytes(struct tls_engine *e, uint8_t *out, size_t size) {
    const uint8_t *bytes;
    size_t n, total = 0;
    while (total < size && (tls_engine_plain(e, &bytes, &n), n > 0)) {
        n = n < size - total ? n : size - total;
        memcpy(out + total, bytes, n);
        tls_engine_consume(e, n);
        total += n;
    }
    return total;
}

#endif
