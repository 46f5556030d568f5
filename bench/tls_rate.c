/* How fast records are made and opened, on one core and in memory: the engine, the TLS library, and the cipher alone.
 *
 *      build/bench/bench-tls-rate [MEBIBYTES]
 *
 * Prints MB per second of processor time, sealing and opening, the median of five rounds. Each way works on 256 KiB at a
 * time, as a bulk transfer does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/tls/engine_state.h"
#include "tests/unit/tls/plain.h"

enum {
    PIECE = 256 << 10,
    ROUNDS = 5,
};

static uint8_t bytes[PIECE], sealed[PIECE + (PIECE / TLS_RECORD + 1) * RECORD_OVERHEAD], opened[PIECE + 64];

struct rate {
    double seal, open; /* seconds of this round */
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct rate engine_rate(struct pair *p, size_t pieces) {
    struct rate r = {0, 0};
    for (size_t i = 0; i < pieces; i++) {
        const uint8_t *plain;
        size_t n, room;
        double start = now();
        write_bytes(p->client, bytes, sizeof bytes);
        r.seal += now() - start;
        /* The copy stands for recv(), which all ways have and none is charged for. */
        uint8_t *to = tls_engine_reserve(p->server, sizeof sealed, &room);
        tls_engine_pending(p->client, &plain, &n);
        memcpy(to, plain, n);
        tls_engine_sent(p->client, n);
        start = now();
        tls_engine_commit(p->server, n);
        while (tls_engine_plain(p->server, &plain, &n), n > 0)
            tls_engine_consume(p->server, n);
        r.open += now() - start;
    }
    return r;
}

static struct rate library_rate(struct plain *client, struct plain *server, size_t pieces) {
    struct rate r = {0, 0};
    for (size_t i = 0; i < pieces; i++) {
        double start = now();
        for (size_t at = 0; at < PIECE; at += TLS_RECORD)
            SSL_write(client->ssl, bytes + at, TLS_RECORD);
        r.seal += now() - start;
        int n = BIO_read(client->out, sealed, sizeof sealed);
        BIO_write(server->in, sealed, n);
        start = now();
        for (size_t at = 0; at < PIECE;)
            at += (size_t)SSL_read(server->ssl, opened, sizeof opened);
        r.open += now() - start;
    }
    return r;
}

/* One record's worth per call, with a new nonce and additional data, as every record needs. */
static struct rate cipher_rate(EVP_CIPHER_CTX *seal, EVP_CIPHER_CTX *open, size_t pieces) {
    struct rate r = {0, 0};
    uint8_t nonce[12] = {0}, header[5] = {23, 3, 3, 0x40, 17};
    int n;
    for (size_t i = 0; i < pieces; i++) {
        double start = now();
        for (size_t at = 0; at < PIECE; at += TLS_RECORD) {
            EVP_CipherInit_ex2(seal, NULL, NULL, nonce, -1, NULL);
            EVP_CipherUpdate(seal, NULL, &n, header, sizeof header);
            EVP_CipherUpdate(seal, sealed + at, &n, bytes + at, TLS_RECORD);
            EVP_CipherFinal_ex(seal, sealed, &n);
        }
        double middle = now();
        for (size_t at = 0; at < PIECE; at += TLS_RECORD) {
            EVP_CipherInit_ex2(open, NULL, NULL, nonce, -1, NULL);
            EVP_CipherUpdate(open, NULL, &n, header, sizeof header);
            EVP_CipherUpdate(open, opened + at, &n, sealed + at, TLS_RECORD);
        }
        r.seal += middle - start;
        r.open += now() - middle;
    }
    return r;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, struct rate rounds[ROUNDS], size_t pieces) {
    double seal[ROUNDS], open[ROUNDS], megabytes = (double)pieces * PIECE / 1e6;
    for (int i = 0; i < ROUNDS; i++) {
        seal[i] = rounds[i].seal;
        open[i] = rounds[i].open;
    }
    qsort(seal, ROUNDS, sizeof *seal, compare);
    qsort(open, ROUNDS, sizeof *open, compare);
    printf("%-24s  seal %6.0f  open %6.0f MB/s\n", name, megabytes / seal[ROUNDS / 2], megabytes / open[ROUNDS / 2]);
}

/* Shakes hands between two peers that are the TLS library alone. */
static void connect_plain(struct plain *client, struct plain *server) {
    plain_start(client, "box");
    plain_start(server, NULL);
    for (int turn = 0, n; turn < 6; turn++) {
        struct plain *from = turn % 2 == 0 ? client : server, *to = turn % 2 == 0 ? server : client;
        while ((n = BIO_read(from->out, sealed, sizeof sealed)) > 0)
            BIO_write(to->in, sealed, n);
        SSL_do_handshake(to->ssl);
    }
}

static void measure(size_t pieces) {
    struct pair p;
    struct plain client, server;
    struct rate engine[ROUNDS], library[ROUNDS], cipher[ROUNDS];
    pair_open(&p);
    pair_handshake(&p);
    plain_open(&client, TLS_CLIENT, p.client_key);
    plain_open(&server, TLS_SERVER, p.server_key);
    SSL_CTX_set_ciphersuites(client.context, "TLS_AES_128_GCM_SHA256");
    connect_plain(&client, &server);
    EVP_CIPHER_CTX *seal = EVP_CIPHER_CTX_new(), *open = EVP_CIPHER_CTX_new();
    EVP_CipherInit_ex2(seal, EVP_aes_128_gcm(), bytes, NULL, 1, NULL);
    EVP_CipherInit_ex2(open, EVP_aes_128_gcm(), bytes, NULL, 0, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        engine[i] = engine_rate(&p, pieces);
        library[i] = library_rate(&client, &server, pieces);
        cipher[i] = cipher_rate(seal, open, pieces);
    }
    print("engine", engine, pieces);
    print("TLS library", library, pieces);
    print("cipher alone", cipher, pieces);
    EVP_CIPHER_CTX_free(seal);
    EVP_CIPHER_CTX_free(open);
    plain_close(&client);
    plain_close(&server);
    pair_close(&p);
}

int main(int argc, char **argv) {
    long mebibytes = argc > 1 ? strtol(argv[1], NULL, 10) : 256;
    if (mebibytes < 1 || mebibytes > 1 << 20) {
        fputs("usage: bench-tls-rate [MEBIBYTES]\n", stderr);
        return 2;
    }
    measure((size_t)mebibytes * 4);
    return 0;
}
