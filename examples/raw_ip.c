/* IP_HDRINCL: a datagram whose IP header is written here, byte by byte, sent to ourselves and read by an ordinary UDP
 * socket. Needs CAP_NET_RAW. */
#include "examples/example.h"

#include <netinet/in.h>

enum { IP = 20, UDP = 8 };
static const char text[] = "this header was made by hand";

static void put16(uint8_t *at, size_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* Version 4, 77 hops, UDP, from 127.0.0.2 to 127.0.0.1. The kernel fills in the length, the checksum and the identifier
 * where they are 0 (raw(7)); a UDP checksum of 0 says that there is none (RFC 768). */
static size_t make_packet(uint8_t *packet, int port) {
    static const uint8_t header[IP] = {0x45, 0, 0, 0, 0, 0, 0, 0, 77, IPPROTO_UDP, 0, 0, 127, 0, 0, 2, 127, 0, 0, 1};
    memcpy(packet, header, IP);
    put16(packet + IP, 4242);
    put16(packet + IP + 2, (size_t)port);
    put16(packet + IP + 4, UDP + strlen(text));
    put16(packet + IP + 6, 0);
    memcpy(packet + IP + UDP, text, strlen(text));
    return IP + UDP + strlen(text);
}

int main(void) {
    struct ll_address here, from;
    ll_socket *receiver, *raw;
    uint8_t packet[100];
    char got[100], name[LL_ADDRESS_TEXT];
    check(ll_address_ipv4(&here, "127.0.0.1", 0), "address");
    check(ll_socket_open(AF_INET, SOCK_DGRAM, 0, &receiver), "socket");
    check(ll_socket_settimeout(receiver, 5), "timeout");
    check(ll_socket_bind(receiver, &here), "bind");
    check(ll_socket_getsockname(receiver, &here), "getsockname");
    check(ll_socket_open(AF_INET, SOCK_RAW, IPPROTO_RAW, &raw), "raw socket"); /* this protocol implies IP_HDRINCL */
    size_t size = make_packet(packet, ll_address_port(&here));
    check((int)ll_socket_sendto(raw, packet, size, 0, &here), "send");
    ssize_t n = ll_socket_recvfrom(receiver, got, sizeof got, 0, &from);
    check((int)n, "receive");
    ll_address_format(&from, name, sizeof name);
    printf("from %s: %.*s\n", name, (int)n, got);
    ll_socket_free(raw);
    ll_socket_free(receiver);
    return 0;
}
