/* landline/proto/invite.h: invites, addresses, verbs. */
#include "landline/proto/invite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "landline/error.h"

static struct invite sample(const char *host) {
    struct invite i = {.port = 7022, .expiry_ms = 0x0192a3b4c5d6};
    snprintf(i.host, sizeof i.host, "%s", host);
    for (int k = 0; k < INVITE_PIN; k++)
        i.pin[k] = (uint8_t)(k * 7);
    for (int k = 0; k < INVITE_TOKEN; k++)
        i.token[k] = (uint8_t)(255 - k);
    return i;
}

static void lines(void **unused) {
    (void)unused;
    const char *hosts[] = {"box.example.org", "192.0.2.1", "::1", "fe80::1%eth0", "2001:db8::192.0.2.1", "a_b-c"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct invite invite = sample(hosts[i]), back;
        char line[INVITE_LINE], framed[INVITE_LINE + 8];
        assert_int_equal(invite_print(&invite, line), 0);
        snprintf(framed, sizeof framed, " \t%s\r\n", line);
        assert_int_equal(invite_parse(framed, strlen(framed), &back), 0);
        assert_string_equal(back.host, hosts[i]);
        assert_int_equal(back.port, 7022);
        assert_memory_equal(back.pin, invite.pin, INVITE_PIN);
        assert_memory_equal(back.token, invite.token, INVITE_TOKEN);
        assert_true(back.expiry_ms == invite.expiry_ms);
        for (size_t n = 0; n < strlen(line); n++) /* every shorter line is none */
            assert_true(invite_parse(line, n, &back) < 0);
    }
    struct invite invite = sample("::1");
    char line[INVITE_LINE];
    invite_print(&invite, line);
    assert_memory_equal(line, "landline://[::1]:7022#AQAHDhUcIyo", 33);
}

static void bad_lines(void **unused) {
    (void)unused;
    struct invite invite = sample("box"), back;
    char line[INVITE_LINE + 4];
    assert_int_equal(invite_print(&invite, line), 0);
    size_t n = strlen(line);
    line[n] = 'A';
    assert_int_equal(invite_parse(line, n + 1, &back), LL_EINVITE);
    char last = line[n - 1];
    line[n - 1] = last == 'w' ? 'x' : (char)(last + 1); /* bits beyond the last byte */
    assert_int_equal(invite_parse(line, n, &back), LL_EINVITE);
    line[n - 1] = last;
    char *code = strchr(line, '#') + 1;
    code[5] = '+';
    assert_int_equal(invite_parse(line, n, &back), LL_EINVITE);
    code[5] = 'D';
    code[0] = 'B'; /* another version */
    assert_int_equal(invite_parse(line, n, &back), LL_EINVITE);
    code[0] = 'A';
    line[11] = '-';
    assert_int_equal(invite_parse(line, n, &back), LL_EADDRESS);
    assert_int_equal(invite_parse("landline://", 11, &back), LL_EINVITE);
    assert_int_equal(invite_parse("", 0, &back), LL_EINVITE);
    invite.port = 0;
    assert_int_equal(invite_print(&invite, line), LL_EADDRESS);
    invite = sample("a b");
    assert_int_equal(invite_print(&invite, line), LL_EADDRESS);
    invite = sample("x");
    memset(invite.host, 'x', INVITE_HOST);
    char longest[INVITE_LINE];
    assert_int_equal(invite_print(&invite, longest), 0);
    invite.port = 65535;
    memset(invite.host, 'y', sizeof invite.host); /* without its NUL */
    assert_int_equal(invite_print(&invite, longest), LL_EADDRESS);
}

static void addresses(void **unused) {
    (void)unused;
    const struct {
        const char *text, *host;
        unsigned port;
    } good[] = {
        {"box", "box", 1},
        {"box:7", "box", 7},
        {"[::1]:65535", "::1", 65535},
        {"[::1]", "::1", 1},
        {"::1", "::1", 1},
        {"1.2.3.4:80", "1.2.3.4", 80},
        {"fe80::1%lo", "fe80::1%lo", 1},
        {"a.b.", "a.b.", 1},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", 1},
        {"[::ffff:1.2.3.4]:5", "::ffff:1.2.3.4", 5},
    };
    const char *bad[] = {"",      ":1",      "box:",      "box:0",         "box:65536", "box:99999",  "box:x",
                         "[::1",  "[box]:1", "[::1]x",    "[]:1",          "a..b",      "-x",         "a/b",
                         "a b",   ".a",      "fe80::%",   "box:1:2x",      "box: 7",    "box:000001", "x@y",
                         "é",     "a:b:c",   "[a:b:c]:1", "1:2:3:4:5:6:7", "12345::",   "1::2::3",    "::1.2.3",
                         "[::1%]"};
    char host[INVITE_HOST + 1];
    uint16_t port;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(invite_split_address(good[i].text, strlen(good[i].text), 1, host, &port), 0);
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (invite_split_address(bad[i], strlen(bad[i]), 1, host, &port) != LL_EADDRESS)
            fail_msg("%s was taken", bad[i]);
    char name[INVITE_HOST + 2];
    memset(name, 'x', sizeof name);
    for (size_t n = INVITE_HOST - 1; n <= INVITE_HOST + 1; n++)
        assert_int_equal(invite_split_address(name, n, 1, host, &port), n <= INVITE_HOST ? 0 : LL_EADDRESS);
}

static void verbs(void **unused) {
    (void)unused;
    char text[INVITE_VERBS_TEXT];
    for (uint32_t v = 0; v <= VERB_ALL; v++) {
        uint32_t back = 0;
        invite_verbs_print(v, text);
        assert_int_equal(invite_verbs_parse(text, &back), v == 0 ? LL_EFORMAT : 0);
        assert_int_equal(back, v);
    }
    uint32_t v = 7;
    invite_verbs_print(VERB_RUN | VERB_PUT, text);
    assert_string_equal(text, "run,put");
    const char *bad[] = {"", ",", "run,", ",run", "run,,get", "runs", "ru", "run,run", "RUN", "run get", "all"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(invite_verbs_parse(bad[i], &v), LL_EFORMAT);
    assert_int_equal(v, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(bad_lines),
        cmocka_unit_test(addresses),
        cmocka_unit_test(verbs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
