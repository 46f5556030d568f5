/* A peer that is nothing but the TLS library, with memory for a wire: the reference for the engine's records, and, with
 * other settings, every peer that an engine must refuse. */
#ifndef TESTS_UNIT_TLS_PLAIN_H
#define TESTS_UNIT_TLS_PLAIN_H

#include "tests/unit/tls/pair.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lib/tls/certificate.h"
#include "lib/tls/identity_key.h"

struct plain {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
};

static inline int accept_any(X509_STORE_CTX *store, void *unused) {
    (void)unused;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static inline int choose_landline(SSL *ssl, const unsigned char **out, unsigned char *size,
                                  const unsigned char *offered, unsigned int offered_size, void *unused) {
    (void)ssl, (void)unused;
    return SSL_select_next_proto((unsigned char **)out, size, (const unsigned char *)"\x0alandline/1", 11, offered,
                                 offered_size) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

/* The same key, outside the engine's library context: the reference shares nothing with it. */
static inline void plain_identity(SSL_CTX *context, const struct tls_identity *id) {
    uint8_t der[CERTIFICATE_SIZE], seed[32];
    size_t size = sizeof seed;
    assert_int_equal(EVP_PKEY_get_raw_private_key(identity_key(id), seed, &size), 1);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, size);
    assert_int_equal(certificate_make(der, tls_identity_public(id), NULL, key), 0);
    assert_int_equal(SSL_CTX_use_certificate_ASN1(context, sizeof der, der), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    EVP_PKEY_free(key);
}

/* A peer without a key, still to be changed before plain_start(). */
static inline void plain_open_bare(struct plain *p, enum tls_role role) {
    *p = (struct plain){.context = SSL_CTX_new(TLS_method())};
    assert_non_null(p->context);
    SSL_CTX_set_verify(p->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(p->context, accept_any, NULL);
    SSL_CTX_set_num_tickets(p->context, 0);
    if (role == TLS_CLIENT)
        SSL_CTX_set_alpn_protos(p->context, (const unsigned char *)"\x0alandline/1", 11);
    else
        SSL_CTX_set_alpn_select_cb(p->context, choose_landline, NULL);
}

/* The same with the key: a well-behaved peer. */
static inline void plain_open(struct plain *p, enum tls_role role, const struct tls_identity *id) {
    plain_open_bare(p, role);
    plain_identity(p->context, id);
}

/* Client with the given SNI, or server when it is NULL. */
static inline void plain_start(struct plain *p, const char *sni) {
    SSL_free(p->ssl);
    p->ssl = SSL_new(p->context);
    p->in = BIO_new(BIO_s_mem());
    p->out = BIO_new(BIO_s_mem());
    SSL_set_bio(p->ssl, p->in, p->out);
    if (sni == NULL) {
        SSL_set_accept_state(p->ssl);
    } else {
        SSL_set_connect_state(p->ssl);
        if (*sni != '\0')
            SSL_set_tlsext_host_name(p->ssl, sni);
    }
    SSL_do_handshake(p->ssl);
}

static inline void plain_close(struct plain *p) {
    SSL_free(p->ssl);
    SSL_CTX_free(p->context);
    ERR_clear_error();
}

/* Both directions until nothing moves, `cut` bytes at a time; the reference goes on with its handshake in between.
 * Returns the number of bytes that the engine gave out. */
static inline size_t plain_settle(struct plain *p, struct tls_engine *e, size_t cut) {
    uint8_t bytes[20000];
    const uint8_t *pending;
    size_t n, from_engine = 0, moved;
    if (cut > sizeof bytes)
        cut = sizeof bytes;
    do {
        moved = 0;
        while (tls_engine_pending(e, &pending, &n), n > 0) {
            n = n < cut ? n : cut;
            assert_int_equal(BIO_write(p->in, pending, (int)n), n);
            tls_engine_sent(e, n);
            moved += n;
            if (!SSL_is_init_finished(p->ssl))
                SSL_do_handshake(p->ssl);
        }
        from_engine += moved;
        for (int got; (got = BIO_read(p->out, bytes, (int)cut)) > 0; moved += (size_t)got)
            tls_engine_feed(e, bytes, (size_t)got);
    } while (moved > 0);
    ERR_clear_error();
    return from_engine;
}

#endif
