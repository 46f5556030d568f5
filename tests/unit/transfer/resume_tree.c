/* What the sink goes on with of a tree, and what it does not: attempts in a folder that is changed between them. */
#include "landline/transfer/sink.h"

#include "tests/unit/transfer/attempt.h"

/* ---- trees ---- */

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
    contents(&a, 0, TREE_CHUNK + TREE_PIECE, 'a', 'a');
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
                contents(&a, 0, attempt == 0 ? TREE_CHUNK + TREE_PIECE : SIZE, 'a', 'a');
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
    contents(&a, 0, SIZE, 'a', 'a');
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
        contents(&a, 0, SIZE, 'a', i == 0 ? 'b' : 'c');
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

int main(void) {
    const struct CMUnitTest tests[] = {
        ATTEMPT_TEST(what_is_gone_from_the_source), ATTEMPT_TEST(what_has_become_another_kind),
        ATTEMPT_TEST(what_shared_a_file),           ATTEMPT_TEST(a_file_where_the_folder_is_made),
        ATTEMPT_TEST(a_locked_stage_stays),         ATTEMPT_TEST(small_files_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, open_scratch, remove_scratch);
}
