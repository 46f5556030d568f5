/* The inside of a policy, for the engine alone: what the TLS library is told once per process and role. */
#ifndef LIB_TLS_POLICY_H
#define LIB_TLS_POLICY_H

#include <openssl/ssl.h>

#include "lib/tls/engine.h"
#include "lib/tls/library.h"

struct tls_policy {
    _Atomic int holders;
    enum tls_role role;
    struct tls_pin own; /* the pin of the identity: what a knock must be made for */
    struct tls_library *library;
    SSL_CTX *context;
    BIO_METHOD *transport;
};

struct tls_policy *policy_hold(struct tls_policy *policy);

#endif
