#include "lib/tls/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/limits.h"
#include "lib/tls/engine_state.h"
#include "lib/tls/handshake.h"
#include "lib/tls/hello.h"

enum {
    KEPT = 512, /* storage that an idle engine may keep per direction */
};

/* The most records under one AES-GCM key are 2^24.5 (RFC 8446 5.5); ours change well before. */
static const uint64_t RECORDS_PER_KEY = UINT64_C(1) << 23;

/* --- storage --- */

/* Gives the storage of a drained buffer back, unless it is small. */
static void rest(struct tls_engine *e, struct buf *b) {
    if (buf_size(b) > 0 || b->capacity <= KEPT)
        return;
    if (b->capacity == POLICY_SPARE) {
        policy_give_spare(e->policy, b->data);
        buf_init(b, b->limit);
    } else {
        buf_free(b);
    }
}

/* Before n bytes are added: a buffer without storage gets some that is warm, if n is what it is made for. */
static void borrow(struct tls_engine *e, struct buf *b, size_t n) {
    if (buf_size(b) > 0 || n <= POLICY_SPARE / 4 || n > POLICY_SPARE || b->capacity >= n)
        return;
    free(b->data);
    b->data = policy_take_spare(e->policy);
    b->capacity = b->data == NULL ? 0 : POLICY_SPARE;
}

/* --- beginning and end --- */

static int engine_new(struct tls_engine **out, struct tls_policy *policy, uint64_t unix_now) {
    *out = NULL;
    struct tls_engine *e = calloc(1, sizeof *e);
    if (e == NULL)
        return -ENOMEM;
    e->policy = policy_hold(policy);
    e->sentence = "";
    e->knock = KNOCK_NONE;
    buf_init(&e->in, LIMIT_TLS_INPUT);
    buf_init(&e->out, LIMIT_TLS_PENDING);
    e->handshake = calloc(1, sizeof *e->handshake);
    if (e->handshake == NULL) {
        tls_engine_free(e);
        return -ENOMEM;
    }
    e->handshake->unix_now = unix_now;
    *out = e;
    return 0;
}

int tls_engine_new_client(struct tls_engine **out, struct tls_policy *policy, const struct tls_pin *expect,
                          const char *name, uint64_t unix_now) {
    char sni[KNOCK_NAME];
    int r = knock_make(expect, unix_now, name, sni);
    *out = NULL;
    if (r == 0)
        r = engine_new(out, policy, unix_now);
    if (r != 0)
        return r;
    struct tls_engine *e = *out;
    e->handshake->expect = *expect;
    r = handshake_begin(e, sni);
    if (r == 0) {
        handshake_step(e);
        r = e->error;
    }
    if (r != 0) {
        tls_engine_free(e);
        *out = NULL;
    }
    return r;
}

int tls_engine_new_server(struct tls_engine **out, struct tls_policy *policy, uint64_t unix_now) {
    return engine_new(out, policy, unix_now);
}

void tls_engine_free(struct tls_engine *e) {
    if (e == NULL)
        return;
    handshake_free(e->handshake);
    record_key_clear(&e->receive);
    record_key_clear(&e->send);
    buf_clear(&e->in);
    buf_clear(&e->out);
    rest(e, &e->in);
    rest(e, &e->out);
    buf_free(&e->in);
    buf_free(&e->out);
    tls_policy_free(e->policy);
    free(e);
}

void engine_fail(struct tls_engine *e, int error, const char *sentence) {
    if (e->state == TLS_FAILED)
        return;
    e->state = TLS_FAILED;
    e->error = error;
    e->sentence = sentence;
}

/* --- how it stands --- */

enum tls_state tls_engine_state(const struct tls_engine *e) {
    return e->state;
}

int tls_engine_error(const struct tls_engine *e) {
    return e->error;
}

const char *tls_engine_sentence(const struct tls_engine *e) {
    return e->sentence;
}

const struct tls_pin *tls_engine_peer(const struct tls_engine *e) {
    return e->has_peer ? &e->peer : NULL;
}

enum knock_result tls_engine_knock(const struct tls_engine *e) {
    return e->knock;
}

/* --- ciphertext in --- */

/* A server that has not seen the whole ClientHello: the stranger's share of our memory is small. */
static bool listening(const struct tls_engine *e) {
    return e->state == TLS_HANDSHAKING && e->handshake->ssl == NULL;
}

uint8_t *tls_engine_reserve(struct tls_engine *e, size_t want, size_t *room) {
    size_t held = buf_size(&e->in), limit = listening(e) ? LIMIT_TLS_HELLO : LIMIT_TLS_INPUT;
    *room = 0;
    if (e->state == TLS_FAILED || e->state == TLS_CLOSED || held >= limit)
        return NULL;
    if (want > limit - held)
        want = limit - held;
    /* What is left of a record in front of a bulk read must not double the storage. */
    if (want > TLS_READ && held > 0 && e->in.capacity >= held + TLS_READ && want > e->in.capacity - held)
        want = e->in.capacity - held;
    borrow(e, &e->in, want);
    uint8_t *at = buf_reserve(&e->in, want);
    if (at == NULL)
        engine_fail(e, e->in.failed, "no memory for input");
    else
        *room = want;
    return at;
}

/* Looks whether the ClientHello knocks; only then does a TLS object exist. */
static void listen_for_knock(struct tls_engine *e) {
    char name[HELLO_NAME];
    int r = hello_server_name(buf_front(&e->in), buf_size(&e->in), name);
    if (r == 0)
        return;
    if (r > 0)
        e->knock = knock_check(tls_identity_pin(e->policy->identity), e->handshake->unix_now, name);
    if (r < 0 || e->knock != KNOCK_OK)
        engine_fail(e, LL_EKNOCK, r < 0 ? "the client sent no proper ClientHello" : knock_text(e->knock));
    else if (handshake_begin(e, NULL) != 0)
        engine_fail(e, LL_ETLS, "no memory for the handshake");
}

void tls_engine_commit(struct tls_engine *e, size_t n) {
    if (n == 0 || e->state == TLS_FAILED || e->state == TLS_CLOSED)
        return;
    buf_commit(&e->in, n);
    e->heard = true;
    if (listening(e))
        listen_for_knock(e);
    if (e->state == TLS_HANDSHAKING && e->handshake->ssl != NULL)
        handshake_identify(e);
    if (e->state == TLS_HANDSHAKING && e->handshake->ssl != NULL)
        handshake_step(e);
    if (e->state == TLS_FAILED)
        buf_free(&e->in);
}

size_t tls_engine_feed(struct tls_engine *e, const void *bytes, size_t n) {
    size_t room;
    uint8_t *to = n == 0 ? NULL : tls_engine_reserve(e, n, &room);
    if (to == NULL)
        return 0;
    if (n > room)
        n = room;
    memcpy(to, bytes, n);
    tls_engine_commit(e, n);
    return n;
}

void tls_engine_eof(struct tls_engine *e) {
    if (e->state == TLS_CLOSED)
        return;
    if (!e->heard && e->policy->role == TLS_CLIENT)
        engine_fail(e, LL_ESILENT, "the server closed the connection without a word");
    else
        engine_fail(e, LL_ELOST, "the connection ended without a close");
}

/* --- plaintext out --- */

void tls_engine_plain(struct tls_engine *e, const uint8_t **bytes, size_t *n) {
    while (e->plain_at == e->plain_end && e->state == TLS_ESTABLISHED && duplex_advance(e))
        ;
    if (e->plain_at == e->plain_end && (buf_size(&e->in) == 0 || e->state != TLS_ESTABLISHED)) {
        buf_clear(&e->in);
        rest(e, &e->in);
    }
    *n = e->plain_end - e->plain_at;
    *bytes = *n > 0 ? buf_front(&e->in) + e->plain_at : NULL;
}

bool tls_engine_readable(const struct tls_engine *e) {
    if (e->plain_at < e->plain_end || e->state == TLS_CLOSED || e->state == TLS_FAILED)
        return true;
    size_t held = buf_size(&e->in);
    int size = e->state == TLS_HANDSHAKING || held == 0 ? 0 : record_size(buf_front(&e->in), held);
    return size < 0 || (size > 0 && held >= (size_t)size);
}

void tls_engine_consume(struct tls_engine *e, size_t n) {
    e->plain_at += n;
    if (e->plain_at < e->plain_end || e->opened == 0)
        return;
    buf_consume(&e->in, e->opened);
    rest(e, &e->in);
    e->opened = e->plain_at = e->plain_end = e->apart_size = 0;
    e->apart = NULL;
}

void tls_engine_place(struct tls_engine *e, size_t head, uint8_t *(*choose)(void *, const uint8_t *, size_t),
                      void *arg) {
    e->place = (struct record_place){head, choose, arg};
}

const uint8_t *tls_engine_apart(const struct tls_engine *e, size_t *n) {
    *n = e->apart_size;
    return e->apart;
}

/* --- plaintext in --- */

static int may_write(const struct tls_engine *e) {
    if (e->state == TLS_FAILED)
        return e->error;
    if (e->state == TLS_HANDSHAKING)
        return -ENOTCONN;
    return e->said_close ? LL_ECLOSED : 0;
}

static int send_key_update(struct tls_engine *e, bool both) {
    const uint8_t message[] = {24, 0, 0, 1, both};
    int r = duplex_emit(e, RECORD_HANDSHAKE, message, sizeof message);
    if (r == 0 && e->offloaded) {
        e->send.sequence = 0; /* the key itself changes when the message has gone */
    } else if (r == 0 && record_key_update(&e->send) != 0) {
        r = LL_ETLS;
        engine_fail(e, r, "the new key could not be made");
    }
    e->update_owed = false;
    e->updates_asked += both;
    return r;
}

bool engine_owes_update(const struct tls_engine *e) {
    return e->update_owed || e->send.sequence >= RECORDS_PER_KEY;
}

int tls_engine_update_key(struct tls_engine *e, bool both) {
    int r = may_write(e);
    return r == 0 ? send_key_update(e, both) : r;
}

static int seal_all(struct tls_engine *e, struct record_parts parts, size_t total) {
    size_t size = total + (total + RECORD_PLAIN - 1) / RECORD_PLAIN * RECORD_OVERHEAD;
    borrow(e, &e->out, size);
    uint8_t *out = buf_reserve(&e->out, size);
    if (out == NULL) {
        int r = e->out.failed;
        e->out.failed = 0;
        return r;
    }
    for (size_t left = total; left > 0;) {
        size_t n = left < RECORD_PLAIN ? left : RECORD_PLAIN;
        if (record_seal(&e->send, RECORD_DATA, &parts, n, out) != 0) {
            engine_fail(e, LL_ETLS, "a record could not be sealed");
            return LL_ETLS;
        }
        buf_commit(&e->out, n + RECORD_OVERHEAD);
        out += n + RECORD_OVERHEAD;
        left -= n;
    }
    return 0;
}

int tls_engine_write(struct tls_engine *e, const struct iovec *parts, int count) {
    size_t total = 0;
    int r = may_write(e);
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len > LIMIT_TLS_PENDING - total)
            return LL_ELIMIT;
        total += parts[i].iov_len;
    }
    if (r == 0 && total > 0 && engine_owes_update(e))
        r = send_key_update(e, false);
    if (r == 0 && total > 0 && e->offloaded)
        return offload_write(e, parts, count, total);
    return r == 0 && total > 0 ? seal_all(e, (struct record_parts){parts, count, 0}, total) : r;
}

void tls_engine_close(struct tls_engine *e) {
    static const uint8_t close_notify[] = {1, 0};
    if (e->state == TLS_HANDSHAKING) {
        engine_fail(e, LL_ECLOSED, "closed during the handshake");
        buf_clear(&e->out);
    } else if (may_write(e) == 0) {
        duplex_emit(e, RECORD_ALERT, close_notify, sizeof close_notify);
        e->said_close = true;
    }
}

/* --- ciphertext out --- */

void tls_engine_pending(const struct tls_engine *e, const uint8_t **bytes, size_t *n) {
    if (offload_pending(e, bytes, n))
        return;
    *n = buf_size(&e->out);
    *bytes = *n > 0 ? buf_front(&e->out) : NULL;
}

size_t tls_engine_pending_size(const struct tls_engine *e) {
    return buf_size(&e->out) + offload_size(e);
}

void tls_engine_sent(struct tls_engine *e, size_t n) {
    if (e->offloaded && offload_sent(e, n))
        return;
    buf_consume(&e->out, n);
    rest(e, &e->out);
    if (e->state == TLS_HANDSHAKING && e->handshake->ssl != NULL && buf_size(&e->out) == 0)
        handshake_identify(e);
}
