/* landline/service/output.h: bytes in memory, then in a ring file, and back from the disk. */
#include "landline/service/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/limits.h"

static uint8_t byte_at(uint64_t offset) {
    return (uint8_t)((offset * 2654435761U) >> 13);
}

/* Feeds the output through a pipe up to `end`, acknowledging all but `behind` bytes. */
static void feed(struct output *o, int pipe[2], const char *path, uint64_t end, uint64_t behind) {
    static uint8_t piece[60000];
    while (o->spool.end < end) {
        size_t n = end - o->spool.end < sizeof piece ? (size_t)(end - o->spool.end) : sizeof piece;
        for (size_t i = 0; i < n; i++)
            piece[i] = byte_at(o->spool.end + i);
        assert_int_equal(write(pipe[1], piece, n), n);
        for (size_t taken = 0; taken < n;) {
            ssize_t got = output_read(o, pipe[0], spool_room(&o->spool), path);
            assert_true(got > 0);
            taken += (size_t)got;
        }
        if (o->spool.end > behind)
            spool_acknowledge(&o->spool, o->spool.end - behind);
    }
}

static void check(const struct output *o) {
    for (uint64_t at = o->spool.base; at < o->spool.end;) {
        struct slice s = output_at(o, at, o->spool.end - at);
        assert_true(s.size > 0);
        for (size_t i = 0; i < s.size; i++)
            if (s.data[i] != byte_at(at + i))
                fail_msg("byte %llu", (unsigned long long)(at + i));
        at += s.size;
    }
}

static void through_the_ring(void **state) {
    (void)state;
    char folder[] = "/tmp/ll-output-XXXXXX", path[64];
    int pipe[2];
    struct output o;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/ring", folder);
    assert_int_equal(pipe2(pipe, O_CLOEXEC | O_NONBLOCK), 0);
    output_init(&o, RUN_BLOCK);
    assert_int_equal(output_read(&o, pipe[0], 1000, path), -EAGAIN);
    assert_int_equal(output_read(&o, pipe[0], 0, path), -EAGAIN);
    feed(&o, pipe, path, LIMIT_RUN_HEAP - 1, 0);
    assert_true(o.ring < 0);
    feed(&o, pipe, path, LIMIT_RUN_HEAP, 0);
    assert_true(o.ring < 0);
    check(&o);
    feed(&o, pipe, path, LIMIT_RUN_HEAP + 1, 0);
    assert_true(o.ring >= 0);
    check(&o);
    feed(&o, pipe, path, 2ULL * LIMIT_RUN_RING + 12345, 100000);
    assert_int_equal(o.spool.end - o.spool.base, LIMIT_RUN_RING);
    check(&o);

    struct output back;
    output_init(&back, RUN_BLOCK);
    const uint64_t base = o.spool.base, end = o.spool.end;
    output_leave(&o);
    assert_int_equal(output_restore(&back, base, end, 0, LIMIT_RUN_RING, (struct slice){0}, path), 0);
    check(&back);
    output_free(&back);
    assert_int_equal(access(path, F_OK), -1);
    close(pipe[0]);
    close(pipe[1]);
    assert_int_equal(rmdir(folder), 0);
}

static uint64_t file_size(const char *path) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

/* To a shorter ring and back, at whatever place in it the output ends; and not at all where that cannot be. */
static void rings_of_other_sizes(void **state) {
    (void)state;
    char folder[] = "/tmp/ll-output-XXXXXX", path[64], other[64], nowhere[64];
    int pipe[2];
    struct output o;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/ring", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    snprintf(nowhere, sizeof nowhere, "%s/none/other", folder);
    assert_int_equal(pipe2(pipe, O_CLOEXEC | O_NONBLOCK), 0);
    output_init(&o, RUN_BLOCK);
    feed(&o, pipe, path, LIMIT_RUN_RING + 1234567, 99);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(output_resize(&o, LIMIT_RUN_SHORT, nowhere), -ENOENT);
        assert_int_equal(o.spool.end - o.spool.base, LIMIT_RUN_RING);
        assert_int_equal(output_resize(&o, LIMIT_RUN_SHORT, other), 0);
        assert_int_equal(access(other, F_OK), -1);
        assert_int_equal(file_size(path), LIMIT_RUN_SHORT);
        assert_int_equal(o.spool.end - o.spool.base, LIMIT_RUN_SHORT);
        assert_int_equal(o.spool.dropped, 0);
        check(&o);
        feed(&o, pipe, path, o.spool.end + LIMIT_RUN_SHORT / 3, 77);
        check(&o);
        assert_int_equal(output_resize(&o, LIMIT_RUN_RING, other), 0);
        assert_int_equal(file_size(path), LIMIT_RUN_RING);
        assert_int_equal(o.spool.end - o.spool.base, LIMIT_RUN_SHORT);
        check(&o);
        feed(&o, pipe, path, o.spool.end + LIMIT_RUN_RING, 99);
        assert_int_equal(o.spool.end - o.spool.base, LIMIT_RUN_RING);
        check(&o);
    }
    output_free(&o);
    close(pipe[0]);
    close(pipe[1]);
    assert_int_equal(rmdir(folder), 0);
}

/* Everything that can fail of it, by force: the output is as it was, and no file is left. */
static void rings_that_cannot_be(void **state) {
    (void)state;
    static const struct {
        int resource; /* -1: none; its limit is 1 MiB then */
        int error;
    } rows[] = {{RLIMIT_FSIZE, -EFBIG}, {RLIMIT_AS, -ENOMEM}, {-1, -EISDIR}};
    char folder[] = "/tmp/ll-output-XXXXXX", path[64], other[64];
    int pipe[2];
    struct output o;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/ring", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    assert_int_equal(pipe2(pipe, O_CLOEXEC | O_NONBLOCK), 0);
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    assert_int_equal(sigaction(SIGXFSZ, &ignore, NULL), 0);
    output_init(&o, RUN_BLOCK);
    feed(&o, pipe, path, LIMIT_RUN_RING + 1234567, 99);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rlimit before, less;
        if (rows[i].resource >= 0) {
            assert_int_equal(getrlimit(rows[i].resource, &before), 0);
            less = (struct rlimit){1 << 20, before.rlim_max};
            assert_int_equal(setrlimit(rows[i].resource, &less), 0);
        } else {
            assert_int_equal(unlink(path), 0);
            assert_int_equal(mkdir(path, 0700), 0);
        }
        int e = output_resize(&o, LIMIT_RUN_SHORT, other);
        if (rows[i].resource >= 0)
            assert_int_equal(setrlimit(rows[i].resource, &before), 0);
        assert_int_equal(e, rows[i].error);
        assert_int_equal(access(other, F_OK), -1);
        assert_int_equal(o.spool.end - o.spool.base, LIMIT_RUN_RING);
        check(&o);
        feed(&o, pipe, path, o.spool.end + 100000, 99);
    }
    assert_int_equal(rmdir(path), 0);
    output_free(&o);
    close(pipe[0]);
    close(pipe[1]);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(through_the_ring),
        cmocka_unit_test(rings_of_other_sizes),
        cmocka_unit_test(rings_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
