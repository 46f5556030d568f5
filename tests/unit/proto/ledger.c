/* landline/proto/ledger.h and spool.h: at most once, and what is kept. */
#include "landline/proto/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"
#include "landline/proto/spool.h"
#include "lib/base/limits.h"

enum { HOUR = 3600 * 1000 };

static const uint8_t alice[LEDGER_KEY] = {1}, bob[LEDGER_KEY] = {2};
static const uint8_t first[LEDGER_INSTANCE] = {1}, second[LEDGER_INSTANCE] = {2};

static struct run_request request(unsigned number) {
    static const struct slice argv = {(const uint8_t *)"true", 4};
    struct run_request r = run_request_default();
    r.id.bytes[0] = (uint8_t)(number >> 8);
    r.id.bytes[15] = (uint8_t)number;
    r.argc = 1;
    r.argv = &argv;
    return r;
}

static struct ledger *make(size_t max_entries, uint64_t now) {
    const struct ledger_config config = {.horizon_ms = 24 * HOUR, .max_entries = max_entries};
    struct ledger *l = ledger_new(&config, first, now);
    assert_non_null(l);
    return l;
}

static enum ledger_verdict ask(struct ledger *l, const struct run_request *r, uint64_t sent) {
    struct ledger_entry *entry;
    enum ledger_verdict v = ledger_judge(l, alice, false, r, sent, &entry);
    assert_int_equal(v == LEDGER_ATTACH, entry != NULL);
    return v;
}

static struct ledger_entry *start(struct ledger *l, const struct run_request *r, uint64_t now, struct buf *file) {
    struct ledger_entry *entry;
    assert_int_equal(ledger_start(l, alice, r, now, &entry, file), 0);
    return entry;
}

/* Section 7.3, sentence by sentence. */
static void at_most_once(void **unused) {
    (void)unused;
    struct ledger *l = make(0, 1000);
    struct buf file;
    buf_init(&file, 1 << 20);
    struct run_request r = request(1);
    assert_int_equal(ask(l, &r, 2000), LEDGER_START);
    struct ledger_entry *entry = start(l, &r, 2000, &file), *found;
    assert_int_equal(ask(l, &r, 2001), LEDGER_ATTACH);
    assert_int_equal(ask(l, &r, 2001), LEDGER_ATTACH);
    /* another key: as if it were unknown, but never started */
    assert_int_equal(ledger_judge(l, bob, false, &r, 2001, &found), LEDGER_UNKNOWN_RUN);
    assert_int_equal(ledger_judge(l, bob, true, &r, 2001, &found), LEDGER_ATTACH);
    assert_ptr_equal(found, entry);
    assert_null(ledger_find(l, bob, false, &r.id));
    assert_ptr_equal(ledger_find(l, bob, true, &r.id), entry);
    assert_ptr_equal(ledger_find(l, alice, false, &r.id), entry);
    /* another command */
    static const struct slice argv = {(const uint8_t *)"false", 5};
    struct run_request other = r;
    other.argv = &argv;
    assert_int_equal(ask(l, &other, 2001), LEDGER_CONFLICT);
    /* finished, and its result gone */
    assert_int_equal(ledger_set_state(l, entry, LEDGER_FINISHED, &file), 0);
    assert_int_equal(ask(l, &r, 3000), LEDGER_ATTACH);
    assert_int_equal(ledger_set_state(l, entry, LEDGER_EXPIRED, &file), 0);
    assert_int_equal(ask(l, &r, 3000), LEDGER_UNKNOWN_RUN);
    assert_int_equal(ask(l, &r, 3000), LEDGER_UNKNOWN_RUN);
    /* a start that could not be written down */
    struct run_request lost = request(2);
    ledger_unstart(l, start(l, &lost, 3000, &file));
    assert_int_equal(ask(l, &lost, 3000), LEDGER_START);
    ledger_free(l);
    buf_free(&file);
}

static void unknown_ids(void **unused) {
    (void)unused;
    struct ledger *l = make(0, 1000);
    struct run_request r = request(1);
    /* only what was sent after the memory began */
    for (uint64_t sent = 999; sent <= 1001; sent++)
        assert_int_equal(ask(l, &r, sent), sent > 1000 ? LEDGER_START : LEDGER_UNKNOWN_RUN);
    assert_int_equal(ask(l, &r, 0), LEDGER_UNKNOWN_RUN); /* nobody knows when */
    ledger_forget_past(l, second, 5000);
    assert_int_equal(ask(l, &r, 5000), LEDGER_UNKNOWN_RUN);
    assert_int_equal(ask(l, &r, 5001), LEDGER_START);
    assert_memory_equal(ledger_instance(l), second, LEDGER_INSTANCE);
    ledger_free(l);
}

/* The first life of a key: nothing was before it, whenever the request was sent. */
static void first_life(void **unused) {
    (void)unused;
    struct ledger *l = make(2, 1000);
    struct buf file;
    buf_init(&file, 1 << 20);
    ledger_first_life(l);
    struct run_request r = request(1), known = request(2), more = request(3);
    assert_int_equal(ask(l, &r, 0), LEDGER_START);
    assert_int_equal(ask(l, &r, 999), LEDGER_START);
    start(l, &known, 1500, &file);
    assert_int_equal(ask(l, &known, 0), LEDGER_ATTACH);
    /* once something is forgotten, or with a past, as always */
    ledger_set_state(l, start(l, &more, 1700, &file), LEDGER_FINISHED, &file);
    assert_int_equal(ask(l, &r, 0), LEDGER_START);
    more = request(4);
    start(l, &more, 1800, &file); /* number 3 has to go */
    assert_int_equal(ask(l, &r, 1700), LEDGER_UNKNOWN_RUN);
    assert_int_equal(ask(l, &r, 1701), LEDGER_START);
    ledger_free(l);
    size_t used;
    l = make(0, 1000);
    ledger_first_life(l);
    assert_int_equal(ledger_load(l, "", 0, 1000, &used), 0);
    assert_int_equal(ask(l, &r, 1000), LEDGER_UNKNOWN_RUN);
    ledger_free(l);
    buf_free(&file);
}

/* What is forgotten can never be started again. */
static void forgetting(void **unused) {
    (void)unused;
    struct ledger *l = make(3, 0);
    struct buf file;
    buf_init(&file, 1 << 20);
    struct ledger_entry *entries[3];
    for (unsigned i = 0; i < 3; i++) {
        struct run_request r = request(i);
        entries[i] = start(l, &r, HOUR + i, &file);
        ledger_set_state(l, entries[i], i == 0 ? LEDGER_RUNNING : LEDGER_FINISHED, &file);
    }
    struct run_request r = request(9), forgotten = request(1);
    start(l, &r, 2 * HOUR, &file); /* number 1 has to go: number 0 runs */
    assert_int_equal(ledger_count(l), 3);
    assert_null(ledger_find(l, alice, false, &forgotten.id));
    assert_int_equal(ledger_reach(l), HOUR + 1);
    for (uint64_t sent = 0; sent <= HOUR + 1; sent++) /* it was recorded at HOUR + 1, so it was sent before */
        assert_int_equal(ask(l, &forgotten, sent), LEDGER_UNKNOWN_RUN);
    /* the horizon: strictly older ones go, what runs or is held stays */
    entries[2]->run = &file;
    assert_int_equal(ledger_expire(l, 26 * HOUR), 0);
    assert_int_equal(ledger_expire(l, 40 * HOUR), 0);
    entries[2]->run = NULL;
    assert_int_equal(ledger_expire(l, HOUR + 2 + 24 * HOUR), 0);
    assert_int_equal(ledger_expire(l, HOUR + 2 + 24 * HOUR + 1), 1);
    assert_int_equal(ledger_count(l), 2);
    /* all in use */
    struct run_request more = request(20);
    start(l, &more, 41 * HOUR, &file);
    more = request(21);
    struct ledger_entry *entry;
    assert_int_equal(ledger_start(l, alice, &more, 41 * HOUR, &entry, &file), LL_ELIMIT);
    assert_int_equal(ledger_count(l), 3);
    ledger_free(l);
    buf_free(&file);
}

/* The file: loaded whole, it gives the same memory; what ran is lost; cut anywhere it gives a prefix and says where. */
static void files(void **unused) {
    (void)unused;
    struct ledger *l = make(0, 1000);
    struct buf file;
    buf_init(&file, 1 << 20);
    assert_int_equal(ledger_epoch(l, &file), 0);
    struct run_request a = request(1), b = request(2);
    start(l, &a, 2000, &file);
    struct ledger_entry *entry = start(l, &b, 3000, &file);
    ledger_set_state(l, entry, LEDGER_FINISHED, &file);
    ledger_free(l);
    size_t used, size = buf_size(&file);
    for (size_t n = 0; n <= size; n++) {
        const struct ledger_config config = {.horizon_ms = 24 * HOUR};
        l = ledger_new(&config, second, 5000);
        uint8_t *copy = malloc(n + 1);
        memcpy(copy, file.data, n);
        int e = ledger_load(l, copy, n, 5000, &used);
        assert_true(used <= n && (e == 0) == (used == n));
        if (e < 0)
            assert_true(ledger_torn(copy, n, used));
        if (n == size) {
            assert_memory_equal(ledger_instance(l), first, LEDGER_INSTANCE);
            assert_int_equal(ledger_reach(l), 1000);
            assert_int_equal(ledger_count(l), 2);
            struct ledger_entry *at = ledger_each(l, NULL);
            assert_int_equal(at->state, LEDGER_LOST);
            at = ledger_each(l, at);
            assert_int_equal(at->state, LEDGER_FINISHED);
            assert_null(ledger_each(l, at));
            assert_int_equal(ask(l, &a, 5000), LEDGER_ATTACH);
        }
        ledger_free(l);
        free(copy);
    }
    /* a flipped bit anywhere is noticed, and is no torn end unless a length says so */
    for (size_t i = 0; i < size; i++) {
        file.data[i] ^= 4;
        l = make(0, 0);
        assert_int_equal(ledger_load(l, file.data, size, 5000, &used), LL_EFORMAT);
        assert_true(used <= i);
        ledger_free(l);
        file.data[i] ^= 4;
    }
    /* a dump is the same memory */
    l = make(0, 0);
    struct buf dump, dump2;
    buf_init(&dump, 1 << 20);
    buf_init(&dump2, 1 << 20);
    assert_int_equal(ledger_load(l, file.data, size, 5000, &used), 0);
    assert_int_equal(ledger_dump(l, &dump), 0);
    ledger_free(l);
    l = make(0, 0);
    assert_int_equal(ledger_load(l, dump.data, buf_size(&dump), 5000, &used), 0);
    assert_int_equal(ledger_dump(l, &dump2), 0);
    assert_int_equal(buf_size(&dump), buf_size(&dump2));
    assert_memory_equal(dump.data, dump2.data, buf_size(&dump));
    /* records of another boot may lie in the future */
    ledger_free(l);
    l = make(0, 10);
    assert_int_equal(ledger_load(l, file.data, size, 10, &used), 0);
    assert_int_equal(ledger_reach(l), 10);
    assert_int_equal(ledger_each(l, NULL)->at_ms, 10);
    ledger_free(l);
    buf_free(&dump);
    buf_free(&dump2);
    buf_free(&file);
}

static void spools(void **unused) {
    (void)unused;
    uint64_t from, missed;
    struct spool s = spool_make(100, RUN_BLOCK);
    assert_int_equal(spool_room(&s), 100);
    spool_add(&s, 100);
    assert_int_equal(spool_room(&s), 0);
    assert_int_equal(s.base, 0);
    spool_acknowledge(&s, 30);
    spool_acknowledge(&s, 20);
    spool_acknowledge(&s, 1000); /* beyond what was written */
    assert_int_equal(spool_room(&s), 30);
    assert_int_equal(spool_kept(&s), 100); /* acknowledged bytes stay while there is room */
    spool_add(&s, 10);
    assert_int_equal(s.base, 10);
    assert_int_equal(s.dropped, 0);
    assert_int_equal(spool_start(&s, 110, &from, &missed), 0);
    assert_true(from == 110 && missed == 0);
    assert_int_equal(spool_start(&s, 4, &from, &missed), 0);
    assert_true(from == 10 && missed == 6);
    assert_int_equal(spool_start(&s, 111, &from, &missed), LL_EFORMAT);

    s = spool_make(100, RUN_BLOCK);
    spool_add(&s, 90);
    spool_acknowledge(&s, 70);
    spool_set_cap(&s, 200);
    assert_int_equal(spool_kept(&s), 90);
    assert_int_equal(spool_room(&s), 180);
    spool_set_cap(&s, 30); /* what goes was acknowledged */
    assert_int_equal(spool_kept(&s), 30);
    assert_int_equal(spool_room(&s), 10);
    assert_int_equal(spool_start(&s, 70, &from, &missed), 0);
    assert_true(from == 70 && missed == 0);
    assert_int_equal(s.dropped, 0);

    s = spool_make(100, RUN_DROP);
    spool_add(&s, 90);
    spool_acknowledge(&s, 40);
    assert_int_equal(spool_room(&s), 100);
    spool_add(&s, 100);
    assert_int_equal(s.base, 90);
    assert_int_equal(s.dropped, 50);
    spool_add(&s, 5);
    assert_int_equal(s.dropped, 55);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_most_once), cmocka_unit_test(unknown_ids), cmocka_unit_test(forgetting),
        cmocka_unit_test(files),        cmocka_unit_test(spools),      cmocka_unit_test(first_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
