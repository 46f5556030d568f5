/* One captured packet, taken apart: link layer, IPv4 or IPv6, TCP, and the ICMP errors that speak of a TCP connection.
 *
 * Pure: bytes in, a struct out. The bytes come from the network and may be anything; nothing is read past their end,
 * nothing is allocated, nothing is kept. RFC 791, RFC 8200, RFC 9293, RFC 7323 (window scale, timestamps), RFC 2018
 * (SACK), RFC 7413 (Fast Open). */
#ifndef LANDLINE_OBSERVE_PACKET_H
#define LANDLINE_OBSERVE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stands in front of the IP header. */
enum packet_link {
    PACKET_LINK_ETHERNET, /* 14 bytes, VLAN tags are stepped over */
    PACKET_LINK_NULL,     /* 4 bytes: an address family in the byte order of the machine that captured */
    PACKET_LINK_RAW,      /* nothing */
    PACKET_LINK_SLL,      /* Linux "any", 16 bytes */
    PACKET_LINK_SLL2,     /* Linux "any", 20 bytes, with the interface */
};

enum packet_kind {
    PACKET_TCP,
    PACKET_ICMP, /* an error about a TCP segment: `from` is who complains, the inner addresses are in `about` */
};

/* The flags as they stand in the header (RFC 9293, 3.1; ECE and CWR from RFC 3168). */
enum {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
    TCP_ECE = 0x40,
    TCP_CWR = 0x80,
};

enum { PACKET_SACKS = 4 };

/* An IP address and a port; `bytes` holds 4 or 16 of them. */
struct packet_end {
    uint8_t family; /* 4 or 6 */
    uint8_t bytes[16];
    uint16_t port;
};

struct packet_options {
    bool has_mss, has_scale, has_stamp, sack_allowed, fast_open;
    bool cut; /* an option ran over the end of the header: what stood before it counts */
    uint8_t scale;
    uint8_t sacks; /* blocks in `sack` */
    uint16_t mss;
    uint32_t stamp, stamp_echo;
    struct {
        uint32_t from, to;
    } sack[PACKET_SACKS];
};

struct packet {
    enum packet_kind kind;
    int64_t time_ns;    /* when it was captured, since 1970; set by the caller */
    uint32_t interface; /* its number where the link layer tells (SLL2), else 0 */
    struct packet_end from, to;
    uint8_t hops; /* TTL or hop limit */
    /* TCP; for PACKET_ICMP those of the segment complained about, as far as it is quoted (ports and seq) */
    uint32_t seq, ack;
    uint16_t flags, window;
    struct packet_options options;
    uint32_t length;        /* bytes of payload on the wire */
    const uint8_t *payload; /* points into the caller's bytes */
    uint32_t held;          /* of them captured */
    /* PACKET_ICMP only */
    uint8_t icmp_type, icmp_code;
    struct packet_end complainer;
};

/* Takes one packet apart. `captured` bytes are at hand, `wire` is how long the packet was. Returns 0; LL_ENOTSUP for
 * what is not TCP or an error about TCP (a later fragment, ARP, UDP, …); LL_EFORMAT for what claims to be but is
 * broken: too short, a length or an offset that cannot be. */
int packet_parse(struct packet *p, enum packet_link link, const void *bytes, size_t captured, size_t wire);

/* The end as text into out: "127.0.0.1:80", "[::1]:80". Always terminated. */
enum { PACKET_END_TEXT = 56 };
void packet_end_text(const struct packet_end *end, char out[PACKET_END_TEXT]);
bool packet_end_same(const struct packet_end *a, const struct packet_end *b);

#endif
