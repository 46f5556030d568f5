/* landline/address.h: text and back. */
#include "landline/address.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/net/support.h"

static void round_trips(void **state) {
    (void)state;
    static const char *const texts[] = {
        "192.0.2.1:80",
        "0.0.0.0:0",
        "[2001:db8::1]:65535",
        "[::ffff:192.0.2.1]:1",
        "[fe80::1%2]:80",
        "[fe80::1%2]:80;flow=0xfffff",
        "unix:/run/x.sock",
        "unix:relative",
        "unix:\\x40not-abstract",
        "unix:a@b",
        "unix:@",
        "unix:@name",
        "unix:@@name",
        "unix:@a\\x00b\\x00",
        "unix:/with\\x20space\\x5cand\\xff",
        "unix:",
        "raw:16:000000000000000000ff",
        "raw:40:",
        "none",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ll_address a, b;
        char text[LL_ADDRESS_TEXT];
        assert_code(ll_address_parse(&a, texts[i]), 0);
        assert_int_equal(ll_address_format(&a, text, sizeof text), strlen(texts[i]));
        assert_string_equal(text, texts[i]);
        assert_code(ll_address_parse(&b, text), 0);
        assert_true(ll_address_equal(&a, &b));
    }
}

static void other_spellings(void **state) {
    (void)state;
    struct ll_address a, b;
    assert_code(ll_address_parse(&a, "[2001:DB8:0:0:0:0:0:1]:080"), 0);
    assert_code(ll_address_parse(&b, "[2001:db8::1]:80"), 0);
    assert_true(ll_address_equal(&a, &b));
    assert_code(ll_address_parse(&a, "[fe80::1%lo]:1"), 0);
    assert_true(ll_address_scope_id(&a) > 0);
    assert_code(ll_address_parse(&a, "unix:\\x2Ftmp\\x2f\xc3\xa9"), 0);
    char text[64];
    ll_address_format(&a, text, sizeof text);
    assert_string_equal(text, "unix:/tmp/\\xc3\\xa9");
}

static void refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        {"", LL_EADDRESS},
        {"localhost:80", LL_EADDRESS},
        {"1.2.3.4", LL_EADDRESS},
        {":80", LL_EADDRESS},
        {"<broadcast>:80", LL_EADDRESS},
        {"1.2.3.4:", LL_EADDRESS},
        {"1.2.3.4:+1", LL_EADDRESS},
        {"1.2.3.4: 1", LL_EADDRESS},
        {"1.2.3.4:1x", LL_EADDRESS},
        {"1.2.3.4:65536", -ERANGE},
        {"1.2.3.4:99999999999999999999999", -ERANGE},
        {"1.2.3.4:80;flow=0x1", LL_EADDRESS},
        {"::1:80", LL_EADDRESS},
        {"[::1]", LL_EADDRESS},
        {"[::1", LL_EADDRESS},
        {"[::1]x:80", LL_EADDRESS},
        {"[1.2.3.4]:80", LL_EADDRESS},
        {"[::1%nosuchif]:80", -ENODEV},
        {"[::1]:80;flow=0x", LL_EADDRESS},
        {"[::1]:80;flow=0x-1", LL_EADDRESS},
        {"[::1]:80;flow=0x0x1", LL_EADDRESS},
        {"[::1]:80;flow=0x1;", LL_EADDRESS},
        {"[::1]:80;flow=0x100000", -ERANGE},
        {"[::1]:80;flow=0x100000000", -ERANGE},
        {"unix:a\\x00b", LL_EADDRESS},
        {"unix:\\", LL_EADDRESS},
        {"unix:\\y00", LL_EADDRESS},
        {"unix:\\x0", LL_EADDRESS},
        {"unix:\\xg0", LL_EADDRESS},
        {"raw:", LL_EADDRESS},
        {"raw:16", LL_EADDRESS},
        {"raw::00", LL_EADDRESS},
        {"raw:65536:", LL_EADDRESS},
        {"raw:12345678:", LL_EADDRESS},
        {"raw:16:0", LL_EADDRESS},
        {"raw:16:0x", LL_EADDRESS},
        {"none ", LL_EADDRESS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ll_address a = {.length = 5};
        assert_code(ll_address_parse(&a, rows[i].text), rows[i].code);
        assert_int_equal(a.length, 0);
    }
    struct ll_address a;
    assert_code(ll_address_parse(NULL, "none"), -EINVAL);
    assert_code(ll_address_parse(&a, NULL), -EINVAL);
}

static void too_long(void **state) {
    (void)state;
    struct ll_address a;
    char text[400] = "unix:";
    memset(text + 5, 'p', 108);
    assert_code(ll_address_parse(&a, text), LL_ELIMIT);
    text[5 + 107] = '\0';
    assert_code(ll_address_parse(&a, text), 0);
    memset(text + 5, 'p', 300);
    assert_code(ll_address_parse(&a, text), LL_ELIMIT);
    memcpy(text, "raw:16:", 8);
    memset(text + 7, '0', 2 * 126);
    text[7 + 2 * 126] = '\0';
    assert_code(ll_address_parse(&a, text), 0);
    memset(text + 7, '0', 2 * 127);
    text[7 + 2 * 127] = '\0';
    assert_code(ll_address_parse(&a, text), LL_ELIMIT);
    memset(text, '1', 300);
    text[300] = '\0';
    assert_code(ll_address_parse(&a, text), LL_EADDRESS);
}

static void cut(void **state) {
    (void)state;
    struct ll_address a;
    char out[16];
    ll_address_ipv4(&a, "1.2.3.4", 80);
    for (size_t size = 0; size <= 11; size++) {
        memset(out, '#', sizeof out);
        assert_int_equal(ll_address_format(&a, out, size), 10);
        if (size > 0)
            assert_int_equal(strlen(out), size <= 10 ? size - 1 : 10);
        assert_int_equal(out[size], '#');
    }
    assert_int_equal(ll_address_format(&a, NULL, 0), 10);
    assert_code(ll_address_format(&a, NULL, 1), -EINVAL);
    ll_address_format(NULL, out, sizeof out);
    assert_string_equal(out, "none");
}

/* The longest text there is fits LL_ADDRESS_TEXT; lengths that make no sense are not followed. */
static void strange_lengths(void **state) {
    (void)state;
    struct ll_address a, b;
    char text[LL_ADDRESS_TEXT], bytes[108];
    memset(bytes, 0, sizeof bytes);
    ll_address_unix_bytes(&a, bytes, sizeof bytes);
    assert_true(ll_address_format(&a, text, sizeof text) < LL_ADDRESS_TEXT);
    assert_code(ll_address_parse(&b, text), 0);
    assert_true(ll_address_equal(&a, &b));
    memset(&a, 0xff, sizeof a);
    a.length = sizeof a.as + 100;
    assert_true(ll_address_format(&a, text, sizeof text) < LL_ADDRESS_TEXT);
    a.as.any.sa_family = AF_UNIX;
    assert_true(ll_address_format(&a, text, sizeof text) < LL_ADDRESS_TEXT);
    assert_memory_equal(text, "raw:1:", 6);
    a.length = 1;
    ll_address_format(&a, text, sizeof text);
    assert_string_equal(text, "none");
}

static void split(void **state) {
    (void)state;
    static const struct {
        const char *text, *host;
        int port, code;
    } rows[] = {
        {"example.org:80", "example.org", 80, 0},
        {"example.org", "example.org", 7, 0},
        {"192.0.2.1:0", "192.0.2.1", 0, 0},
        {"[::1]:80", "::1", 80, 0},
        {"[::1]", "::1", 7, 0},
        {"2001:db8::1", "2001:db8::1", 7, 0},
        {"fe80::1%eth0", "fe80::1%eth0", 7, 0},
        {":80", "", 80, 0},
        {"", "", 7, 0},
        {"[::1", NULL, 7, LL_EADDRESS},
        {"[::1]80", NULL, 7, LL_EADDRESS},
        {"host:", NULL, 7, LL_EADDRESS},
        {"host:http", NULL, 7, LL_EADDRESS},
        {"host:65536", NULL, 7, -ERANGE},
        {"this-host-is-too-long-for-the-buffer", NULL, 7, LL_ELIMIT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char host[20];
        int port = 7;
        assert_code(ll_address_split(rows[i].text, host, sizeof host, &port), rows[i].code);
        assert_int_equal(port, rows[i].port);
        if (rows[i].host != NULL)
            assert_string_equal(host, rows[i].host);
    }
    char host[4];
    int port;
    assert_code(ll_address_split("abc", host, 4, &port), 0);
    assert_code(ll_address_split("abcd", host, 4, &port), LL_ELIMIT);
    assert_code(ll_address_split(NULL, host, 4, &port), -EINVAL);
    assert_code(ll_address_split("a", NULL, 4, &port), -EINVAL);
    assert_code(ll_address_split("a", host, 4, NULL), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips), cmocka_unit_test(other_spellings),
        cmocka_unit_test(refused),     cmocka_unit_test(too_long),
        cmocka_unit_test(cut),         cmocka_unit_test(strange_lengths),
        cmocka_unit_test(split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
