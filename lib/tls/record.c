#include "lib/tls/record.h"

#include <errno.h>
#include <string.h>

#include "landline/error.h"
#include "lib/tls/crypto.h"
#include "lib/tls/sha256.h"

enum {
    IV_SIZE = 12,
    AES_KEY_SIZE = 16,
    KEY_SIZE = 32,      /* the longest: ChaCha20's */
    GATHER_BELOW = 512, /* smaller records are copied together first: one cipher call then does all */
    PLACE_ABOVE = 4096, /* what follows a head is worth a place of its own */
    LARGE = 8 << 10,    /* a record that is part of something larger … */
    BULK = 64,          /* … which is large after so many */
    VERSION = 0x0303,
};

/* HKDF-Expand-Label with an empty context (7.1), for at most one hash's worth of output: one HMAC. */
static void expand(const uint8_t secret[RECORD_SECRET], const char *label, uint8_t *out, size_t size) {
    static const char prefix[] = "tls13 ";
    uint8_t info[64], block[TLS_SHA256_SIZE];
    size_t length = strlen(label), at = 0;
    info[at++] = 0;
    info[at++] = (uint8_t)size;
    info[at++] = (uint8_t)(sizeof prefix - 1 + length);
    memcpy(info + at, prefix, sizeof prefix - 1);
    at += sizeof prefix - 1;
    memcpy(info + at, label, length);
    at += length;
    info[at++] = 0; /* the context's length */
    info[at++] = 1; /* HKDF's block number (RFC 5869 2.3) */
    tls_mac(block, secret, RECORD_SECRET, info, at);
    memcpy(out, block, size);
    tls_wipe(block, sizeof block);
}

static int rekey(struct record_key *key, const EVP_CIPHER *cipher, int direction) {
    uint8_t bytes[KEY_SIZE];
    expand(key->secret, "iv", key->iv, IV_SIZE);
    expand(key->secret, "key", bytes, (size_t)EVP_CIPHER_CTX_get_key_length(key->cipher));
    int ok = EVP_CipherInit_ex2(key->cipher, cipher, bytes, NULL, direction, NULL);
    tls_wipe(bytes, sizeof bytes);
    gcm_free(key->gcm);
    key->gcm = NULL;
    key->large = 0;
    key->sequence = 0;
    return ok == 1 ? 0 : LL_ETLS;
}

int record_key_set(struct record_key *key, enum record_direction direction, const EVP_CIPHER *cipher,
                   const uint8_t secret[RECORD_SECRET]) {
    if (key->cipher == NULL)
        key->cipher = EVP_CIPHER_CTX_new();
    if (key->cipher == NULL)
        return -ENOMEM;
    memcpy(key->secret, secret, RECORD_SECRET);
    key->seals = direction == RECORD_SEAL;
    if (EVP_CipherInit_ex2(key->cipher, cipher, NULL, NULL, direction, NULL) != 1)
        return LL_ETLS;
    return rekey(key, NULL, direction);
}

int record_key_update(struct record_key *key) {
    uint8_t next[RECORD_SECRET];
    expand(key->secret, "traffic upd", next, sizeof next);
    memcpy(key->secret, next, sizeof next);
    tls_wipe(next, sizeof next);
    return rekey(key, NULL, -1);
}

bool record_key_is_aes(const struct record_key *key) {
    return key->cipher != NULL && EVP_CIPHER_CTX_get_key_length(key->cipher) == AES_KEY_SIZE;
}

void record_key_export(const struct record_key *key, uint8_t *out, size_t n) {
    expand(key->secret, "key", out, n);
}

void record_key_clear(struct record_key *key) {
    EVP_CIPHER_CTX_free(key->cipher);
    gcm_free(key->gcm);
    tls_wipe(key, sizeof *key);
}

/* A record of n bytes is next: is it time for the cipher of bulk? */
static void weigh(struct record_key *key, size_t n) {
    uint8_t bytes[GCM_KEY];
    if (n < LARGE || key->large == BULK || ++key->large < BULK || !record_key_is_aes(key))
        return;
    record_key_export(key, bytes, sizeof bytes);
    key->gcm = gcm_new(bytes);
    tls_wipe(bytes, sizeof bytes);
}

/* The nonce of the next record (5.3) and its header as additional data (5.2). */
static bool begin(struct record_key *key, const uint8_t header[RECORD_HEADER]) {
    uint8_t nonce[IV_SIZE];
    int unused;
    memcpy(nonce, key->iv, IV_SIZE);
    for (int i = 0; i < 8; i++)
        nonce[IV_SIZE - 1 - i] ^= (uint8_t)(key->sequence >> (8 * i));
    key->sequence++;
    if (key->gcm != NULL) {
        gcm_begin(key->gcm, nonce, header, RECORD_HEADER);
        return true;
    }
    return EVP_CipherInit_ex2(key->cipher, NULL, NULL, nonce, -1, NULL) == 1 &&
           EVP_CipherUpdate(key->cipher, NULL, &unused, header, RECORD_HEADER) == 1;
}

static bool crypt(struct record_key *key, uint8_t *out, const uint8_t *in, size_t n) {
    int done;
    if (key->gcm != NULL) {
        (key->seals ? gcm_seal : gcm_open)(key->gcm, out, in, n);
        return true;
    }
    return n == 0 || (EVP_CipherUpdate(key->cipher, out, &done, in, (int)n) == 1 && done == (int)n);
}

static bool put_tag(struct record_key *key, uint8_t tag[RECORD_TAG]) {
    int last;
    if (key->gcm != NULL) {
        gcm_sealed(key->gcm, tag);
        return true;
    }
    return EVP_CipherFinal_ex(key->cipher, tag, &last) == 1 &&
           EVP_CIPHER_CTX_ctrl(key->cipher, EVP_CTRL_AEAD_GET_TAG, RECORD_TAG, tag) == 1;
}

static bool check_tag(struct record_key *key, uint8_t tag[RECORD_TAG]) {
    int last;
    if (key->gcm != NULL) {
        uint8_t right[RECORD_TAG];
        gcm_opened(key->gcm, right);
        return tls_equal(right, tag, sizeof right);
    }
    return EVP_CIPHER_CTX_ctrl(key->cipher, EVP_CTRL_AEAD_SET_TAG, RECORD_TAG, tag) == 1 &&
           EVP_CipherFinal_ex(key->cipher, tag, &last) == 1;
}

/* The next piece of the parts, at most n bytes. */
static struct iovec take(struct record_parts *parts, size_t n) {
    while (parts->part->iov_len == parts->skip) {
        parts->part++;
        parts->count--;
        parts->skip = 0;
    }
    size_t left = parts->part->iov_len - parts->skip;
    struct iovec piece = {(uint8_t *)parts->part->iov_base + parts->skip, left < n ? left : n};
    parts->skip += piece.iov_len;
    return piece;
}

static bool seal_gathered(struct record_key *key, struct record_parts *parts, size_t n, uint8_t *body, uint8_t type) {
    for (size_t at = 0; at < n;) {
        struct iovec piece = take(parts, n - at);
        memcpy(body + at, piece.iov_base, piece.iov_len);
        at += piece.iov_len;
    }
    body[n] = type;
    return crypt(key, body, body, n + 1);
}

static bool seal_pieces(struct record_key *key, struct record_parts *parts, size_t n, uint8_t *body, uint8_t type) {
    bool ok = true;
    for (size_t at = 0; at < n && ok;) {
        struct iovec piece = take(parts, n - at);
        ok = crypt(key, body + at, piece.iov_base, piece.iov_len);
        at += piece.iov_len;
    }
    return ok && crypt(key, body + n, &type, 1);
}

int record_seal(struct record_key *key, enum record_type type, struct record_parts *parts, size_t n, uint8_t *out) {
    size_t size = n + 1 + RECORD_TAG;
    uint8_t *body = out + RECORD_HEADER;
    weigh(key, n);
    out[0] = RECORD_DATA; /* whatever is inside (5.2) */
    out[1] = VERSION >> 8;
    out[2] = VERSION & 0xff;
    out[3] = (uint8_t)(size >> 8);
    out[4] = (uint8_t)size;
    bool ok = begin(key, out) && (n < GATHER_BELOW ? seal_gathered : seal_pieces)(key, parts, n, body, (uint8_t)type) &&
              put_tag(key, body + n + 1);
    return ok ? 0 : LL_ETLS;
}

int record_size(const uint8_t *bytes, size_t n) {
    if (n < RECORD_HEADER)
        return n > 0 && bytes[0] != RECORD_DATA ? LL_EPROTOCOL : 0;
    int body = bytes[3] << 8 | bytes[4];
    bool right = bytes[0] == RECORD_DATA && bytes[1] == VERSION >> 8 && bytes[2] == (VERSION & 0xff) &&
                 body > RECORD_TAG && body <= RECORD_BODY;
    return right ? RECORD_HEADER + body : LL_EPROTOCOL;
}

/* Decrypts the body's first n bytes, and gives back where those behind the head went: NULL, behind it. */
static uint8_t *open_body(struct record_key *key, uint8_t *body, size_t n, const struct record_place *place, bool *ok) {
    size_t head = place->head > 0 && n > place->head + PLACE_ABOVE ? place->head : 0;
    uint8_t *apart = NULL;
    *ok = crypt(key, body, body, head);
    if (*ok && head > 0)
        apart = place->choose(place->arg, body, n - head - 1);
    if (apart == NULL) {
        *ok = *ok && crypt(key, body + head, body + head, n - head);
        return NULL;
    }
    /* The type stays here: who shares the other place must not have a say in it. */
    *ok = crypt(key, apart, body + head, n - head - 1) && crypt(key, body + n - 1, body + n - 1, 1);
    return apart;
}

int record_open(struct record_key *key, uint8_t *record, size_t size, const struct record_place *place, size_t *n,
                const uint8_t **apart) {
    uint8_t *body = record + RECORD_HEADER, *other = NULL;
    size_t left = size - RECORD_HEADER - RECORD_TAG;
    weigh(key, left);
    bool ok = begin(key, record);
    if (ok)
        other = open_body(key, body, left, place, &ok);
    if (!ok || !check_tag(key, body + left))
        return LL_EPROTOCOL;
    /* Padded, or no data: so it is none of those that were expected there. */
    if (other != NULL && body[left - 1] != RECORD_DATA) {
        memcpy(body + place->head, other, left - place->head - 1);
        other = NULL;
    }
    while (left > 0 && body[left - 1] == 0) /* padding (5.4) */
        left--;
    if (left == 0 || left - 1 > RECORD_PLAIN)
        return LL_EPROTOCOL;
    *n = left - 1;
    *apart = other;
    return body[left - 1];
}
