/* landline/server/grants.h, invites.h and landline/service/terms.h: the files, the proof, and what is allowed. */
#include "landline/server/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/tls/sha256.h"

#define PIN "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static struct slice text(const char *s) {
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static void grants_round_trip(void **state) {
    (void)state;
    static const char file[] = "# who may come in\n\ngrant " PIN "\n  label box\n  created 17\n  revoked yes\n"
                               "  verbs run,upper\n  root /srv/a b\n  as www\n  argv git ...\n  argv ls *\n  runs 3\n"
                               "  environment any\n";
    struct grants grants = {0};
    struct buf out;
    struct ll_error_info info = {0};
    assert_int_equal(grants_parse(&grants, "grants", file, sizeof file - 1, &info), 0);
    assert_int_equal(grants.count, 1);
    const struct grant *g = grants_find_name(&grants, "box");
    assert_non_null(g);
    assert_ptr_equal(grants_find_name(&grants, PIN), g);
    assert_true(g->revoked && g->terms.any_environment);
    assert_int_equal(g->terms.verbs, 17);
    assert_string_equal(g->terms.root, "/srv/a b");
    buf_init(&out, 10000);
    grants_write(&out, &grants);
    buf_add_u8(&out, 0);
    assert_string_equal((const char *)buf_front(&out), strstr(file, "grant "));
    buf_free(&out);
    grants_free(&grants);
}

static void labels_differ(void **state) {
    (void)state;
    struct grants grants = {0};
    struct tls_pin pin = {{0}};
    static const char *const wanted[] = {"box", "box", "a b\n", "", "box"};
    static const char *const given[] = {"box", "box-2", "a_b_n", "client", "box-3"};
    for (size_t i = 0; i < 5; i++) {
        pin.bytes[0] = (uint8_t)i;
        struct grant *g = grants_add(&grants, &pin, wanted[i], strlen(wanted[i]));
        assert_non_null(g);
        assert_string_equal(g->label, given[i]);
    }
    pin.bytes[0] = 1;
    assert_string_equal(grants_add(&grants, &pin, "new", 3)->label, "new");
    assert_int_equal(grants.count, 5);
    grants_free(&grants);
}

static void broken_files(void **state) {
    (void)state;
    static const struct {
        const char *file, *place;
    } broken[] = {
        {"grant\n", "f:1"},
        {"grant nonsense\n", "f:1"},
        {"  label x\n", "f:1"},
        {"grant " PIN "\nlabel x\n", "f:2"},
        {"grant " PIN "\n  label x\n  label y\n", "f:3"},
        {"grant " PIN "\n  label x\n  created 1\n  verbs run,run\n", "f:4"},
        {"grant " PIN "\n  label x\n  created -1\n", "f:3"},
        {"grant " PIN "\n  label x\n  created 1\n  verbs run\n  root relative\n", "f:5"},
        {"grant " PIN "\n  label x\n  created 1\n  verbs run\n  runs 0\n", "f:5"},
        {"grant " PIN "\n  label x\n  created 1\n  verbs run\n  fly yes\n", "f:5"},
        {"grant " PIN "\n  label x\x1b[2J\n", "f:2"},
        {"grant " PIN "\n  label x\n  created 1\n", "f:3"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct grants grants = {0};
        struct ll_error_info info = {0};
        assert_int_equal(grants_parse(&grants, "f", broken[i].file, strlen(broken[i].file), &info), LL_EFORMAT);
        assert_string_equal(info.subject, broken[i].place);
        grants_free(&grants);
    }
}

/* One record more than there may be is said with the file, the line and the number. */
static void record_limit(void **state) {
    (void)state;
    static const char record[] = "grant " PIN "\n  label x\n  created 1\n  verbs run\n";
    char line[32];
    struct buf text;
    buf_init(&text, LIMIT_BUFFER);
    for (int i = 0; i <= LIMIT_GRANTS; i++) {
        struct grants grants = {0};
        struct ll_error_info info = {0};
        buf_add(&text, record, sizeof record - 1);
        if (i < LIMIT_GRANTS - 2)
            continue;
        int e = grants_parse(&grants, "f", buf_front(&text), buf_size(&text), &info);
        assert_int_equal(e, i < LIMIT_GRANTS ? 0 : LL_ELIMIT);
        if (e == 0)
            assert_int_equal(grants.count, i + 1);
        snprintf(line, sizeof line, "f:%d", 4 * LIMIT_GRANTS + 1);
        assert_string_equal(info.subject, e == 0 ? "" : line);
        if (e != 0)
            assert_string_equal(info.call, "more than 10000 grants");
        grants_free(&grants);
    }
    buf_free(&text);
}

static void line_limit(void **state) {
    (void)state;
    for (int extra = -1; extra <= 1; extra++) {
        char value[LIMIT_STORE_LINE + 2];
        size_t n = (size_t)(LIMIT_STORE_LINE + extra);
        memset(value, 'x', n);
        value[n] = '\0';
        assert_int_equal(record_value_ok(value), extra <= 0);
    }
}

static void commands(void **state) {
    (void)state;
    struct terms terms = {0};
    const struct slice ls[] = {text("ls"), text("-l"), text("a b")};
    assert_true(terms_allow_argv(&terms, ls, 3));
    assert_int_equal(terms_add_argv(&terms, "ls * a%20b"), 0);
    assert_true(terms_allow_argv(&terms, ls, 3));
    assert_false(terms_allow_argv(&terms, ls, 2));
    assert_int_equal(terms_add_argv(&terms, "git ..."), 0);
    const struct slice git[] = {text("git"), text("push"), text("--all")};
    for (size_t n = 1; n <= 3; n++)
        assert_true(terms_allow_argv(&terms, git, n));
    const struct slice others[] = {text("gi"), text("gitt"), text("*"), text("...")};
    for (size_t i = 0; i < 4; i++)
        assert_false(terms_allow_argv(&terms, &others[i], 1));
    terms_free(&terms);
}

static void names(void **state) {
    (void)state;
    struct terms terms = {0};
    static const char *const refused[] = {"LD_PRELOAD", "LD_", "BASH_ENV", "PYTHONPATH", "LANDLINE_RUN", "IFS"};
    static const char *const allowed[] = {"LD", "PATH", "BASH_ENVX", "L", "ENVY", "LANG"};
    for (size_t i = 0; i < 6; i++) {
        assert_false(terms_allow_name(&terms, text(refused[i])));
        assert_true(terms_allow_name(&terms, text(allowed[i])));
    }
    terms.any_environment = true;
    assert_true(terms_allow_name(&terms, text("LD_PRELOAD")));
}

/* PROTOCOL 5.1, computed here a second time. */
static void prove(uint8_t proof[32], const uint8_t token[INVITE_TOKEN], const struct tls_pin *server,
                  const struct tls_pin *client) {
    uint8_t key[32], bytes[128];
    memcpy(bytes, "landline enrol key 1", 20);
    memcpy(bytes + 20, token, INVITE_TOKEN);
    assert_int_equal(tls_sha256(key, bytes, 20 + INVITE_TOKEN), 0);
    memcpy(bytes, "landline enrol 1", 16);
    memcpy(bytes + 16, server->bytes, 32);
    memcpy(bytes + 48, client->bytes, 32);
    assert_int_equal(tls_mac(proof, key, 32, bytes, 80), 0);
}

static void enrolment(void **state) {
    (void)state;
    char folder[] = "/tmp/ll-store-XXXXXX", command[64];
    struct store store;
    struct store_change change;
    const struct tls_pin server = {{1}}, client = {{2}}, other = {{3}};
    const uint8_t token[INVITE_TOKEN] = {7};
    assert_non_null(mkdtemp(folder));
    assert_int_equal(store_open_at(&store, folder, NULL), 0);
    assert_int_equal(store_begin(&change, &store, NULL), 0);
    struct invitation *invite = invites_add(&change.invites, token, 1000);
    assert_non_null(invite);
    invite->terms.verbs = 3;
    struct message_enrol enrol = {.name = text("me")};
    memcpy(enrol.token_id, invite->id, INVITE_TOKEN_ID);
    assert_int_equal(store_commit(&change, NULL), 0);
    store_end(&change);

    prove(enrol.proof, token, &server, &client);
    enrol.proof[0] ^= 1;
    assert_int_equal(store_enrol(&store, &enrol, &server, &client, 999, NULL), LL_EINVITE);
    enrol.proof[0] ^= 1;
    assert_int_equal(store_enrol(&store, &enrol, &server, &other, 999, NULL), LL_EINVITE);
    assert_int_equal(store_enrol(&store, &enrol, &server, &client, 1000, NULL), LL_EINVITEEXPIRED);
    assert_int_equal(store_enrol(&store, &enrol, &server, &client, 999, NULL), 0);
    assert_int_equal(store_enrol(&store, &enrol, &server, &client, 999, NULL), 0); /* its answer was lost */
    prove(enrol.proof, token, &server, &other);
    assert_int_equal(store_enrol(&store, &enrol, &server, &other, 999, NULL), LL_EINVITEUSED);
    struct grants grants;
    assert_int_equal(store_grants(&store, &grants, NULL), 0);
    assert_int_equal(grants.count, 1);
    assert_int_equal(grants.list[0].terms.verbs, 3);
    assert_string_equal(grants.list[0].label, "me");
    grants_free(&grants);
    snprintf(command, sizeof command, "%s/server/grants", folder);
    static const char *const files[] = {"server/grants", "server/invites", "server/lock", "server/runs", "server"};
    for (size_t i = 0; i < 5; i++) {
        snprintf(command, sizeof command, "%s/%s", folder, files[i]);
        assert_int_equal(remove(command), 0);
    }
    assert_int_equal(remove(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grants_round_trip),
        cmocka_unit_test(labels_differ),
        cmocka_unit_test(broken_files),
        cmocka_unit_test(record_limit),
        cmocka_unit_test(line_limit),
        cmocka_unit_test(commands),
        cmocka_unit_test(names),
        cmocka_unit_test(enrolment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
