/* landline/proto/call.h: what a call makes of what a server says. The simulator shows that it survives; here is what it refuses. */
#include "landline/proto/call.h"

#include "tests/unit/proto/pair.h"

enum { BOOT = 77 }; /* the clock that nobody sets is that much ahead of the time of day */

static const uint8_t random_bytes[RUN_ID_RANDOM] = {1, 2, 3};

struct world {
    struct call *call;
    struct session *client, *server;
    uint64_t halted; /* ms that its machine was halted, unseen by the clock that nobody sets */
    struct run_id id;
    int step; /* what call_event() said last */
    struct call_output output;
};

static void setup(struct world *w, uint8_t flags) {
    const struct slice argv[] = {text_slice("true")};
    struct run_request r = run_request_default();
    memset(w, 0, sizeof *w);
    w->id = r.id = run_id_make(1000, random_bytes);
    r.argc = 1;
    r.argv = argv;
    r.flags = flags;
    assert_int_equal(call_new_run(&w->call, "run", &r), 0);
}

static void hang_up(struct world *w) {
    call_cut(w->call);
    session_free(w->client);
    session_free(w->server);
    w->client = w->server = NULL;
}

/* Opens the call on a new pair of sessions and gives back the request as the server has it. */
static struct run_request dial(struct world *w, uint64_t unix_ms, uint8_t *open_flags) {
    struct session_event event;
    struct run_request request;
    w->client = make_client(false);
    w->server = make_server(SESSION_ENROLLED, 0);
    assert_int_equal(call_open(w->call, w->client, unix_ms, unix_ms + BOOT - w->halted), 0);
    pass(w->client, w->server, 0, &event, MESSAGE_OPEN);
    *open_flags = event.u.open.flags;
    assert_int_equal(run_request_get(event.u.open.request, &request), 0);
    run_request_free(&request);
    return request;
}

static void to_call(struct world *w) {
    struct buf wire;
    buf_init(&wire, 1 << 20);
    take_output(w->server, &wire);
    size_t n = buf_size(&wire), used;
    for (const uint8_t *at = buf_front(&wire); n > 0; at += used, n -= used) {
        struct session_event event;
        int e = session_next(w->client, at, n, 0, &used, &event);
        assert_true(e >= 0);
        if (e == 1 && event.stream > 0)
            w->step = call_event(w->call, &event, &w->output);
    }
    buf_free(&wire);
}

static void opened(struct world *w, uint8_t state, uint64_t start0, uint64_t start1, uint64_t dropped1) {
    const struct session_start start = {.start0 = start0, .start1 = start1, .window0 = 1 << 20};
    const struct run_response response = {.state = state, .id = w->id, .dropped1 = dropped1};
    struct buf b;
    buf_init(&b, 1000);
    run_response_put(&b, &response);
    assert_int_equal(session_opened(w->server, 1, &start, (struct slice){b.data, buf_size(&b)}), 0);
    buf_free(&b);
    to_call(w);
}

static void finish(struct world *w, uint64_t total1, uint64_t digest1) {
    const struct run_result result = {
        .kind = RUN_EXITED, .code = 3, .total1 = total1, .digest1 = digest1, .digest2 = 0xef46db3751d8e999};
    struct buf b;
    buf_init(&b, 1000);
    run_result_put(&b, &result);
    session_end(w->server, 1, 1);
    session_end(w->server, 1, 2);
    assert_int_equal(session_result(w->server, 1, (struct slice){b.data, buf_size(&b)}), 0);
    buf_free(&b);
    to_call(w);
}

static void teardown(struct world *w) {
    hang_up(w);
    call_free(w->call);
}

#define DIGEST_ABC 0x44bc2cf5ad770999ULL /* XXH64 of "abc" */

/* Two sessions: bytes go on where they were, age and first time are said, input is sent again from where the server has it. */
static void resumes(void **unused) {
    (void)unused;
    struct world w;
    uint8_t flags, head[MESSAGE_DATA_HEAD];
    struct slice payload;
    setup(&w, 0);
    assert_false(call_was_sent(w.call));
    struct run_request r = dial(&w, 1000, &flags);
    assert_int_equal(flags, 0);
    assert_true(r.sent_ms == 1000 + BOOT);
    opened(&w, RUN_STARTED, 0, 0, 0);
    assert_int_equal(w.step, CALL_OPENED);
    assert_int_equal(call_input(w.call, "0123456789", 10), 10);
    assert_int_equal(call_data(w.call, head, &payload), 1);
    assert_int_equal(payload.size, 10);
    assert_int_equal(call_data(w.call, head, &payload), 0);
    session_data(w.server, 1, 1, "ab", 2);
    to_call(&w);
    assert_int_equal(w.step, CALL_OUTPUT);
    hang_up(&w);
    assert_true(call_was_sent(w.call));

    r = dial(&w, 5000, &flags);
    assert_int_equal(flags, MESSAGE_RESUME);
    assert_true(r.sent_ms == 1000 + BOOT && r.age_ms == 4000 && r.have1 == 2 && r.have2 == 0);
    assert_int_equal(call_data(w.call, head, &payload), 0); /* not before OPENED */
    opened(&w, RUN_RUNNING, 4, 2, 0);
    assert_int_equal(call_data(w.call, head, &payload), 1);
    assert_memory_equal(payload.data, "456789", 6);
    session_data(w.server, 1, 1, "c", 1);
    to_call(&w);
    assert_int_equal(w.output.offset, 2);
    finish(&w, 3, DIGEST_ABC);
    assert_int_equal(w.step, CALL_OVER);
    assert_int_equal(call_outcome(w.call), CALL_RESULT);
    assert_int_equal(call_result(w.call)->code, 3);
    assert_true(call_verified(w.call, 1));
    teardown(&w);
}

/* The age grows with each request, whatever the clock says: who feeds the run rests on it. */
static void age(void **unused) {
    (void)unused;
    struct world w;
    uint8_t flags;
    setup(&w, 0);
    dial(&w, 9000, &flags);
    hang_up(&w);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_true(dial(&w, 500, &flags).age_ms == 8000 + i);
        hang_up(&w);
    }
    teardown(&w);
}

/* A false total, a false digest, a gap that nobody tells of, a start in front of what is had, input asked for that is gone. */
static void lies(void **unused) {
    (void)unused;
    const struct {
        uint64_t total, digest;
        int step;
    } ends[] = {
        {3, DIGEST_ABC, CALL_OVER}, {2, DIGEST_ABC, LL_EDIGEST}, {4, DIGEST_ABC, LL_EDIGEST}, {3, 7, LL_EDIGEST}};
    struct world w;
    uint8_t flags;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        setup(&w, 0);
        dial(&w, 1000, &flags);
        opened(&w, RUN_STARTED, 0, 0, 0);
        session_data(w.server, 1, 1, "abc", 3);
        to_call(&w);
        finish(&w, ends[i].total, ends[i].digest);
        assert_int_equal(w.step, ends[i].step);
        assert_int_equal(call_outcome(w.call), ends[i].step < 0 ? CALL_UNKNOWN : CALL_RESULT);
        teardown(&w);
    }
    const struct {
        uint64_t start0, start1, dropped1;
        int step;
    } starts[] = {{0, 2, 0, CALL_OPENED}, {0, 1, 0, LL_EPROTOCOL}, {0, 3, 0, LL_EPROTOCOL},
                  {0, 3, 1, CALL_OPENED}, {0, 2, 1, LL_EPROTOCOL}, {5, 2, 0, CALL_OPENED}};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        setup(&w, 0);
        dial(&w, 1000, &flags);
        opened(&w, RUN_STARTED, 0, 0, 0);
        session_data(w.server, 1, 1, "ab", 2);
        to_call(&w);
        hang_up(&w);
        dial(&w, 2000, &flags);
        opened(&w, RUN_RUNNING, starts[i].start0, starts[i].start1, starts[i].dropped1);
        assert_int_equal(w.step, starts[i].step);
        assert_int_equal(call_dropped(w.call, 1), starts[i].step < 0 ? 0 : starts[i].dropped1);
        assert_int_equal(call_input_wanted(w.call),
                         w.step == CALL_OPENED && starts[i].start0 == 0); /* else another feeds it */
        teardown(&w);
    }
}

/* What each refusal proves: at the first request, at a resumed one, and after OPENED. */
static void refusals(void **unused) {
    (void)unused;
    const struct {
        uint16_t code;
        int first, again, later; /* an outcome, or CALL_PENDING where it is to be tried again */
    } rows[] = {
        {CODE_NO_GRANT, CALL_REFUSED, CALL_UNKNOWN, CALL_UNKNOWN},
        {CODE_UNKNOWN_SERVICE, CALL_REFUSED, CALL_UNKNOWN, CALL_UNKNOWN},
        {CODE_MALFORMED, CALL_REFUSED, CALL_UNKNOWN, CALL_UNKNOWN},
        {CODE_UNKNOWN_RUN, CALL_REFUSED, CALL_UNKNOWN, CALL_UNKNOWN},
        {CODE_CONFLICT, CALL_REFUSED, CALL_REFUSED, CALL_UNKNOWN},
        {CODE_SYSTEM, CALL_REFUSED, CALL_UNKNOWN, CALL_UNKNOWN},
        {CODE_LIMIT, CALL_REFUSED, CALL_PENDING, CALL_PENDING},
        {CODE_FULL, CALL_REFUSED, CALL_PENDING, CALL_PENDING},
        {CODE_INTERNAL, CALL_PENDING, CALL_PENDING, CALL_PENDING},
        {CODE_BEHIND, CALL_PENDING, CALL_PENDING, CALL_PENDING},
        {999, CALL_REFUSED, CALL_UNKNOWN, CALL_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int when = 0; when < 3; when++) {
            struct world w;
            uint8_t flags;
            int wanted = when == 0 ? rows[i].first : when == 1 ? rows[i].again : rows[i].later;
            setup(&w, 0);
            dial(&w, 1000, &flags);
            if (when == 1) {
                hang_up(&w);
                dial(&w, 2000, &flags);
            }
            if (when == 2)
                opened(&w, RUN_STARTED, 0, 0, 0);
            session_refuse(w.server, 1, rows[i].code, 5, "because");
            to_call(&w);
            assert_int_equal(call_outcome(w.call), wanted);
            assert_int_equal(w.step, wanted == CALL_PENDING ? CALL_RESUME : CALL_OVER);
            assert_int_equal(call_refusal(w.call)->code, rows[i].code);
            assert_memory_equal(call_refusal(w.call)->text.data, "because", 8);
            if (wanted == CALL_PENDING) { /* on the same session, and it may have run */
                assert_int_equal(call_open(w.call, w.client, 3000, 3000), 0);
                call_give_up(w.call);
                assert_int_equal(call_outcome(w.call), CALL_UNKNOWN);
            }
            teardown(&w);
        }
}

/* CLOSE in the place of WELCOME, or nothing sent at all: certainly not started. */
static void not_sent(void **unused) {
    (void)unused;
    struct world w;
    setup(&w, 0);
    w.client = make_client(false);
    assert_int_equal(call_open(w.call, w.client, 1000, 1000), 0);
    hang_up(&w);
    assert_false(call_was_sent(w.call));
    w.client = make_client(false);
    w.server = make_server(SESSION_REVOKED, 0);
    assert_int_equal(call_open(w.call, w.client, 1000, 1000), 0);
    struct buf wire;
    struct session_event event;
    buf_init(&wire, 4096);
    take_output(w.client, &wire);
    feed(w.server, wire.data, buf_size(&wire), 0, &event, 0);
    assert_true(call_was_sent(w.call));
    pass(w.server, w.client, 0, &event, MESSAGE_CLOSE);
    hang_up(&w);
    assert_false(call_was_sent(w.call));
    call_give_up(w.call);
    assert_int_equal(call_outcome(w.call), CALL_REFUSED);
    buf_free(&wire);
    teardown(&w);
}

/* A named shell that was there already: the call follows it, and comes back to it with attach. */
static void follows(void **unused) {
    (void)unused;
    struct world w;
    uint8_t flags;
    struct session_event event;
    struct run_attach attach;
    const struct run_request r = {.id = run_id_make(1000, random_bytes),
                                  .flags = RUN_LOGIN,
                                  .umask = 0xffff,
                                  .nice = 0xff,
                                  .name = text_slice("work")};
    memset(&w, 0, sizeof w);
    assert_int_equal(call_new_run(&w.call, "shell", &r), 0);
    dial(&w, 1000, &flags);
    w.id = run_id_make(77, random_bytes);
    opened(&w, RUN_RUNNING, 0, 0, 0);
    assert_int_equal(w.step, CALL_OPENED);
    assert_true(run_id_equal(call_id(w.call), &w.id));
    hang_up(&w);
    w.client = make_client(false);
    w.server = make_server(SESSION_ENROLLED, 0);
    assert_int_equal(call_open(w.call, w.client, 2000, 2000), 0);
    pass(w.client, w.server, 0, &event, MESSAGE_OPEN);
    assert_memory_equal(event.u.open.service.data, "attach", 6);
    assert_int_equal(run_attach_get(event.u.open.request, &attach), 0);
    assert_true(run_id_equal(&attach.id, &w.id) && attach.flags == RUN_TAKE_INPUT);
    assert_true(run_id_equal(&attach.call, &r.id) && attach.age_ms == 1000); /* as its request for the name was */
    teardown(&w);
}

/* A named shell of its own is sought by its id from then on: another one may have the name later. */
static void forgets_its_name(void **unused) {
    (void)unused;
    struct world w;
    uint8_t flags;
    struct run_request r = {.id = run_id_make(1000, random_bytes),
                            .flags = RUN_LOGIN,
                            .umask = 0xffff,
                            .nice = 0xff,
                            .name = text_slice("work")};
    memset(&w, 0, sizeof w);
    w.id = r.id;
    assert_int_equal(call_new_run(&w.call, "shell", &r), 0);
    for (int i = 0; i < 2; i++) {
        r = dial(&w, 1000 + (uint64_t)i, &flags);
        assert_int_equal(r.name.size, 4); /* it was not told yet whose it is */
        assert_int_equal(flags, MESSAGE_RESUME);
        if (i == 0)
            hang_up(&w);
    }
    opened(&w, RUN_STARTED, 0, 0, 0);
    assert_int_equal(w.step, CALL_OPENED);
    hang_up(&w);
    r = dial(&w, 2000, &flags);
    assert_int_equal(r.name.size, 0);
    assert_true(run_id_equal(&r.id, &w.id));
    assert_int_equal(r.flags, RUN_LOGIN);
    assert_true(r.sent_ms == 1000 + BOOT);
    teardown(&w);
}

/* Who lost the input to another does not take it from them by coming back. */
static void lost_input_stays_lost(void **unused) {
    (void)unused;
    struct world w;
    struct session_event event;
    struct run_attach attach = {
        .id = run_id_make(1000, random_bytes), .flags = RUN_TAKE_INPUT, .call = run_id_make(1500, random_bytes)};
    memset(&w, 0, sizeof w);
    w.id = attach.id;
    assert_int_equal(call_new_attach(&w.call, &attach), 0);
    for (int i = 0; i < 2; i++) {
        w.client = make_client(false);
        w.server = make_server(SESSION_ENROLLED, 0);
        assert_int_equal(call_open(w.call, w.client, 2000 - (uint64_t)i, 1), 0);
        pass(w.client, w.server, 0, &event, MESSAGE_OPEN);
        assert_int_equal(run_attach_get(event.u.open.request, &attach), 0);
        assert_int_equal(attach.flags, i == 0 ? RUN_TAKE_INPUT : 0);
        assert_int_equal(attach.age_ms, 500 + i); /* it grows, whatever the clock does */
        opened(&w, RUN_RUNNING, 5, 0, 0);
        session_stop(w.server, 1, 0, CODE_ENDED);
        to_call(&w);
        hang_up(&w);
    }
    teardown(&w);
}

/* A machine that was halted knows by the time of day only, and for ever; a time of day that was set back says nothing. */
static void halted(void **unused) {
    (void)unused;
    struct world w;
    uint8_t flags;
    setup(&w, 0);
    assert_true(dial(&w, 10000, &flags).sent_ms == 10000 + BOOT);
    hang_up(&w);
    w.halted = 600;
    assert_true(dial(&w, 10700, &flags).sent_ms == 9400 + BOOT);
    hang_up(&w);
    assert_true(dial(&w, 20000, &flags).sent_ms == 9400 + BOOT);
    hang_up(&w);
    assert_true(dial(&w, 5000, &flags).sent_ms == 9400 + BOOT);
    hang_up(&w);
    w.halted = 60000;
    assert_true(dial(&w, 70700, &flags).sent_ms == 0);
    hang_up(&w);
    w.halted = 0;
    assert_true(dial(&w, 70800, &flags).sent_ms == 0);
    teardown(&w);
}

/* Stored before it was sent, it is sent after that; what another boot has stored is not known for good. */
static void stored_unsent(void **unused) {
    (void)unused;
    struct world w;
    struct buf saved, again;
    uint8_t flags;
    setup(&w, 0);
    buf_init(&saved, 1 << 20);
    buf_init(&again, 1 << 20);
    call_save(w.call, "one", 900 - BOOT, 900, &saved);
    teardown(&w);
    for (int i = 0; i < 2; i++) {
        const char *boot = i == 0 ? "one" : "two";
        assert_int_equal(call_restore(&w.call, (struct slice){saved.data, buf_size(&saved)}, boot), 0);
        assert_true(dial(&w, 2000, &flags).sent_ms == (i == 0 ? 900 : 0));
        hang_up(&w);
        call_save(w.call, boot, 3000, 3000, &again);
        teardown(&w);
        assert_int_equal(call_restore(&w.call, (struct slice){buf_front(&again), buf_size(&again)}, boot), 0);
        assert_true(dial(&w, 4000, &flags).sent_ms == (i == 0 ? 900 : 0));
        teardown(&w);
        buf_clear(&again);
    }
    buf_free(&saved);
    buf_free(&again);
}

/* Stored and restored in the middle of an output: the digest goes on. */
static void stored(void **unused) {
    (void)unused;
    struct world w;
    uint8_t flags;
    setup(&w, 0);
    dial(&w, 1000, &flags);
    opened(&w, RUN_STARTED, 0, 0, 0);
    session_data(w.server, 1, 1, "ab", 2);
    to_call(&w);
    struct buf saved;
    buf_init(&saved, 1 << 20);
    call_save(w.call, "this boot", 5000, 5000, &saved);
    teardown(&w);
    for (size_t n = 0; n < buf_size(&saved); n++)
        assert_int_equal(call_restore(&w.call, (struct slice){saved.data, n}, "this boot"), LL_EFORMAT);
    /* when it was sent first is only known within one boot */
    static const char *const boots[] = {"another", "this boo", "", "this boot"};
    for (size_t i = 0; i < sizeof boots / sizeof *boots; i++) {
        if (i > 0)
            teardown(&w);
        assert_int_equal(call_restore(&w.call, (struct slice){saved.data, buf_size(&saved)}, boots[i]), 0);
        struct run_request r = dial(&w, 2000, &flags);
        assert_true(r.have1 == 2 && r.age_ms == 1000);
        assert_true(r.sent_ms == (i == 3 ? 1000 + BOOT : 0));
    }
    opened(&w, RUN_RUNNING, 5, 2, 0);
    session_data(w.server, 1, 1, "c", 1);
    to_call(&w);
    finish(&w, 3, DIGEST_ABC);
    assert_int_equal(call_outcome(w.call), CALL_RESULT);
    assert_true(call_verified(w.call, 1));
    buf_free(&saved);
    teardown(&w);
}

/* Whether the call has something to say by itself (its DATA are taken by call_data()). */
static bool says(struct world *w) {
    struct buf wire;
    buf_init(&wire, 1 << 20);
    take_output(w->client, &wire);
    bool some = buf_size(&wire) > 0;
    buf_free(&wire);
    return some;
}

/* A terminal's END counts as what is typed for it: who finds that it has arrived does not say it again, and who does not, does. */
static void ends_a_terminal(void **unused) {
    (void)unused;
    for (uint64_t typed = 0; typed <= 2; typed++) {
        struct world w;
        uint8_t flags, head[MESSAGE_DATA_HEAD];
        struct slice payload;
        setup(&w, RUN_TTY);
        dial(&w, 1000, &flags);
        opened(&w, RUN_STARTED, 0, 0, 0);
        call_input(w.call, "ls\n", 3);
        assert_int_equal(call_data(w.call, head, &payload), 1);
        assert_int_equal(call_data(w.call, head, &payload), 0);
        assert_false(says(&w));
        call_input_end(w.call);
        assert_int_equal(call_data(w.call, head, &payload), 0);
        assert_true(says(&w));
        hang_up(&w);

        dial(&w, 5000, &flags);
        opened(&w, RUN_RUNNING, 3 + typed, 0, 0);
        assert_int_equal(w.step, CALL_OPENED);
        assert_int_equal(call_data(w.call, head, &payload), 0);
        assert_int_equal(says(&w), typed == 0);
        teardown(&w);
    }
}

/* Input: never more than its limit, and given back when acknowledged. */
static void input_limit(void **unused) {
    (void)unused;
    struct world w;
    uint8_t *bytes = calloc(1, LIMIT_CALL_INPUT + 1);
    assert_non_null(bytes);
    setup(&w, 0);
    assert_int_equal(call_input(w.call, bytes, LIMIT_CALL_INPUT - 1), LIMIT_CALL_INPUT - 1);
    assert_int_equal(call_input_room(w.call), 1);
    assert_int_equal(call_input(w.call, bytes, 2), 1);
    assert_int_equal(call_input(w.call, bytes, 1), 0);
    call_input_end(w.call);
    assert_int_equal(call_input_room(w.call), 0);
    teardown(&w);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumes),
        cmocka_unit_test(age),
        cmocka_unit_test(lies),
        cmocka_unit_test(refusals),
        cmocka_unit_test(not_sent),
        cmocka_unit_test(follows),
        cmocka_unit_test(stored),
        cmocka_unit_test(stored_unsent),
        cmocka_unit_test(halted),
        cmocka_unit_test(input_limit),
        cmocka_unit_test(forgets_its_name),
        cmocka_unit_test(lost_input_stays_lost),
        cmocka_unit_test(ends_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
