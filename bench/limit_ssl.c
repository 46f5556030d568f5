/* A plain OpenSSL program, as one would write it, for bench/run exec and files: TLS 1.3, AES-128-GCM, one thread.
 *
 *     bench-limit-ssl serve plain|gathered              prints its port
 *     bench-limit-ssl get plain|gathered PORT REQUEST DESTINATION
 *
 * REQUEST as in bench/plain.h. `plain` is one SSL_write and one send for each record of 16 KiB; `gathered` collects 256 KiB
 * of records for one send, and reads ahead as much. */
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "bench/plain.h"

enum { RECORD = 16 << 10, GATHERED = 256 << 10, REQUEST = 4096 };

static unsigned char bytes[RECORD];

static SSL_CTX *context(const SSL_METHOD *method, bool gathered) {
    SSL_CTX *c = SSL_CTX_new(method);
    require(c != NULL && SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION), "TLS 1.3");
    require(SSL_CTX_set_ciphersuites(c, "TLS_AES_128_GCM_SHA256"), "cipher");
    if (gathered) {
        SSL_CTX_set_read_ahead(c, 1);
        SSL_CTX_set_default_read_buffer_len(c, GATHERED);
    }
    return c;
}

static void make_identity(SSL_CTX *c) {
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    X509 *x = X509_new();
    require(key != NULL && x != NULL, "key");
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);
    require(X509_sign(x, key, NULL) > 0, "X509_sign");
    require(SSL_CTX_use_certificate(c, x) == 1 && SSL_CTX_use_PrivateKey(c, key) == 1, "identity");
}

/* A connection over fd; when `gathered`, what is written is sent 256 KiB at a time. */
static SSL *over(SSL_CTX *c, int fd, bool gathered) {
    SSL *ssl = SSL_new(c);
    BIO *in = BIO_new_socket(fd, BIO_NOCLOSE), *out = BIO_new_socket(fd, BIO_NOCLOSE);
    require(ssl != NULL && in != NULL && out != NULL, "SSL_new");
    if (gathered) {
        BIO *buffer = BIO_new(BIO_f_buffer());
        require(buffer != NULL && BIO_set_write_buffer_size(buffer, GATHERED), "BIO_f_buffer");
        out = BIO_push(buffer, out);
    }
    SSL_set_bio(ssl, in, out);
    return ssl;
}

static void serve(bool gathered) {
    SSL_CTX *c = context(TLS_server_method(), gathered);
    make_identity(c);
    int listener = listen_and_say();
    for (;;) {
        int fd = accept_one(listener);
        SSL *ssl = over(c, fd, gathered);
        char request[REQUEST] = {0};
        if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, REQUEST - 1) > 0) {
            int source = open_source(request);
            for (ssize_t n; (n = read(source, bytes, RECORD)) > 0;)
                require(SSL_write(ssl, bytes, (int)n) == n, "SSL_write");
            close(source);
            SSL_shutdown(ssl);
            (void)BIO_flush(SSL_get_wbio(ssl));
        }
        SSL_free(ssl);
        close(fd);
    }
}

static void get(bool gathered, const char *port, const char *request, const char *destination) {
    int fd = connect_to(port), out = open_destination(destination);
    SSL *ssl = over(context(TLS_client_method(), gathered), fd, gathered);
    require(SSL_connect(ssl) == 1, "SSL_connect");
    int size = (int)strnlen(request, REQUEST - 1);
    require(SSL_write(ssl, request, size) == size, "SSL_write");
    (void)BIO_flush(SSL_get_wbio(ssl));
    for (int n; (n = SSL_read(ssl, bytes, RECORD)) > 0;)
        write_full(out, bytes, (size_t)n);
    require(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN, "end of the stream");
}

int main(int argc, char **argv) {
    bool gathered = argc > 2 && strcmp(argv[2], "gathered") == 0;
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        serve(gathered);
    else if (argc == 6 && strcmp(argv[1], "get") == 0)
        get(gathered, argv[3], argv[4], argv[5]);
    else
        return 2;
    return 0;
}
