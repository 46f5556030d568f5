#include "lib/tls/handshake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "lib/base/limits.h"
#include "lib/base/reader.h"
#include "lib/tls/certificate.h"
#include "lib/tls/crypto.h"
#include "lib/tls/hello.h"

static const unsigned char ALPN[] = "\x0alandline/1";

enum {
    ALPN_SIZE = sizeof ALPN - 1,
    SUITE_CHACHA20 = 0x1303,
    BOTH_SECRETS = 1u << TLS_CLIENT | 1u << TLS_SERVER,
};

/* --- the transport of the TLS library --- */

static int transport_read(BIO *bio, char *out, size_t size, size_t *done) {
    struct tls_engine *e = BIO_get_data(bio);
    size_t n = buf_size(&e->in) < size ? buf_size(&e->in) : size;
    BIO_clear_retry_flags(bio);
    *done = n;
    if (n == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    e->handshake->taken += n;
    if (e->handshake->taken > LIMIT_TLS_HANDSHAKE)
        return 0;
    memcpy(out, buf_front(&e->in), n);
    buf_consume(&e->in, n);
    return 1;
}

static int transport_write(BIO *bio, const char *bytes, size_t size, size_t *done) {
    struct tls_engine *e = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    buf_add(&e->out, bytes, size);
    *done = e->out.failed == 0 ? size : 0;
    return e->out.failed == 0;
}

static long transport_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *handshake_transport(void) {
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "landline engine");
    if (m != NULL && BIO_meth_set_read_ex(m, transport_read) == 1 && BIO_meth_set_write_ex(m, transport_write) == 1 &&
        BIO_meth_set_ctrl(m, transport_control) == 1)
        return m;
    BIO_meth_free(m);
    return NULL;
}

/* --- what the TLS library asks us --- */

/* In place of chain building: a self-signed certificate says nothing but its key, and CertificateVerify, which the TLS
 * library checks next, proves the possession of that. */
static int judge_certificate(X509_STORE_CTX *store, void *unused) {
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_engine *e = SSL_get_app_data(ssl);
    const unsigned char *key = NULL;
    int size = 0;
    ASN1_OBJECT *algorithm = NULL;
    X509_PUBKEY *public_key = X509_get_X509_PUBKEY(X509_STORE_CTX_get0_cert(store));
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
    if (public_key == NULL || X509_PUBKEY_get0_param(&algorithm, &key, &size, NULL, public_key) != 1 ||
        OBJ_obj2nid(algorithm) != NID_ED25519 || size != CERTIFICATE_KEY) {
        engine_fail(e, LL_ETLS, "the peer's certificate is not for an Ed25519 key");
        return 0;
    }
    certificate_pin(&e->peer, key);
    e->has_peer = true;
    if (e->policy->role == TLS_CLIENT && !tls_pin_equal(&e->peer, &e->handshake->expect)) {
        engine_fail(e, LL_EPIN, "the server's key is not the one that is pinned");
        return 0;
    }
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *size, const unsigned char *offered,
                           unsigned int offered_size, void *unused) {
    (void)unused;
    for (struct reader r = reader_of(offered, offered_size); !r.failed && reader_left(&r) > 0;) {
        struct slice name = reader_str8(&r);
        if (name.size != ALPN_SIZE - 1 || memcmp(name.data, ALPN + 1, name.size) != 0)
            continue;
        *out = name.data;
        *size = (unsigned char)name.size;
        return SSL_TLSEXT_ERR_OK;
    }
    engine_fail(SSL_get_app_data(ssl), LL_ETLS, "the peer does not speak landline/1");
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int nibble(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "CLIENT_TRAFFIC_SECRET_0 <random> <secret>": the one way that OpenSSL 3.0 has to give out the secrets. */
static void note_secret(const SSL *ssl, const char *line) {
    static const char *const names[] = {
        [TLS_CLIENT] = "CLIENT_TRAFFIC_SECRET_0 ", [TLS_SERVER] = "SERVER_TRAFFIC_SECRET_0 "};
    struct tls_engine *e = SSL_get_app_data(ssl);
    for (int who = 0; who < 2; who++) {
        const char *hex = strrchr(line, ' ');
        if (e->handshake == NULL || strncmp(line, names[who], strlen(names[who])) != 0 || hex == NULL ||
            strlen(++hex) != 2 * RECORD_SECRET)
            continue;
        for (size_t i = 0; i < RECORD_SECRET; i++)
            e->handshake->secrets[who][i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
        e->handshake->secrets_seen |= 1u << who;
    }
}

bool handshake_hooks(SSL_CTX *context, enum tls_role role) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(context, judge_certificate, NULL);
    SSL_CTX_set_keylog_callback(context, note_secret);
    if (role == TLS_SERVER) {
        SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
        return true;
    }
    return SSL_CTX_set_alpn_protos(context, ALPN, ALPN_SIZE) == 0; /* this one call returns 0 for success */
}

/* --- the course of it --- */

int handshake_begin(struct tls_engine *e, const char *name) {
    struct handshake *h = e->handshake;
    BIO *bio = BIO_new(e->policy->transport);
    h->ssl = SSL_new(e->policy->context);
    if (bio == NULL || h->ssl == NULL || SSL_set_app_data(h->ssl, e) != 1 ||
        (name != NULL && SSL_set_tlsext_host_name(h->ssl, name) != 1)) {
        BIO_free(bio);
        return LL_ETLS;
    }
    BIO_set_data(bio, e);
    BIO_set_init(bio, 1);
    SSL_set_bio(h->ssl, bio, bio);
    if (e->policy->role == TLS_CLIENT)
        SSL_set_connect_state(h->ssl);
    else
        SSL_set_accept_state(h->ssl);
    return 0;
}

/* Why the TLS library gave up, where it is worth a sentence. */
static const char *explain(unsigned long error) {
    static const struct {
        int reason;
        const char *sentence;
    } table[] = {
        {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the peer showed no certificate"},
        {SSL_R_EXCESSIVE_MESSAGE_SIZE, "a handshake message of the peer is too large"},
        {SSL_R_UNSUPPORTED_PROTOCOL, "the peer does not speak TLS 1.3"},
        {SSL_R_WRONG_VERSION_NUMBER, "the peer does not speak TLS"},
        {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the peer does not speak TLS 1.3"},
        {SSL_R_NO_SHARED_CIPHER, "the peer has no cipher in common with us"},
        {SSL_R_NO_SUITABLE_KEY_SHARE, "the peer does not offer X25519"},
        {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "the peer does not take Ed25519 certificates"},
        {SSL_R_WRONG_SIGNATURE_TYPE, "the peer did not sign with Ed25519"},
        {SSL_R_BAD_SIGNATURE, "the peer's signature is wrong"},
        {SSL_R_DIGEST_CHECK_FAILED, "the peer's Finished message is wrong"},
    };
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].reason == reason)
            return table[i].sentence;
    return reason > SSL_AD_REASON_OFFSET ? "the peer refused the handshake" : "the handshake was not valid";
}

/* The TLS library is done: its secrets become our keys, and what it left of the input is ours. */
static void finish(struct tls_engine *e) {
    struct handshake *h = e->handshake;
    enum tls_role own = e->policy->role, other = own == TLS_CLIENT ? TLS_SERVER : TLS_CLIENT;
    const unsigned char *protocol = NULL;
    unsigned int size = 0;
    SSL_get0_alpn_selected(h->ssl, &protocol, &size);
    if (size != ALPN_SIZE - 1 || memcmp(protocol, ALPN + 1, size) != 0) {
        engine_fail(e, LL_ETLS, "the peer does not speak landline/1");
        return;
    }
    if (!e->has_peer || h->secrets_seen != BOTH_SECRETS || SSL_version(h->ssl) != TLS1_3_VERSION) {
        engine_fail(e, LL_ETLS, "the handshake was not valid");
        return;
    }
    bool chacha = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(h->ssl)) == SUITE_CHACHA20;
    const EVP_CIPHER *cipher = chacha ? e->policy->library->chacha : e->policy->library->aes_gcm;
    int r = record_key_set(&e->receive, RECORD_OPEN, cipher, h->secrets[other]);
    if (r == 0)
        r = record_key_set(&e->send, RECORD_SEAL, cipher, h->secrets[own]);
    if (r != 0) {
        engine_fail(e, r, "no memory for the keys");
        return;
    }
    e->state = TLS_ESTABLISHED;
}

void handshake_identify(struct tls_engine *e) {
    struct handshake *h = e->handshake;
    if (e->policy->role == TLS_SERVER || h->identified)
        return;
    h->identified = policy_identify(e->policy, h->ssl);
    if (!h->identified)
        engine_fail(e, -ENOMEM, "no memory for the certificate");
}

void handshake_step(struct tls_engine *e) {
    /* The TLS library empties the thread's error queue before it works; we leave it empty as well. */
    int r = SSL_do_handshake(e->handshake->ssl);
    int why = SSL_get_error(e->handshake->ssl, r);
    unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    if (r == 1)
        finish(e);
    else if (e->handshake->taken > LIMIT_TLS_HANDSHAKE)
        engine_fail(e, LL_ETLS, "the handshake of the peer is too large");
    else if (e->out.failed == -ENOMEM)
        engine_fail(e, -ENOMEM, "no memory for the handshake");
    else if (why != SSL_ERROR_WANT_READ)
        engine_fail(e, LL_ETLS, explain(error));
    if (e->state != TLS_HANDSHAKING) {
        handshake_free(e->handshake);
        e->handshake = NULL;
    }
}

void handshake_free(struct handshake *h) {
    if (h == NULL)
        return;
    SSL_free(h->ssl);
    tls_wipe(h, sizeof *h);
    free(h);
}
