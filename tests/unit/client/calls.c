/* landline/client.h: what calls on runs refuse, and why there is no result. */
#include "tests/unit/client/peer.h"

#include "lib/base/limits.h"
#include "tests/unit/net/fault.h"

static struct peer peer;
static ll_client *client;

static int set_up(void **state) {
    (void)state;
    peer_open(&peer, NULL);
    const struct ll_client_options o = peer_options(&peer);
    return ll_client_open(&o, &client, NULL);
}

static int tear_down(void **state) {
    (void)state;
    fault_clear();
    ll_client_free(client);
    peer_close(&peer);
    return 0;
}

static const char *const argv[] = {"true"};
static const struct ll_run_options command = {.argv = argv, .argc = 1};

/* A run of `script`'s server that has not come there yet. */
static ll_run *start(const struct script *script, const struct ll_run_options *options) {
    ll_run *run;
    peer.script = script;
    assert_code(ll_run_start(client, options, NULL, NULL, &run), 0);
    return run;
}

/* --- starting --- */

static void not_started(const struct ll_run_options *options, int code) {
    ll_run *run = (void *)1;
    assert_code(ll_run_start(client, options, NULL, NULL, &run), code);
    assert_null(run);
}

static void contradictions(void **state) {
    static const char *const nameless[] = {"=x"}, *const valueless[] = {"X"};
    static const struct ll_run_options wrong[] = {
        {0},
        {.argv = argv, .argc = 1, .shell = "true"},
        {.shell = "true", .login = true, .terminal = true},
        {.login = true},
        {.argc = 1},
        {.argv = argv, .argc = 1, .environment_count = 1},
        {.argv = argv, .argc = 1, .environment = nameless, .environment_count = 1},
        {.argv = argv, .argc = 1, .environment = valueless, .environment_count = 1},
        {.argv = argv, .argc = 1, .set_nice = true, .nice = 20},
        {.argv = argv, .argc = 1, .set_nice = true, .nice = -21},
        {.argv = argv, .argc = 1, .set_umask = true, .umask = 010000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        not_started(&wrong[i], -EINVAL);
}

static void expect_limit(struct ll_run_options options, bool fits) {
    ll_run *run;
    if (!fits) {
        not_started(&options, LL_ELIMIT);
        return;
    }
    assert_code(ll_run_start(client, &options, NULL, NULL, &run), 0);
    ll_run_free(run);
}

static void more_than_is_carried(void **state) {
    static const char *many[LIMIT_ARGUMENTS + 1];
    char *longest = malloc(LIMIT_ARGUMENT + 2);
    (void)state;
    memset(longest, 'x', LIMIT_ARGUMENT + 2);
    for (size_t i = 0; i <= LIMIT_ARGUMENTS; i++)
        many[i] = "x";
    for (int over = -1; over <= 1; over++) {
        longest[LIMIT_ARGUMENT + over] = '\0';
        const char *const one[] = {longest};
        expect_limit((struct ll_run_options){.argv = one, .argc = 1}, over <= 0);
        expect_limit((struct ll_run_options){.shell = longest}, over <= 0);
        expect_limit((struct ll_run_options){.argv = many, .argc = (size_t)(LIMIT_ARGUMENTS + over)}, over <= 0);
        longest[LIMIT_ARGUMENT + over] = 'x';
    }
    longest[LIMIT_ARGUMENT] = '\0';
    for (size_t i = 0; i < 64; i++)
        many[i] = longest; /* each may be, all of them may not */
    expect_limit((struct ll_run_options){.argv = many, .argc = 64}, false);
    free(longest);
}

static void watching(void **state) {
    static const char id[] = "00000000000000000000000001";
    char name[257] = "";
    ll_run *run;
    const struct ll_attach_options none = {0}, both = {.id = id, .name = "x"}, nonsense = {.id = "x"};
    struct ll_attach_options named = {.name = memset(name, 'x', 256)};
    (void)state;
    assert_code(ll_run_attach(client, &none, NULL, NULL, &run), -EINVAL);
    assert_code(ll_run_attach(client, &both, NULL, NULL, &run), -EINVAL);
    assert_code(ll_run_attach(client, &nonsense, NULL, NULL, &run), LL_EFORMAT);
    assert_code(ll_run_attach(client, &named, NULL, NULL, &run), LL_ELIMIT);
    assert_null(run);
    name[255] = '\0';
    assert_code(ll_run_attach(client, &named, NULL, NULL, &run), 0);
    ll_run_free(run);
}

static void tokens(void **state) {
    uint8_t token[1024];
    (void)state;
    ll_run *again, *run = start(NULL, &command);
    int64_t n = ll_run_token(run, NULL, 0);
    assert_in_range(n, 1, sizeof token);
    assert_code(ll_run_token(run, token, sizeof token), n);
    ll_run_free(run);
    for (size_t cut = 0; cut < (size_t)n; cut++)
        assert_code(ll_run_resume(client, token, cut, NULL, NULL, &again), LL_EFORMAT);
    assert_null(again);
    token[0]++;
    assert_code(ll_run_resume(client, token, (size_t)n, NULL, NULL, &again), LL_EFORMAT);
    token[0]--;
    assert_code(ll_run_resume(client, token, (size_t)n, NULL, NULL, &again), 0);
    ll_run_free(again);
}

/* --- without memory --- */

static uint8_t kept[1024];
static size_t kept_size;

static int short_start(ll_run *unused, ll_run **out) {
    (void)unused;
    return ll_run_start(client, &command, NULL, NULL, out);
}

static int short_attach(ll_run *unused, ll_run **out) {
    (void)unused;
    return ll_run_attach(client, &(struct ll_attach_options){.name = "x"}, NULL, NULL, out);
}

static int short_resume(ll_run *unused, ll_run **out) {
    (void)unused;
    return ll_run_resume(client, kept, kept_size, NULL, NULL, out);
}

static int short_token(ll_run *run, ll_run **unused) {
    (void)unused;
    int64_t n = ll_run_token(run, kept, sizeof kept);
    return n > 0 ? 0 : (int)n;
}

static int short_input(ll_run *run, ll_run **unused) {
    (void)unused;
    int64_t n = ll_run_input(run, "x", 1);
    return n == 1 ? 0 : (int)n;
}

/* Each allocation of ours in turn: the call says so, or it has done its work. */
static void no_memory(void **state) {
    static int (*const calls[])(ll_run *, ll_run **) = {short_start, short_attach, short_resume, short_token,
                                                        short_input};
    static const enum fault kinds[] = {FAULT_MALLOC, FAULT_CALLOC};
    (void)state;
    ll_run *run = start(NULL, &command);
    kept_size = (size_t)ll_run_token(run, kept, sizeof kept);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int failures = 0, e = -1;
        for (size_t kind = 0; kind < 2; kind++, e = -1)
            for (int n = 0; e != 0 && n < 100; n++) {
                ll_run *made = NULL;
                fault_set(kinds[kind], n, ENOMEM);
                e = calls[i](run, &made);
                fault_clear();
                assert_true(e == 0 || (e == -ENOMEM && made == NULL));
                failures += e != 0;
                ll_run_free(made);
            }
        assert_true(failures > 0);
    }
    ll_run_free(run);
}

/* --- calls at the wrong time --- */

static void refuse(struct peer *p, uint32_t stream) {
    assert_code(session_refuse(p->session, stream, CODE_SYSTEM, ENOSPC, "the disk is full"), 0);
}

/* Before there is a link. */
static void too_early(void **state) {
    static const struct script silent = {.stays = true};
    struct ll_result result;
    struct ll_failure failure;
    ll_run *run = start(&silent, &command);
    (void)state;
    assert_code(ll_run_signal(run, 15), -ENOTCONN);
    assert_code(ll_run_signal(run, 0), -EINVAL);
    assert_code(ll_run_signal(run, 65), -EINVAL);
    assert_code(ll_run_resize(run, &(struct ll_terminal_size){25, 80, 0, 0}), 0);
    assert_code(ll_run_stop(run, 0), -EINVAL);
    assert_code(ll_run_stop(run, 3), -EINVAL);
    assert_code(ll_run_result(run, &result, &failure), -EINPROGRESS);
    assert_code(failure.code, -EINPROGRESS);
    assert_code(ll_run_result(run, &result, NULL), -EINPROGRESS);
    while (peer.met == 0)
        assert_true(ll_loop_step(peer.loop, LL_NEVER) >= 0);
    assert_code(ll_run_wait(run, 0.02, &result, &failure), LL_ETIMEOUT);
    assert_code(failure.code, LL_ETIMEOUT);
    ll_run_free(run);
}

static void too_late(void **state) {
    static const struct script refuses = {.open = refuse};
    struct ll_result result;
    ll_run *run = start(&refuses, &command);
    (void)state;
    assert_code(ll_run_input(run, "x", 1), 1);
    assert_code(ll_run_wait(run, -1, &result, NULL), LL_EREFUSED);
    assert_code(ll_run_input(run, "x", 1), -EPIPE);
    assert_int_equal(ll_run_input_room(run), 0);
    assert_code(ll_run_signal(run, 15), -ESRCH);
    assert_code(ll_run_resize(run, &(struct ll_terminal_size){25, 80, 0, 0}), -ESRCH);
    assert_code(ll_run_detach(run), -ESRCH);
    assert_code(ll_run_stop(run, 1), -ESRCH);
    ll_run_free(run);
}

static void no_input(void **state) {
    struct ll_run_options options = command;
    (void)state;
    options.no_input = true;
    ll_run *run = start(NULL, &options);
    assert_code(ll_run_input(run, "x", 1), -EPIPE);
    ll_run_free(run);
}

/* --- why there is no result --- */

static uint16_t refusal;

static void refuse_so(struct peer *p, uint32_t stream) {
    assert_code(session_refuse(p->session, stream, refusal, 0, ""), 0);
}

static void leave(struct peer *p, uint32_t stream) {
    (void)stream;
    peer_flush(p); /* WELCOME */
    peer_hang_up(p);
    peer_deafen(p);
}

/* At the first time; then it knows nothing of the run. */
static void leave_once(struct peer *p, uint32_t stream) {
    if (p->met > 1) {
        assert_code(session_refuse(p->session, stream, CODE_UNKNOWN_RUN, 0, ""), 0);
        return;
    }
    peer_flush(p);
    peer_hang_up(p);
}

static void no_result(const struct script *script, int code) {
    struct ll_result result;
    struct ll_failure failure, again;
    ll_run *run = start(script, &command);
    assert_code(ll_run_wait(run, -1, &result, &failure), code);
    assert_code(failure.code, code);
    assert_true(strlen(failure.sentence) > 0);
    assert_code(ll_run_result(run, &result, &again), code);
    assert_string_equal(again.sentence, failure.sentence);
    assert_code(ll_run_result(run, &result, NULL), code);
    ll_run_free(run);
}

static void refusals(void **state) {
    static const struct {
        uint16_t code;
        int error;
    } rows[] = {
        {CODE_NO_GRANT, LL_ENOGRANT}, {CODE_MALFORMED, LL_EUSAGE},        {CODE_CONFLICT, LL_EREFUSED},
        {CODE_SYSTEM, LL_EREFUSED},   {CODE_UNKNOWN_RUN, LL_EUNKNOWNRUN}, {CODE_UNKNOWN_SERVICE, LL_ENOTSUP},
    };
    static const struct script refuses = {.open = refuse_so};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        refusal = rows[i].code;
        no_result(&refuses, rows[i].error);
    }
}

/* It was sent, and there is nobody any more to be asked. */
static void lost(void **state) {
    static const struct script leaves = {.open = leave};
    (void)state;
    no_result(&leaves, LL_ELOST);
}

/* An end that only TLS tells of is a lost link as well: the server is asked again. */
static void left_once(void **state) {
    static const struct script leaves = {.open = leave_once};
    (void)state;
    no_result(&leaves, LL_EUNKNOWNRUN);
    assert_int_equal(peer.met, 2);
}

/* The link was lost before anything was sent: that is another thing. */
static void not_sent(void **state) {
    static const struct script cut = {.plain = true, .says = "\x16\x03\x03\x00\x7a\x02", .size = 6};
    (void)state;
    no_result(&cut, -ECONNABORTED);
    peer_deafen(&peer);
    no_result(NULL, -ECONNREFUSED);
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(contradictions), TEST(more_than_is_carried),
        TEST(watching),       TEST(tokens),
        TEST(no_memory),      TEST(too_early),
        TEST(too_late),       TEST(no_input),
        TEST(refusals),       TEST(lost),
        TEST(left_once),      TEST(not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
