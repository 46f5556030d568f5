/* landline/server.h: why a server does not open, an invite is not made and a request takes no more. */
#include "tests/unit/server/embedded.h"

#include <errno.h>

#include "lib/base/limits.h"
#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

static struct embedded here;

static int set_up(void **state) {
    (void)state;
    embedded_make(&here);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fault_clear();
    embedded_close(&here);
    return 0;
}

/* An attempt, which has to fail; `subject` is what it is about. */
static void refused(const char *folder, const char *listen, int code, const char *subject) {
    const struct ll_serve_options options = {.folder = folder, .listen = listen};
    struct ll_error_info info = {0};
    ll_server *server = (void *)1;
    int before = open_descriptors();
    assert_code(ll_server_open(&options, &server, &info), code);
    assert_null(server);
    if (subject != NULL) {
        assert_code(info.code, code);
        assert_non_null(strstr(info.subject, subject));
    }
    assert_code(ll_server_open(&options, &server, NULL), code);
    assert_int_equal(open_descriptors(), before);
}

/* --- ll_server_open --- */

static void a_key_that_others_can_read(void **state) {
    char path[128];
    (void)state;
    embedded_path(&here, "server/key", path);
    assert_int_equal(chmod(path, 0644), 0);
    refused(here.folder, "127.0.0.1:0", LL_EKEYFILE, "server/key");
    embedded_write(&here, "server/key", "no key\n");
    refused(here.folder, "127.0.0.1:0", LL_EKEYFILE, "server/key");
}

static void a_file_with_a_mistake(void **state) {
    (void)state;
    embedded_write(&here, "server/grants", "# who may come in\ngrant nonsense\n");
    refused(here.folder, "127.0.0.1:0", LL_EFORMAT, "server/grants:2");
}

static void addresses(void **state) {
    static const char *const wrong[] = {"localhost:1", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:0,nonsense", ",", ":1"};
    char many[12 * (LIMIT_LISTENERS + 1)] = "", longest[LL_ADDRESS_TEXT + 8];
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refused(here.folder, wrong[i], LL_EADDRESS, strchr(wrong[i], ',') == NULL ? wrong[i] : "");
    memset(longest, '1', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    refused(here.folder, longest, LL_EADDRESS, "");
    for (size_t n = 1; n <= LIMIT_LISTENERS + 1; n++) {
        strncat(many, n > 1 ? ",127.0.0.1:0" : "127.0.0.1:0", sizeof many - strlen(many) - 1);
        if (n < LIMIT_LISTENERS - 1)
            continue;
        if (n > LIMIT_LISTENERS) {
            refused(here.folder, many, LL_ELIMIT, "127.0.0.1:0");
            continue;
        }
        const struct ll_serve_options options = {.folder = here.folder, .listen = many};
        assert_code(ll_server_open(&options, &here.server, NULL), 0);
        assert_non_null(ll_server_address(here.server, n - 1));
        assert_null(ll_server_address(here.server, n));
        ll_server_free(here.server);
        here.server = NULL;
    }
}

static void a_folder_that_cannot_be(void **state) {
    char path[128], long_name[5000];
    (void)state;
    embedded_write(&here, "file", "");
    embedded_path(&here, "file", path);
    refused(path, "127.0.0.1:0", -ENOTDIR, path);
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    refused(long_name, "127.0.0.1:0", LL_ELIMIT, "xxx");
}

static void what_another_has(void **state) {
    struct embedded other;
    (void)state;
    embedded_make(&other);
    embedded_open(&other, (struct ll_serve_options){0});
    refused(here.folder, ll_server_address(other.server, 0), -EADDRINUSE, ll_server_address(other.server, 0));
    refused(other.folder, "127.0.0.1:0", -EWOULDBLOCK, "running");
    embedded_close(&other);
}

/* Every allocation of ours in turn. */
static void no_memory(void **state) {
    static const enum fault kinds[] = {FAULT_CALLOC, FAULT_MALLOC};
    const struct ll_serve_options options = {.folder = here.folder, .listen = "127.0.0.1:0"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        int failures = 0, e = -1;
        for (int n = 0; e != 0 && n < 10000; n++) {
            fault_set(kinds[i], n, ENOMEM);
            e = ll_server_open(&options, &here.server, NULL);
            fault_clear();
            assert_true(e == 0 || e == -ENOMEM || e == LL_ETLS);
            failures += e == -ENOMEM;
        }
        assert_true(e == 0 && failures > 0);
        ll_server_free(here.server);
        here.server = NULL;
    }
}

/* --- ll_server_invite --- */

static void invites(void **state) {
    static const char *const wrong[] = {"a:b:c", "", "box:70000", ":1"};
    char line[512], again[512];
    (void)state;
    embedded_open(&here, (struct ll_serve_options){0});
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_code(ll_server_invite(here.server, wrong[i], LL_VERB_RUN, NULL, 60, line, sizeof line), LL_EADDRESS);
    assert_code(ll_server_invite(here.server, NULL, LL_VERB_RUN, "a user", 60, line, sizeof line), LL_EFORMAT);
    assert_code(ll_server_invite(here.server, NULL, LL_VERB_RUN, NULL, 60, line, sizeof line), 0);
    size_t n = strlen(line);
    assert_code(ll_server_invite(here.server, NULL, LL_VERB_RUN, NULL, 60, again, n), LL_ELIMIT);
    assert_code(ll_server_invite(here.server, NULL, LL_VERB_RUN, NULL, 60, again, n + 1), 0);
    assert_int_equal(strlen(again), n);
    assert_memory_equal(line, again, strlen("landline://"));
}

/* A file of that many invites that expired at `expires`. */
static void write_invites(int count, unsigned long long expires) {
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    assert_non_null(f);
    for (int i = 0; i < count; i++)
        fprintf(f, "invite %016x\n  key %064x\n  expires %llu\n  verbs run\n", i, i, expires);
    assert_int_equal(fclose(f), 0);
    embedded_write(&here, "server/invites", text);
    free(text);
}

static void as_many_invites_as_may_be(void **state) {
    char line[512];
    (void)state;
    embedded_open(&here, (struct ll_serve_options){0});
    write_invites(LIMIT_INVITES - 2, 1ull << 62);
    assert_code(ll_server_invite(here.server, NULL, LL_VERB_RUN, NULL, 60, line, sizeof line), 0);
    assert_code(ll_server_invite(here.server, NULL, LL_VERB_RUN, NULL, 60, line, sizeof line), 0);
    assert_code(ll_server_invite(here.server, NULL, LL_VERB_RUN, NULL, 60, line, sizeof line), LL_ELIMIT);
    write_invites(LIMIT_INVITES, 1000); /* long ago: nobody asks for them any more */
    assert_code(ll_server_invite(here.server, NULL, LL_VERB_RUN, NULL, 60, line, sizeof line), 0);
    embedded_write(&here, "server/invites", "nonsense\n");
    assert_code(ll_server_invite(here.server, NULL, LL_VERB_RUN, NULL, 60, line, sizeof line), LL_EFORMAT);
}

/* --- requests: a service in place of landline's own --- */

static struct { bool fails, asked, gone; } service;

/* All that can be said to a request that has had its end. */
static void say_all(ll_request *request) {
    assert_code(ll_request_write(request, 1, "x", 1), -EINVAL);
    assert_code(ll_request_write(request, 2, "x", 1), -EINVAL);
    assert_code(ll_request_finish(request, NULL, 0), -EINVAL);
    assert_code(ll_request_fail(request, "no"), -EINVAL);
    assert_int_equal(ll_request_written(request, 1), 3);
}

static int asked(void *arg, ll_request *request, const void *bytes, size_t n) {
    static char large[LIMIT_SERVICE_PAYLOAD + 1];
    (void)arg, (void)bytes;
    assert_true(n > 0);
    service.asked = true;
    assert_code(ll_request_write(request, 0, "x", 1), -EINVAL);
    assert_code(ll_request_write(request, 3, "x", 1), -EINVAL);
    assert_code(ll_request_write(request, 1, "out", 3), 0);
    assert_code(ll_request_finish(request, large, sizeof large), -EINVAL);
    assert_code(service.fails ? ll_request_fail(request, "no") : ll_request_finish(request, large, sizeof large - 1),
                0);
    say_all(request);
    return 0;
}

static void gone(void *arg, ll_request *request) {
    (void)arg;
    service.gone = true;
    say_all(request);
}

static void requests_after_their_end(void **state) {
    static const struct ll_service run = {.name = "run", .verbs = LL_VERB_RUN, .open = asked, .gone = gone};
    const char *const argv[] = {"true"};
    const struct ll_run_options options = {.argv = argv, .argc = 1};
    (void)state;
    embedded_grant(&here, "run");
    embedded_open(&here, (struct ll_serve_options){.services = &run, .service_count = 1});
    ll_client *client = embedded_client(&here);
    for (int i = 0; i < 2; i++) {
        ll_run *asking;
        service.fails = i == 1;
        service.asked = service.gone = false;
        assert_code(ll_run_start(client, &options, NULL, NULL, &asking), 0);
        while (!service.gone)
            assert_true(ll_loop_step(here.loop, LL_NEVER) >= 0);
        assert_true(service.asked);
        ll_run_free(asking);
    }
    ll_client_free(client);
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_key_that_others_can_read),
        TEST(a_file_with_a_mistake),
        TEST(addresses),
        TEST(a_folder_that_cannot_be),
        TEST(what_another_has),
        TEST(no_memory),
        TEST(invites),
        TEST(as_many_invites_as_may_be),
        TEST(requests_after_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
