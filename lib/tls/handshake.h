/* The handshake: the TLS library's, on the engine's buffers, until the peer is known; then its secrets are taken and it
 * is done with. */
#ifndef LIB_TLS_HANDSHAKE_H
#define LIB_TLS_HANDSHAKE_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "lib/tls/engine_state.h"

/* How the TLS library reads and writes: from and to the buffers of an engine. */
BIO_METHOD *handshake_transport(void);

/* Has the TLS library ask us what to think of the peer. */
bool handshake_hooks(SSL_CTX *context, enum tls_role role);

/* Makes the TLS object; a client gives the name for its ClientHello. Returns 0, LL_ETLS. */
int handshake_begin(struct tls_engine *engine, const char *name);

/* Gives a client's handshake its certificate, once: before the server asks for it, and best while the server is at work. Fails the
 * engine where there is no memory. */
void handshake_identify(struct tls_engine *engine);

/* Goes as far as the input allows. */
void handshake_step(struct tls_engine *engine);

/* NULL is fine. */
void handshake_free(struct handshake *h);

#endif
