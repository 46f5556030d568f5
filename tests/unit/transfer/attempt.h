/* Attempts at a transfer whose records are made here, each cut where it suits, and what the sink makes of them in a folder `to`. */
#ifndef TESTS_UNIT_TRANSFER_ATTEMPT_H
#define TESTS_UNIT_TRANSFER_ATTEMPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "landline/error.h"
#include "landline/transfer/sink_state.h"
#include "lib/os/tree.h"

enum { TAIL = 100, SIZE = 3 * TREE_CHUNK + TAIL };

static char scratch[] = "/tmp/landline-resume-XXXXXX";
static int top, to;
static char stage[STAGE_NAME], journal[STAGE_NAME];
static int64_t mtime;   /* of every file, in seconds */
static uint64_t length; /* of f */

static inline int set_up(void **state) {
    (void)state;
    mtime = 1000;
    length = SIZE;
    sink_stage_name("f", stage);
    sink_journal_name("f", journal);
    if (os_tree_remove(top, "to") != 0 || mkdirat(top, "to", 0755) != 0)
        return -1;
    to = openat(top, "to", O_RDONLY | O_DIRECTORY);
    return to < 0 ? -1 : 0;
}

static inline int tear_down(void **state) {
    (void)state;
    return close(to);
}

/* ---- an attempt ---- */

struct attempt {
    struct buf records;
    int sockets[2];
    uint8_t flags;
    char problem[512]; /* the last one */
    uint64_t answered; /* the offset of the last answer */
};

static inline struct attempt begin(void) {
    struct attempt a = {0};
    buf_init(&a.records, 64 << 20);
    return a;
}

static inline void entry(struct attempt *a, uint8_t kind, const char *name, uint64_t size, uint64_t version) {
    struct tree_entry e = {.mode = kind == TREE_DIR ? 0755 : 0644, .mtime_s = mtime, .size = size, .version = version};
    e.name = (struct slice){(const uint8_t *)name, strlen(name)};
    e.target = (struct slice){(const uint8_t *)"x", 1};
    tree_put_entry(&a->records, kind, &e);
}

static inline void whole(struct attempt *a, const char *name, const char *bytes, size_t n) {
    struct tree_entry e = {.mode = 0644, .mtime_s = 1000, .size = n, .digest = digest_of(bytes, n)};
    e.name = (struct slice){(const uint8_t *)name, strlen(name)};
    e.bytes = (struct slice){(const uint8_t *)bytes, n};
    tree_put_entry(&a->records, TREE_WHOLE, &e);
}

/* Contents from `at` to `end` that are all `byte`; 0 makes a hole. With a digest where a chunk is full, or the file; what is not sent of
 * the first chunk is all `before`. */
static inline void contents(struct attempt *a, uint64_t at, uint64_t end, char before, char byte) {
    static char piece[TREE_PIECE], earlier[TREE_CHUNK];
    memset(piece, byte, sizeof piece);
    memset(earlier, before, sizeof earlier);
    do {
        struct digest d;
        uint64_t stop = (at / TREE_CHUNK + 1) * TREE_CHUNK;
        stop = stop < end ? stop : end;
        digest_init(&d);
        digest_add(&d, earlier, (size_t)(at % TREE_CHUNK));
        for (size_t n; at < stop; at += n) {
            n = stop - at < sizeof piece ? (size_t)(stop - at) : sizeof piece;
            digest_add(&d, piece, n);
            if (byte == 0)
                continue;
            size_t mark = tree_begin(&a->records, TREE_DATA);
            buf_add_u64(&a->records, at);
            buf_add(&a->records, piece, n);
            tree_finish(&a->records, mark);
        }
        if (at % TREE_CHUNK == 0 || at == length)
            tree_put_digest(&a->records, at, digest_close_chunk(&d));
    } while (at < end);
}

static inline void complete(struct attempt *a) {
    tree_put_close(&a->records, &(struct tree_close){.size = length});
}

static inline void over(struct attempt *a) {
    tree_put_over(&a->records, 0);
}

static inline void *send_records(void *arg) {
    struct attempt *a = arg;
    while (buf_size(&a->records) > 0) {
        ssize_t n = send(a->sockets[0], buf_front(&a->records), buf_size(&a->records), MSG_NOSIGNAL);
        if (n <= 0)
            break;
        buf_consume(&a->records, (size_t)n);
    }
    shutdown(a->sockets[0], SHUT_WR);
    return NULL;
}

static inline void note(void *arg, const char *path, int error, const char *text) {
    struct attempt *a = arg;
    snprintf(a->problem, sizeof a->problem, "%s: %s", path, text != NULL ? text : strerror(error));
}

static inline void hear_answers(struct attempt *a) {
    uint8_t head[TREE_HEAD], payload[TREE_RECORD], kind, answer;
    uint32_t n;
    while (recv(a->sockets[0], head, sizeof head, MSG_WAITALL) == sizeof head) {
        assert_int_equal(tree_head_read(head, &kind, &n), 0);
        if (n > 0)
            assert_int_equal(recv(a->sockets[0], payload, n, MSG_WAITALL), n);
        if (kind == TREE_ANSWER)
            assert_int_equal(tree_get_answer((struct slice){payload, n}, &answer, &a->answered), 0);
    }
}

/* Lets the sink have it: what sink_run() returns. */
static inline int run(struct attempt *a, struct tree_summary *summary) {
    pthread_t sender;
    struct transfer_io io;
    struct transfer_report report = {.arg = a, .problem = note};
    struct sink_options options = {.dir = to, .stream = -1, .flags = a->flags};
    assert_int_equal(a->records.failed, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a->sockets), 0);
    assert_int_equal(transfer_io_init(&io, a->sockets[1], a->sockets[1]), 0);
    assert_int_equal(pthread_create(&sender, NULL, send_records, a), 0);
    int e = sink_run(&io, &options, &report, summary);
    transfer_io_free(&io);
    shutdown(a->sockets[1], SHUT_RDWR);
    pthread_join(sender, NULL);
    hear_answers(a);
    close(a->sockets[0]);
    close(a->sockets[1]);
    buf_free(&a->records);
    return e;
}

/* f, as far as `end`, with `byte` in it; the line drops there. */
static inline void cut_attempt(uint64_t end, char byte, uint64_t version) {
    struct attempt a = begin();
    struct tree_summary summary;
    entry(&a, TREE_FILE, "f", length, version);
    contents(&a, 0, end, byte, byte);
    assert_int_equal(run(&a, &summary), LL_ELOST);
}

/* The same, going on from an offset. */
static inline void go_on(uint64_t from, uint64_t end, char byte, uint64_t version) {
    struct attempt a = begin();
    struct tree_summary summary;
    entry(&a, TREE_FILE, "f", length, version);
    contents(&a, from, end, byte, byte);
    assert_int_equal(run(&a, &summary), LL_ELOST); /* and not a breach: it wanted just that */
}

/* f once more, from the offset where the sink must want it, of which what comes before is all `before`; it becomes complete. */
static inline void last_attempt(uint64_t from, char before, char byte, uint64_t version) {
    struct attempt a = begin();
    struct tree_summary summary;
    entry(&a, TREE_FILE, "f", length, version);
    contents(&a, from, length, before, byte);
    complete(&a);
    over(&a);
    assert_int_equal(run(&a, &summary), 0);
    assert_int_equal(a.answered, from);
    assert_int_equal(summary.failures, 0);
    assert_int_equal(summary.resumed, from);
}

static inline bool is_there(const char *name) {
    struct stat st;
    return fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether the file is all `before` up to `change`, and all `after` from there on. */
static inline void check_file(const char *name, uint64_t change, char before, char after) {
    static char piece[TREE_PIECE];
    uint64_t at = 0;
    int fd = openat(to, name, O_RDONLY | O_NOFOLLOW);
    assert_true(fd >= 0);
    for (ssize_t n; (n = read(fd, piece, sizeof piece)) > 0; at += (uint64_t)n)
        for (ssize_t i = 0; i < n; i++)
            if (piece[i] != (at + (uint64_t)i < change ? before : after))
                fail_msg("byte %llu of %s is %d", (unsigned long long)at + (unsigned long long)i, name, piece[i]);
    close(fd);
    assert_int_equal(at, length);
    assert_false(is_there(stage));
    assert_false(is_there(journal));
}

static inline void one_tree(struct attempt *a) {
    *a = begin();
    entry(a, TREE_DIR, "t", 0, 0);
}

static inline void end_tree(struct attempt *a) {
    tree_put_empty(&a->records, TREE_UP);
    over(a);
}

static inline int open_scratch(void **state) {
    (void)state;
    sigaction(SIGXFSZ, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    top = mkdtemp(scratch) == NULL ? -1 : open(scratch, O_RDONLY | O_DIRECTORY);
    return top < 0 ? -1 : 0;
}

static inline int remove_scratch(void **state) {
    (void)state;
    close(top);
    return os_tree_remove(AT_FDCWD, scratch);
}

#define ATTEMPT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
