/* The inside of a policy, for the engine alone: what the TLS library is told once per process and role. */
#ifndef LIB_TLS_POLICY_H
#define LIB_TLS_POLICY_H

#include <openssl/ssl.h>

#include "lib/tls/engine.h"
#include "lib/tls/library.h"

/* Storage for a bulk transfer: a read of TLS_READ_BULK, or as much plaintext sealed. */
enum {
    POLICY_SPARES = 2, /* kept: one for each direction of one busy engine */
    POLICY_SPARE = TLS_READ_BULK + (4 << 10),
};

struct tls_policy {
    _Atomic int holders;
    enum tls_role role;
    struct tls_identity *identity;
    struct tls_library *library; /* the identity's */
    SSL_CTX *context;
    BIO_METHOD *transport;
    _Atomic(uint8_t *) spares[POLICY_SPARES];
};

struct tls_policy *policy_hold(struct tls_policy *policy);

/* Gives a client's connection its certificate and key: a server's have them from the start. False: no memory. */
bool policy_identify(const struct tls_policy *policy, SSL *ssl);

/* POLICY_SPARE bytes, and back. An idle engine holds no storage; if a busy one returned its own to malloc each time that it
 * is drained, the pages would go back to the system and be faulted in again, which costs a third of the throughput. NULL
 * when memory runs out. */
uint8_t *policy_take_spare(struct tls_policy *policy);
void policy_give_spare(struct tls_policy *policy, uint8_t *spare);

#endif
