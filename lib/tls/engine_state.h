/* The inside of an engine, shared by engine.c (what the header offers), handshake.c (until the peer is known) and
 * duplex.c (the records after that). */
#ifndef LIB_TLS_ENGINE_STATE_H
#define LIB_TLS_ENGINE_STATE_H

#include "lib/base/buf.h"
#include "lib/tls/engine.h"
#include "lib/tls/policy.h"
#include "lib/tls/record.h"

enum { OFFLOAD_MESSAGES = 4, OFFLOAD_MESSAGE = 5 };

/* An alert or a KeyUpdate that waits to be sealed elsewhere. */
struct offload_message {
    size_t ahead; /* bytes of `out` that go before it */
    uint8_t type, size;
    uint8_t bytes[OFFLOAD_MESSAGE];
};

/* Needed only until the connection is established. */
struct handshake {
    SSL *ssl; /* NULL in a server until the knock was accepted */
    uint64_t unix_now;
    struct tls_pin expect; /* client */
    bool identified;       /* client: it has its certificate */
    size_t taken;          /* bytes that the TLS library was given */
    unsigned secrets_seen; /* one bit per role whose secret is there */
    uint8_t secrets[2][RECORD_SECRET];
};

struct tls_engine {
    struct tls_policy *policy;
    enum tls_state state;
    int error;
    const char *sentence;
    enum knock_result knock;
    bool heard;       /* the peer sent something */
    bool has_peer;    /* `peer` is filled */
    bool said_close;  /* no more writing */
    bool update_owed; /* the peer asked for a change of our key (RFC 8446 4.6.3) */
    struct tls_pin peer;
    struct handshake *handshake; /* NULL once established or failed */
    struct buf in,
        out;       /* ciphertext (`out` not when offloaded); the record at the front of `in` may have been opened */
    size_t opened; /* size of that record, 0 if it is still sealed */
    size_t plain_at, plain_end; /* where in it unread plaintext lies */
    struct record_place place;
    const uint8_t *apart; /* and the rest of it, NULL for none */
    size_t apart_size;
    struct record_key receive, send;
    unsigned updates_asked; /* KeyUpdates that we asked the peer for and did not get yet */
    unsigned idle_records;  /* records without data, less those forgiven */
    uint64_t data_bytes;    /* towards the next one forgiven */
    bool offloaded;         /* another hand seals: `out` and `messages` are contents */
    bool key_changed;       /* and it needs to be told the new key */
    unsigned message_count;
    struct offload_message messages[OFFLOAD_MESSAGES];
};

/* Ends everything but what is pending. The first failure is the one that stays. */
void engine_fail(struct tls_engine *engine, int error, const char *sentence);

/* Seals n bytes of the given type into what is pending. Returns 0 or the error, with which the engine has failed. */
int duplex_emit(struct tls_engine *engine, enum record_type type, const void *bytes, size_t n);

/* Fails the engine for something the peer did, and tells it with an alert (6.2). */
void duplex_fail(struct tls_engine *engine, uint8_t alert, int error, const char *sentence);

/* Opens the next record of the input: true if there is plaintext, or another record to try. */
bool duplex_advance(struct tls_engine *engine);

/* Whether a change of our key must go in front of the next data. */
bool engine_owes_update(const struct tls_engine *engine);

/* --- offload.c: what becomes of each step when another hand seals --- */

int offload_emit(struct tls_engine *engine, enum record_type type, const void *bytes, size_t n);
int offload_write(struct tls_engine *engine, const struct iovec *parts, int count, size_t total);
/* False: all of `out` is next. */
bool offload_pending(const struct tls_engine *engine, const uint8_t **bytes, size_t *n);
/* Bytes of messages. */
size_t offload_size(const struct tls_engine *engine);
/* False: they were of `out`. */
bool offload_sent(struct tls_engine *engine, size_t n);

#endif
