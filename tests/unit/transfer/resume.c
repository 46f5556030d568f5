/* What the sink goes on with of a file, and what it does not: attempts in a folder that is changed between them. */
#include "landline/transfer/sink.h"

#include "tests/unit/transfer/attempt.h"

/* ---- contents ---- */

static void goes_on_behind_what_is_proved(void **unused) {
    (void)unused;
    cut_attempt(2 * TREE_CHUNK, 'a', 7);
    last_attempt(2 * TREE_CHUNK, 'a', 'b', 7);
    check_file("f", 2 * TREE_CHUNK, 'a', 'b');
}

/* A hole is not written: what was written before must not show through. */
static void old_bytes_do_not_show_through_holes(void **unused) {
    (void)unused;
    cut_attempt(2 * TREE_CHUNK - TREE_PIECE, 'a', 7);
    last_attempt(2 * TREE_CHUNK - TREE_PIECE, 'a', 0, 7);
    check_file("f", 2 * TREE_CHUNK - TREE_PIECE, 'a', 0);
    /* Nor those that somebody has put behind the end, in a chunk that nothing has come of. */
    assert_int_equal(unlinkat(to, "f", 0), 0);
    cut_attempt(TREE_CHUNK, 'a', 7);
    int fd = openat(to, stage, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, "old", 3, SIZE + 5) == 3 && pwrite(fd, "old", 3, SIZE - 3) == 3);
    close(fd);
    last_attempt(2 * TREE_CHUNK - 1, 0, 0, 7);
    check_file("f", TREE_CHUNK, 'a', 0);
}

/* Cuts that are all less than a chunk apart: each attempt begins where the one before was cut. */
static void goes_on_within_a_chunk(void **unused) {
    static const uint64_t cuts[] = {
        1, TREE_CHUNK - 1, TREE_CHUNK, TREE_CHUNK + 1, 2 * TREE_CHUNK - TREE_PIECE, SIZE - 1, SIZE};
    (void)unused;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        cut_attempt(cuts[i], 'a', 7);
        last_attempt(cuts[i], 'a', 'b', 7);
        check_file("f", cuts[i], 'a', 'b');
        assert_int_equal(unlinkat(to, "f", 0), 0);
    }
    uint64_t from = 0;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; from = cuts[i++])
        go_on(from, cuts[i], 'a', 7);
    last_attempt(SIZE, 'a', 'b', 7);
    check_file("f", SIZE, 'a', 'b');
}

/* What was changed in between is found by the chunk's digest, and is not gone on with a second time. */
static void what_was_changed_in_between(void **unused) {
    struct tree_summary summary;
    struct attempt a = begin();
    (void)unused;
    cut_attempt(TREE_CHUNK + TREE_PIECE, 'a', 7);
    int fd = openat(to, stage, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, "x", 1, TREE_CHUNK + 5) == 1);
    close(fd);
    entry(&a, TREE_FILE, "f", SIZE, 7);
    contents(&a, TREE_CHUNK + TREE_PIECE, SIZE, 'a', 'a');
    complete(&a);
    over(&a);
    assert_int_equal(run(&a, &summary), 0);
    assert_int_equal(summary.failures, 1);
    assert_non_null(strstr(a.problem, "digest"));
    assert_false(is_there("f") || is_there(stage) || is_there(journal));
    last_attempt(0, 'a', 'a', 7);
    check_file("f", 0, 'a', 'a');
}

static void not_with_another_file(void **unused) {
    (void)unused;
    cut_attempt(2 * TREE_CHUNK, 'a', 7);
    last_attempt(0, 'a', 'b', 8);
    check_file("f", 0, 'a', 'b');
    assert_int_equal(unlinkat(to, "f", 0), 0);
    /* Nor with one of which nobody knows whether it is another. */
    cut_attempt(2 * TREE_CHUNK, 'a', 0);
    last_attempt(0, 'a', 'b', 0);
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
    last_attempt(0, 'a', 'b', 7);
    check_file("f", 0, 'a', 'b');
    assert_int_equal(unlinkat(to, "f", 0), 0);
    cut_attempt(2 * TREE_CHUNK, 'a', 7);
    make_file("copy", 'a');
    replace_stage("copy");
    last_attempt(2 * TREE_CHUNK, 'a', 'b', 7);
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
        last_attempt(0, 'a', 'b', 7);
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
    last_attempt(0, 'a', 'b', 7);
    struct stat st;
    assert_int_equal(fstatat(to, "f", &st, 0), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(unlinkat(to, "f", 0), 0);
    cut_attempt(2 * TREE_CHUNK, 'a', 7);
    assert_int_equal(fchownat(to, journal, 65534, 65534, 0), 0);
    last_attempt(0, 'a', 'b', 7);
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
    last_attempt(0, 'a', 'b', 7);
    assert_int_equal(root ? seteuid(0) : 0, 0);
    check_file("f", 0, 'a', 'b');
}

/* What cannot be gone on with is not left lying about when the line drops. */
static void small_files_that_are_cut(void **unused) {
    (void)unused;
    length = TREE_SMALL;
    cut_attempt(TREE_SMALL - 1, 'a', 7);
    assert_false(is_there(stage) || is_there(journal) || is_there("f"));
    length = TREE_SMALL + 1;
    cut_attempt(TREE_SMALL, 'a', 0);
    assert_false(is_there(stage) || is_there(journal) || is_there("f"));
}

/* Files of less than a chunk are gone on with, too, in a folder that was there and in one that is made. */
static void files_of_one_chunk_that_are_cut(void **unused) {
    static const uint64_t sizes[] = {TREE_SMALL + 1, TREE_CHUNK - 1};
    (void)unused;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        length = sizes[i];
        cut_attempt(1000, 'a', 7);
        go_on(1000, 2000, 'a', 7);
        last_attempt(2000, 'a', 'b', 7);
        check_file("f", 2000, 'a', 'b');
        assert_int_equal(unlinkat(to, "f", 0), 0);
        for (int attempt = 0; attempt < 3; attempt++) {
            struct attempt a;
            struct tree_summary summary;
            one_tree(&a);
            entry(&a, TREE_FILE, "f", length, 7);
            contents(&a, (uint64_t)attempt * 1000, attempt < 2 ? (uint64_t)attempt * 1000 + 1000 : length, 'a', 'a');
            if (attempt == 2) {
                complete(&a);
                end_tree(&a);
            }
            assert_int_equal(run(&a, &summary), attempt < 2 ? LL_ELOST : 0);
        }
        check_file("t/f", 0, 'a', 'a');
        assert_int_equal(unlinkat(to, "t/f", 0), 0);
        assert_int_equal(unlinkat(to, "t", AT_REMOVEDIR), 0); /* nothing else was in it */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ATTEMPT_TEST(goes_on_behind_what_is_proved),
        ATTEMPT_TEST(goes_on_within_a_chunk),
        ATTEMPT_TEST(what_was_changed_in_between),
        ATTEMPT_TEST(old_bytes_do_not_show_through_holes),
        ATTEMPT_TEST(not_with_another_file),
        ATTEMPT_TEST(another_file_in_its_place_is_read_first),
        ATTEMPT_TEST(what_is_no_file_of_ours_goes),
        ATTEMPT_TEST(a_stage_of_somebody_else_goes),
        ATTEMPT_TEST(a_stage_that_is_closed_to_us_goes),
        ATTEMPT_TEST(small_files_that_are_cut),
        ATTEMPT_TEST(files_of_one_chunk_that_are_cut),
    };
    return cmocka_run_group_tests(tests, open_scratch, remove_scratch);
}
