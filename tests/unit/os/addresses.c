/* lib/os/addresses.h: what the kernel says of addresses and ways, and what it does not. */
#include "lib/os/addresses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct batch {
    _Alignas(8) uint8_t bytes[256];
    size_t size;
};

static size_t address_bytes(int family, const char *text, uint8_t out[16]) {
    assert_int_equal(inet_pton(family, text, out), 1);
    return family == AF_INET ? 4 : 16;
}

/* One more message about an address, in an attribute of that kind. */
static void say(struct batch *b, uint16_t type, uint8_t family, uint16_t attribute, const char *text) {
    uint8_t address[16];
    size_t n = address_bytes(family, text, address);
    struct nlmsghdr head = {.nlmsg_len =
                                (uint32_t)(NLMSG_LENGTH(sizeof(struct ifaddrmsg)) + RTA_LENGTH(4) + RTA_LENGTH(n)),
                            .nlmsg_type = type};
    struct ifaddrmsg about = {.ifa_family = family};
    struct rtattr label = {.rta_len = RTA_LENGTH(4), .rta_type = IFA_LABEL};
    struct rtattr value = {.rta_len = (uint16_t)RTA_LENGTH(n), .rta_type = attribute};
    uint8_t *at = b->bytes + b->size;
    memcpy(at, &head, sizeof head);
    memcpy(at + NLMSG_LENGTH(0), &about, sizeof about);
    at += NLMSG_LENGTH(sizeof about);
    memcpy(at, &label, sizeof label);
    memcpy(at + RTA_LENGTH(0), "lo", 3);
    at += RTA_LENGTH(4);
    memcpy(at, &value, sizeof value);
    memcpy(at + RTA_LENGTH(0), address, n);
    b->size += NLMSG_ALIGN(head.nlmsg_len);
}

static struct sockaddr_storage local(int family, const char *text) {
    struct sockaddr_storage s = {.ss_family = (sa_family_t)family};
    uint8_t address[16];
    size_t n = address_bytes(family, text, address);
    if (family == AF_INET)
        memcpy(&((struct sockaddr_in *)&s)->sin_addr, address, n);
    else
        memcpy(&((struct sockaddr_in6 *)&s)->sin6_addr, address, n);
    return s;
}

static bool lost(const struct batch *b, const struct sockaddr_storage *s) {
    return addresses_lost(b->bytes, b->size, (const struct sockaddr *)s);
}

static void of_each_family(void **state) {
    (void)state;
    static const struct {
        uint16_t type;
        int said_family;
        uint16_t attribute;
        const char *said;
        int family;
        const char *local;
        bool lost;
    } rows[] = {
        {RTM_DELADDR, AF_INET, IFA_LOCAL, "192.0.2.1", AF_INET, "192.0.2.1", true},
        {RTM_NEWADDR, AF_INET, IFA_LOCAL, "192.0.2.1", AF_INET, "192.0.2.1", false},
        {RTM_DELADDR, AF_INET, IFA_LOCAL, "192.0.2.2", AF_INET, "192.0.2.1", false},
        {RTM_DELADDR, AF_INET, IFA_ADDRESS, "192.0.2.1", AF_INET, "192.0.2.1", false}, /* the other end's */
        {RTM_DELADDR, AF_INET, IFA_LOCAL, "192.0.2.1", AF_INET6, "::ffff:192.0.2.1", true},
        {RTM_DELADDR, AF_INET, IFA_LOCAL, "192.0.2.1", AF_INET6, "2001:db8::1", false},
        {RTM_DELADDR, AF_INET6, IFA_ADDRESS, "2001:db8::1", AF_INET6, "2001:db8::1", true},
        {RTM_DELADDR, AF_INET6, IFA_ADDRESS, "2001:db8::2", AF_INET6, "2001:db8::1", false},
        {RTM_DELADDR, AF_INET6, IFA_ADDRESS, "::ffff:192.0.2.1", AF_INET6, "::ffff:192.0.2.1", false},
        {RTM_DELADDR, AF_INET6, IFA_ADDRESS, "2001:db8::1", AF_INET, "192.0.2.1", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct batch b = {.size = 0};
        struct sockaddr_storage s = local(rows[i].family, rows[i].local);
        say(&b, rows[i].type, (uint8_t)rows[i].said_family, rows[i].attribute, rows[i].said);
        if (lost(&b, &s) != rows[i].lost)
            fail_msg("row %zu", i);
    }
    struct batch b = {.size = 0};
    const struct sockaddr_storage unix_one = {.ss_family = AF_UNIX};
    say(&b, RTM_DELADDR, AF_INET, IFA_LOCAL, "192.0.2.1");
    assert_false(lost(&b, &unix_one));
}

static void the_second_of_a_batch(void **state) {
    (void)state;
    struct batch b = {.size = 0};
    struct sockaddr_storage s = local(AF_INET, "192.0.2.1");
    say(&b, RTM_NEWADDR, AF_INET, IFA_LOCAL, "192.0.2.1");
    say(&b, RTM_DELADDR, AF_INET, IFA_LOCAL, "192.0.2.1");
    assert_true(lost(&b, &s));
}

/* A message of that type with such a beginning of its body. */
static struct batch message(uint16_t type, const void *body, size_t n) {
    struct batch b = {.size = NLMSG_SPACE(n)};
    struct nlmsghdr head = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(n), .nlmsg_type = type};
    memcpy(b.bytes, &head, sizeof head);
    memcpy(b.bytes + NLMSG_LENGTH(0), body, n);
    return b;
}

static void what_came(void **state) {
    (void)state;
    const struct ifaddrmsg usable = {.ifa_family = AF_INET6, .ifa_flags = IFA_F_PERMANENT},
                           tentative = {.ifa_family = AF_INET6, .ifa_flags = IFA_F_PERMANENT | IFA_F_TENTATIVE};
    const struct ifinfomsg runs = {.ifi_flags = IFF_UP | IFF_RUNNING}, unplugged = {.ifi_flags = IFF_UP};
    const struct rtmsg route = {.rtm_family = AF_INET};
    const struct {
        uint16_t type;
        const void *body;
        size_t size;
        bool came;
    } rows[] = {
        {RTM_NEWADDR, &usable, sizeof usable, true},  {RTM_NEWADDR, &tentative, sizeof tentative, false},
        {RTM_DELADDR, &usable, sizeof usable, false}, {RTM_NEWADDR, &usable, 2, false},
        {RTM_NEWLINK, &runs, sizeof runs, true},      {RTM_NEWLINK, &unplugged, sizeof unplugged, false},
        {RTM_DELLINK, &runs, sizeof runs, false},     {RTM_NEWLINK, &runs, 4, false},
        {RTM_NEWROUTE, &route, sizeof route, true},   {RTM_DELROUTE, &route, sizeof route, false},
        {RTM_NEWNEIGH, &route, sizeof route, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct batch b = message(rows[i].type, rows[i].body, rows[i].size);
        if (addresses_came(b.bytes, b.size) != rows[i].came)
            fail_msg("row %zu", i);
    }
    struct batch two = message(RTM_DELROUTE, &route, sizeof route),
                 second = message(RTM_NEWROUTE, &route, sizeof route);
    memcpy(two.bytes + two.size, second.bytes, second.size);
    two.size += second.size;
    assert_true(addresses_came(two.bytes, two.size));
    for (size_t n = 0; n < two.size; n++) {
        uint8_t *exact = malloc(n + (n == 0));
        memcpy(exact, two.bytes, n);
        assert_false(addresses_came(exact, n));
        free(exact);
    }
}

/* Cut anywhere, and with any length of any part: never read behind the end, which the sanitizer watches. */
static void any_bytes(void **state) {
    (void)state;
    struct batch whole = {.size = 0};
    struct sockaddr_storage s = local(AF_INET, "192.0.2.1");
    say(&whole, RTM_DELADDR, AF_INET, IFA_LOCAL, "192.0.2.1");
    for (size_t n = 0; n < whole.size; n++) {
        uint8_t *exact = malloc(n + (n == 0));
        memcpy(exact, whole.bytes, n);
        assert_false(addresses_lost(exact, n, (const struct sockaddr *)&s));
        free(exact);
    }
    for (size_t at = 0; at < whole.size; at++)
        for (unsigned value = 0; value < 256; value += 5) {
            uint8_t *exact = malloc(whole.size);
            memcpy(exact, whole.bytes, whole.size);
            exact[at] = (uint8_t)value;
            addresses_lost(exact, whole.size, (const struct sockaddr *)&s);
            addresses_came(exact, whole.size);
            free(exact);
        }
}

static void the_groups(void **state) {
    (void)state;
    struct sockaddr_nl lost_one, came_one;
    assert_int_equal(addresses_group(ADDRESSES_LOST, &lost_one, sizeof lost_one - 1), 0);
    assert_int_equal(addresses_group(ADDRESSES_LOST, &lost_one, sizeof lost_one), sizeof lost_one);
    assert_int_equal(addresses_group(ADDRESSES_CAME, &came_one, sizeof came_one), sizeof came_one);
    assert_int_equal(lost_one.nl_family, AF_NETLINK);
    assert_int_equal(lost_one.nl_groups, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
    assert_int_equal(came_one.nl_groups, lost_one.nl_groups | RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_each_family), cmocka_unit_test(the_second_of_a_batch),
                                       cmocka_unit_test(any_bytes), cmocka_unit_test(what_came),
                                       cmocka_unit_test(the_groups)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
