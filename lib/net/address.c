#include "landline/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

enum {
    PORT_MAX = 65535,
    FLOW_MAX = 0xfffff,
    PATH_OFFSET = offsetof(struct sockaddr_un, sun_path),
    NAME_MAX_SIZE = sizeof(((struct sockaddr_un *)0)->sun_path), /* an abstract name fills it */
    PATH_MAX_SIZE = NAME_MAX_SIZE - 1,                           /* a path leaves room for its NUL */
};

static int bad_port(int port) {
    return port < 0 || port > PORT_MAX;
}

int ll_address_ipv4(struct ll_address *out, const char *ip, int port) {
    if (out == NULL || ip == NULL)
        return -EINVAL;
    *out = (struct ll_address){0};
    struct in_addr number = {INADDR_ANY};
    if (strcmp(ip, "<broadcast>") == 0)
        number.s_addr = INADDR_BROADCAST;
    else if (ip[0] != '\0' && inet_pton(AF_INET, ip, &number) != 1)
        return LL_EADDRESS;
    if (bad_port(port))
        return -ERANGE;
    out->as.ipv4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = number};
    out->length = sizeof out->as.ipv4;
    return 0;
}

/* The scope in text: a number, or the name of an interface. */
static int scope_number(const char *text, uint32_t *scope) {
    if (text[0] >= '0' && text[0] <= '9') {
        char *end;
        errno = 0;
        unsigned long value = strtoul(text, &end, 10);
        if (*end != '\0' || errno != 0 || value > UINT32_MAX)
            return LL_EADDRESS;
        *scope = (uint32_t)value;
        return 0;
    }
    if (text[0] == '\0')
        return LL_EADDRESS;
    *scope = if_nametoindex(text);
    return *scope == 0 ? -ENODEV : 0;
}

/* Takes "number%scope" apart. */
static int ipv6_number(const char *ip, struct in6_addr *number, uint32_t *scope) {
    char digits[INET6_ADDRSTRLEN];
    size_t length = strcspn(ip, "%");
    if (length >= sizeof digits)
        return LL_EADDRESS;
    memcpy(digits, ip, length);
    digits[length] = '\0';
    if (inet_pton(AF_INET6, digits, number) != 1)
        return LL_EADDRESS;
    if (ip[length] == '\0')
        return 0;
    uint32_t given = *scope;
    int r = scope_number(ip + length + 1, scope);
    return r == 0 && given != 0 && given != *scope ? LL_EADDRESS : r;
}

int ll_address_ipv6(struct ll_address *out, const char *ip, int port, uint32_t flowinfo, uint32_t scope_id) {
    if (out == NULL || ip == NULL)
        return -EINVAL;
    *out = (struct ll_address){0};
    struct in6_addr number = IN6ADDR_ANY_INIT;
    int r = ip[0] == '\0' ? 0 : ipv6_number(ip, &number, &scope_id);
    if (r < 0)
        return r;
    if (bad_port(port) || flowinfo > FLOW_MAX)
        return -ERANGE;
    out->as.ipv6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                         .sin6_port = htons((uint16_t)port),
                                         .sin6_flowinfo = htonl(flowinfo),
                                         .sin6_addr = number,
                                         .sin6_scope_id = scope_id};
    out->length = sizeof out->as.ipv6;
    return 0;
}

int ll_address_ip(struct ll_address *out, const char *ip, int port) {
    if (ip != NULL && strchr(ip, ':') != NULL)
        return ll_address_ipv6(out, ip, port, 0, 0);
    return ll_address_ipv4(out, ip, port);
}

int ll_address_unix_bytes(struct ll_address *out, const void *path, size_t size) {
    if (out == NULL || (path == NULL && size > 0))
        return -EINVAL;
    *out = (struct ll_address){0};
    int named = size > 0 && *(const char *)path != '\0';
    if (size > (named ? PATH_MAX_SIZE : NAME_MAX_SIZE))
        return LL_ELIMIT;
    if (named && memchr(path, '\0', size) != NULL)
        return LL_EADDRESS;
    out->as.unix_path.sun_family = AF_UNIX;
    if (size > 0)
        memcpy(out->as.unix_path.sun_path, path, size);
    out->length = (socklen_t)(PATH_OFFSET + size + (named ? 1 : 0));
    return 0;
}

int ll_address_unix(struct ll_address *out, const char *path) {
    return ll_address_unix_bytes(out, path, path != NULL ? strlen(path) : 1);
}

int ll_address_raw(struct ll_address *out, const void *sockaddr, size_t size) {
    if (out == NULL || sockaddr == NULL)
        return -EINVAL;
    *out = (struct ll_address){0};
    if (size < sizeof out->as.any.sa_family)
        return LL_EADDRESS;
    if (size > sizeof out->as)
        return LL_ELIMIT;
    memcpy(&out->as, sockaddr, size);
    out->length = (socklen_t)size;
    return 0;
}

int ll_address_family(const struct ll_address *address) {
    return address == NULL || address->length < sizeof(sa_family_t) ? AF_UNSPEC : address->as.any.sa_family;
}

/* The family, where the length is right for it: what is behind may be read. */
static int sound_family(const struct ll_address *address) {
    int family = ll_address_family(address);
    if ((family == AF_INET && address->length < sizeof address->as.ipv4) ||
        (family == AF_INET6 && address->length < sizeof address->as.ipv6))
        return AF_UNSPEC;
    return family;
}

int ll_address_port(const struct ll_address *address) {
    if (address == NULL)
        return -EINVAL;
    switch (sound_family(address)) {
    case AF_INET:
        return ntohs(address->as.ipv4.sin_port);
    case AF_INET6:
        return ntohs(address->as.ipv6.sin6_port);
    default:
        return LL_EADDRESS;
    }
}

int ll_address_set_port(struct ll_address *address, int port) {
    int old = ll_address_port(address);
    if (old < 0)
        return old;
    if (bad_port(port))
        return -ERANGE;
    if (address->as.any.sa_family == AF_INET)
        address->as.ipv4.sin_port = htons((uint16_t)port);
    else
        address->as.ipv6.sin6_port = htons((uint16_t)port);
    return 0;
}

uint32_t ll_address_scope_id(const struct ll_address *address) {
    return sound_family(address) == AF_INET6 ? address->as.ipv6.sin6_scope_id : 0;
}

uint32_t ll_address_flowinfo(const struct ll_address *address) {
    return sound_family(address) == AF_INET6 ? ntohl(address->as.ipv6.sin6_flowinfo) : 0;
}

int ll_address_unix_path(const struct ll_address *address, const char **path, size_t *size) {
    if (address == NULL || path == NULL || size == NULL)
        return -EINVAL;
    if (ll_address_family(address) != AF_UNIX || address->length > sizeof address->as.unix_path + 1)
        return LL_EADDRESS;
    *path = address->as.unix_path.sun_path;
    *size = address->length - PATH_OFFSET;
    /* The kernel counts the NUL of a path, and reports 108 bytes of path and a NUL behind them where it was given so. */
    if (*size > 0 && **path != '\0')
        *size = strnlen(*path, *size);
    return 0;
}

static int equal_unix(const struct ll_address *a, const struct ll_address *b) {
    const char *one, *other;
    size_t size, other_size;
    return ll_address_unix_path(a, &one, &size) == 0 && ll_address_unix_path(b, &other, &other_size) == 0 &&
           size == other_size && memcmp(one, other, size) == 0;
}

int ll_address_equal(const struct ll_address *a, const struct ll_address *b) {
    if (a == NULL || b == NULL)
        return a == b;
    int family = sound_family(a);
    if (family != sound_family(b))
        return 0;
    switch (family) {
    case AF_INET:
        return a->as.ipv4.sin_port == b->as.ipv4.sin_port && a->as.ipv4.sin_addr.s_addr == b->as.ipv4.sin_addr.s_addr;
    case AF_INET6:
        return a->as.ipv6.sin6_port == b->as.ipv6.sin6_port && a->as.ipv6.sin6_flowinfo == b->as.ipv6.sin6_flowinfo &&
               a->as.ipv6.sin6_scope_id == b->as.ipv6.sin6_scope_id &&
               memcmp(&a->as.ipv6.sin6_addr, &b->as.ipv6.sin6_addr, sizeof(struct in6_addr)) == 0;
    case AF_UNIX:
        return equal_unix(a, b);
    default:
        return a->length == b->length && a->length <= sizeof a->as && memcmp(&a->as, &b->as, a->length) == 0;
    }
}
