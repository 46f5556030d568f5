/* landline/tls.h: TLS 1.3 between two keys that know each other, over any stream.
 *
 * There are no certificate authorities and no host names here. Each side is an Ed25519 key, known by its pin, the SHA-256
 * of its public key; a client says beforehand which pin it expects, and a server learns which pin has called. How the
 * first pin travels is the program's business (landline does it with an invite).
 *
 *      ll_tls *tls;                                            ll_tls *tls;
 *      ll_tls_open("client.key", NULL, &tls);                  ll_tls_open("server.key", NULL, &tls);
 *      ll_stream_fd(connected_fd, &plain);                     ll_stream_fd(accepted_fd, &plain);
 *      ll_tls_connect(tls, plain, &pin, "box", &stream);       ll_tls_accept(tls, plain, &stream);
 *      ll_stream_write(stream, "hello", 5);                    ll_stream_read(stream, bytes, sizeof bytes);
 *                                                              ll_tls_peer(stream);  who said it
 *
 * What comes out is a stream like any other (landline/stream.h), and never blocks. What is fixed: TLS 1.3 only (RFC 8446),
 * X25519, Ed25519 in self-signed certificates on both sides (RFC 8410), AES-128-GCM or ChaCha20-Poly1305, ALPN
 * "landline/1", no tickets, no resumption, no early data. The ClientHello carries the knock of the landline protocol
 * (docs/PROTOCOL.md, section 1.1): to a client that does not know its pin, a server sends not one byte.
 *
 * Thread rule: an ll_tls may be shared by threads, a stream belongs to one at a time.
 */
#ifndef LANDLINE_TLS_H
#define LANDLINE_TLS_H

#include "landline/error.h"
#include "landline/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- pins ---- */

/* SHA-256 of a DER SubjectPublicKeyInfo. Plain memory: copy it, compare it with memcmp. */
typedef struct ll_pin {
    unsigned char bytes[32];
} ll_pin;

enum { LL_PIN_TEXT = 51 }; /* characters of a pin's text, its NUL included */

/* "SHA256:" and base64 without padding, as ssh-keygen -l shows fingerprints; always terminated. */
LL_API void ll_pin_format(const ll_pin *pin, char out[LL_PIN_TEXT]);

/* Reads that text, and nothing else: 0 or LL_EFORMAT. */
LL_API int ll_pin_parse(const char *text, ll_pin *out);

/* ---- a key, ready to be used ---- */

typedef struct ll_tls ll_tls;

/* Takes the key from the file (PEM PKCS#8, Ed25519; mode 0600), and makes the file if there is none; its folder must
 * exist. Blocks on the file system. Returns 0, and:
 *   LL_EKEYFILE   the file is open to others, owned by another user, or holds no such key; info->call says which
 *   -errno        the file system said no
 *   LL_ETLS       OpenSSL lacks something, or -ENOMEM
 * `info` may be NULL. *out is NULL on failure. */
LL_API int ll_tls_open(const char *key_path, struct ll_error_info *info, ll_tls **out);

/* Ends it; streams made from it live on. NULL is fine. */
LL_API void ll_tls_close(ll_tls *tls);

/* The pin of the own key, valid as long as `tls`. */
LL_API const ll_pin *ll_tls_pin(const ll_tls *tls);

/* ---- streams ---- */

/* Makes the client's end over `transport`, which belongs to the new stream from here on, also when this fails (it is
 * closed then). `server` is the pin that the other end must have. `name` is the DNS name that was dialled, sent along
 * for whoever forwards by name; NULL for none, and addresses are as none. Nothing is sent yet. Errors: -ENOMEM, LL_ETLS,
 * LL_EADDRESS or LL_ELIMIT for a name that is none. */
LL_API int ll_tls_connect(ll_tls *tls, ll_stream *transport, const ll_pin *server, const char *name, ll_stream **out);

/* Makes the server's end, in the same way. Any key is let in: look at ll_tls_peer() before you believe a word. Closing
 * clients that do not finish the handshake in time is the caller's to do. Errors: -ENOMEM. */
LL_API int ll_tls_accept(ll_tls *tls, ll_stream *transport, ll_stream **out);

/* Goes on with the handshake, and sends what waits to be sent: 0 when the handshake is done and all is sent, -EAGAIN when
 * it has to wait (ll_stream_wants() says for what), or the error that ended it. Reading and writing do it as well; call
 * it to know the peer before the first byte, or to empty what ll_stream_write() took. Errors, which every later call
 * gives again:
 *   LL_EPIN       the server's key is another one; ll_tls_peer() is the one it has
 *   LL_EKNOCK     (server) the client does not know this server's pin
 *   LL_ESILENT    (client) the server closed without a word: most often it is another server than the pin's
 *   LL_ETLS       the handshake failed; ll_tls_reason() says why
 *   LL_EPROTOCOL  later: a record was changed on its way, or has no place
 *   LL_EREFUSED   later: the peer ended the connection with an alert
 *   LL_ELOST      the transport ended, but the peer did not say that it had finished: something may be missing
 *   and those of the transport.
 * -EINVAL for a stream that is not TLS. */
LL_API int ll_tls_handshake(ll_stream *stream);

/* The peer's pin: NULL until its certificate was seen, and for a stream that is not TLS; believe it once
 * ll_tls_handshake() was 0. Valid as long as the stream. */
LL_API const ll_pin *ll_tls_peer(const ll_stream *stream);

/* Why it failed, in words without a full stop, "the peer does not speak TLS 1.3"; "" where nothing failed. Contains
 * nothing that the peer chose. Valid as long as the stream. */
LL_API const char *ll_tls_reason(const ll_stream *stream);

/* What the contract of ll_stream means here:
 *   write          takes at most 256 KiB at once, and -EAGAIN while bytes that were taken before wait for the transport;
 *                  they go out with the next call of any of read, write, shutdown_write and ll_tls_handshake
 *   read           LL_EOF only after the peer's close_notify; a transport that just ends is LL_ELOST
 *   shutdown_write says close_notify; 0 once it and all before it was given to the transport, which stays open
 *   wants          LL_WRITE as long as something waits to be sent, whatever was asked for
 *   close          says close_notify if the transport takes it at once, and closes the transport */

#ifdef __cplusplus
}
#endif
#endif
