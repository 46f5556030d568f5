/* landline/proto/run.h: ids, requests, results, records. */
#include "landline/proto/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"
#include "lib/base/limits.h"

static struct slice text_slice(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void ids(void **unused) {
    (void)unused;
    const uint8_t random[RUN_ID_RANDOM] = {0xff, 1, 2, 3, 4, 5, 6, 7, 8, 0x5a};
    struct run_id id = run_id_make(0x0192a3b4c5d6, random), back;
    assert_true(run_id_birth(&id) == 0x0192a3b4c5d6);
    char text[RUN_ID_TEXT + 1];
    run_id_print(&id, text);
    assert_string_equal(text, "agjkhngf237qcaqdaqcqmbyili"); /* as Python's base64.b32encode has it */
    assert_int_equal(strlen(text), 26);
    assert_int_equal(run_id_parse(text, &back), 0);
    assert_true(run_id_equal(&id, &back));
    text[3] = '1';
    assert_int_equal(run_id_parse(text, &back), LL_EFORMAT);
    run_id_print(&id, text);
    text[0] = 'A';
    assert_int_equal(run_id_parse(text, &back), 0);
    text[25]++; /* bits beyond the 128 */
    assert_int_equal(run_id_parse(text, &back), LL_EFORMAT);
    assert_int_equal(run_id_parse("", &back), LL_EFORMAT);
    struct run_id zero = {{0}};
    assert_true(run_id_is_zero(&zero));
    assert_false(run_id_is_zero(&id));
    run_id_print(&zero, text);
    assert_string_equal(text, "aaaaaaaaaaaaaaaaaaaaaaaaaa");
}

static struct run_request full(void) {
    static const struct slice argv[] = {
        {(const uint8_t *)"ls", 2}, {(const uint8_t *)"", 0}, {(const uint8_t *)"a\nb\xff", 4}};
    static const struct run_variable variables[] = {{{(const uint8_t *)"A", 1}, {(const uint8_t *)"", 0}},
                                                    {{(const uint8_t *)"B", 1}, {(const uint8_t *)"x=y", 3}}};
    static const struct run_limit limits[] = {{7, 100, RUN_UNLIMITED}};
    struct run_request r = run_request_default();
    r.id.bytes[0] = 1;
    r.flags = RUN_TTY;
    r.timeout_ms = 5;
    r.cwd = text_slice("/tmp");
    r.argc = 3;
    r.argv = argv;
    r.variable_count = 2;
    r.variables = variables;
    r.limit_count = 1;
    r.limits = limits;
    r.size = (struct run_window_size){24, 80, 1, 2};
    r.term = text_slice("xterm");
    return r;
}

static void request(void **unused) {
    (void)unused;
    struct run_request r = full(), q;
    struct buf b;
    buf_init(&b, 1 << 20);
    run_request_put(&b, &r);
    size_t size = buf_size(&b);
    for (size_t n = 0; n < size; n++) {
        uint8_t *copy = malloc(n + 1);
        memcpy(copy, b.data, n);
        assert_int_equal(run_request_get((struct slice){copy, n}, &q), LL_EFORMAT);
        run_request_free(&q);
        free(copy);
    }
    assert_int_equal(run_request_get((struct slice){b.data, size}, &q), 0);
    assert_int_equal(q.argc, 3);
    assert_memory_equal(q.argv[2].data, "a\nb\xff", 4);
    assert_int_equal(q.argv[1].size, 0);
    assert_memory_equal(q.variables[1].value.data, "x=y", 3);
    assert_true(q.limits[0].hard == RUN_UNLIMITED && q.limits[0].resource == 7);
    assert_int_equal(q.size.ypixel, 2);
    assert_int_equal(q.keep_s, 600);
    run_request_free(&q);
    run_request_again(b.data, 1234, 777, 5, 6);
    assert_int_equal(run_request_get((struct slice){b.data, size}, &q), 0);
    assert_true(q.age_ms == 1234 && q.sent_ms == 777 && q.have1 == 5 && q.have2 == 6 && q.timeout_ms == 5);
    run_request_free(&q);
    buf_free(&b);
}

/* What get() says to a request after `change` was made to a good one. */
static int changed(void (*change)(struct run_request *)) {
    struct run_request r = full(), q;
    change(&r);
    struct buf b;
    buf_init(&b, 64 << 20);
    run_request_put(&b, &r);
    int e = run_request_get((struct slice){b.data, buf_size(&b)}, &q);
    run_request_free(&q);
    buf_free(&b);
    return e;
}

#define CHANGE(name, what)                                                                                             \
    static void name(struct run_request *r) {                                                                          \
        what;                                                                                                          \
    }
static const struct slice nul_argument = {(const uint8_t *)"a\0b", 3};
static const struct run_variable no_name = {{NULL, 0}, {NULL, 0}};
static const struct run_variable odd_name = {{(const uint8_t *)"a=b", 3}, {NULL, 0}};
static const struct run_variable nul_value = {{(const uint8_t *)"a", 1}, {(const uint8_t *)"\0", 1}};
static const struct run_limit upside_down = {1, 2, 1};
CHANGE(good, (void)r)
CHANGE(no_command, r->argc = 0)
CHANGE(nul, (r->argc = 1, r->argv = &nul_argument))
CHANGE(shell_many, r->flags = RUN_TTY | RUN_SHELL)
CHANGE(shell_one, (r->flags = RUN_TTY | RUN_SHELL, r->argc = 1))
CHANGE(login_some, r->flags = RUN_TTY | RUN_LOGIN)
CHANGE(login_none, (r->flags = RUN_TTY | RUN_LOGIN, r->argc = 0))
CHANGE(both, (r->flags = RUN_TTY | RUN_LOGIN | RUN_SHELL, r->argc = 1))
CHANGE(unknown_flag, r->flags = RUN_TTY | 64)
CHANGE(size_without_tty, r->flags = 0)
CHANGE(loss, r->on_loss = 2)
CHANGE(overflow, r->overflow = 2)
CHANGE(mask_max, r->umask = 0777)
CHANGE(mask_over, r->umask = 01000)
CHANGE(nice_max, r->nice = 39)
CHANGE(nice_over, r->nice = 40)
CHANGE(cwd_nul, (r->cwd = (struct slice){(const uint8_t *)"/\0", 2}))
CHANGE(nameless, (r->variable_count = 1, r->variables = &no_name))
CHANGE(equals, (r->variable_count = 1, r->variables = &odd_name))
CHANGE(value_nul, (r->variable_count = 1, r->variables = &nul_value))
CHANGE(limit_order, r->limits = &upside_down)

static void rules(void **unused) {
    (void)unused;
    const struct {
        void (*change)(struct run_request *);
        int e;
    } rows[] = {
        {good, 0},
        {no_command, LL_EFORMAT},
        {nul, LL_EFORMAT},
        {shell_many, LL_EFORMAT},
        {shell_one, 0},
        {login_some, LL_EFORMAT},
        {login_none, 0},
        {both, LL_EFORMAT},
        {loss, LL_EFORMAT},
        {overflow, LL_EFORMAT},
        {unknown_flag, LL_EFORMAT},
        {size_without_tty, LL_EFORMAT},
        {mask_max, 0},
        {mask_over, LL_EFORMAT},
        {nice_max, 0},
        {nice_over, LL_EFORMAT},
        {cwd_nul, LL_EFORMAT},
        {nameless, LL_EFORMAT},
        {equals, LL_EFORMAT},
        {value_nul, LL_EFORMAT},
        {limit_order, LL_EFORMAT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (changed(rows[i].change) != rows[i].e)
            fail_msg("row %zu", i);
}

static void argument_limits(void **unused) {
    (void)unused;
    uint8_t *bytes = malloc(LIMIT_ARGUMENT + 1);
    struct slice *argv = calloc(LIMIT_ARGUMENTS + 1, sizeof *argv);
    memset(bytes, 'x', LIMIT_ARGUMENT + 1);
    for (int extra = -1; extra <= 1; extra++) {
        struct run_request r = run_request_default(), q;
        struct buf b;
        buf_init(&b, 8 << 20);
        struct slice one = {bytes, (size_t)(LIMIT_ARGUMENT + extra)};
        r.argc = 1;
        r.argv = &one;
        run_request_put(&b, &r);
        assert_int_equal(run_request_get((struct slice){b.data, buf_size(&b)}, &q), extra <= 0 ? 0 : LL_ELIMIT);
        run_request_free(&q);
        buf_clear(&b);
        r.argc = (uint32_t)(LIMIT_ARGUMENTS + extra);
        r.argv = argv;
        run_request_put(&b, &r);
        assert_int_equal(run_request_get((struct slice){b.data, buf_size(&b)}, &q), extra <= 0 ? 0 : LL_ELIMIT);
        run_request_free(&q);
        buf_free(&b);
    }
    free(bytes);
    free(argv);
}

static void fingerprint(void **unused) {
    (void)unused;
    struct run_request a = full(), b = full();
    uint8_t p[RUN_PRINT_SIZE], q[RUN_PRINT_SIZE];
    run_request_fingerprint(&a, p);
    b.flags |= RUN_DETACH;
    b.have1 = b.age_ms = b.sent_ms = b.timeout_ms = 99;
    run_request_fingerprint(&b, q);
    assert_memory_equal(p, q, sizeof p);
    /* the same bytes, parted elsewhere, are another command */
    const struct slice one[] = {text_slice("ab"), text_slice("c")}, two[] = {text_slice("a"), text_slice("bc")};
    a.argc = b.argc = 2;
    a.argv = one;
    b.argv = two;
    run_request_fingerprint(&a, p);
    run_request_fingerprint(&b, q);
    assert_memory_not_equal(p, q, sizeof p);
    b = a;
    b.flags = RUN_TTY | RUN_NO_STDIN;
    run_request_fingerprint(&b, q);
    assert_memory_not_equal(p, q, sizeof p);
    b = a;
    b.cwd = text_slice("/");
    run_request_fingerprint(&b, q);
    assert_memory_not_equal(p, q, sizeof p);
    b = a;
    b.variable_count = 1;
    run_request_fingerprint(&b, q);
    assert_memory_not_equal(p, q, sizeof p);
}

static void results(void **unused) {
    (void)unused;
    struct buf b;
    buf_init(&b, 1 << 20);
    struct run_result r = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, text_slice("why")}, q;
    run_result_put(&b, &r);
    assert_int_equal(buf_size(&b), 10 + 96 + 2 + 3);
    for (size_t n = 0; n < buf_size(&b); n++)
        assert_int_equal(run_result_get((struct slice){b.data, n}, &q), LL_EFORMAT);
    assert_int_equal(run_result_get((struct slice){b.data, buf_size(&b)}, &q), 0);
    assert_true(q.kind == 1 && q.code == 2 && q.flags == 3 && q.error == 4 && q.started == 5 && q.ended == 6);
    assert_true(q.total0 == 7 && q.total1 == 8 && q.total2 == 9 && q.digest1 == 10 && q.digest2 == 11);
    assert_true(q.dropped1 == 12 && q.dropped2 == 13 && q.user_us == 14 && q.system_us == 15 && q.maxrss_kib == 16);
    for (unsigned kind = 0; kind < 9; kind++) {
        b.data[0] = (uint8_t)kind;
        assert_int_equal(run_result_get((struct slice){b.data, buf_size(&b)}, &q),
                         kind >= 1 && kind <= 6 ? 0 : LL_EFORMAT);
    }
    buf_clear(&b);
    struct run_response a = {2, 3, 4, 5, 6, {{7}}}, a2;
    run_response_put(&b, &a);
    assert_int_equal(run_response_get((struct slice){b.data, buf_size(&b)}, &a2), 0);
    assert_true(a2.state == 2 && a2.started == 3 && a2.pid == 4 && a2.dropped2 == 6 && a2.id.bytes[0] == 7);
    b.data[0] = 4;
    assert_int_equal(run_response_get((struct slice){b.data, buf_size(&b)}, &a2), LL_EFORMAT);
    uint8_t signal;
    assert_int_equal(run_signal_get(text_slice("\x0f"), &signal), 0);
    assert_int_equal(run_signal_get((struct slice){(const uint8_t *)"\0", 1}, &signal), LL_EFORMAT);
    assert_int_equal(run_signal_get(text_slice("\x40"), &signal), 0);
    assert_int_equal(run_signal_get(text_slice("\x41"), &signal), LL_EFORMAT);
    buf_free(&b);
}

static void attach(void **unused) {
    (void)unused;
    struct buf b;
    buf_init(&b, 1 << 20);
    struct run_attach a = {.name = text_slice("work"),
                           .flags = RUN_FROM_NOW | RUN_TAKE_INPUT,
                           .call = {{7}},
                           .size = {1, 2, 3, 4}},
                      q;
    run_attach_put(&b, &a);
    assert_int_equal(run_attach_get((struct slice){b.data, buf_size(&b)}, &q), 0);
    assert_int_equal(q.age_ms, 0);
    run_attach_aged(b.data, buf_size(&b), 30);
    run_attach_again(b.data, buf_size(&b), 10, 20);
    assert_int_equal(run_attach_get((struct slice){b.data, buf_size(&b)}, &q), 0);
    assert_int_equal(q.flags, RUN_TAKE_INPUT);
    assert_true(q.have1 == 10 && q.have2 == 20 && q.size.columns == 2);
    assert_true(run_id_equal(&q.call, &a.call) && q.age_ms == 30);
    a.id.bytes[0] = 1; /* a name and an id */
    buf_clear(&b);
    run_attach_put(&b, &a);
    assert_int_equal(run_attach_get((struct slice){b.data, buf_size(&b)}, &q), LL_EFORMAT);
    a.name.size = 0;
    a.flags = 4;
    buf_clear(&b);
    run_attach_put(&b, &a);
    assert_int_equal(run_attach_get((struct slice){b.data, buf_size(&b)}, &q), LL_EFORMAT);
    buf_clear(&b);
    struct run_kill kill = {{{5}}, 15}, kill2;
    run_kill_put(&b, &kill);
    assert_int_equal(run_kill_get((struct slice){b.data, buf_size(&b)}, &kill2), 0);
    assert_int_equal(kill2.signal, 15);
    assert_int_equal(run_kill_get((struct slice){b.data, buf_size(&b) - 1}, &kill2), LL_EFORMAT);
    buf_free(&b);
}

static void records(void **unused) {
    (void)unused;
    static char long_text[5000];
    memset(long_text, 'x', sizeof long_text - 1);
    const struct slice argv[] = {text_slice("cmd"), text_slice(long_text), text_slice("never seen")};
    struct run_record r = {.state = RUN_RUNNING, .started = 1, .total1 = 2, .kept = 3, .watchers = 4}, q;
    r.name = text_slice("work");
    r.owner = text_slice("laptop");
    r.argc = 3;
    r.argv = argv;
    struct buf b;
    buf_init(&b, 1 << 20);
    run_record_put(&b, &r);
    struct reader reader = reader_of(b.data, buf_size(&b));
    struct slice record = reader_str32(&reader);
    assert_int_equal(reader_end(&reader), 0);
    assert_int_equal(run_record_get(record, &q), 0);
    assert_int_equal(q.argc, 2);
    assert_int_equal(q.argv[0].size + q.argv[1].size + 8, LIMIT_RECORD_ARGV);
    assert_int_equal(q.watchers, 4);
    assert_memory_equal(q.owner.data, "laptop", 6);
    run_record_free(&q);
    for (size_t n = 0; n < record.size; n++) {
        assert_int_equal(run_record_get((struct slice){record.data, n}, &q), LL_EFORMAT);
        run_record_free(&q);
    }
    buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids),         cmocka_unit_test(request),
        cmocka_unit_test(rules),       cmocka_unit_test(argument_limits),
        cmocka_unit_test(fingerprint), cmocka_unit_test(results),
        cmocka_unit_test(attach),      cmocka_unit_test(records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
