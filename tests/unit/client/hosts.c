/* landline/client/hosts.h: the list of hosts. */
#include "landline/client/hosts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIN "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static int parse(const char *text) {
    struct hosts hosts = {0};
    struct ll_error_info info;
    int error = hosts_parse(&hosts, "hosts", text, strlen(text), &info);
    hosts_free(&hosts);
    return error;
}

static void strict(void **state) {
    (void)state;
    assert_int_equal(parse(""), 0);
    assert_int_equal(parse("# nothing\n\n"), 0);
    assert_int_equal(parse("box 192.0.2.1:1 " PIN " key\n"), 0);
    assert_int_equal(parse("box 192.0.2.1:1,[::1]:2,a.example:3 " PIN " key\nb.2 x:1 " PIN " key2\n"), 0);
    static const char *const bad[] = {
        "box 192.0.2.1:1 " PIN " key",
        "box 192.0.2.1:1 " PIN "\n",
        "box 192.0.2.1:1 " PIN " key more\n",
        "box  192.0.2.1:1 " PIN " key\n",
        "box 192.0.2.1:1 " PIN " key \n",
        "box 192.0.2.1 " PIN " key\n",
        "box 192.0.2.1:1, " PIN " key\n",
        "box 192.0.2.1:99999 " PIN " key\n",
        "box :1 " PIN " key\n",
        "-box a:1 " PIN " key\n",
        "b/x a:1 " PIN " key\n",
        "box a:1 SHA256:AAAA key\n",
        "box a:1 " PIN " ../key\n",
        "box a:1 " PIN " key\nbox b:1 " PIN " key\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i]), LL_EFORMAT);
    struct hosts hosts = {0};
    struct ll_error_info info;
    assert_int_equal(hosts_parse(&hosts, "hosts", "# a\nbox\n", 8, &info), LL_EFORMAT);
    assert_string_equal(info.subject, "hosts:2");
    hosts_free(&hosts);
    assert_int_equal(hosts_parse(&hosts, "hosts", "box a:1 " PIN " k\0y\n", 61, &info), LL_EFORMAT);
    hosts_free(&hosts);
}

/* One host more than there may be is said with the file, the line and the number: all before it are taken. */
static void limit(void **state) {
    struct hosts hosts = {0};
    struct ll_error_info info = {0};
    char line[96];
    struct buf text;
    (void)state;
    buf_init(&text, LIMIT_HOSTS_FILE);
    for (int i = 0; i <= LIMIT_HOSTS; i++)
        buf_add(&text, line, (size_t)snprintf(line, sizeof line, "h%d 192.0.2.1:1 " PIN " key\n", i));
    assert_int_equal(hosts_parse(&hosts, "hosts", buf_front(&text), buf_size(&text), &info), LL_ELIMIT);
    snprintf(line, sizeof line, "hosts:%d", LIMIT_HOSTS + 1);
    assert_string_equal(info.subject, line);
    assert_string_equal(info.call, "more than 10000 hosts");
    hosts_free(&hosts);
    buf_free(&text);
}

static void names(void **state) {
    (void)state;
    char name[LIMIT_HOST_NAME + 2];
    memset(name, 'a', sizeof name);
    name[LIMIT_HOST_NAME + 1] = '\0';
    assert_false(hosts_name_ok(name));
    name[LIMIT_HOST_NAME] = '\0';
    assert_true(hosts_name_ok(name));
    name[LIMIT_HOST_NAME - 1] = '\0';
    assert_true(hosts_name_ok(name));
    assert_true(hosts_name_ok("Box-1_b.c"));
    assert_false(hosts_name_ok(""));
    assert_false(hosts_name_ok(".box"));
    assert_false(hosts_name_ok("b x"));
    assert_false(hosts_name_ok("box:"));
}

static void changes(void **state) {
    (void)state;
    char folder[] = "/tmp/ll-hosts-XXXXXX", command[64];
    assert_non_null(mkdtemp(folder));
    setenv("LANDLINE_HOME", folder, 1);
    struct host box = {.name = "box", .addresses = "127.0.0.1:7", .key = "key"};
    struct ll_error_info info;
    struct hosts hosts;
    assert_int_equal(hosts_remove("box", &info), LL_EHOST);
    assert_int_equal(hosts_rename("box", "crate", &info), LL_EHOST);
    assert_int_equal(rmdir(folder), 0); /* nothing was left in it … */
    assert_int_equal(hosts_remove("box", &info), LL_EHOST);
    assert_int_equal(access(folder, F_OK), -1); /* … nor is it made */
    assert_int_equal(hosts_add(&box, &info), 0);
    assert_int_equal(hosts_add(&box, &info), -EEXIST);
    assert_int_equal(hosts_rename("nobody", "x", &info), LL_EHOST);
    assert_int_equal(hosts_rename("box", "x y", &info), LL_EUSAGE);
    assert_int_equal(hosts_rename("box", "crate", &info), 0);
    assert_int_equal(hosts_add(&box, &info), 0);
    assert_int_equal(hosts_rename("box", "crate", &info), -EEXIST);
    assert_int_equal(hosts_load(&hosts, &info), 0);
    assert_int_equal(hosts.count, 2);
    assert_string_equal(hosts_find(&hosts, "crate")->addresses, "127.0.0.1:7");
    hosts_free(&hosts);
    assert_int_equal(hosts_remove("crate", &info), 0);
    assert_int_equal(hosts_remove("crate", &info), LL_EHOST);
    assert_int_equal(hosts_remove("box", &info), 0);
    assert_int_equal(hosts_load(&hosts, &info), 0);
    assert_int_equal(hosts.count, 0);
    hosts_free(&hosts);
    snprintf(command, sizeof command, "%s/hosts", folder);
    unlink(command);
    snprintf(command, sizeof command, "%s/hosts.lock", folder);
    unlink(command);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict),
        cmocka_unit_test(limit),
        cmocka_unit_test(names),
        cmocka_unit_test(changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
