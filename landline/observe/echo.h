/* ICMP echo, as bytes: requests built, answers and errors taken apart (RFC 792, RFC 4443). Pure. */
#ifndef LANDLINE_OBSERVE_ECHO_H
#define LANDLINE_OBSERVE_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

enum { ECHO_HEADER = 8, ECHO_LARGEST = 65507 };

enum echo_kind {
    ECHO_OTHER,   /* not for us */
    ECHO_REPLY,   /* an answer to our request */
    ECHO_ERROR,   /* a machine says that our request cannot arrive */
    ECHO_DAMAGED, /* an answer whose payload is not what was sent */
};

struct echo {
    enum echo_kind kind;
    uint16_t sequence;
    uint8_t hops;       /* TTL, where the IP header is there; else 0 */
    uint8_t type, code; /* of an error */
    size_t size;        /* bytes of ICMP */
};

/* A request with `size` bytes of payload: a pattern that grows from byte to byte. The checksum is there for IPv4; for
 * IPv6 the kernel writes it. */
void echo_request(struct buf *out, int family, uint16_t identifier, uint16_t sequence, size_t size);

/* What came in. `with_ip`: an IPv4 header stands in front (SOCK_RAW). `identifier` is ours, -1 where the kernel has
 * sorted already (SOCK_DGRAM). */
struct echo echo_parse(const void *bytes, size_t n, int family, bool with_ip, int identifier);

/* What an error means, in a few words. */
const char *echo_error_text(int family, uint8_t type, uint8_t code);

#endif
