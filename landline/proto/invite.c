#include "landline/proto/invite.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "landline/error.h"
#include "lib/base/base64.h"
#include "lib/base/reader.h"

enum {
    CODE_BYTES = 1 + INVITE_PIN + INVITE_TOKEN + 6,
    CODE_TEXT = BASE64_SIZE(CODE_BYTES),
};

static const char scheme[] = "landline://";

/* --- addresses --- */

static bool host_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
}

/* A name or an IPv4 address: labels of host characters. A name that begins with '-' would look like an option. */
static bool valid_name(const char *host, size_t n) {
    if (n == 0 || n > INVITE_HOST || host[0] == '-' || host[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!host_character(host[i]) || (host[i] == '.' && i > 0 && host[i - 1] == '.'))
            return false;
    return true;
}

/* An IPv6 address, with a scope perhaps, which only the client's system can judge. */
static bool valid_v6(const char *host, size_t n) {
    const char *percent = memchr(host, '%', n);
    size_t digits = percent != NULL ? (size_t)(percent - host) : n;
    char text[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    if (digits >= sizeof text || memchr(host, '\0', digits) != NULL)
        return false;
    memcpy(text, host, digits);
    text[digits] = '\0';
    if (inet_pton(AF_INET6, text, &ignored) != 1)
        return false;
    return percent == NULL || valid_name(percent + 1, n - digits - 1);
}

static bool valid_host(const char *host, size_t n) {
    return n <= INVITE_HOST && (valid_name(host, n) || valid_v6(host, n));
}

static int parse_port(const char *text, size_t n, uint16_t *port) {
    unsigned value = 0;
    if (n == 0 || n > 5)
        return LL_EADDRESS;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return LL_EADDRESS;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    if (value == 0 || value > 65535)
        return LL_EADDRESS;
    *port = (uint16_t)value;
    return 0;
}

int invite_split_address(const char *text, size_t size, uint16_t port_default, char host[INVITE_HOST + 1],
                         uint16_t *port) {
    const char *name = text, *rest = text + size;
    size_t length = size;
    if (size > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', size);
        if (close == NULL || !valid_v6(text + 1, (size_t)(close - text - 1)))
            return LL_EADDRESS;
        name = text + 1;
        length = (size_t)(close - name);
        rest = close + 1;
    } else {
        const char *colon = memchr(text, ':', size);
        bool one = colon != NULL && memchr(colon + 1, ':', size - (size_t)(colon + 1 - text)) == NULL;
        if (one) {
            length = (size_t)(colon - text);
            rest = colon;
        }
    }
    if (!valid_host(name, length))
        return LL_EADDRESS;
    *port = port_default;
    size_t left = (size_t)(text + size - rest);
    if (left > 0 && (*rest != ':' || parse_port(rest + 1, left - 1, port) < 0))
        return LL_EADDRESS;
    memcpy(host, name, length);
    host[length] = 0;
    return 0;
}

/* --- the line --- */

int invite_print(const struct invite *invite, char out[INVITE_LINE]) {
    size_t n = strnlen(invite->host, sizeof invite->host);
    if (invite->port == 0 || !valid_host(invite->host, n))
        return LL_EADDRESS;
    uint8_t bytes[CODE_BYTES] = {1};
    memcpy(bytes + 1, invite->pin, INVITE_PIN);
    memcpy(bytes + 1 + INVITE_PIN, invite->token, INVITE_TOKEN);
    for (int i = 0; i < 6; i++)
        bytes[CODE_BYTES - 6 + i] = (uint8_t)(invite->expiry_ms >> (8 * (5 - i)));
    char code[CODE_TEXT + 1];
    base64_encode(code, bytes, sizeof bytes, base64_url);
    code[CODE_TEXT] = '\0';
    bool brackets = memchr(invite->host, ':', n) != NULL;
    snprintf(out, INVITE_LINE, "%s%s%s%s:%u#%s", scheme, brackets ? "[" : "", invite->host, brackets ? "]" : "",
             (unsigned)invite->port, code);
    return 0;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int invite_parse(const char *line, size_t size, struct invite *invite) {
    for (; size > 0 && is_space(line[0]); line++)
        size--;
    while (size > 0 && is_space(line[size - 1]))
        size--;
    size_t prefix = sizeof scheme - 1;
    if (size < prefix || memcmp(line, scheme, prefix) != 0)
        return LL_EINVITE;
    const char *address = line + prefix;
    const char *hash = memchr(address, '#', size - prefix);
    if (hash == NULL)
        return LL_EINVITE;
    uint8_t bytes[CODE_BYTES];
    if (line + size - hash - 1 != CODE_TEXT || !base64_decode(bytes, sizeof bytes, hash + 1, base64_url) ||
        bytes[0] != 1)
        return LL_EINVITE;
    uint16_t port = 0;
    int e = invite_split_address(address, (size_t)(hash - address), 0, invite->host, &port);
    if (e < 0 || port == 0)
        return LL_EADDRESS;
    invite->port = port;
    memcpy(invite->pin, bytes + 1, INVITE_PIN);
    memcpy(invite->token, bytes + 1 + INVITE_PIN, INVITE_TOKEN);
    invite->expiry_ms = 0;
    for (int i = 0; i < 6; i++)
        invite->expiry_ms = invite->expiry_ms << 8 | bytes[CODE_BYTES - 6 + i];
    return 0;
}

/* --- verbs --- */

static const struct {
    const char *name;
    uint32_t bit;
} verbs_known[] = {
    {"run", VERB_RUN}, {"shell", VERB_SHELL}, {"get", VERB_GET},
    {"put", VERB_PUT}, {"upper", VERB_UPPER}, {"others", VERB_OTHERS},
};

enum { VERBS = sizeof verbs_known / sizeof verbs_known[0] };

void invite_verbs_print(uint32_t verbs, char out[INVITE_VERBS_TEXT]) {
    size_t n = 0;
    out[0] = 0;
    for (size_t i = 0; i < VERBS; i++)
        if (verbs & verbs_known[i].bit)
            n += (size_t)snprintf(out + n, INVITE_VERBS_TEXT - n, "%s%s", n > 0 ? "," : "", verbs_known[i].name);
}

static uint32_t verb_named(const char *name, size_t n) {
    for (size_t i = 0; i < VERBS; i++)
        if (strlen(verbs_known[i].name) == n && memcmp(verbs_known[i].name, name, n) == 0)
            return verbs_known[i].bit;
    return 0;
}

int invite_verbs_parse(const char *text, uint32_t *verbs) {
    uint32_t all = 0;
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, ",");
        uint32_t bit = verb_named(at, n);
        if (bit == 0 || (all & bit) != 0)
            return LL_EFORMAT;
        all |= bit;
        at += n;
        if (*at == 0)
            break;
    }
    *verbs = all;
    return 0;
}
