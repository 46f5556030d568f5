/* landline/address.h: where a socket is, or is to go.
 *
 * One value type holds every address the system has: UNIX paths, abstract and unnamed UNIX addresses, IPv4, IPv6 with
 * scope and flow information, and, byte for byte, the addresses of any other family (NETLINK, PACKET, VSOCK, TIPC).
 * It is plain memory: copy it, put it in arrays, compare it with ll_address_equal(); there is nothing to free.
 *
 * No function of this header blocks, allocates or asks a name server; only a scope given by name ("%eth0") asks the
 * kernel for the interface's number. Names of hosts become addresses in landline/resolve.h.
 *
 * Common errors, not repeated below:
 *   -EINVAL      a NULL where something is needed
 *   LL_EADDRESS  the text or the bytes are no address of that kind
 *   -ERANGE      a port outside 0 … 65535, or flow information above 0xfffff (RFC 6437: 20 bits)
 *
 * Sources: POSIX.1-2008 <sys/socket.h>; RFC 3493 (IPv6 sockets), RFC 4007 (scopes), RFC 5952 (how IPv6 is written);
 * unix(7) for abstract and unnamed addresses; Python's socket module for "" and "<broadcast>". */
#ifndef LANDLINE_ADDRESS_H
#define LANDLINE_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "landline/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An address. `length` is the number of bytes of `as` in use, as bind(2) and connect(2) take it; 0 is "no address"
 * (what recvfrom on a connected stream reports). The members of `as` are the system's own; all integers in them are as
 * the system wants them (ports in network order), so the functions below are the easier way in and out. */
struct ll_address {
    socklen_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_un unix_path;
        struct sockaddr_storage storage;
    } as;
};

/* Room for any address in text, ending NUL included: the longest is an abstract name of bytes that all need escapes. */
#define LL_ADDRESS_TEXT 512

/* ---- Making addresses: each returns 0 and fills *out, or a negative code and leaves *out empty (length 0) ---- */

/* An IPv4 address in dotted quad ("192.0.2.1"); "" is 0.0.0.0, "<broadcast>" is 255.255.255.255. `port` is in host
 * order. */
LL_API int ll_address_ipv4(struct ll_address *out, const char *ip, int port);

/* An IPv6 address ("2001:db8::1", "fe80::1%eth0", "fe80::1%2"); "" is "::". The scope is the number behind `%`, or that
 * of the interface named there, or else `scope_id` (0: none). `flowinfo` is in host order.
 * Also: -ENODEV where no interface has that name; LL_EADDRESS where `%` and a different scope_id are both given. */
LL_API int ll_address_ipv6(struct ll_address *out, const char *ip, int port, uint32_t flowinfo, uint32_t scope_id);

/* Either of the two, whichever `ip` is; "" is 0.0.0.0. */
LL_API int ll_address_ip(struct ll_address *out, const char *ip, int port);

/* A UNIX address from path[0 … size - 1]:
 *   size 0           the unnamed address; bind(2) then picks an abstract name (autobind)
 *   path[0] == NUL   an abstract name, the NUL included: at most 108 bytes, any value, NULs too
 *   else             a path in the file system: at most 107 bytes
 * LL_EADDRESS for a path with a NUL inside (the kernel would silently cut it there), LL_ELIMIT for a path or name that
 * is one byte too long or more. */
LL_API int ll_address_unix_bytes(struct ll_address *out, const void *path, size_t size);

/* The same for a C string: a path, or unnamed where it is empty. */
LL_API int ll_address_unix(struct ll_address *out, const char *path);

/* Any address in the form of the system, for the families without a constructor here: the `size` bytes of a
 * struct sockaddr_nl, sockaddr_ll, sockaddr_vm, sockaddr_tipc, … They are copied and not looked at.
 * LL_EADDRESS where size is less than the family field's, LL_ELIMIT above sizeof(struct sockaddr_storage). */
LL_API int ll_address_raw(struct ll_address *out, const void *sockaddr, size_t size);

/* ---- Text, both ways: what ll_address_format() writes, ll_address_parse() reads back to the same address ----
 *
 *   192.0.2.1:80                  IPv4
 *   [2001:db8::1]:80              IPv6
 *   [fe80::1%2]:80;flow=0x12345   with scope (written as a number, read as a number or a name) and flow information
 *   unix:/run/x.sock              a path; unix:@name an abstract one; unix: alone the unnamed one
 *   raw:16:00000000…              another family: its number, then the bytes behind the family field in hex
 *   none                          no address
 *
 * In paths and names, bytes outside printable ASCII, the backslash, and an `@` that begins a path are written \xNN; any
 * byte may be written so. */

/* Reads one address. Numeric only: "localhost:80" is LL_EADDRESS. Also -ENODEV (unknown scope name) and LL_ELIMIT (path
 * too long). */
LL_API int ll_address_parse(struct ll_address *out, const char *text);

/* Writes the address into out[size], cut to fit and always terminated where size > 0. Returns the length that a large
 * enough buffer would hold, as snprintf does; LL_ADDRESS_TEXT is always enough. An address whose length does not fit
 * its family is written as raw. */
LL_API int ll_address_format(const struct ll_address *address, char *out, size_t size);

/* Splits what a user writes for "host and port": "example.org:80", "192.0.2.1:80", "[::1]:80", "example.org",
 * "2001:db8::1" (two colons or more without brackets are all host), ":80" (an empty host). The host goes to host[size],
 * the port to *port, which keeps its value where the text names none: set it to your default before.
 * LL_EADDRESS for text of another shape, LL_ELIMIT where the host does not fit, -ERANGE for the port. */
LL_API int ll_address_split(const char *text, char *host, size_t size, int *port);

/* ---- Looking inside ---- */

/* AF_INET, AF_INET6, AF_UNIX, …; AF_UNSPEC (0) for no address and for NULL. */
LL_API int ll_address_family(const struct ll_address *address);

/* The port of an IPv4 or IPv6 address in host order, 0 … 65535; LL_EADDRESS for other families. */
LL_API int ll_address_port(const struct ll_address *address);

/* Changes the port of an IPv4 or IPv6 address; LL_EADDRESS for other families. */
LL_API int ll_address_set_port(struct ll_address *address, int port);

/* The number of the address in text without the port ("192.0.2.1", "fe80::1%2") into out[size]; 0, or LL_EADDRESS for
 * other families, or LL_ELIMIT where it does not fit (INET6_ADDRSTRLEN + 11 is always enough). */
LL_API int ll_address_host(const struct ll_address *address, char *out, size_t size);

/* Scope (RFC 4007) and flow information, in host order; 0 for addresses other than IPv6. */
LL_API uint32_t ll_address_scope_id(const struct ll_address *address);
LL_API uint32_t ll_address_flowinfo(const struct ll_address *address);

/* The path or abstract name of a UNIX address: *path points into *address and has *size bytes, without the ending NUL
 * of a path, with the leading NUL of an abstract name; *size is 0 for the unnamed address. LL_EADDRESS for other
 * families. */
LL_API int ll_address_unix_path(const struct ll_address *address, const char **path, size_t *size);

/* 1 where both are the same address (family, and what belongs to it: padding does not count), else 0. Two NULLs are
 * equal. */
LL_API int ll_address_equal(const struct ll_address *a, const struct ll_address *b);

#ifdef __cplusplus
}
#endif
#endif
