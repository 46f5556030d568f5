#include "lib/tls/knock.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "landline/error.h"
#include "lib/base/limits.h"
#include "lib/tls/crypto.h"
#include "lib/tls/sha256.h"

static const char ALPHABET[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char KEY_LABEL[] = "landline knock key 1";
static const char MAC_LABEL[] = "landline knock 1";
static const char NO_NAME[] = "landline";

enum {
    TIME_SIZE = 8,
    MAC_SIZE = 16,
    RAW_SIZE = TIME_SIZE + MAC_SIZE,
    DNS_LABEL = 63,
};

static void put_time(uint8_t raw[RAW_SIZE], uint64_t unix_time) {
    for (int i = 0; i < TIME_SIZE; i++)
        raw[i] = (uint8_t)(unix_time >> (8 * (TIME_SIZE - 1 - i)));
}

/* The MAC of the time in raw[0…7] into raw[8…23]. */
static int knock_mac(uint8_t raw[RAW_SIZE], const struct tls_pin *server) {
    uint8_t seed[sizeof KEY_LABEL - 1 + TLS_PIN_SIZE], text[sizeof MAC_LABEL - 1 + TIME_SIZE];
    memcpy(seed, KEY_LABEL, sizeof KEY_LABEL - 1);
    memcpy(seed + sizeof KEY_LABEL - 1, server->bytes, TLS_PIN_SIZE);
    memcpy(text, MAC_LABEL, sizeof MAC_LABEL - 1);
    memcpy(text + sizeof MAC_LABEL - 1, raw, TIME_SIZE);

    uint8_t key[TLS_SHA256_SIZE], mac[TLS_SHA256_SIZE];
    int r = tls_sha256(key, seed, sizeof seed);
    if (r == 0)
        r = tls_mac(mac, key, sizeof key, text, sizeof text);
    if (r == 0)
        memcpy(raw + TIME_SIZE, mac, MAC_SIZE);
    return r;
}

/* 24 bytes are 192 bits: 38 whole characters and two bits, which stand in front of three zero bits in the last one. */
static void encode(char out[KNOCK_LABEL], const uint8_t raw[RAW_SIZE]) {
    uint32_t bits = 0;
    int held = 0;
    size_t at = 0;
    for (size_t i = 0; i < RAW_SIZE; i++) {
        bits = bits << 8 | raw[i];
        for (held += 8; held >= 5; held -= 5)
            out[at++] = ALPHABET[bits >> (held - 5) & 31];
    }
    out[at] = ALPHABET[bits << (5 - held) & 31];
}

static bool decode(uint8_t raw[RAW_SIZE], const char *label) {
    uint32_t bits = 0;
    int held = 0;
    size_t at = 0;
    for (size_t i = 0; i < KNOCK_LABEL; i++) {
        char c = label[i] >= 'A' && label[i] <= 'Z' ? (char)(label[i] | 0x20) : label[i];
        const char *digit = c == '\0' ? NULL : strchr(ALPHABET, c);
        if (digit == NULL)
            return false;
        bits = bits << 5 | (uint32_t)(digit - ALPHABET);
        held += 5;
        if (held >= 8) {
            held -= 8;
            raw[at++] = (uint8_t)(bits >> held);
        }
    }
    return (bits & ((1u << held) - 1)) == 0;
}

static bool is_address(const char *name) {
    unsigned char bytes[sizeof(struct in6_addr)];
    return strchr(name, ':') != NULL || inet_pton(AF_INET, name, bytes) == 1;
}

/* Letters, digits, hyphens and underscores in labels of 1 to 63, as TLS stacks want a host_name (RFC 6066 3). */
static bool is_host_name(const char *name) {
    size_t label = 0;
    for (; *name != '\0'; name++) {
        char c = *name;
        bool letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (c == '.' ? label == 0 : !letter || label == DNS_LABEL)
            return false;
        label = c == '.' ? 0 : label + 1;
    }
    return label > 0;
}

int knock_make(const struct tls_pin *server, uint64_t unix_time, const char *name, char out[KNOCK_NAME]) {
    if (name == NULL || *name == '\0' || is_address(name))
        name = NO_NAME;
    size_t size = strlen(name);
    if (size > 1 && name[size - 1] == '.') /* the root's dot has no place in SNI */
        size--;
    if (size > KNOCK_NAME - 1 - KNOCK_LABEL - 1)
        return LL_ELIMIT;

    uint8_t raw[RAW_SIZE];
    char *rest = out + KNOCK_LABEL;
    *rest++ = '.';
    memcpy(rest, name, size);
    rest[size] = '\0';
    if (!is_host_name(rest))
        return LL_EADDRESS;
    put_time(raw, unix_time);
    int r = knock_mac(raw, server);
    if (r == 0)
        encode(out, raw);
    return r;
}

enum knock_result knock_check(const struct tls_pin *server, uint64_t unix_now, const char *sni) {
    uint8_t said[RAW_SIZE], right[RAW_SIZE];
    if (strnlen(sni, KNOCK_LABEL + 1) <= KNOCK_LABEL || sni[KNOCK_LABEL] != '.' || !decode(said, sni))
        return KNOCK_NONE;
    memcpy(right, said, TIME_SIZE);
    if (knock_mac(right, server) != 0)
        return KNOCK_ERROR;
    if (!tls_equal(said + TIME_SIZE, right + TIME_SIZE, MAC_SIZE))
        return KNOCK_MAC;
    uint64_t time = 0;
    for (int i = 0; i < TIME_SIZE; i++)
        time = time << 8 | said[i];
    uint64_t off = time > unix_now ? time - unix_now : unix_now - time;
    return off <= LIMIT_KNOCK_AGE ? KNOCK_OK : KNOCK_CLOCK;
}

const char *knock_text(enum knock_result result) {
    static const char *const texts[] = {
        [KNOCK_OK] = "knocked",
        [KNOCK_NONE] = "no knock",
        [KNOCK_MAC] = "a knock for another key",
        [KNOCK_CLOCK] = "a knock at another time",
        [KNOCK_ERROR] = "the knock could not be checked",
    };
    return (size_t)result < sizeof texts / sizeof texts[0] ? texts[result] : texts[KNOCK_ERROR];
}
