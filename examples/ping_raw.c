/* ICMP with SOCK_RAW: one echo request to the address named, and the time until the answer. Needs CAP_NET_RAW. */
#include "examples/example.h"

#include <time.h>

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* RFC 1071 */
static uint16_t checksum(const uint8_t *bytes, size_t n) {
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

int main(int argc, char **argv) {
    struct ll_address to, from;
    ll_socket *s;
    uint8_t request[16] = {8, 0, 0, 0, 0x4c, 0x4c, 0, 1, 'l', 'a', 'n', 'd', 'l', 'i', 'n', 'e'}, packet[1024];
    check(ll_address_ipv4(&to, argc > 1 ? argv[1] : "127.0.0.1", 0), "address");
    check(ll_socket_open(AF_INET, SOCK_RAW, IPPROTO_ICMP, &s), "socket");
    check(ll_socket_settimeout(s, 5), "timeout");
    uint16_t sum = checksum(request, sizeof request);
    request[2] = (uint8_t)(sum >> 8);
    request[3] = (uint8_t)sum;
    double start = now_ms();
    check((int)ll_socket_sendto(s, request, sizeof request, 0, &to), "send");
    for (;;) { /* a raw socket sees every ICMP message of the machine: ours is the answer with our bytes */
        ssize_t n = ll_socket_recvfrom(s, packet, sizeof packet, 0, &from);
        check((int)n, "receive");
        size_t ip = (packet[0] & 15U) * 4U;
        if ((size_t)n == ip + sizeof request && packet[ip] == 0 && memcmp(packet + ip + 4, request + 4, 12) == 0)
            break;
    }
    char name[LL_ADDRESS_TEXT];
    check(ll_address_host(&from, name, sizeof name), "address");
    printf("%zu bytes from %s: ttl=%u time=%.3f ms\n", sizeof request, name, packet[8], now_ms() - start);
    ll_socket_free(s);
    return 0;
}
