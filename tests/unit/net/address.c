/* landline/address.h: constructors, limits, looking inside. */
#include "landline/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/net/support.h"

static void check_text(const struct ll_address *a, const char *wanted) {
    char text[LL_ADDRESS_TEXT];
    ll_address_format(a, text, sizeof text);
    assert_string_equal(text, wanted);
}

static void ipv4(void **state) {
    (void)state;
    struct ll_address a;
    assert_code(ll_address_ipv4(&a, "192.0.2.1", 80), 0);
    check_text(&a, "192.0.2.1:80");
    assert_int_equal(a.length, sizeof(struct sockaddr_in));
    assert_int_equal(a.as.ipv4.sin_port, htons(80));
    assert_code(ll_address_ipv4(&a, "", 0), 0);
    check_text(&a, "0.0.0.0:0");
    assert_code(ll_address_ipv4(&a, "<broadcast>", 65535), 0);
    check_text(&a, "255.255.255.255:65535");
    assert_code(ll_address_ipv4(&a, "1.2.3.4", 65536), -ERANGE);
    assert_int_equal(a.length, 0);
    assert_code(ll_address_ipv4(&a, "1.2.3.4", -1), -ERANGE);
    static const char *const bad[] = {"1.2.3", "1.2.3.4.5", "256.1.1.1", "::1", "localhost", " 1.2.3.4", "1.2.3.4 "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_code(ll_address_ipv4(&a, bad[i], 1), LL_EADDRESS);
    assert_code(ll_address_ipv4(NULL, "1.2.3.4", 1), -EINVAL);
    assert_code(ll_address_ipv4(&a, NULL, 1), -EINVAL);
}

static void ipv6(void **state) {
    (void)state;
    struct ll_address a;
    char with_scope[64];
    unsigned int lo = if_nametoindex("lo");
    assert_code(ll_address_ipv6(&a, "2001:db8::1", 80, 0, 0), 0);
    check_text(&a, "[2001:db8::1]:80");
    assert_code(ll_address_ipv6(&a, "", 80, 0, 0), 0);
    check_text(&a, "[::]:80");
    assert_code(ll_address_ipv6(&a, "fe80::1%lo", 80, 0x12345, 0), 0);
    snprintf(with_scope, sizeof with_scope, "[fe80::1%%%u]:80;flow=0x12345", lo);
    check_text(&a, with_scope);
    assert_int_equal(ll_address_scope_id(&a), lo);
    assert_int_equal(ll_address_flowinfo(&a), 0x12345);
    assert_code(ll_address_ipv6(&a, "fe80::1%4294967295", 1, 0xfffff, 0), 0);
    assert_int_equal(ll_address_scope_id(&a), 4294967295U);
    assert_code(ll_address_ipv6(&a, "fe80::1%7", 1, 0, 7), 0);
    assert_code(ll_address_ipv6(&a, "fe80::1", 1, 0, 7), 0);
    assert_int_equal(ll_address_scope_id(&a), 7);

    assert_code(ll_address_ipv6(&a, "fe80::1%7", 1, 0, 8), LL_EADDRESS);
    assert_code(ll_address_ipv6(&a, "fe80::1%4294967296", 1, 0, 0), LL_EADDRESS);
    assert_code(ll_address_ipv6(&a, "fe80::1%99999999999999999999", 1, 0, 0), LL_EADDRESS);
    assert_code(ll_address_ipv6(&a, "fe80::1%1x", 1, 0, 0), LL_EADDRESS);
    assert_code(ll_address_ipv6(&a, "fe80::1%", 1, 0, 0), LL_EADDRESS);
    assert_code(ll_address_ipv6(&a, "fe80::1%nosuchif", 1, 0, 0), -ENODEV);
    assert_code(ll_address_ipv6(&a, "1.2.3.4", 1, 0, 0), LL_EADDRESS);
    assert_code(ll_address_ipv6(&a, "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", 1, 0, 0), LL_EADDRESS);
    assert_code(ll_address_ipv6(&a, "::1", 65536, 0, 0), -ERANGE);
    assert_code(ll_address_ipv6(&a, "::1", 1, 0x100000, 0), -ERANGE);
    assert_int_equal(a.length, 0);
    assert_code(ll_address_ipv6(NULL, "::1", 1, 0, 0), -EINVAL);
    assert_code(ll_address_ipv6(&a, NULL, 1, 0, 0), -EINVAL);
}

static void either(void **state) {
    (void)state;
    struct ll_address a;
    assert_code(ll_address_ip(&a, "::1", 1), 0);
    assert_int_equal(ll_address_family(&a), AF_INET6);
    assert_code(ll_address_ip(&a, "127.0.0.1", 1), 0);
    assert_int_equal(ll_address_family(&a), AF_INET);
    assert_code(ll_address_ip(&a, "", 1), 0);
    assert_int_equal(ll_address_family(&a), AF_INET);
    assert_code(ll_address_ip(&a, NULL, 1), -EINVAL);
    assert_code(ll_address_ip(&a, "example.org", 1), LL_EADDRESS);
}

static void unix_addresses(void **state) {
    (void)state;
    struct ll_address a;
    const char *path;
    size_t size;
    char bytes[110];
    memset(bytes, 'p', sizeof bytes);
    assert_code(ll_address_unix(&a, "/run/x.sock"), 0);
    assert_int_equal(a.length, offsetof(struct sockaddr_un, sun_path) + 12);
    assert_code(ll_address_unix_path(&a, &path, &size), 0);
    assert_int_equal(size, 11);
    assert_memory_equal(path, "/run/x.sock", 12);

    for (size_t n = 106; n <= 108; n++)
        assert_code(ll_address_unix_bytes(&a, bytes, n), n <= 107 ? 0 : LL_ELIMIT);
    bytes[0] = '\0';
    for (size_t n = 107; n <= 109; n++)
        assert_code(ll_address_unix_bytes(&a, bytes, n), n <= 108 ? 0 : LL_ELIMIT);
    assert_code(ll_address_unix_bytes(&a, "\0a\0b\0", 5), 0);
    assert_code(ll_address_unix_path(&a, &path, &size), 0);
    assert_int_equal(size, 5);
    assert_memory_equal(path, "\0a\0b\0", 5);

    assert_code(ll_address_unix_bytes(&a, NULL, 0), 0);
    assert_int_equal(a.length, sizeof(sa_family_t));
    assert_code(ll_address_unix_path(&a, &path, &size), 0);
    assert_int_equal(size, 0);
    assert_code(ll_address_unix(&a, ""), 0);
    check_text(&a, "unix:");

    assert_code(ll_address_unix_bytes(&a, "/a\0b", 4), LL_EADDRESS);
    assert_code(ll_address_unix_bytes(&a, NULL, 1), -EINVAL);
    assert_code(ll_address_unix_bytes(NULL, "a", 1), -EINVAL);
    assert_code(ll_address_unix(&a, NULL), -EINVAL);
    ll_address_unix(&a, "x");
    assert_code(ll_address_unix_path(NULL, &path, &size), -EINVAL);
    assert_code(ll_address_unix_path(&a, NULL, &size), -EINVAL);
    assert_code(ll_address_unix_path(&a, &path, NULL), -EINVAL);
    ll_address_ipv4(&a, "", 0);
    assert_code(ll_address_unix_path(&a, &path, &size), LL_EADDRESS);
}

static void raw(void **state) {
    (void)state;
    struct ll_address a, b;
    struct sockaddr_storage big = {.ss_family = AF_NETLINK};
    assert_code(ll_address_raw(&a, &big, 12), 0);
    assert_int_equal(ll_address_family(&a), AF_NETLINK);
    assert_code(ll_address_raw(&a, &big, 1), LL_EADDRESS);
    assert_int_equal(ll_address_family(&a), AF_UNSPEC);
    assert_code(ll_address_raw(&a, &big, 2), 0);
    assert_code(ll_address_raw(&a, &big, sizeof big), 0);
    assert_code(ll_address_raw(&a, &big, sizeof big + 1), LL_ELIMIT);
    assert_code(ll_address_raw(NULL, &big, 2), -EINVAL);
    assert_code(ll_address_raw(&a, NULL, 2), -EINVAL);
    ll_address_ipv4(&a, "192.0.2.9", 9);
    assert_code(ll_address_raw(&b, &a.as, a.length), 0);
    assert_true(ll_address_equal(&a, &b));
    assert_int_equal(ll_address_family(NULL), AF_UNSPEC);
}

static void ports(void **state) {
    (void)state;
    struct ll_address a;
    ll_address_ipv4(&a, "1.2.3.4", 7);
    assert_code(ll_address_port(&a), 7);
    assert_code(ll_address_set_port(&a, 65535), 0);
    check_text(&a, "1.2.3.4:65535");
    assert_code(ll_address_set_port(&a, 65536), -ERANGE);
    a.length = 8; /* too short for its family: nothing behind is read */
    assert_code(ll_address_port(&a), LL_EADDRESS);
    ll_address_ipv6(&a, "::1", 7, 0, 0);
    assert_code(ll_address_port(&a), 7);
    assert_code(ll_address_set_port(&a, 8), 0);
    check_text(&a, "[::1]:8");
    a.length = 27;
    assert_int_equal(ll_address_scope_id(&a), 0);
    assert_int_equal(ll_address_flowinfo(&a), 0);
    ll_address_unix(&a, "x");
    assert_code(ll_address_port(&a), LL_EADDRESS);
    assert_code(ll_address_set_port(&a, 8), LL_EADDRESS);
    assert_code(ll_address_port(NULL), -EINVAL);
}

static void hosts(void **state) {
    (void)state;
    struct ll_address a;
    char host[64];
    ll_address_ipv4(&a, "192.0.2.1", 80);
    assert_code(ll_address_host(&a, host, sizeof host), 0);
    assert_string_equal(host, "192.0.2.1");
    assert_code(ll_address_host(&a, host, 10), 0);
    assert_code(ll_address_host(&a, host, 9), LL_ELIMIT);
    ll_address_ipv6(&a, "fe80::1", 80, 0, 4294967295U);
    assert_code(ll_address_host(&a, host, sizeof host), 0);
    assert_string_equal(host, "fe80::1%4294967295");
    ll_address_ipv6(&a, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 80, 0, 4294967295U);
    assert_code(ll_address_host(&a, host, INET6_ADDRSTRLEN + 11), 0);
    ll_address_unix(&a, "x");
    assert_code(ll_address_host(&a, host, sizeof host), LL_EADDRESS);
    assert_code(ll_address_host(NULL, host, sizeof host), -EINVAL);
    assert_code(ll_address_host(&a, NULL, 1), -EINVAL);
}

static void equality(void **state) {
    (void)state;
    static const char *const texts[] = {
        "1.2.3.4:5",        "1.2.3.4:6", "1.2.3.5:5",   "[::1]:5", "[::1]:6",  "[::2]:5",   "[::1%1]:5",
        "[::1]:5;flow=0x1", "unix:",     "unix:a",      "unix:ab", "unix:b",   "unix:@a",   "unix:@",
        "raw:16:00",        "raw:16:01", "raw:16:0000", "none",    "raw:2:00", "raw:10:00",
    };
    enum { COUNT = sizeof texts / sizeof *texts };
    struct ll_address a[COUNT], copy;
    for (size_t i = 0; i < COUNT; i++)
        assert_code(ll_address_parse(&a[i], texts[i]), 0);
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < COUNT; k++)
            assert_int_equal(ll_address_equal(&a[i], &a[k]), i == k);
        memset(&copy, 0xee, sizeof copy); /* padding and what is behind the length do not count */
        copy.length = a[i].length;
        memcpy(&copy.as, &a[i].as, a[i].length);
        assert_true(ll_address_equal(&a[i], &copy));
    }
    assert_true(ll_address_equal(NULL, NULL));
    assert_false(ll_address_equal(&a[0], NULL));
    assert_false(ll_address_equal(NULL, &a[0]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4), cmocka_unit_test(ipv6),  cmocka_unit_test(either), cmocka_unit_test(unix_addresses),
        cmocka_unit_test(raw),  cmocka_unit_test(ports), cmocka_unit_test(hosts),  cmocka_unit_test(equality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
