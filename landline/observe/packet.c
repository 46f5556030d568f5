#include "landline/observe/packet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "landline/error.h"
#include "lib/base/reader.h"

enum {
    ETHER_IPV4 = 0x0800,
    ETHER_IPV6 = 0x86dd,
    ETHER_VLAN = 0x8100,
    ETHER_QINQ = 0x88a8,
    MOST_VLAN_TAGS = 4,
    MOST_EXTENSIONS = 16, /* IPv6 extension headers of one packet */
    IPV4_SMALLEST = 20,
    TCP_SMALLEST = 20,
    ICMP_QUOTED = 8, /* bytes of the TCP header that an ICMP error must quote (RFC 792) */
};

enum protocol { PROTO_HOP = 0, PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_ROUTE = 43, PROTO_FRAGMENT = 44, PROTO_AH = 51 };
enum { PROTO_ICMP6 = 58, PROTO_NONE = 59, PROTO_DEST = 60, PROTO_MOBILITY = 135 };

/* What is left of a packet at one layer: the bytes at hand, and how many there were on the wire. */
struct layer {
    struct reader at;
    size_t wire;
};

static void skip(struct layer *l, size_t n) {
    reader_bytes(&l->at, n);
    l->wire = l->wire > n ? l->wire - n : 0;
}

/* Cuts the layer to `n` bytes on the wire: what follows is padding of the link. */
static void limit_to(struct layer *l, size_t n) {
    if (n < l->wire)
        l->wire = n;
    if (reader_left(&l->at) > l->wire)
        l->at.end = l->at.at + l->wire;
}

static uint16_t ethernet_type(struct layer *l) {
    skip(l, 12);
    uint16_t type = reader_u16(&l->at);
    l->wire -= l->wire < 2 ? l->wire : 2;
    for (int i = 0; i < MOST_VLAN_TAGS && (type == ETHER_VLAN || type == ETHER_QINQ); i++) {
        skip(l, 2);
        type = reader_u16(&l->at);
        l->wire -= l->wire < 2 ? l->wire : 2;
    }
    return type;
}

/* Steps over the link header; 4 or 6 for what follows it, 0 for anything else. */
static int open_link(struct packet *p, enum packet_link link, struct layer *l) {
    uint16_t type = 0;
    switch (link) {
    case PACKET_LINK_ETHERNET:
        type = ethernet_type(l);
        break;
    case PACKET_LINK_SLL:
        skip(l, 14);
        type = reader_u16(&l->at);
        l->wire -= l->wire < 2 ? l->wire : 2;
        break;
    case PACKET_LINK_SLL2:
        type = reader_u16(&l->at);
        reader_u16(&l->at);
        p->interface = reader_u32(&l->at);
        reader_bytes(&l->at, 12);
        l->wire -= l->wire < 20 ? l->wire : 20;
        break;
    case PACKET_LINK_NULL:
        skip(l, 4);
        /* fall through */
    case PACKET_LINK_RAW:
        if (reader_left(&l->at) == 0)
            return 0;
        return l->at.at[0] >> 4;
    }
    return type == ETHER_IPV4 ? 4 : type == ETHER_IPV6 ? 6 : 0;
}

/* IPv4 with its options; the protocol behind it into *protocol. `quoted`: inside an ICMP error, where the datagram is
 * cut and its length says more than is there. */
static int open_ipv4(struct packet *p, struct layer *l, int *protocol) {
    struct reader h = l->at;
    uint8_t first = reader_u8(&h);
    size_t header = (first & 15U) * 4U;
    reader_u8(&h);
    size_t total = reader_u16(&h);
    reader_u16(&h);
    uint16_t fragment = reader_u16(&h);
    p->hops = reader_u8(&h);
    *protocol = reader_u8(&h);
    reader_u16(&h);
    struct slice from = reader_bytes(&h, 4), to = reader_bytes(&h, 4);
    if (h.failed || first >> 4 != 4 || header < IPV4_SMALLEST || header > reader_left(&l->at))
        return LL_EFORMAT;
    if (total != 0 && total < header) /* 0: larger than 64 KiB on its way to segmentation offload */
        return LL_EFORMAT;
    if ((fragment & 0x1fff) != 0)
        return LL_ENOTSUP;
    p->from.family = p->to.family = 4;
    memcpy(p->from.bytes, from.data, 4);
    memcpy(p->to.bytes, to.data, 4);
    if (total != 0)
        limit_to(l, total);
    skip(l, header);
    return 0;
}

/* Steps over one IPv6 extension header (RFC 8200, section 4); 1 when there may be another, 0 at the payload. */
static int open_extension(struct layer *l, int *next) {
    int kind = *next;
    if (kind != PROTO_HOP && kind != PROTO_ROUTE && kind != PROTO_FRAGMENT && kind != PROTO_AH && kind != PROTO_DEST &&
        kind != PROTO_MOBILITY)
        return 0;
    struct reader h = l->at;
    *next = reader_u8(&h);
    size_t length = reader_u8(&h);
    uint16_t offset = reader_u16(&h);
    if (kind == PROTO_FRAGMENT && !h.failed && offset >> 3 != 0)
        return LL_ENOTSUP;
    size_t size = kind == PROTO_FRAGMENT ? 8 : kind == PROTO_AH ? (length + 2) * 4 : (length + 1) * 8;
    if (h.failed || size > reader_left(&l->at))
        return LL_EFORMAT;
    skip(l, size);
    return 1;
}

static int open_ipv6(struct packet *p, struct layer *l, int *protocol) {
    struct reader *h = &l->at;
    uint32_t first = reader_u32(h);
    size_t payload = reader_u16(h);
    *protocol = reader_u8(h);
    p->hops = reader_u8(h);
    struct slice from = reader_bytes(h, 16), to = reader_bytes(h, 16);
    if (h->failed || first >> 28 != 6)
        return LL_EFORMAT;
    l->wire = l->wire > 40 ? l->wire - 40 : 0;
    p->from.family = p->to.family = 6;
    memcpy(p->from.bytes, from.data, 16);
    memcpy(p->to.bytes, to.data, 16);
    if (payload != 0) /* 0: a jumbogram, the capture knows its length */
        limit_to(l, payload);
    for (int i = 0; i < MOST_EXTENSIONS; i++) {
        int more = open_extension(l, protocol);
        if (more <= 0)
            return more;
    }
    return LL_EFORMAT;
}

static int open_ip(struct packet *p, struct layer *l, int version, int *protocol) {
    switch (version) {
    case 4:
        return open_ipv4(p, l, protocol);
    case 6:
        return open_ipv6(p, l, protocol);
    default:
        return LL_ENOTSUP;
    }
}

enum { OPT_END = 0, OPT_NOP, OPT_MSS, OPT_SCALE, OPT_SACK_OK, OPT_SACK, OPT_STAMP = 8, OPT_FAST_OPEN = 34 };

static void read_sacks(struct packet_options *o, struct reader body) {
    while (reader_left(&body) >= 8 && o->sacks < PACKET_SACKS) {
        o->sack[o->sacks].from = reader_u32(&body);
        o->sack[o->sacks].to = reader_u32(&body);
        o->sacks++;
    }
}

/* One option with its body. An option whose length is not the one its RFC gives is stepped over. */
static void read_option(struct packet_options *o, uint8_t kind, struct slice data) {
    struct reader body = reader_of(data.data, data.size);
    if (kind == OPT_MSS && data.size == 2) {
        o->has_mss = true;
        o->mss = reader_u16(&body);
    } else if (kind == OPT_SCALE && data.size == 1) {
        o->has_scale = true;
        o->scale = reader_u8(&body);
        if (o->scale > 14) /* RFC 7323, 2.3: larger ones count as 14 */
            o->scale = 14;
    } else if (kind == OPT_SACK_OK && data.size == 0) {
        o->sack_allowed = true;
    } else if (kind == OPT_SACK) {
        read_sacks(o, body);
    } else if (kind == OPT_STAMP && data.size == 8) {
        o->has_stamp = true;
        o->stamp = reader_u32(&body);
        o->stamp_echo = reader_u32(&body);
    } else if (kind == OPT_FAST_OPEN) {
        o->fast_open = true;
    }
}

static void read_options(struct packet_options *o, struct slice all) {
    struct reader r = reader_of(all.data, all.size);
    while (reader_left(&r) > 0) {
        uint8_t kind = reader_u8(&r);
        if (kind == OPT_END)
            return;
        if (kind == OPT_NOP)
            continue;
        uint8_t length = reader_u8(&r);
        if (r.failed || length < 2 || (size_t)length - 2 > reader_left(&r)) {
            o->cut = true;
            return;
        }
        read_option(o, kind, reader_bytes(&r, length - 2U));
    }
}

static int open_tcp(struct packet *p, struct layer *l) {
    struct reader *h = &l->at;
    size_t before = l->wire;
    p->from.port = reader_u16(h);
    p->to.port = reader_u16(h);
    p->seq = reader_u32(h);
    p->ack = reader_u32(h);
    uint8_t offset = reader_u8(h);
    p->flags = reader_u8(h);
    p->window = reader_u16(h);
    reader_u32(h); /* checksum (often left to the card, so not judged) and urgent pointer */
    size_t header = (offset >> 4) * 4U;
    if (h->failed || header < TCP_SMALLEST || header > before)
        return LL_EFORMAT;
    if (header - TCP_SMALLEST > reader_left(h))
        return LL_EFORMAT;
    read_options(&p->options, reader_bytes(h, header - TCP_SMALLEST));
    size_t length = before - header;
    p->length = length > UINT32_MAX ? UINT32_MAX : (uint32_t)length;
    struct slice payload = reader_rest(h);
    p->payload = payload.data;
    p->held = (uint32_t)(payload.size < p->length ? payload.size : p->length);
    return 0;
}

/* An ICMP error that quotes a TCP segment: unreachable, time exceeded (RFC 792), and their kin in RFC 4443. */
static int open_icmp(struct packet *p, struct layer *l, int version) {
    p->icmp_type = reader_u8(&l->at);
    p->icmp_code = reader_u8(&l->at);
    reader_bytes(&l->at, 6);
    if (l->at.failed)
        return LL_EFORMAT;
    bool is_error = version == 4 ? p->icmp_type == 3 || p->icmp_type == 11 : p->icmp_type >= 1 && p->icmp_type <= 3;
    if (!is_error)
        return LL_ENOTSUP;
    p->complainer = p->from;
    int protocol = PROTO_NONE;
    int code = open_ip(p, l, version, &protocol);
    if (code != 0)
        return code;
    if (protocol != PROTO_TCP)
        return LL_ENOTSUP;
    if (reader_left(&l->at) < ICMP_QUOTED)
        return LL_EFORMAT;
    p->kind = PACKET_ICMP;
    p->from.port = reader_u16(&l->at);
    p->to.port = reader_u16(&l->at);
    p->seq = reader_u32(&l->at);
    return 0;
}

int packet_parse(struct packet *p, enum packet_link link, const void *bytes, size_t captured, size_t wire) {
    memset(p, 0, sizeof *p);
    struct layer l = {.at = reader_of(bytes, captured), .wire = wire > captured ? wire : captured};
    int version = open_link(p, link, &l), protocol = PROTO_NONE;
    if (l.at.failed)
        return LL_EFORMAT;
    int code = open_ip(p, &l, version, &protocol);
    if (code != 0)
        return code;
    if (protocol == PROTO_TCP)
        return open_tcp(p, &l);
    if (protocol == (version == 4 ? PROTO_ICMP : PROTO_ICMP6))
        return open_icmp(p, &l, version);
    return LL_ENOTSUP;
}

void packet_end_text(const struct packet_end *end, char out[PACKET_END_TEXT]) {
    char address[INET6_ADDRSTRLEN] = "?";
    inet_ntop(end->family == 4 ? AF_INET : AF_INET6, end->bytes, address, sizeof address);
    snprintf(out, PACKET_END_TEXT, end->family == 4 ? "%s:%u" : "[%s]:%u", address, end->port);
}

bool packet_end_same(const struct packet_end *a, const struct packet_end *b) {
    return a->family == b->family && a->port == b->port && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
