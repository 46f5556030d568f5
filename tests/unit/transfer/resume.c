/* What the sink goes on with, and what it does not: attempts whose records are made here, each cut where it suits, in a
 * folder that is changed between them. */
#include "landline/transfer/sink.h"

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
static int64_t mtime; /* of every file, in seconds */

static int set_up(void **state) {
    (void)state;
    mtime = 1000;
    sink_stage_name("f", stage);
    sink_journal_name("f", journal);
    if (os_tree_remove(top, "to") != 0 || mkdirat(top, "to", 0755) != 0)
        return -1;
    to = openat(top, "to", O_RDONLY | O_DIRECTORY);
    return to < 0 ? -1 : 0;
}

static int tear_down(void **state) {
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

static struct attempt begin(void) {
    struct attempt a = {0};
    buf_init(&a.records, 64 << 20);
    return a;
}

static void entry(struct attempt *a, uint8_t kind, const char *name, uint64_t size, uint64_t version) {
    struct tree_entry e = {.mode = kind == TREE_DIR ? 0755 : 0644, .mtime_s = mtime, .size = size, .version = version};
    e.name = (struct slice){(const uint8_t *)name, strlen(name)};
    e.target = (struct slice){(const uint8_t *)"x", 1};
    tree_put_entry(&a->records, kind, &e);
}

static void whole(struct attempt *a, const char *name, const char *bytes, size_t n) {
    struct tree_entry e = {.mode = 0644, .mtime_s = 1000, .size = n, .digest = digest_of(bytes, n)};
    e.name = (struct slice){(const uint8_t *)name, strlen(name)};
    e.bytes = (struct slice){(const uint8_t *)bytes, n};
    tree_put_entry(&a->records, TREE_WHOLE, &e);
}

/* Contents from `at` to `end` that are all `byte`; 0 makes a hole. With a digest where a chunk is full, or the file. */
static void contents(struct attempt *a, uint64_t at, uint64_t end, char byte) {
    static char piece[TREE_PIECE];
    memset(piece, byte, sizeof piece);
    while (at < end) {
        struct digest d;
        uint64_t stop = (at / TREE_CHUNK + 1) * TREE_CHUNK;
        stop = stop < end ? stop : end;
        digest_init(&d);
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
        if (at % TREE_CHUNK == 0 || at == SIZE)
            tree_put_digest(&a->records, at, digest_close_chunk(&d));
    }
}

static void complete(struct attempt *a) {
    tree_put_close(&a->records, &(struct tree_close){.size = SIZE});
}

static void over(struct attempt *a) {
    tree_put_over(&a->records, 0);
}

static void *send_records(void *arg) {
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

static void note(void *arg, const char *path, int error, const char *text) {
    struct attempt *a = arg;
    snprintf(a->problem, sizeof a->problem, "%s: %s", path, text != NULL ? text : strerror(error));
}

static void hear_answers(struct attempt *a) {
    uint8_t head[TREE_HEAD], payload[TREE_RECORD], kind, answer;
    uint32_t length;
    while (recv(a->sockets[0], head, sizeof head, MSG_WAITALL) == sizeof head) {
        assert_int_equal(tree_head_read(head, &kind, &length), 0);
        if (length > 0)
            assert_int_equal(recv(a->sockets[0], payload, length, MSG_WAITALL), length);
        if (kind == TREE_ANSWER)
            assert_int_equal(tree_get_answer((struct slice){payload, length}, &answer, &a->answered), 0);
    }
}

/* Lets the sink have it: what sink_run() returns. */
static int run(struct attempt *a, struct tree_summary *summary) {
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
static void cut_attempt(uint64_t end, char byte, uint64_t version) {
    struct attempt a = begin();
    struct tree_summary summary;
    entry(&a, TREE_FILE, "f", SIZE, version);
    contents(&a, 0, end, byte);
    assert_int_equal(run(&a, &summary), LL_ELOST);
}

/* f once more, from the offset where the sink must want it; it becomes complete. */
static void last_attempt(uint64_t from, char byte, uint64_t version) {
    struct attempt a = begin();
    struct tree_summary summary;
    entry(&a, TREE_FILE, "f", SIZE, version);
    contents(&a, from, SIZE, byte);
    complete(&a);
    over(&a);
    assert_int_equal(run(&a, &summary), 0);
    assert_int_equal(a.answered, from);
    assert_int_equal(summary.failures, 0);
    assert_int_equal(summary.resumed, from);
}

static bool is_there(const char *name) {
    struct stat st;
    return fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether the file is all `before` up to `change`, and all `after` from there on. */
static void check_file(const char *name, uint64_t change, char before, char after) {
    static char piece[TREE_PIECE];
    uint64_t at = 0;
    int fd = openat(to, name, O_RDONLY | O_NOFOLLOW);
    assert_true(fd >= 0);
    for (ssize_t n; (n = read(fd, piece, sizeof piece)) > 0; at += (uint64_t)n)
        for (ssize_t i = 0; i < n; i++)
            if (piece[i] != (at + (uint64_t)i < change ? before : after))
                fail_msg("byte %llu of %s is %d", (unsigned long long)at + (unsigned long long)i, name, piece[i]);
    close(fd);
    assert_int_equal(at, SIZE);
    assert_false(is_there(stage));
    assert_false(is_there(journal));
}

/* ---- contents ---- */

static void goes_on_behind_what_is_proved(void **unused) {
    (void)unused;
    cut_attempt(2 * TREE_CHUNK, 'a', 7);
    last_attempt(2 * TREE_CHUNK, 'b', 7);
    check_file("f", 2 * TREE_CHUNK, 'a', 'b');
}

/* A hole is not written: what was written before must not show through. */
static void old_bytes_do_not_show_through_holes(void **unused) {
    (void)unused;
    cut_attempt(2 * TREE_CHUNK - TREE_PIECE, 'a', 7);
    last_attempt(TREE_CHUNK, 0, 7);
    check_file("f", TREE_CHUNK, 'a', 0);
    /* Nor those that somebody has put behind the end. */
    assert_int_equal(unlinkat(to, "f", 0), 0);
    cut_attempt(TREE_CHUNK, 'a', 7);
    int fd = openat(to, stage, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, "old", 3, SIZE + 5) == 3 && pwrite(fd, "old", 3, SIZE - 3) == 3);
    close(fd);
    last_attempt(TREE_CHUNK, 0, 7);
    check_file("f", TREE_CHUNK, 'a', 0);
}

static void not_with_another_file(void **unused) {
    (void)unused;
    cut_attempt(2 * TREE_CHUNK, 'a', 7);
    last_attempt(0, 'b', 8);
    check_file("f", 0, 'a', 'b');
    assert_int_equal(unlinkat(to, "f", 0), 0);
    /* Nor with one of which nobody knows whether it is another. */
    cut_attempt(2 * TREE_CHUNK, 'a', 0);
    last_attempt(0, 'b', 0);
    check_file("f", 0, 'a', 'b');
}

/* ---- what stands in the stage's place ---- */

static void replace_stage(const char *with) {
    assert_int_equal(renameat(to, with, to, stage), 0);
}

static void make_file(const char *name, char byte) {
    static char piece[TREE_CHUNK];
    memset(piece, byte, sizeof piece);
    int fd = openat(to, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(write(fd, piece, sizeof piece), sizeof piece);
    close(fd);
}

static void another_file_in_its_place_is_read_first(void **unused) {
    (void)unused;
    cut_attempt(2 * TREE_CHUNK, 'a', 7);
    make_file("other", 'x');
    replace_stage("other");
    last_attempt(0, 'b', 7);
    check_file("f", 0, 'a', 'b');
    assert_int_equal(unlinkat(to, "f", 0), 0);
    cut_attempt(2 * TREE_CHUNK, 'a', 7);
    make_file("copy", 'a');
    replace_stage("copy");
    last_attempt(2 * TREE_CHUNK, 'b', 7);
    check_file("f", 2 * TREE_CHUNK, 'a', 'b');
}

static void lay_link(void) {
    assert_int_equal(symlinkat("victim", to, stage), 0);
}

static void lay_other_name(void) {
    assert_int_equal(linkat(to, "victim", to, stage, 0), 0);
}

static void lay_folder(void) {
    assert_int_equal(mkdirat(to, stage, 0700), 0);
    int fd = openat(to, stage, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0 && mkdirat(fd, "below", 0700) == 0);
    close(fd);
}

static void lay_fifo(void) {
    assert_int_equal(mkfifoat(to, stage, 0600), 0);
}

static void what_is_no_file_of_ours_goes(void **unused) {
    static void (*const rows[])(void) = {lay_link, lay_other_name, lay_folder, lay_fifo};
    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stat st;
        make_file("victim", 'v');
        rows[i]();
        last_attempt(0, 'b', 7);
        check_file("f", 0, 'a', 'b');
        assert_int_equal(fstatat(to, "victim", &st, 0), 0);
        assert_int_equal(st.st_size, 3 * TREE_CHUNK);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(unlinkat(to, "victim", 0), 0);
        assert_int_equal(unlinkat(to, "f", 0), 0);
    }
}

/* In a folder of all, who makes the stage first would have the file. */
static void a_stage_of_somebody_else_goes(void **unused) {
    (void)unused;
    if (geteuid() != 0)
        skip(); /* only root can give a file away */
    cut_attempt(2 * TREE_CHUNK, 'a', 7);
    assert_int_equal(fchownat(to, stage, 65534, 65534, 0), 0);
    last_attempt(0, 'b', 7);
    struct stat st;
    assert_int_equal(fstatat(to, "f", &st, 0), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(unlinkat(to, "f", 0), 0);
    cut_attempt(2 * TREE_CHUNK, 'a', 7);
    assert_int_equal(fchownat(to, journal, 65534, 65534, 0), 0);
    last_attempt(0, 'b', 7);
    check_file("f", 0, 'a', 'b');
}

/* A complete file whose attempt was killed before it got its name may have a mode that keeps its owner out. */
static void a_stage_that_is_closed_to_us_goes(void **unused) {
    (void)unused;
    cut_attempt(2 * TREE_CHUNK, 'a', 7);
    assert_int_equal(fchmodat(to, stage, 0, 0), 0);
    bool root = geteuid() == 0;
    if (root)
        assert_int_equal(fchown(to, 65534, 65534) | fchownat(to, stage, 65534, 65534, 0) |
                             fchownat(to, journal, 65534, 65534, 0) | fchmodat(AT_FDCWD, scratch, 0755, 0) |
                             seteuid(65534),
                         0);
    last_attempt(0, 'b', 7);
    assert_int_equal(root ? seteuid(0) : 0, 0);
    check_file("f", 0, 'a', 'b');
}

/* ---- trees ---- */

static void one_tree(struct attempt *a) {
    *a = begin();
    entry(a, TREE_DIR, "t", 0, 0);
}

static void end_tree(struct attempt *a) {
    tree_put_empty(&a->records, TREE_UP);
    over(a);
}

static bool in_tree(const char *name, struct stat *st) {
    int fd = openat(to, "t", O_RDONLY | O_DIRECTORY);
    bool found = fd >= 0 && fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW) == 0;
    if (fd >= 0)
        close(fd);
    return found;
}

/* What the source has no longer when the next attempt comes is not in the tree: least of all half a file under its name. */
static void what_is_gone_from_the_source(void **unused) {
    struct attempt a;
    struct tree_summary summary;
    struct stat st;
    (void)unused;
    one_tree(&a);
    entry(&a, TREE_DIR, "sub", 0, 0);
    whole(&a, "below", "x", 1);
    tree_put_empty(&a.records, TREE_UP);
    whole(&a, "kept", "k", 1);
    whole(&a, "gone", "g", 1);
    entry(&a, TREE_SYMLINK, "link", 0, 0);
    entry(&a, TREE_FILE, "large", SIZE, 7);
    contents(&a, 0, TREE_CHUNK + TREE_PIECE, 'a');
    assert_int_equal(run(&a, &summary), LL_ELOST);
    one_tree(&a);
    whole(&a, "kept", "k", 1);
    end_tree(&a);
    assert_int_equal(run(&a, &summary), 0);
    assert_int_equal(summary.failures, 0);
    assert_true(summary.skipped == 0 && summary.files == 1 && summary.bytes == 0 && summary.resumed == 1);
    assert_true(in_tree("kept", &st));
    int fd = openat(to, "t", O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mtim.tv_sec, 1000);
    assert_int_equal(unlinkat(fd, "kept", 0), 0);
    close(fd);
    assert_int_equal(unlinkat(to, "t", AT_REMOVEDIR), 0); /* nothing else was in it */
}

/* Each kind of entry where an earlier attempt has made each other kind. */
static void what_has_become_another_kind(void **unused) {
    static const uint8_t kinds[] = {TREE_DIR, TREE_FILE, TREE_WHOLE, TREE_SYMLINK};
    (void)unused;
    for (size_t i = 0; i < 16; i++) {
        for (int attempt = 0; attempt < 2; attempt++) {
            struct attempt a;
            struct tree_summary summary;
            uint8_t kind = kinds[attempt == 0 ? i / 4 : i % 4];
            one_tree(&a);
            if (kind == TREE_WHOLE)
                whole(&a, "f", "x", 1);
            else
                entry(&a, kind, "f", SIZE, 7 + (uint64_t)attempt);
            if (kind == TREE_DIR)
                tree_put_empty(&a.records, TREE_UP);
            if (kind == TREE_FILE)
                contents(&a, 0, attempt == 0 ? TREE_CHUNK + TREE_PIECE : SIZE, 'a');
            if (kind == TREE_FILE && attempt == 1)
                complete(&a);
            if (attempt == 1)
                end_tree(&a);
            assert_int_equal(run(&a, &summary), attempt == 0 ? LL_ELOST : 0);
            assert_int_equal(summary.failures, 0);
        }
        struct stat st;
        static const mode_t types[] = {S_IFDIR, S_IFREG, S_IFREG, S_IFLNK};
        assert_true(in_tree("f", &st));
        assert_int_equal(st.st_mode & S_IFMT, types[i % 4]);
        if (S_ISREG(st.st_mode))
            assert_int_equal(st.st_size, i % 4 == 1 ? SIZE : 1);
        assert_int_equal(os_tree_remove(to, "t"), 0);
    }
}

/* Two names of one file in the first attempt, two files in the second: the one must not be written through the other. */
static void what_shared_a_file(void **unused) {
    struct attempt a;
    struct tree_summary summary;
    struct stat f, g;
    (void)unused;
    one_tree(&a);
    entry(&a, TREE_FILE, "f", SIZE, 7);
    contents(&a, 0, SIZE, 'a');
    complete(&a);
    assert_int_equal(run(&a, &summary), LL_ELOST);
    char tree[STAGE_NAME];
    sink_stage_name("t", tree);
    int fd = openat(to, tree, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    assert_int_equal(linkat(fd, "f", fd, "g", 0), 0);
    close(fd);
    one_tree(&a);
    for (int i = 0; i < 2; i++, mtime++) {
        entry(&a, TREE_FILE, i == 0 ? "f" : "g", SIZE, 8);
        contents(&a, 0, SIZE, i == 0 ? 'b' : 'c');
        complete(&a);
    }
    end_tree(&a);
    assert_int_equal(run(&a, &summary), 0);
    assert_int_equal(summary.files, 2);
    assert_true(in_tree("f", &f) && in_tree("g", &g));
    assert_int_not_equal(f.st_ino, g.st_ino);
    check_file("t/f", 0, 'a', 'b');
    check_file("t/g", 0, 'a', 'c');
}

/* ---- stages of folders ---- */

static void a_file_where_the_folder_is_made(void **unused) {
    struct attempt a;
    struct tree_summary summary;
    struct stat st;
    (void)unused;
    cut_attempt(TREE_CHUNK, 'a', 7); /* f was a file, and is a folder now */
    a = begin();
    entry(&a, TREE_DIR, "f", 0, 0);
    whole(&a, "x", "x", 1);
    end_tree(&a);
    assert_int_equal(run(&a, &summary), 0);
    assert_int_equal(summary.failures, 0);
    assert_int_equal(fstatat(to, "f/x", &st, 0), 0);
}

/* Whatever is asked for, what another transfer has locked stays. */
static void a_locked_stage_stays(void **unused) {
    (void)unused;
    for (int flags = 0; flags <= TREE_NO_RESUME; flags += TREE_NO_RESUME) {
        struct attempt a = begin();
        struct tree_summary summary;
        char tree[STAGE_NAME];
        struct stat st;
        sink_stage_name("t", tree);
        assert_true(flags > 0 || mkdirat(to, tree, 0700) == 0);
        int fd = openat(to, tree, O_RDONLY | O_DIRECTORY);
        assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
        one_tree(&a);
        a.flags = (uint8_t)flags;
        end_tree(&a);
        assert_int_equal(run(&a, &summary), 0);
        assert_int_equal(summary.failures, 1);
        assert_string_equal(a.problem, "t: another transfer is at work on it");
        assert_int_equal(fstatat(to, tree, &st, 0), 0);
        close(fd);
    }
}

/* ---- what fails leaves nothing behind ---- */

static void small_files_that_cannot_be_written(void **unused) {
    static char bytes[60000];
    struct rlimit before, little;
    (void)unused;
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = before;
    little.rlim_cur = 10000;
    for (int inside = 0; inside < 2; inside++) {
        struct attempt a = begin();
        struct tree_summary summary;
        struct stat st;
        if (inside == 1)
            entry(&a, TREE_DIR, "t", 0, 0);
        whole(&a, "f", bytes, sizeof bytes);
        whole(&a, "small", bytes, 100);
        if (inside == 1)
            tree_put_empty(&a.records, TREE_UP);
        over(&a);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
        int e = run(&a, &summary);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(e, 0);
        assert_int_equal(summary.failures, 1);
        assert_string_equal(a.problem, inside == 1 ? "t/f: File too large" : "f: File too large");
        assert_false(is_there(inside == 1 ? "t/f" : "f"));
        assert_false(is_there(stage));
        assert_int_equal(fstatat(to, inside == 1 ? "t/small" : "small", &st, 0), 0);
    }
}

/* What cannot be gone on with is not left lying about when the line drops. */
static void small_files_that_are_cut(void **unused) {
    struct attempt a = begin();
    struct tree_summary summary;
    (void)unused;
    entry(&a, TREE_FILE, "f", TREE_CHUNK - 1, 7);
    contents(&a, 0, TREE_PIECE, 'a');
    assert_int_equal(run(&a, &summary), LL_ELOST);
    assert_false(is_there(stage));
    assert_false(is_there("f"));
}

static int open_scratch(void **state) {
    (void)state;
    sigaction(SIGXFSZ, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    top = mkdtemp(scratch) == NULL ? -1 : open(scratch, O_RDONLY | O_DIRECTORY);
    return top < 0 ? -1 : 0;
}

static int remove_scratch(void **state) {
    (void)state;
    close(top);
    return os_tree_remove(AT_FDCWD, scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(goes_on_behind_what_is_proved, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_bytes_do_not_show_through_holes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_with_another_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_file_in_its_place_is_read_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_file_of_ours_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stage_of_somebody_else_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stage_that_is_closed_to_us_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_gone_from_the_source, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_has_become_another_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_shared_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_where_the_folder_is_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_locked_stage_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(small_files_that_cannot_be_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(small_files_that_are_cut, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, open_scratch, remove_scratch);
}
