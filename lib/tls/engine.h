/* TLS 1.3 (RFC 8446) as bytes in, bytes out: no descriptor, no clock, no wait.
 *
 * A policy holds what all connections of a process in one role have in common; an engine is one connection.
 *
 *      recv() -> tls_engine_reserve/commit ->  engine  -> tls_engine_plain/consume  -> frames
 *      send() <- tls_engine_pending/sent   <-          <- tls_engine_write          <- frames
 *
 * The driver's pass, on every event, is always the same:
 *
 *      if readable:  p = tls_engine_reserve(e, TLS_READ, &room);  n = recv(fd, p, room);
 *                    n > 0 ? tls_engine_commit(e, n) : n == 0 ? tls_engine_eof(e) : …
 *      while (tls_engine_plain(e, &bytes, &n), n > 0) { use n or fewer; tls_engine_consume(e, used); }
 *      tls_engine_write(e, …) as long as tls_engine_pending_size(e) is below the driver's mark
 *      while (tls_engine_pending(e, &bytes, &n), n > 0) { n = send(fd, bytes, n); tls_engine_sent(e, n); }
 *      tls_engine_state(e) says how it stands.
 *
 * What is fixed, for both roles: TLS 1.3 only; X25519; Ed25519 in self-signed certificates on both sides;
 * TLS_AES_128_GCM_SHA256 and TLS_CHACHA20_POLY1305_SHA256; ALPN "landline/1" required; no tickets, no resumption, no early
 * data. The peer's certificate is taken for its key only; the key's pin is what counts. Everything else fails closed.
 *
 * Memory: an engine takes memory for input when tls_engine_reserve() is called and for output when something is written,
 * and gives it back when drained; idle it holds about 3 KB. Input is decrypted in place when it is asked for, so the driver
 * bounds input by not reading while plaintext is left, and output by looking at tls_engine_pending_size().
 *
 * Thread rule: one engine, one thread at a time; a policy may be shared by engines in different threads. */
#ifndef LIB_TLS_ENGINE_H
#define LIB_TLS_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/tls/identity.h"
#include "lib/tls/knock.h"
#include "lib/tls/pin.h"

struct tls_policy;
struct tls_engine;

enum tls_role {
    TLS_CLIENT,
    TLS_SERVER,
};

/* Makes the policy of a role with the identity's key and certificate; the identity may be closed afterwards. Returns 0,
 * -ENOMEM, LL_ETLS. */
int tls_policy_new(struct tls_policy **out, enum tls_role role, const struct tls_identity *identity);

/* Ends it; engines that still live keep what they need. NULL is fine. */
void tls_policy_free(struct tls_policy *policy);

/* Loads what makes bulk quicker (lib/tls/gcm.h), which is otherwise done when a connection first carries much: for a process
 * that is about to close a sandbox behind itself, since files are opened, and for who wants to know. 0; LL_ENOTSUP, this
 * processor or build has no use for it; -ENOENT, it is not installed. Nothing depends on it. */
int tls_prepare_for_bulk(void);

enum tls_state {
    TLS_HANDSHAKING, /* the peer is not known; writing is refused */
    TLS_ESTABLISHED, /* the peer has proved its key, and it is the pinned one if a pin was given */
    TLS_CLOSED,      /* the peer has said close_notify: no plaintext will follow; writing is still possible */
    TLS_FAILED,      /* see tls_engine_error(); nothing more comes in; send what is pending (an alert), then close */
};

/* How much to ask tls_engine_reserve() for: enough for one record, or for a bulk transfer. */
enum {
    TLS_READ = 17 << 10,
    TLS_READ_BULK = 256 << 10,
    TLS_RECORD = 16 << 10, /* plaintext of a full record */
};

/* A client's connection to the server with the pin `expect`. `name` as in knock_make(); `unix_now` is the time of day in
 * seconds, for the knock. The ClientHello is pending at once. Returns 0, -ENOMEM, LL_ETLS, or the errors of
 * knock_make(). */
int tls_engine_new_client(struct tls_engine **out, struct tls_policy *policy, const struct tls_pin *expect,
                          const char *name, uint64_t unix_now);

/* A server's connection. Any Ed25519 key is let in: who it is, tls_engine_peer() says, and whether it may do anything is
 * the caller's to judge. A ClientHello without a valid knock, or a malformed one, fails the engine with LL_EKNOCK
 * before any key operation, and nothing is pending: no byte goes to a stranger. Until the ClientHello is whole, the
 * engine holds no more than LIMIT_TLS_HELLO bytes. */
int tls_engine_new_server(struct tls_engine **out, struct tls_policy *policy, uint64_t unix_now);

/* Ends it and wipes its keys; NULL is fine. */
void tls_engine_free(struct tls_engine *engine);

enum tls_state tls_engine_state(const struct tls_engine *engine);

/* 0, or why the engine failed:
 *   LL_EPIN       (client) the server's key is not the pinned one; tls_engine_peer() gives the one it has
 *   LL_EKNOCK     (server) tls_engine_knock() says more, for the log
 *   LL_ETLS       the handshake failed
 *   LL_EPROTOCOL  after it, a record that does not decrypt, a message that has no place here, too many KeyUpdates
 *   LL_EREFUSED   after it, the peer sent a fatal alert
 *   LL_ELOST      the transport ended without close_notify
 *   LL_ESILENT    (client) the transport ended before the server sent a byte, as one does whose knock was not accepted
 *   LL_ECLOSED    tls_engine_close() was called during the handshake
 *   -ENOMEM       */
int tls_engine_error(const struct tls_engine *engine);

/* The same in words, one clause without a full stop ("the peer has no Ed25519 certificate"); "" where nothing failed.
 * Contains nothing that the peer chose. Valid as long as the engine. */
const char *tls_engine_sentence(const struct tls_engine *engine);

/* The peer's pin once its certificate was seen, else NULL; believe it only in TLS_ESTABLISHED and TLS_CLOSED. */
const struct tls_pin *tls_engine_peer(const struct tls_engine *engine);

/* What became of the client's knock (server; KNOCK_NONE before the ClientHello). */
enum knock_result tls_engine_knock(const struct tls_engine *engine);

/* --- ciphertext in --- */

/* Room for ciphertext from the transport, so that recv() writes where decryption happens. `want` is a wish; *room says
 * how much there is: 0, and NULL returned, when the engine takes no more (failed, out of memory, or as much input is
 * waiting as one engine may hold). Valid until the next call on the engine. */
uint8_t *tls_engine_reserve(struct tls_engine *engine, size_t want, size_t *room);

/* The first n bytes of the room were filled. Does the handshake, if that is where the engine is; plaintext is only
 * decrypted by tls_engine_plain(). */
void tls_engine_commit(struct tls_engine *engine, size_t n);

/* Reserve, copy and commit in one, for tests and in-memory transports. Returns how many bytes were taken. */
size_t tls_engine_feed(struct tls_engine *engine, const void *bytes, size_t n);

/* The transport has ended. If the peer did not say close_notify before, the engine fails with LL_ELOST or LL_ESILENT:
 * what arrived until then can still be read, but is not whole. Call it only after tls_engine_plain() gave nothing. */
void tls_engine_eof(struct tls_engine *engine);

/* --- plaintext out --- */

/* The next plaintext in order, as it lies in the engine: at most one record. *n is 0 when more ciphertext is needed, and
 * when the state is one in which none will come. Stays valid until it was consumed, also across
 * writes; only tls_engine_reserve() may move it, and then this call gives its new place. */
void tls_engine_plain(struct tls_engine *engine, const uint8_t **bytes, size_t *n);

/* Whether tls_engine_plain() has something to look at: plaintext, a whole record, or an end. */
bool tls_engine_readable(const struct tls_engine *engine);

/* Takes n bytes (at most what plain gave) from the front. */
void tls_engine_consume(struct tls_engine *engine, size_t n);

/* Spares the copy of contents that go elsewhere. From now on the engine opens a record whose content is well longer than `head`
 * bytes in two parts: it shows the first `head` of them, which only for this may be looked at, for they are not authenticated yet,
 * and asks where the n bytes that follow shall lie; with `head` 0 nobody any more. NULL: where they are. Otherwise they are written there; and when the record was
 * genuine, tls_engine_plain() gives the head, all of it, and tls_engine_apart() the rest of the content, until the head is
 * consumed. `choose` must not call the engine. Between its answer and the end of tls_engine_plain() the place is the engine's. */
void tls_engine_place(struct tls_engine *engine, size_t head,
                      uint8_t *(*choose)(void *arg, const uint8_t *head, size_t n), void *arg);
/* What belongs behind the plaintext at hand, and lies apart: NULL, and *n 0, for nothing. */
const uint8_t *tls_engine_apart(const struct tls_engine *engine, size_t *n);

/* --- plaintext in --- */

/* Encrypts the parts, one after another, as if they were one piece: into full records and one shorter one at the end, all
 * of them appended to what is pending. Takes all or nothing. Returns 0, -ENOTCONN before TLS_ESTABLISHED, LL_ECLOSED
 * after tls_engine_close(), the engine's error once failed, LL_ELIMIT when LIMIT_TLS_PENDING would be passed, -ENOMEM. */
int tls_engine_write(struct tls_engine *engine, const struct iovec *parts, int count);

/* Says close_notify: no write after it. Reading goes on. During the handshake it drops what is left of it. */
void tls_engine_close(struct tls_engine *engine);

/* --- ciphertext out --- */

/* All ciphertext that waits to be sent, in one piece. Valid until the next call that writes or receives. */
void tls_engine_pending(const struct tls_engine *engine, const uint8_t **bytes, size_t *n);
size_t tls_engine_pending_size(const struct tls_engine *engine);

/* The first n bytes of it were sent. */
void tls_engine_sent(struct tls_engine *engine, size_t n);

/* --- keys --- */

/* Changes the sending key now (RFC 8446 4.6.3), and asks the peer to change its own if `both`. The engine does it by
 * itself long before a key's limit; this is for those who want it more often. Returns as tls_engine_write(). */
int tls_engine_update_key(struct tls_engine *engine, bool both);

/* --- another hand that seals: lib/seal/seal.h, with the kernel's --- */

enum { TLS_TYPE_DATA = 23 }; /* content type of application data (RFC 8446 B.1) */

/* TLS_AES_128_GCM_SHA256's state before the next record. */
struct tls_sending_key {
    uint8_t key[16], iv[12];
    uint64_t sequence;
};

/* Whether the sending side can be given away now: established, that suite, and nothing pending. */
bool tls_engine_can_offload(const struct tls_engine *engine);
/* The key for the next record. Returns 0, -ENOTCONN, LL_ENOTSUP for the other suite. The caller wipes it. */
int tls_engine_sending_key(const struct tls_engine *engine, struct tls_sending_key *key);
/* It was given away, for good. From now on the engine seals nothing: tls_engine_pending() gives contents, all of one type, and the
 * driver has them sealed, in that order. Contents that are no data are one message and make one record: all of them or none
 * are sent. The engine still does what it owes: KeyUpdates, alerts, close_notify. */
void tls_engine_offload(struct tls_engine *engine);
/* What tls_engine_pending() gives: TLS_TYPE_DATA, or another. */
uint8_t tls_engine_pending_type(const struct tls_engine *engine);
/* To be asked after each tls_engine_sent(): a KeyUpdate has gone out, and the next contents need tls_engine_sending_key()
 * again. Says so once. */
bool tls_engine_key_changed(struct tls_engine *engine);
/* The other hand cannot go on: the engine fails with LL_ELOST and the sentence, and nothing is pending. */
void tls_engine_lose(struct tls_engine *engine, const char *sentence);
/* Whether data may be sealed past the engine now: offloaded, nothing pending, no KeyUpdate due. And n bytes were. */
bool tls_engine_may_pass(const struct tls_engine *engine);
void tls_engine_passed(struct tls_engine *engine, size_t n);

#endif
