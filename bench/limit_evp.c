/* The cipher without a protocol, for bench/run files: AES-128-GCM records of 16 KiB made with EVP under a fixed key, 256
 * KiB of them in one send. No handshake and no identity: a limit, nothing to use.
 *
 *     bench-limit-evp serve                            prints its port
 *     bench-limit-evp get PORT REQUEST DESTINATION     REQUEST as in bench/plain.h */
#include <openssl/evp.h>

#include "bench/plain.h"

enum { RECORD = 16 << 10, TAG = 16, SEALED = 4 + RECORD + TAG, AT_ONCE = 16, REQUEST = 4096 };

static unsigned char plain[AT_ONCE * RECORD], sealed[AT_ONCE * SEALED];
static uint64_t number; /* of the next record */

static EVP_CIPHER_CTX *cipher(bool encrypt) {
    static const unsigned char key[16], iv[12];
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    require(c != NULL && EVP_CipherInit_ex(c, EVP_aes_128_gcm(), NULL, key, iv, encrypt), "EVP_CipherInit");
    return c;
}

static void next_nonce(EVP_CIPHER_CTX *c) {
    unsigned char nonce[12] = {0};
    memcpy(nonce + 4, &number, sizeof(number));
    number++;
    require(EVP_CipherInit_ex(c, NULL, NULL, NULL, nonce, -1), "nonce");
}

/* One record: the length of its text, the text, the tag. Returns its size. */
static size_t seal(EVP_CIPHER_CTX *c, unsigned char *to, const unsigned char *from, uint32_t n) {
    int size = 0, rest = 0;
    memcpy(to, &n, 4);
    next_nonce(c);
    require(EVP_EncryptUpdate(c, NULL, &size, to, 4) && EVP_EncryptUpdate(c, to + 4, &size, from, (int)n) &&
                EVP_EncryptFinal_ex(c, to + 4 + n, &rest) &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, to + 4 + n),
            "seal");
    return 4 + n + TAG;
}

static void unseal(EVP_CIPHER_CTX *c, unsigned char *to, unsigned char *from, uint32_t n) {
    int size = 0, rest = 0;
    next_nonce(c);
    require(EVP_DecryptUpdate(c, NULL, &size, from, 4) && EVP_DecryptUpdate(c, to, &size, from + 4, (int)n) &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, from + 4 + n) &&
                EVP_DecryptFinal_ex(c, to + n, &rest),
            "unseal");
}

static void answer(int fd) {
    char request[REQUEST] = {0};
    need(read(fd, request, REQUEST - 1), "request");
    int source = open_source(request);
    EVP_CIPHER_CTX *c = cipher(true);
    number = 0;
    for (ssize_t n; (n = read(source, plain, sizeof(plain))) > 0;) {
        size_t have = 0;
        for (size_t at = 0; at < (size_t)n; at += RECORD)
            have += seal(c, sealed + have, plain + at, (size_t)n - at < RECORD ? (uint32_t)((size_t)n - at) : RECORD);
        write_full(fd, sealed, have);
    }
    write_full(fd, sealed, seal(c, sealed, plain, 0));
    EVP_CIPHER_CTX_free(c);
    close(source);
}

/* Opens the complete records of the first `have` bytes of sealed[] into plain[]; returns what is left of them. Says in *n
 * how much there is, and whether the last record has come. */
static size_t open_records(EVP_CIPHER_CTX *c, size_t have, size_t *n, bool *last) {
    size_t at = 0;
    uint32_t size = 0;
    *n = 0;
    while (!*last && have - at >= 4) {
        memcpy(&size, sealed + at, 4);
        require(size <= RECORD, "size of a record");
        if (have - at < 4 + size + TAG || *n + size > sizeof(plain))
            break;
        unseal(c, plain + *n, sealed + at, size);
        *last = size == 0;
        *n += size;
        at += 4 + size + TAG;
    }
    memmove(sealed, sealed + at, have - at);
    return have - at;
}

static void get(const char *port, const char *request, const char *destination) {
    int fd = connect_to(port), out = open_destination(destination);
    write_full(fd, request, strnlen(request, REQUEST - 1));
    EVP_CIPHER_CTX *c = cipher(false);
    bool last = false;
    for (size_t have = 0, n = 0; !last;) {
        ssize_t r = read(fd, sealed + have, sizeof(sealed) - have);
        require(r > 0, "read");
        have = open_records(c, have + (size_t)r, &n, &last);
        write_full(out, plain, n);
    }
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "get") == 0) {
        get(argv[2], argv[3], argv[4]);
        return 0;
    }
    if (argc != 2 || strcmp(argv[1], "serve") != 0)
        return 2;
    int listener = listen_and_say();
    for (;;) {
        int fd = accept_one(listener);
        answer(fd);
        close(fd);
    }
}
