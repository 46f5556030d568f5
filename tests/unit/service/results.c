/* landline/service/results.h: the log of finished runs: what is there after a crash, what is left alone, what goes. */
#include "landline/service/results.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/net/fault.h"

struct counted {
    int records;
    size_t bytes;
};

static void count(void *arg, struct slice record) {
    struct counted *c = arg;
    c->records++;
    c->bytes += record.size;
}

static int try_put(struct results *r, uint8_t id, size_t size, uint64_t now) {
    struct buf record;
    uint8_t bytes[RUN_ID_SIZE] = {0};
    bytes[RUN_ID_SIZE - 1] = id;
    buf_init(&record, 1 << 20);
    buf_add(&record, bytes, sizeof bytes);
    memset(buf_reserve(&record, size), id, size);
    buf_commit(&record, size);
    int e = results_put(r, &record, 0, now);
    buf_free(&record);
    return e;
}

static void put(struct results *r, uint8_t id, size_t size, uint64_t now) {
    assert_int_equal(try_put(r, id, size, now), 0);
}

static void the_log(void **state) {
    (void)state;
    char folder[] = "/tmp/ll-results-XXXXXX", path[64];
    const uint64_t day = 24ULL * 3600 * 1000, now = 1000 * day;
    struct results r;
    struct buf out;
    struct counted c = {0};
    assert_non_null(mkdtemp(folder));
    assert_int_equal(results_open(&r, folder), 0);
    for (uint8_t i = 1; i <= 3; i++)
        put(&r, i, 100u * i, now);
    results_close(&r);
    /* A record that was being written when the power went. */
    snprintf(path, sizeof path, "%s/results.1", folder);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd,
                           "LLR1\0\0\0\x40"
                           "abc",
                           11),
                     11);
    close(fd);

    assert_int_equal(results_open(&r, folder), 0);
    put(&r, 4, 400, now + day);
    struct run_id id = {{0}};
    for (uint8_t i = 0; i <= 5; i++) {
        id.bytes[RUN_ID_SIZE - 1] = i;
        buf_init(&out, 1 << 20);
        assert_int_equal(results_has(&r, &id), i >= 1 && i <= 4);
        assert_int_equal(results_get(&r, &id, &out), i >= 1 && i <= 4);
        assert_int_equal(buf_size(&out), i >= 1 && i <= 4 ? RUN_ID_SIZE + 100u * i : 0);
        buf_free(&out);
    }
    results_each(&r, count, &c);
    assert_int_equal(c.records, 4);
    /* The files' own times are from today, far from the made-up ones: everything in the first segment is old or new by them. */
    c = (struct counted){0};
    results_expire(&r, UINT64_MAX / 2, count, &c);
    assert_int_equal(c.records, 4);
    assert_int_equal(r.index.count, 0);
    put(&r, 9, 10, now);
    results_close(&r);
    snprintf(path, sizeof path, "%s/results.1", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* Only what the log itself would have written is a segment of it: no second name for one, no other number. */
static void odd_names(void **state) {
    (void)state;
    char folder[] = "/tmp/ll-results-XXXXXX", path[96];
    static const char *const odd[] = {"results.",   "results.0",          "results.01",        "results.+1",
                                      "results. 1", "results.-1",         "results.1x",        "results.1.new",
                                      "results",    "results.2147483647", "results.4294967297"};
    enum { ODD = sizeof odd / sizeof *odd };
    struct results r;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(results_open(&r, folder), 0);
    put(&r, 1, 100, 1000);
    results_close(&r);
    for (size_t i = 0; i < ODD; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, odd[i]);
        assert_int_equal(close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
    }
    assert_int_equal(results_open(&r, folder), 0);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.segments[0].number, 1);
    put(&r, 2, 100, 1000);
    assert_int_equal(r.segments[r.count - 1].number, 2);
    results_close(&r);
    for (size_t i = 0; i < ODD; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, odd[i]);
        assert_int_equal(unlink(path), 0);
    }
    for (int i = 1; i <= 2; i++) {
        snprintf(path, sizeof path, "%s/results.%d", folder, i);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

/* A record that cannot be found again is not written. */
static void out_of_memory_writes_nothing(void **state) {
    (void)state;
    char folder[] = "/tmp/ll-results-XXXXXX", path[64];
    struct results r;
    struct stat st;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/results.1", folder);
    assert_int_equal(results_open(&r, folder), 0);
    fault_set(FAULT_CALLOC, 0, ENOMEM);
    assert_int_equal(try_put(&r, 1, 100, 1000), -ENOMEM);
    assert_int_equal(stat(path, &st), -1);
    uint8_t id = 1;
    for (; id < 100; id++) { /* each growth fails once */
        fault_set(FAULT_CALLOC, 0, ENOMEM);
        if (try_put(&r, id, 100, 1000) == 0)
            continue;
        assert_int_equal(stat(path, &st) == 0 ? st.st_size : 0, (id - 1) * (8 + RUN_ID_SIZE + 100));
        fault_clear();
        put(&r, id, 100, 1000);
    }
    fault_clear();
    results_close(&r);
    assert_int_equal(results_open(&r, folder), 0);
    struct counted c = {0};
    results_each(&r, count, &c);
    assert_int_equal(c.records, id - 1);
    results_close(&r);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log),
        cmocka_unit_test(odd_names),
        cmocka_unit_test(out_of_memory_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
