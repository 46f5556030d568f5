#include "landline/observe/echo.h"

#include <sys/socket.h>

#include "lib/base/reader.h"

enum {
    V4_REPLY = 0,
    V4_UNREACHABLE = 3,
    V4_REQUEST = 8,
    V4_EXPIRED = 11,
    V6_LAST_ERROR = 4,
    V6_REQUEST = 128,
    V6_REPLY = 129,
    PROTOCOL_ICMP = 1,
    PROTOCOL_ICMP6 = 58,
};

/* RFC 1071: the one's complement sum of 16-bit words. */
static uint16_t checksum(const uint8_t *bytes, size_t n) {
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

void echo_request(struct buf *out, int family, uint16_t identifier, uint16_t sequence, size_t size) {
    size_t start = buf_size(out);
    buf_add_u8(out, family == AF_INET ? V4_REQUEST : V6_REQUEST);
    buf_add_u8(out, 0);
    buf_add_u16(out, 0);
    buf_add_u16(out, identifier);
    buf_add_u16(out, sequence);
    for (size_t i = 0; i < size; i++)
        buf_add_u8(out, (uint8_t)(i + sequence));
    if (out->failed != 0 || family != AF_INET)
        return;
    uint8_t *message = buf_front(out) + start;
    uint16_t sum = checksum(message, ECHO_HEADER + size);
    message[2] = (uint8_t)(sum >> 8);
    message[3] = (uint8_t)sum;
}

static bool is_pattern(struct slice payload, uint16_t sequence) {
    for (size_t i = 0; i < payload.size; i++) {
        if (payload.data[i] != (uint8_t)(i + sequence))
            return false;
    }
    return true;
}

/* Steps over an IPv4 header; its protocol, or -1. */
static int skip_ipv4(struct reader *r, uint8_t *hops) {
    uint8_t first = reader_u8(r);
    size_t rest = (first & 15U) * 4U;
    reader_bytes(r, 7);
    *hops = reader_u8(r);
    uint8_t protocol = reader_u8(r);
    reader_bytes(r, 10);
    if (first >> 4 != 4 || rest < 20)
        return -1;
    reader_bytes(r, rest - 20);
    return r->failed ? -1 : protocol;
}

static int skip_ipv6(struct reader *r) {
    uint32_t first = reader_u32(r);
    reader_u16(r);
    uint8_t protocol = reader_u8(r);
    reader_bytes(r, 33);
    return r->failed || first >> 28 != 6 ? -1 : protocol;
}

static bool is_error(int family, uint8_t type) {
    return family == AF_INET ? type == V4_UNREACHABLE || type == V4_EXPIRED : type >= 1 && type <= V6_LAST_ERROR;
}

/* An error quotes the datagram it is about, which must be a request of ours. */
static void parse_quoted(struct echo *e, struct reader *r, int family, int identifier) {
    uint8_t hops;
    int protocol = family == AF_INET ? skip_ipv4(r, &hops) : skip_ipv6(r);
    uint8_t type = reader_u8(r);
    reader_bytes(r, 3);
    uint16_t id = reader_u16(r);
    e->sequence = reader_u16(r);
    bool ours = protocol == (family == AF_INET ? PROTOCOL_ICMP : PROTOCOL_ICMP6) &&
                type == (family == AF_INET ? V4_REQUEST : V6_REQUEST) && (identifier < 0 || id == identifier);
    if (ours && !r->failed)
        e->kind = ECHO_ERROR;
}

struct echo echo_parse(const void *bytes, size_t n, int family, bool with_ip, int identifier) {
    struct reader r = reader_of(bytes, n);
    struct echo e = {.kind = ECHO_OTHER};
    if (with_ip && skip_ipv4(&r, &e.hops) != PROTOCOL_ICMP)
        return e;
    e.size = reader_left(&r);
    e.type = reader_u8(&r);
    e.code = reader_u8(&r);
    reader_u16(&r);
    uint16_t id = reader_u16(&r);
    uint16_t sequence = reader_u16(&r);
    if (r.failed)
        return e;
    if (is_error(family, e.type)) {
        parse_quoted(&e, &r, family, identifier);
    } else if (e.type == (family == AF_INET ? V4_REPLY : V6_REPLY) && (identifier < 0 || id == identifier)) {
        e.sequence = sequence;
        e.kind = is_pattern(reader_rest(&r), sequence) ? ECHO_REPLY : ECHO_DAMAGED;
    }
    return e;
}

const char *echo_error_text(int family, uint8_t type, uint8_t code) {
    static const struct {
        int family;
        uint8_t type, code;
        const char *text;
    } known[] = {
        {AF_INET, 3, 0, "network unreachable"},
        {AF_INET, 3, 1, "host unreachable"},
        {AF_INET, 3, 2, "protocol unreachable"},
        {AF_INET, 3, 3, "port unreachable"},
        {AF_INET, 3, 4, "packet too large for the path"},
        {AF_INET, 3, 9, "network prohibited"},
        {AF_INET, 3, 10, "host prohibited"},
        {AF_INET, 3, 13, "prohibited by a filter"},
        {AF_INET, 11, 0, "hop limit reached"},
        {AF_INET6, 1, 0, "no route"},
        {AF_INET6, 1, 1, "prohibited by a filter"},
        {AF_INET6, 1, 3, "address unreachable"},
        {AF_INET6, 1, 4, "port unreachable"},
        {AF_INET6, 2, 0, "packet too large for the path"},
        {AF_INET6, 3, 0, "hop limit reached"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].family == family && known[i].type == type && known[i].code == code)
            return known[i].text;
    }
    return "cannot be delivered";
}
