#include "landline/server/invites.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/limits.h"
#include "lib/tls/crypto.h"
#include "lib/tls/sha256.h"

static int set_hex(uint8_t *out, size_t n, const char *text) {
    if (strlen(text) != 2 * n)
        return LL_EFORMAT;
    for (size_t i = 0; i < 2 * n; i++) {
        const char digits[] = "0123456789abcdef", *at = strchr(digits, text[i]);
        if (at == NULL)
            return LL_EFORMAT;
        out[i / 2] = (uint8_t)(i % 2 == 0 ? (at - digits) << 4 : out[i / 2] | (at - digits));
    }
    return 0;
}

static int set_id(void *object, const char *value) {
    return set_hex(((struct invitation *)object)->id, INVITE_TOKEN_ID, value);
}

static int set_key(void *object, const char *value) {
    return set_hex(((struct invitation *)object)->key, INVITATION_KEY, value);
}

static int set_expires(void *object, const char *value) {
    char *end;
    errno = 0;
    ((struct invitation *)object)->expires = strtoull(value, &end, 10);
    return value[0] >= '0' && value[0] <= '9' && *end == '\0' && errno == 0 ? 0 : LL_EFORMAT;
}

static int set_used(void *object, const char *value) {
    struct invitation *invite = object;
    invite->used = true;
    return tls_pin_parse(&invite->by, value);
}

static const struct record_word words[] = {
    {"invite", set_id, true, false},
    {"key", set_key, true, false},
    {"expires", set_expires, true, false},
    {"used", set_used, false, false},
    TERMS_WORDS,
    {0},
};

static void *add(void *list) {
    struct invites *invites = list;
    if (invites->count >= LIMIT_INVITES)
        return NULL;
    struct invitation *grown = realloc(invites->list, (invites->count + 1) * sizeof *grown);
    if (grown == NULL)
        return NULL;
    invites->list = grown;
    struct invitation *invite = &grown[invites->count++];
    *invite = (struct invitation){0};
    return invite;
}

void invites_free(struct invites *invites) {
    for (size_t i = 0; i < invites->count; i++) {
        terms_free(&invites->list[i].terms);
        tls_wipe(invites->list[i].key, sizeof invites->list[i].key);
    }
    free(invites->list);
    *invites = (struct invites){0};
}

int invites_parse(struct invites *invites, const char *name, const void *text, size_t n, struct ll_error_info *info) {
    static_assert(LIMIT_INVITES == 1000, "the sentence says how many");
    static const struct record_format format = {
        .words = words, .most = LIMIT_INVITES, .full = "more than 1000 invites", .add = add};
    return record_parse(&format, invites, name, text, n, info);
}

static void format_hex(char *out, const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

void invites_write(struct buf *out, const struct invites *invites) {
    char text[2 * INVITATION_KEY + 1];
    for (size_t i = 0; i < invites->count; i++) {
        const struct invitation *invite = &invites->list[i];
        format_hex(text, invite->id, INVITE_TOKEN_ID);
        record_start(out, "invite", text);
        format_hex(text, invite->key, INVITATION_KEY);
        record_line(out, "key", text);
        snprintf(text, sizeof text, "%llu", (unsigned long long)invite->expires);
        record_line(out, "expires", text);
        if (invite->used) {
            tls_pin_format(&invite->by, text);
            record_line(out, "used", text);
        }
        terms_write(out, &invite->terms);
    }
    tls_wipe(text, sizeof text);
}

struct invitation *invites_find(const struct invites *invites, const uint8_t id[INVITE_TOKEN_ID]) {
    for (size_t i = 0; i < invites->count; i++)
        if (tls_equal(invites->list[i].id, id, INVITE_TOKEN_ID))
            return &invites->list[i];
    return NULL;
}

/* SHA-256(label || bytes). */
static int labelled(uint8_t out[TLS_SHA256_SIZE], const char *label, const uint8_t *bytes, size_t n) {
    uint8_t text[128];
    size_t head = strlen(label);
    memcpy(text, label, head);
    memcpy(text + head, bytes, n);
    int e = tls_sha256(out, text, head + n);
    tls_wipe(text, sizeof text);
    return e;
}

struct invitation *invites_add(struct invites *invites, const uint8_t token[INVITE_TOKEN], uint64_t expires) {
    uint8_t id[TLS_SHA256_SIZE], key[TLS_SHA256_SIZE];
    if (labelled(id, INVITE_TOKEN_ID_LABEL, token, INVITE_TOKEN) != 0 ||
        labelled(key, INVITE_KEY_LABEL, token, INVITE_TOKEN) != 0)
        return NULL;
    struct invitation *invite = add(invites);
    if (invite != NULL) {
        memcpy(invite->id, id, INVITE_TOKEN_ID);
        memcpy(invite->key, key, INVITATION_KEY);
        invite->expires = expires;
    }
    tls_wipe(key, sizeof key);
    return invite;
}

void invites_prune(struct invites *invites, uint64_t unix_ms) {
    size_t kept = 0;
    for (size_t i = 0; i < invites->count; i++) {
        struct invitation *invite = &invites->list[i];
        if (invite->expires + LIMIT_INVITE_MEMORY < unix_ms)
            terms_free(&invite->terms);
        else
            invites->list[kept++] = *invite;
    }
    invites->count = kept;
}

bool invitation_proves(const struct invitation *invite, const struct tls_pin *server, const struct tls_pin *client,
                       const uint8_t proof[32]) {
    static const char label[] = INVITE_PROOF_LABEL;
    uint8_t text[sizeof label - 1 + 2 * TLS_PIN_SIZE], expected[TLS_SHA256_SIZE];
    memcpy(text, label, sizeof label - 1);
    memcpy(text + sizeof label - 1, server->bytes, TLS_PIN_SIZE);
    memcpy(text + sizeof label - 1 + TLS_PIN_SIZE, client->bytes, TLS_PIN_SIZE);
    return tls_mac(expected, invite->key, INVITATION_KEY, text, sizeof text) == 0 &&
           tls_equal(expected, proof, sizeof expected);
}
