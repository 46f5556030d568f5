/* landline/classic: the tables of servers and clients, and the name a file gets. */
#include "landline/classic/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "landline/classic/serve.h"

static void finds_servers_and_clients(void **state) {
    (void)state;
    static const struct {
        const char *server, *client;
        int port;
    } old[] = {{"upper", "upper", 6969}, {"exec", "exec", 6969}, {"file", "get", 2222}, {"ssh", "ssh", 9999}};
    for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
        assert_int_equal(classic_port(classic_find(old[i].server)), old[i].port);
        assert_int_equal(classic_client_find(old[i].client)->port, old[i].port);
    }
    assert_null(classic_find("get"));
    assert_null(classic_client_find("file"));
}

static void names_what_it_gets(void **state) {
    (void)state;
    char name[10];
    assert_int_equal(classic_new_name("a", name, sizeof name), 0);
    assert_string_equal(name, "a.new");
    assert_int_equal(classic_new_name("/some/folder/a.c", name, sizeof name), 0);
    assert_string_equal(name, "a.c.new");
    assert_int_equal(classic_new_name("../..", name, sizeof name), 0);
    assert_string_equal(name, "...new");
    assert_int_equal(classic_new_name("folder/", name, sizeof name), -EINVAL);
    assert_int_equal(classic_new_name("", name, sizeof name), -EINVAL);
    assert_int_equal(classic_new_name("12345", name, sizeof name), 0);
    assert_int_equal(classic_new_name("123456", name, sizeof name), LL_ELIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_servers_and_clients),
        cmocka_unit_test(names_what_it_gets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
