#include "landline/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Writing ---- */

/* Text that is cut to fit and counted in full, as snprintf does. */
struct text {
    char *out;
    size_t size, length;
};

static void put(struct text *t, char c) {
    if (t->length + 1 < t->size)
        t->out[t->length] = c;
    t->length++;
}

static void put_string(struct text *t, const char *s) {
    while (*s != '\0')
        put(t, *s++);
}

static void put_decimal(struct text *t, uint32_t number) {
    char digits[16];
    snprintf(digits, sizeof digits, "%" PRIu32, number);
    put_string(t, digits);
}

static void put_byte(struct text *t, unsigned char byte) {
    static const char digits[] = "0123456789abcdef";
    put(t, digits[byte >> 4]);
    put(t, digits[byte & 15]);
}

static void put_hex(struct text *t, const unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        put_byte(t, bytes[i]);
}

static void put_escaped(struct text *t, const char *bytes, size_t size, int at_too) {
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c <= 0x20 || c >= 0x7f || c == '\\' || (c == '@' && i == 0 && at_too)) {
            put_string(t, "\\x");
            put_byte(t, c);
        } else {
            put(t, (char)c);
        }
    }
}

static void put_unix(struct text *t, const struct ll_address *address) {
    const char *path;
    size_t size;
    ll_address_unix_path(address, &path, &size);
    put_string(t, "unix:");
    if (size > 0 && path[0] == '\0') {
        put(t, '@');
        put_escaped(t, path + 1, size - 1, 0);
    } else {
        put_escaped(t, path, size, 1);
    }
}

static void put_ipv6(struct text *t, const struct ll_address *address) {
    char host[INET6_ADDRSTRLEN + 16];
    ll_address_host(address, host, sizeof host);
    put(t, '[');
    put_string(t, host);
    put_string(t, "]:");
    put_decimal(t, (uint32_t)ll_address_port(address));
    if (ll_address_flowinfo(address) != 0) {
        char flow[24];
        snprintf(flow, sizeof flow, ";flow=0x%" PRIx32, ll_address_flowinfo(address));
        put_string(t, flow);
    }
}

static void put_raw(struct text *t, const struct ll_address *address) {
    size_t length = address->length < sizeof address->as ? address->length : sizeof address->as;
    put_string(t, "raw:");
    put_decimal(t, (uint32_t)ll_address_family(address));
    put(t, ':');
    put_hex(t, (const unsigned char *)&address->as + sizeof(sa_family_t), length - sizeof(sa_family_t));
}

int ll_address_format(const struct ll_address *address, char *out, size_t size) {
    if (out == NULL && size > 0)
        return -EINVAL;
    struct text t = {out, size, 0};
    char host[INET6_ADDRSTRLEN + 16];
    const char *path;
    size_t path_size;
    if (address == NULL || address->length < sizeof(sa_family_t)) {
        put_string(&t, "none");
    } else if (ll_address_unix_path(address, &path, &path_size) == 0) {
        put_unix(&t, address);
    } else if (ll_address_host(address, host, sizeof host) < 0) {
        put_raw(&t, address);
    } else if (ll_address_family(address) == AF_INET6) {
        put_ipv6(&t, address);
    } else {
        put_string(&t, host);
        put(&t, ':');
        put_decimal(&t, (uint32_t)ll_address_port(address));
    }
    if (size > 0)
        out[t.length < size ? t.length : size - 1] = '\0';
    return (int)t.length;
}

int ll_address_host(const struct ll_address *address, char *out, size_t size) {
    if (address == NULL || (out == NULL && size > 0))
        return -EINVAL;
    if (ll_address_port(address) < 0)
        return LL_EADDRESS;
    char digits[INET6_ADDRSTRLEN + 16];
    if (ll_address_family(address) == AF_INET)
        inet_ntop(AF_INET, &address->as.ipv4.sin_addr, digits, sizeof digits);
    else
        inet_ntop(AF_INET6, &address->as.ipv6.sin6_addr, digits, sizeof digits);
    size_t length = strlen(digits);
    if (ll_address_scope_id(address) != 0)
        length += (size_t)snprintf(digits + length, sizeof digits - length, "%%%" PRIu32, ll_address_scope_id(address));
    if (length >= size)
        return LL_ELIMIT;
    memcpy(out, digits, length + 1);
    return 0;
}

/* ---- Reading ---- */

static int hex_digit(char c) {
    static const char digits[] = "0123456789abcdef";
    if (c >= 'A' && c <= 'F')
        c = (char)(c - 'A' + 'a');
    const char *found = c == '\0' ? NULL : strchr(digits, c);
    return found == NULL ? -1 : (int)(found - digits);
}

/* The byte written as two hex digits, or -1. */
static int hex_byte(const char *s) {
    int high = hex_digit(s[0]);
    int low = high < 0 ? -1 : hex_digit(s[1]);
    return low < 0 ? -1 : high << 4 | low;
}

/* Decimal digits to the end of the text, at most `most`. */
static int read_decimal(const char *s, long most, long *value) {
    *value = 0;
    if (*s == '\0')
        return LL_EADDRESS;
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9')
            return LL_EADDRESS;
        if (*value <= most)
            *value = *value * 10 + (*s - '0');
    }
    return *value > most ? -ERANGE : 0;
}

static int read_port(const char *s, int *port) {
    long value;
    int r = read_decimal(s, 65535, &value);
    if (r == 0)
        *port = (int)value;
    return r;
}

static int parse_unix(struct ll_address *out, const char *s) {
    char bytes[sizeof out->as.unix_path.sun_path + 1];
    size_t size = 0;
    if (*s == '@') {
        bytes[size++] = '\0';
        s++;
    }
    while (*s != '\0') {
        int byte = (unsigned char)*s;
        if (*s == '\\')
            byte = s[1] == 'x' ? hex_byte(s + 2) : -1;
        if (byte < 0)
            return LL_EADDRESS;
        if (size == sizeof bytes)
            return LL_ELIMIT;
        s += *s == '\\' ? 4 : 1;
        bytes[size++] = (char)byte;
    }
    return ll_address_unix_bytes(out, bytes, size);
}

static int parse_raw(struct ll_address *out, const char *s) {
    unsigned char bytes[sizeof out->as];
    char family[8];
    long number;
    size_t digits = strcspn(s, ":");
    if (s[digits] != ':' || digits >= sizeof family)
        return LL_EADDRESS;
    memcpy(family, s, digits);
    family[digits] = '\0';
    if (read_decimal(family, UINT16_MAX, &number) < 0)
        return LL_EADDRESS;
    sa_family_t value = (sa_family_t)number;
    memcpy(bytes, &value, sizeof value);
    size_t size = sizeof value;
    for (s += digits + 1; *s != '\0'; s += 2) {
        int byte = hex_byte(s);
        if (byte < 0)
            return LL_EADDRESS;
        if (size == sizeof bytes)
            return LL_ELIMIT;
        bytes[size++] = (unsigned char)byte;
    }
    return ll_address_raw(out, bytes, size);
}

/* "[host]:port;flow=0x…" and "host:port", both numeric. */
static int parse_ip(struct ll_address *out, const char *s) {
    static const char flow_mark[] = ";flow=0x";
    char host[INET6_ADDRSTRLEN + 16 + IF_NAMESIZE], place[sizeof host + 16];
    unsigned long flow = 0;
    int port = -1;
    const char *mark = strstr(s, flow_mark);
    size_t length = mark != NULL ? (size_t)(mark - s) : strlen(s);
    if (length >= sizeof place)
        return LL_EADDRESS;
    memcpy(place, s, length);
    place[length] = '\0';
    if (mark != NULL) {
        char *end;
        const char *digits = mark + sizeof flow_mark - 1;
        flow = strtoul(digits, &end, 16);
        if (s[0] != '[' || hex_digit(*digits) < 0 || digits[1] == 'x' || *end != '\0')
            return LL_EADDRESS;
        if (flow > UINT32_MAX)
            return -ERANGE;
    }
    int r = ll_address_split(place, host, sizeof host, &port);
    if (r == -ERANGE)
        return r;
    if (r < 0 || port < 0 || host[0] == '\0' || host[0] == '<')
        return LL_EADDRESS;
    return s[0] == '[' ? ll_address_ipv6(out, host, port, (uint32_t)flow, 0) : ll_address_ipv4(out, host, port);
}

int ll_address_parse(struct ll_address *out, const char *text) {
    static const struct {
        const char *prefix;
        int (*parse)(struct ll_address *out, const char *rest);
    } forms[] = {{"unix:", parse_unix}, {"raw:", parse_raw}, {"", parse_ip}};
    if (out == NULL || text == NULL)
        return -EINVAL;
    *out = (struct ll_address){0};
    if (strcmp(text, "none") == 0)
        return 0;
    size_t i = 0;
    while (strncmp(text, forms[i].prefix, strlen(forms[i].prefix)) != 0)
        i++;
    return forms[i].parse(out, text + strlen(forms[i].prefix));
}

int ll_address_split(const char *text, char *host, size_t size, int *port) {
    if (text == NULL || host == NULL || port == NULL)
        return -EINVAL;
    const char *begin = text, *rest;
    size_t length;
    if (text[0] == '[') {
        begin = text + 1;
        length = strcspn(begin, "]");
        if (begin[length] == '\0')
            return LL_EADDRESS;
        rest = begin + length + 1;
    } else {
        const char *colon = strchr(text, ':');
        int bare = colon == NULL || strchr(colon + 1, ':') != NULL;
        length = bare ? strlen(text) : (size_t)(colon - text);
        rest = begin + length;
    }
    if (*rest != '\0' && *rest != ':')
        return LL_EADDRESS;
    if (length >= size)
        return LL_ELIMIT;
    int r = *rest == ':' ? read_port(rest + 1, port) : 0;
    if (r < 0)
        return r;
    memcpy(host, begin, length);
    host[length] = '\0';
    return 0;
}
