#include "lib/tls/policy.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "lib/base/limits.h"
#include "lib/tls/certificate.h"
#include "lib/tls/gcm.h"
#include "lib/tls/handshake.h"
#include "lib/tls/identity_key.h"

static const char SUITES[] = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";

static bool set_parameters(SSL_CTX *context) {
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_ciphersuites(context, SUITES) == 1 && SSL_CTX_set1_groups_list(context, "X25519") == 1 &&
           SSL_CTX_set1_sigalgs_list(context, "ed25519") == 1 &&
           SSL_CTX_set1_client_sigalgs_list(context, "ed25519") == 1;
}

/* Nothing that outlives a connection, and nothing that a peer can make large. */
static bool set_limits(SSL_CTX *context) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_max_cert_list(context, LIMIT_TLS_CERTIFICATE);
    return SSL_CTX_set_num_tickets(context, 0) == 1 && SSL_CTX_set_max_early_data(context, 0) == 1 &&
           SSL_CTX_set_recv_max_early_data(context, 0) == 1;
}

/* The key, with the certificate around it; NULL when memory runs out. */
static EVP_PKEY *make_certificate(const struct tls_policy *p, uint8_t certificate[CERTIFICATE_SIZE]) {
    EVP_PKEY *key = identity_key(p->identity);
    bool made =
        key != NULL && certificate_make(certificate, tls_identity_public(p->identity), p->library->context, key) == 0;
    return made ? key : NULL;
}

static bool set_identity(const struct tls_policy *p) {
    uint8_t certificate[CERTIFICATE_SIZE];
    EVP_PKEY *key = make_certificate(p, certificate);
    return key != NULL && SSL_CTX_use_certificate_ASN1(p->context, sizeof certificate, certificate) == 1 &&
           SSL_CTX_use_PrivateKey(p->context, key) == 1;
}

bool policy_identify(const struct tls_policy *p, SSL *ssl) {
    uint8_t certificate[CERTIFICATE_SIZE];
    ERR_set_mark();
    EVP_PKEY *key = make_certificate(p, certificate);
    bool done = key != NULL && SSL_use_certificate_ASN1(ssl, certificate, sizeof certificate) == 1 &&
                SSL_use_PrivateKey(ssl, key) == 1;
    ERR_pop_to_mark();
    return done;
}

static bool fill(struct tls_policy *p) {
    const SSL_METHOD *method = p->role == TLS_CLIENT ? TLS_client_method() : TLS_server_method();
    p->context = SSL_CTX_new_ex(p->library->context, NULL, method);
    p->transport = handshake_transport();
    return p->context != NULL && p->transport != NULL && set_parameters(p->context) && set_limits(p->context) &&
           (p->role == TLS_CLIENT || set_identity(p)) && handshake_hooks(p->context, p->role);
}

int tls_policy_new(struct tls_policy **out, enum tls_role role, const struct tls_identity *identity) {
    *out = NULL;
    struct tls_policy *p = calloc(1, sizeof *p);
    if (p == NULL)
        return -ENOMEM;
    p->holders = 1;
    p->role = role;
    p->identity = identity_hold(identity);
    p->library = identity_library(identity);

    ERR_set_mark();
    bool filled = fill(p);
    ERR_pop_to_mark();
    if (!filled) {
        tls_policy_free(p);
        return LL_ETLS;
    }
    *out = p;
    return 0;
}

int tls_prepare_for_bulk(void) {
    return gcm_load();
}

struct tls_policy *policy_hold(struct tls_policy *policy) {
    policy->holders++;
    return policy;
}

uint8_t *policy_take_spare(struct tls_policy *policy) {
    for (int i = 0; i < POLICY_SPARES; i++) {
        uint8_t *spare = atomic_exchange(&policy->spares[i], NULL);
        if (spare != NULL)
            return spare;
    }
    return malloc(POLICY_SPARE);
}

void policy_give_spare(struct tls_policy *policy, uint8_t *spare) {
    for (int i = 0; i < POLICY_SPARES && spare != NULL; i++) {
        uint8_t *empty = NULL;
        if (atomic_compare_exchange_strong(&policy->spares[i], &empty, spare))
            spare = NULL;
    }
    free(spare);
}

void tls_policy_free(struct tls_policy *policy) {
    if (policy == NULL || --policy->holders > 0)
        return;
    SSL_CTX_free(policy->context);
    BIO_meth_free(policy->transport);
    tls_identity_close(policy->identity);
    for (int i = 0; i < POLICY_SPARES; i++)
        free(policy->spares[i]);
    free(policy);
}
