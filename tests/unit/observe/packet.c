/* landline/observe/packet.h: packets of every link, well formed and hostile. */
#include "landline/observe/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"

static const uint8_t ipv4_head[20] = {0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2};
static const uint8_t tcp_head[20] = {0x9c, 0x40, 0, 80, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, 0x18, 1, 0, 0, 0, 0, 0};

struct bytes {
    uint8_t data[512];
    size_t size;
};

static void add(struct bytes *b, const void *data, size_t n) {
    memcpy(b->data + b->size, data, n);
    b->size += n;
}

/* IPv4 and TCP with these options and this payload, behind `link` bytes of link header. */
static struct bytes make(const void *link, size_t link_size, const void *options, size_t options_size,
                         const char *payload) {
    struct bytes b = {.size = 0};
    add(&b, link, link_size);
    add(&b, ipv4_head, sizeof ipv4_head);
    add(&b, tcp_head, sizeof tcp_head);
    add(&b, options, options_size);
    add(&b, payload, strlen(payload));
    b.data[link_size + 2] = (uint8_t)((b.size - link_size) >> 8);
    b.data[link_size + 3] = (uint8_t)(b.size - link_size);
    b.data[link_size + 32] = (uint8_t)((20 + options_size) / 4 << 4);
    return b;
}

static int parse(struct packet *p, enum packet_link link, const struct bytes *b) {
    /* A copy of exactly this size, so that a sanitizer or valgrind sees every read past its end. */
    uint8_t *copy = malloc(b->size == 0 ? 1 : b->size);
    memcpy(copy, b->data, b->size);
    int code = packet_parse(p, link, copy, b->size, b->size);
    free(copy);
    return code;
}

static void links(void **state) {
    (void)state;
    static const uint8_t ethernet[14] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00};
    static const uint8_t vlan[18] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x81, 0x00, 0, 5, 0x08, 0x00};
    static const uint8_t null[4] = {2, 0, 0, 0};
    static const uint8_t sll[16] = {0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00};
    static const uint8_t sll2[20] = {0x08, 0x00, 0, 0, 0, 0, 0, 42};
    const struct {
        enum packet_link link;
        const void *head;
        size_t size;
        uint32_t interface;
    } cases[] = {{PACKET_LINK_ETHERNET, ethernet, 14, 0}, {PACKET_LINK_ETHERNET, vlan, 18, 0},
                 {PACKET_LINK_NULL, null, 4, 0},          {PACKET_LINK_RAW, "", 0, 0},
                 {PACKET_LINK_SLL, sll, 16, 0},           {PACKET_LINK_SLL2, sll2, 20, 42}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = make(cases[i].head, cases[i].size, "", 0, "hello");
        struct packet p;
        char text[PACKET_END_TEXT];
        assert_int_equal(packet_parse(&p, cases[i].link, b.data, b.size, b.size), 0);
        assert_int_equal(p.kind, PACKET_TCP);
        packet_end_text(&p.from, text);
        assert_string_equal(text, "192.0.2.1:40000");
        packet_end_text(&p.to, text);
        assert_string_equal(text, "192.0.2.2:80");
        assert_int_equal(p.seq, 7);
        assert_int_equal(p.ack, 9);
        assert_int_equal(p.flags, TCP_PSH | TCP_ACK);
        assert_int_equal(p.window, 256);
        assert_int_equal(p.interface, cases[i].interface);
        assert_int_equal(p.length, 5);
        assert_int_equal(p.held, 5);
        assert_memory_equal(p.payload, "hello", 5);
        for (size_t cut = 0; cut < b.size - 5; cut++) {
            struct bytes shorter = b;
            shorter.size = cut;
            assert_int_not_equal(parse(&p, cases[i].link, &shorter), 0);
        }
    }
}

/* The padding of a short Ethernet frame is not payload; a capture cut short still knows the length. */
static void lengths(void **state) {
    (void)state;
    struct bytes b = make("", 0, "", 0, "hello");
    struct packet p;
    b.size += 9;
    assert_int_equal(parse(&p, PACKET_LINK_RAW, &b), 0);
    assert_int_equal(p.length, 5);
    assert_int_equal(p.held, 5);
    b.size = 42;
    assert_int_equal(packet_parse(&p, PACKET_LINK_RAW, b.data, b.size, 45), 0);
    assert_int_equal(p.length, 5);
    assert_int_equal(p.held, 2);
    b.data[2] = b.data[3] = 0; /* as offload leaves it */
    assert_int_equal(packet_parse(&p, PACKET_LINK_RAW, b.data, b.size, 70040), 0);
    assert_int_equal(p.length, 70000);
    assert_int_equal(p.held, 2);
}

static void options(void **state) {
    (void)state;
    static const uint8_t all[] = {2, 4, 5, 180, 1, 3, 3, 7, 4, 2, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 34, 2};
    struct bytes b = make("", 0, all, sizeof all, "");
    struct packet p;
    assert_int_equal(parse(&p, PACKET_LINK_RAW, &b), 0);
    assert_true(p.options.has_mss && p.options.has_scale && p.options.has_stamp);
    assert_true(p.options.sack_allowed && p.options.fast_open && !p.options.cut);
    assert_int_equal(p.options.mss, 1460);
    assert_int_equal(p.options.scale, 7);
    assert_int_equal(p.options.stamp, 1);
    assert_int_equal(p.options.stamp_echo, 2);
    assert_int_equal(p.length, 0);

    static const uint8_t sacks[] = {1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4};
    b = make("", 0, sacks, sizeof sacks, "");
    assert_int_equal(parse(&p, PACKET_LINK_RAW, &b), 0);
    assert_int_equal(p.options.sacks, 2);
    assert_int_equal(p.options.sack[1].from, 3);
    assert_int_equal(p.options.sack[1].to, 4);
}

static void hostile_options(void **state) {
    (void)state;
    static const struct {
        uint8_t bytes[8];
        bool cut;
    } cases[] = {
        {{2, 0, 0, 0, 0, 0, 0, 0}, true},     /* a length that would never advance */
        {{2, 1, 0, 0, 0, 0, 0, 0}, true},     /* shorter than itself */
        {{2, 200, 5, 180, 0, 0, 0, 0}, true}, /* longer than the header */
        {{1, 1, 1, 1, 1, 1, 1, 8}, true},     /* kind without a length */
        {{3, 4, 7, 7, 0, 0, 0, 0}, false},    /* a length that its RFC does not give */
        {{3, 3, 99, 0, 0, 0, 0, 0}, false},   /* a scale beyond 14 */
        {{0, 2, 200, 1, 1, 1, 1, 1}, false},  /* the end: what follows is padding */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = make("", 0, cases[i].bytes, 8, "x");
        struct packet p;
        assert_int_equal(parse(&p, PACKET_LINK_RAW, &b), 0);
        assert_int_equal(p.options.cut, cases[i].cut);
        assert_false(p.options.has_mss);
        assert_true(!p.options.has_scale || p.options.scale == 14);
        assert_int_equal(p.length, 1);
    }
}

/* One byte of a good packet replaced, and what must come of it. */
static void hostile_headers(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
        int code;
    } cases[] = {
        {0, 0x44, LL_EFORMAT},  /* IPv4 header shorter than 20 bytes */
        {0, 0x4f, LL_EFORMAT},  /* … longer than the packet */
        {0, 0x55, LL_ENOTSUP},  /* version 5 */
        {3, 10, LL_EFORMAT},    /* total length shorter than the header */
        {3, 30, LL_EFORMAT},    /* … cuts the TCP header */
        {7, 1, LL_ENOTSUP},     /* a later fragment */
        {9, 17, LL_ENOTSUP},    /* UDP */
        {32, 0x40, LL_EFORMAT}, /* TCP header shorter than 20 bytes */
        {32, 0xf0, LL_EFORMAT}, /* … longer than the packet */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = make("", 0, "", 0, "hello");
        struct packet p;
        b.data[cases[i].at] = cases[i].value;
        assert_int_equal(parse(&p, PACKET_LINK_RAW, &b), cases[i].code);
    }
}

static struct bytes make_ipv6(const void *extensions, size_t size, uint8_t first) {
    struct bytes b = {.size = 40};
    b.data[0] = 0x60;
    b.data[6] = first;
    b.data[7] = 64;
    b.data[8] = 0x20;
    b.data[23] = 1;
    b.data[24] = 0x20;
    b.data[39] = 2;
    add(&b, extensions, size);
    add(&b, tcp_head, sizeof tcp_head);
    add(&b, "abc", 3);
    b.data[5] = (uint8_t)(b.size - 40);
    return b;
}

static void ipv6(void **state) {
    (void)state;
    static const uint8_t hop_then_route[] = {43, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t fragment[] = {6, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t later[] = {6, 0, 0, 8, 0, 0, 0, 1};
    static const uint8_t too_long[] = {6, 200, 0, 0, 0, 0, 0, 0};
    static const uint8_t authentic[] = {6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const struct {
        const uint8_t *extensions;
        size_t size;
        uint8_t first;
        int code;
    } cases[] = {{tcp_head, 0, 6, 0},          {hop_then_route, 16, 0, 0},    {fragment, 8, 44, 0},
                 {later, 8, 44, LL_ENOTSUP},   {too_long, 8, 60, LL_EFORMAT}, {authentic, 12, 51, 0},
                 {tcp_head, 0, 17, LL_ENOTSUP}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = make_ipv6(cases[i].extensions, cases[i].size, cases[i].first);
        struct packet p;
        assert_int_equal(parse(&p, PACKET_LINK_RAW, &b), cases[i].code);
        if (cases[i].code != 0)
            continue;
        char text[PACKET_END_TEXT];
        packet_end_text(&p.from, text);
        assert_string_equal(text, "[2000::1]:40000");
        assert_int_equal(p.length, 3);
        for (size_t cut = 0; cut < b.size - 3; cut++) {
            struct bytes shorter = b;
            shorter.size = cut;
            assert_int_not_equal(parse(&p, PACKET_LINK_RAW, &shorter), 0);
        }
    }
    uint8_t chain[20 * 8] = {0};
    for (size_t i = 0; i < sizeof chain; i += 8)
        chain[i] = 60;
    struct bytes b = make_ipv6(chain, sizeof chain, 60);
    struct packet p;
    assert_int_equal(parse(&p, PACKET_LINK_RAW, &b), LL_EFORMAT); /* a chain without end */
}

static void icmp(void **state) {
    (void)state;
    struct bytes inner = make("", 0, "", 0, ""), b = {.size = 0};
    uint8_t head[20];
    memcpy(head, ipv4_head, sizeof head);
    head[9] = 1;
    head[15] = 9; /* who complains: 192.0.2.9 */
    add(&b, head, sizeof head);
    add(&b, (uint8_t[]){3, 1, 0, 0, 0, 0, 0, 0}, 8);
    add(&b, inner.data, 28); /* header and the eight bytes that RFC 792 demands */
    b.data[3] = (uint8_t)b.size;
    struct packet p;
    assert_int_equal(parse(&p, PACKET_LINK_RAW, &b), 0);
    assert_int_equal(p.kind, PACKET_ICMP);
    assert_int_equal(p.icmp_type, 3);
    assert_int_equal(p.icmp_code, 1);
    assert_int_equal(p.complainer.bytes[3], 1 + 8);
    assert_int_equal(p.from.port, 40000);
    assert_int_equal(p.to.port, 80);
    assert_int_equal(p.seq, 7);
    for (size_t cut = 0; cut < b.size; cut++) {
        struct bytes shorter = b;
        shorter.size = cut;
        assert_int_not_equal(parse(&p, PACKET_LINK_RAW, &shorter), 0);
    }
    b.data[20] = 8; /* an echo request is no error */
    assert_int_equal(parse(&p, PACKET_LINK_RAW, &b), LL_ENOTSUP);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links),
        cmocka_unit_test(lengths),
        cmocka_unit_test(options),
        cmocka_unit_test(hostile_options),
        cmocka_unit_test(hostile_headers),
        cmocka_unit_test(ipv6),
        cmocka_unit_test(icmp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
