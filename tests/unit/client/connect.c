/* landline/client.h: why a client cannot be made or does not get in. */
#include "tests/unit/client/peer.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/unit/net/fault.h"
#include "tests/unit/tls/plain.h"

static struct peer peer;

static int set_up(void **state) {
    (void)state;
    peer_open(&peer, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fault_clear();
    peer_close(&peer);
    return 0;
}

/* --- ll_client_open --- */

static void not_made(const struct ll_client_options *options, int code) {
    struct ll_failure failure = {0};
    ll_client *client = (void *)1;
    int before = open_descriptors();
    assert_code(ll_client_open(options, &client, &failure), code);
    assert_null(client);
    assert_code(failure.code, code);
    assert_true(strlen(failure.sentence) > 0);
    assert_code(ll_client_open(options, &client, NULL), code);
    assert_int_equal(open_descriptors(), before);
}

static void options(void **state) {
    static const char *const addresses[] = {"", "box", "box:", "box:0", ":7227", "box:1,", "box:1 ", "box:70000"};
    static const char *const pins[] = {NULL, "", "SHA256:", "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    char name[66] = "";
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct ll_client_options o = peer_options(&peer);
        o.addresses = addresses[i];
        not_made(&o, LL_EADDRESS);
    }
    for (size_t i = 0; i < sizeof pins / sizeof *pins; i++) {
        struct ll_client_options o = peer_options(&peer);
        o.pin = pins[i];
        not_made(&o, LL_EFORMAT);
    }
    struct ll_client_options o = peer_options(&peer);
    o.host = NULL;
    not_made(&o, -EINVAL);
    o.host = memset(name, 'x', 65);
    not_made(&o, -EINVAL);
    for (name[64] = '\0'; strlen(name) > 62; name[strlen(name) - 1] = '\0') {
        ll_client *client;
        assert_code(ll_client_open(&o, &client, NULL), 0);
        ll_client_free(client);
    }
}

static void the_list_of_hosts(void **state) {
    const struct ll_client_options o = {.host = "box"};
    char path[56], longest[5000];
    (void)state;
    not_made(&o, LL_EHOST);
    snprintf(path, sizeof path, "%s/hosts", peer.folder);
    FILE *f = fopen(path, "w");
    assert_true(f != NULL && fputs("box\n", f) >= 0 && fclose(f) == 0);
    not_made(&o, LL_EFORMAT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    not_made(&o, -EISDIR);
    assert_int_equal(rmdir(path), 0);
    memset(longest, 'x', sizeof longest - 1);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(setenv("LANDLINE_HOME", longest, 1), 0);
    not_made(&o, LL_ELIMIT);
}

static void no_descriptors(void **state) {
    struct ll_client_options o = peer_options(&peer);
    struct rlimit before, none;
    ll_client *client;
    struct ll_failure failure;
    (void)state;
    o.loop = NULL;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int code = ll_client_open(&o, &client, &failure);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_code(code, -EMFILE);
    assert_null(client);
}

static void no_memory(void **state) {
    static const enum fault kinds[] = {FAULT_CALLOC, FAULT_MALLOC};
    struct ll_client_options o = peer_options(&peer);
    (void)state;
    o.loop = NULL;
    int failures = 0;
    for (size_t i = 0; i < 2; i++) {
        int e = -1;
        for (int n = 0; e != 0 && n < 1000; n++) {
            ll_client *client;
            fault_set(kinds[i], n, ENOMEM);
            e = ll_client_open(&o, &client, NULL);
            fault_clear();
            assert_true(e == 0 || e == -ENOMEM);
            failures += e != 0;
            ll_client_free(client);
        }
        assert_code(e, 0);
    }
    assert_true(failures > 1);
}

/* --- ll_client_connect --- */

static int attempt(const struct ll_client_options *o, struct ll_failure *failure) {
    ll_client *client;
    *failure = (struct ll_failure){0};
    assert_code(ll_client_open(o, &client, failure), 0);
    int code = ll_client_connect(client, failure);
    assert_code(failure->code, code);
    assert_true((code == 0) == (strlen(failure->sentence) == 0));
    ll_client_free(client);
    return code;
}

/* A CLOSE that says VERSION, and a message that does not exist. */
static const uint8_t other_version[] = {0, 0, 0, 4, MESSAGE_CLOSE, 0, 0, 0, 0, 0, 0, 0, 0, CODE_VERSION, 0, 0},
                     no_message[] = {0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4};

#define SAYS(text) .says = (text), .size = sizeof(text) - 1

static const struct {
    struct script script;
    int code;
    const char *words; /* of the sentence */
} servers[] = {
    {{.access = SESSION_ENROLLED}, 0, ""},
    {{.access = SESSION_NOT_ENROLLED}, LL_ENOTENROLLED, "landline invite"},
    {{.access = SESSION_REVOKED}, LL_EREVOKED, "was revoked"},
    {{.busy_ms = 1}, LL_EBUSY, "is busy"},
    {{.says = other_version, .size = sizeof other_version}, LL_EVERSION, "no protocol version in common"},
    {{.says = no_message, .size = sizeof no_message}, LL_EPROTOCOL, "broke the protocol"},
    {{SAYS("")}, LL_ELOST, "ended"},
    {{.plain = true}, LL_ESILENT, "without a word"},
    {{.plain = true, SAYS("HTTP/1.1 400 Bad Request\r\n\r\n")}, LL_ETLS, "is it landline"},
    {{.plain = true, SAYS("\x16\x03\x03\x00\x7a\x02")}, LL_ELOST, "ended"}, /* the beginning of an answer */
};

static void what_servers_say(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        const struct ll_client_options o = peer_options(&peer);
        struct ll_failure failure;
        peer.script = &servers[i].script;
        peer.met = 0;
        assert_code(attempt(&o, &failure), servers[i].code);
        assert_non_null(strstr(failure.sentence, servers[i].words));
        assert_true(peer.met > 0);
    }
}

static struct plain impostor;

static void take_as_impostor(struct peer *p, const uint8_t *bytes, size_t n) {
    char answer[8192];
    assert_int_equal(BIO_write(impostor.in, bytes, (int)n), n);
    SSL_do_handshake(impostor.ssl);
    int size = BIO_read(impostor.out, answer, sizeof answer);
    if (size > 0)
        assert_int_equal(ll_stream_write(p->stream, answer, (size_t)size), size);
}

/* One who knows the pin, or does not care for the knock, and has a key of its own. */
static void another_key(void **state) {
    static const struct script script = {.plain = true, .take = take_as_impostor};
    const struct ll_client_options o = peer_options(&peer);
    struct ll_failure failure;
    struct tls_identity *key = identity_of('x');
    char pin[LL_PIN_TEXT];
    (void)state;
    plain_open(&impostor, TLS_SERVER, key);
    plain_start(&impostor, NULL);
    peer.script = &script;
    assert_code(attempt(&o, &failure), LL_EPIN);
    tls_pin_format(tls_identity_pin(key), pin);
    assert_non_null(strstr(failure.sentence, pin));
    assert_non_null(strstr(failure.sentence, peer.pin));
    assert_false(SSL_is_init_finished(impostor.ssl));
    plain_close(&impostor);
    tls_identity_close(key);
}

/* It says nothing, before TLS or behind it. */
static void silence(void **state) {
    static const struct script silent[] = {{.plain = true, .stays = true}, {.stays = true}};
    struct ll_client_options o = peer_options(&peer);
    struct ll_failure failure;
    (void)state;
    o.connect_timeout_s = 0.05;
    for (size_t i = 0; i < 2; i++) {
        peer.script = &silent[i];
        assert_code(attempt(&o, &failure), LL_ETIMEOUT);
        assert_non_null(strstr(failure.sentence, "does not answer"));
    }
}

static int resolver_says;

static int resolver(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
    (void)host, (void)service, (void)list;
    return (hints->ai_flags & AI_NUMERICHOST) != 0 ? EAI_NONAME : resolver_says;
}

static void names(void **state) {
    static const int codes[] = {EAI_NONAME, EAI_AGAIN, EAI_FAIL};
    struct ll_client_options o = peer_options(&peer);
    struct ll_failure failure;
    (void)state;
    o.addresses = "no.such.host.invalid:7227";
    fault_getaddrinfo = resolver;
    int before = open_descriptors();
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        resolver_says = codes[i];
        assert_code(attempt(&o, &failure), LL_EGAI(codes[i]));
        assert_non_null(strstr(failure.sentence, "no.such.host.invalid"));
    }
    assert_true(await_descriptors(before));
}

static void nobody_there(void **state) {
    struct ll_client_options o = peer_options(&peer);
    struct ll_failure failure;
    struct deaf deaf;
    char address[LL_ADDRESS_TEXT];
    (void)state;
    peer_deafen(&peer);
    assert_code(attempt(&o, &failure), -ECONNREFUSED);
    deaf_open(&deaf);
    ll_address_format(&deaf.address, address, sizeof address);
    o.addresses = address;
    o.connect_timeout_s = 0.05;
    assert_code(attempt(&o, &failure), LL_ETIMEOUT);
    assert_non_null(strstr(failure.sentence, "cannot connect"));
    deaf_close(&deaf);
}

static void hears(struct peer *p, const uint8_t *bytes, size_t n) {
    (void)p, (void)bytes, (void)n;
    fail();
}

/* It is read while the network is on the way already; nothing is said without it. */
static void the_key(void **state) {
    static const struct script silent = {.plain = true, .take = hears};
    struct ll_client_options o = peer_options(&peer);
    struct ll_failure failure;
    char path[56];
    ll_tls *made;
    (void)state;
    peer.script = &silent;
    assert_code(ll_tls_open(peer.key, NULL, &made), 0);
    ll_tls_close(made);
    assert_int_equal(chmod(peer.key, 0640), 0);
    assert_code(attempt(&o, &failure), LL_EKEYFILE);
    snprintf(path, sizeof path, "%s/none/key", peer.folder);
    o.key_file = path;
    assert_code(attempt(&o, &failure), -ENOENT);
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(options),     TEST(the_list_of_hosts), TEST(no_descriptors), TEST(no_memory),    TEST(what_servers_say),
        TEST(another_key), TEST(silence),           TEST(names),          TEST(nobody_there), TEST(the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
