/* What the sink removes and refuses at the top: leftovers of long ago, and names that nobody asked for. */
#include "landline/transfer/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "landline/transfer/sink_state.h"
#include "lib/os/tree.h"

#define STAGE   ".landline-0123456789abcdef.part"
#define JOURNAL ".landline-0123456789abcdef.journal"
#define FOLDER  ".landline-1111111111111111.part"
#define LINK    ".landline-2222222222222222.part"
#define FIFO    ".landline-3333333333333333.part"

static char scratch[] = "/tmp/landline-sweep-XXXXXX";
static int top;

static int make(const char *name) {
    int fd = openat(top, name, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    return fd;
}

static bool there(const char *name) {
    struct stat st;
    return fstatat(top, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int set_up(void **state) {
    (void)state;
    top = mkdtemp(scratch) == NULL ? -1 : open(scratch, O_RDONLY | O_DIRECTORY);
    return top < 0 ? -1 : 0;
}

static int tear_down(void **state) {
    (void)state;
    close(top);
    return os_tree_remove(AT_FDCWD, scratch);
}

static void only_what_is_old_and_ours(void **unused) {
    (void)unused;
    close(make(STAGE));
    close(make(JOURNAL));
    close(make("precious"));
    close(make(".landline-precious.part"));
    assert_int_equal(mkdirat(top, FOLDER, 0700), 0);
    assert_int_equal(mkdirat(top, FOLDER "/below", 0700), 0);
    assert_int_equal(symlinkat("precious", top, LINK), 0);
    assert_int_equal(mkfifoat(top, FIFO, 0600), 0);
    int64_t now = time(NULL);
    sink_sweep(top, now);
    sink_sweep(top, now + LIMIT_TRANSFER_OLD - 60);
    sink_sweep(top, 0);
    assert_true(there(STAGE) && there(JOURNAL) && there(FOLDER "/below") && there(LINK) && there(FIFO));
    sink_sweep(top, now + LIMIT_TRANSFER_OLD + 60);
    assert_false(there(STAGE) || there(JOURNAL) || there(FOLDER) || there(LINK) || there(FIFO));
    assert_true(there("precious") && there(".landline-precious.part"));
}

static void what_is_locked_stays(void **unused) {
    (void)unused;
    int file = make(STAGE);
    assert_int_equal(mkdirat(top, FOLDER, 0700), 0);
    int folder = openat(top, FOLDER, O_RDONLY | O_DIRECTORY);
    assert_int_equal(os_tree_lock(file), 0);
    assert_int_equal(os_tree_lock(folder), 0);
    int64_t late = time(NULL) + LIMIT_TRANSFER_OLD + 60;
    sink_sweep(top, late);
    assert_true(there(STAGE) && there(FOLDER));
    close(file);
    close(folder);
    sink_sweep(top, late);
    assert_false(there(STAGE) || there(FOLDER));
}

static bool asked(const char *one, const char *two, const char *name) {
    struct buf b;
    buf_init(&b, 4096);
    buf_add_str32(&b, one, strlen(one));
    if (two != NULL)
        buf_add_str32(&b, two, strlen(two));
    const struct sink_options options = {.asked = {buf_front(&b), buf_size(&b)}};
    bool fits = sink_asked(&options, (struct slice){(const uint8_t *)name, strlen(name)});
    buf_free(&b);
    return fits;
}

static void names_that_were_asked_for(void **unused) {
    static const struct {
        const char *one, *two, *name;
        bool fits;
    } rows[] = {
        {"notes", NULL, "notes", true},
        {"notes", NULL, ".bashrc", false},
        {"notes", NULL, "note", false},
        {"a/b/notes", NULL, "notes", true},
        {"a/b/notes", NULL, "b", false},
        {"/a/notes//", NULL, "notes", true},
        {"a", "b", "b", true},
        {"a", "b", "c", false},
        {"a/*.c", NULL, "x.c", true},
        {"a/*.c", NULL, "x.h", false},
        {"*", NULL, "x", true},
        {"*", NULL, ".profile", false},
        {".*", NULL, ".profile", true},
        {"*/x", NULL, "x", true},
        {"[ab]", NULL, "a", true},
        {"[ab]", NULL, "[ab]", true},
        {".", NULL, "home", true},
        {".", NULL, ".ssh", false},
        {"~", NULL, "ann", true},
        {"~", NULL, ".ssh", false},
        {"", NULL, ".ssh", false},
        {"/", NULL, "root", true},
        {"..", NULL, "above", true},
        {".config/.", NULL, ".config", true},
        {".config/./", NULL, ".ssh", false},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (asked(rows[i].one, rows[i].two, rows[i].name) != rows[i].fits)
            fail_msg("'%s' for '%s'", rows[i].name, rows[i].one);
    const struct sink_options any = {0};
    assert_true(sink_asked(&any, (struct slice){(const uint8_t *)".x", 2}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_old_and_ours),
        cmocka_unit_test(what_is_locked_stays),
        cmocka_unit_test(names_that_were_asked_for),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
