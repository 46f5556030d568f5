/* landline/transfer: a source and a sink joined by two sockets, and all of it once more by a ring, over folders made for each
 * test. */
#include "landline/transfer/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "landline/error.h"
#include "landline/transfer/digest.h"
#include "landline/transfer/source.h"
#include "lib/os/tree.h"

static const char template[] = "/tmp/landline-transfer-XXXXXX";
static char scratch[sizeof template];
static int top, from, to;

static int fresh_folder(const char *name) {
    assert_int_equal(os_tree_remove(top, name), 0);
    assert_int_equal(mkdirat(top, name, 0755), 0);
    int fd = openat(top, name, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    return fd;
}

static int set_up(void **state) {
    (void)state;
    from = fresh_folder("from");
    to = fresh_folder("to");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    close(from);
    close(to);
    return 0;
}

static void write_file(int dir, const char *name, const void *bytes, size_t n) {
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    for (size_t done = 0; done < n;) {
        ssize_t w = write(fd, (const char *)bytes + done, n - done);
        assert_true(w > 0);
        done += (size_t)w;
    }
    close(fd);
}

static void random_file(int dir, const char *name, size_t n, unsigned seed) {
    char *bytes = malloc(n + 8);
    uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;
    for (size_t i = 0; i < n; i += 8) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(bytes + i, &x, 8);
    }
    write_file(dir, name, bytes, n);
    free(bytes);
}

/* ---- the same? ---- */

static void same_tree(int a, int b);

static void same_entry(int a, int b, const char *name) {
    struct stat sa, sb;
    assert_int_equal(fstatat(a, name, &sa, AT_SYMLINK_NOFOLLOW), 0);
    if (fstatat(b, name, &sb, AT_SYMLINK_NOFOLLOW) != 0)
        fail_msg("%s is missing", name);
    assert_int_equal(sa.st_mode, sb.st_mode);
    if (sa.st_mtim.tv_sec != sb.st_mtim.tv_sec || sa.st_mtim.tv_nsec != sb.st_mtim.tv_nsec)
        fail_msg("%s has another time", name);
    if (S_ISDIR(sa.st_mode)) {
        int da = openat(a, name, O_RDONLY | O_DIRECTORY), db = openat(b, name, O_RDONLY | O_DIRECTORY);
        same_tree(da, db);
        close(da);
        close(db);
    } else if (S_ISLNK(sa.st_mode)) {
        char ta[4096] = "", tb[4096] = "";
        assert_true(readlinkat(a, name, ta, sizeof ta - 1) > 0);
        assert_true(readlinkat(b, name, tb, sizeof tb - 1) > 0);
        assert_string_equal(ta, tb);
    } else {
        assert_int_equal(sa.st_size, sb.st_size);
        assert_int_equal(sa.st_nlink, sb.st_nlink);
        int fa = openat(a, name, O_RDONLY), fb = openat(b, name, O_RDONLY);
        static char ba[65536], bb[65536];
        for (ssize_t n; (n = read(fa, ba, sizeof ba)) > 0;) {
            assert_int_equal(read(fb, bb, sizeof bb), n);
            assert_memory_equal(ba, bb, (size_t)n);
        }
        close(fa);
        close(fb);
    }
}

static unsigned names_in(int fd) {
    unsigned n = 0;
    DIR *d = fdopendir(openat(fd, ".", O_RDONLY));
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 2;
}

static void same_tree(int a, int b) {
    assert_int_equal(names_in(a), names_in(b));
    DIR *d = fdopendir(openat(a, ".", O_RDONLY));
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            same_entry(a, b, e->d_name);
    closedir(d);
}

/* ---- a transfer ---- */

static bool over_ring;

/* One end of the line: over the ring, the socket is its bell. */
static void open_line(struct transfer_io *io, struct ring *ring, int memory, int socket, bool first) {
    if (memory < 0) {
        assert_int_equal(transfer_io_init(io, socket, socket), 0);
        return;
    }
    assert_int_equal(ring_open(ring, memory, socket, first), 0);
    assert_int_equal(transfer_io_init_ring(io, ring), 0);
}

static void close_line(struct transfer_io *io, struct ring *ring) {
    transfer_io_free(io);
    ring_close(ring);
}

struct run {
    const char *name;
    struct source_options source;
    struct sink_options sink;
    size_t cut; /* the source's bytes that reach the sink, 0: all */
    int source_result, sink_result;
    struct tree_summary source_summary, sink_summary;
    struct transfer_report source_report, sink_report;
    char problem[4200];     /* the last, at the sink */
    int sockets[2], memory; /* of the ring, or -1 */
};

static void *source_thread(void *arg) {
    struct run *r = arg;
    struct transfer_io io;
    struct source_root root = {.dir = from, .at = r->name, .name = r->name};
    struct ring ring = {0};
    open_line(&io, &ring, r->memory, r->sockets[0], true);
    r->source_result = source_run(&io, &root, 1, &r->source, &r->source_report, &r->source_summary);
    shutdown(r->sockets[0], SHUT_RDWR);
    close_line(&io, &ring);
    return NULL;
}

/* Between the two: passes r->cut bytes on, then cuts. */
static void *relay_thread(void *arg) {
    int *fds = arg;
    size_t left = (size_t)fds[2];
    char buffer[4096];
    ssize_t n = 1;
    while (left > 0 && n > 0) {
        n = read(fds[0], buffer, left < sizeof buffer ? left : sizeof buffer);
        if (n > 0 && send(fds[1], buffer, (size_t)n, MSG_NOSIGNAL) != n)
            break;
        left -= n > 0 ? (size_t)n : 0;
    }
    shutdown(fds[0], SHUT_RDWR);
    shutdown(fds[1], SHUT_RDWR);
    return NULL;
}

static void *back_thread(void *arg) {
    int *fds = arg;
    char buffer[4096];
    for (ssize_t n; (n = read(fds[1], buffer, sizeof buffer)) > 0;)
        if (send(fds[0], buffer, (size_t)n, MSG_NOSIGNAL) != n)
            break;
    return NULL;
}

static void note_problem(void *arg, const char *path, int error, const char *text) {
    struct run *r = arg;
    snprintf(r->problem, sizeof r->problem, "%s: %s", path, text != NULL ? text : strerror(error));
}

static void transfer(struct run *r) {
    int near[2], far[2];
    pthread_t source, relay, back;
    struct transfer_io io;
    struct ring ring = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, near), 0);
    r->sockets[0] = near[0];
    r->memory = over_ring && r->cut == 0 ? ring_memory(RING_SIZE) : -1; /* a line that is cut is one of bytes */
    int end = near[1];
    int fds[3] = {near[1], -1, (int)r->cut};
    if (r->cut > 0) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, far), 0);
        fds[1] = far[0];
        end = far[1];
        pthread_create(&relay, NULL, relay_thread, fds);
        pthread_create(&back, NULL, back_thread, fds);
    }
    r->sink_report = (struct transfer_report){.arg = r, .problem = note_problem};
    r->source_report = (struct transfer_report){0};
    r->problem[0] = '\0';
    pthread_create(&source, NULL, source_thread, r);
    open_line(&io, &ring, r->memory, end, false);
    r->sink_result = sink_run(&io, &r->sink, &r->sink_report, &r->sink_summary);
    shutdown(end, SHUT_RDWR);
    pthread_join(source, NULL);
    close_line(&io, &ring);
    if (r->memory >= 0)
        close(r->memory);
    if (r->cut > 0) {
        pthread_join(relay, NULL);
        pthread_join(back, NULL);
        close(far[0]);
        close(far[1]);
    }
    close(near[0]);
    close(near[1]);
}

static struct run plain(const char *name) {
    return (struct run){.name = name, .sink = {.dir = to, .stream = -1}};
}

static void make_tree(void) {
    assert_int_equal(mkdirat(from, "t", 0755), 0);
    int t = openat(from, "t", O_RDONLY);
    mkdirat(t, "empty", 0700);
    mkdirat(t, "deep", 0755);
    int deep = openat(t, "deep", O_RDONLY);
    static const size_t sizes[] = {0,     1,          4095,           65535,          65536,
                                   65537, TREE_PIECE, TREE_CHUNK - 1, TREE_CHUNK + 0, TREE_CHUNK + 1};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char name[32];
        snprintf(name, sizeof name, "f%u", i);
        random_file(i % 2 == 0 ? t : deep, name, sizes[i], i);
    }
    write_file(t, "n\xff\n\x01 name", "x", 1);
    assert_int_equal(fchmodat(t, "f0", 0400, 0), 0);
    assert_int_equal(fchmodat(t, "f2", 0751, 0), 0);
    assert_int_equal(symlinkat("../nowhere", t, "link"), 0);
    assert_int_equal(linkat(t, "f4", t, "other-name-of-f4", 0), 0);
    assert_int_equal(linkat(t, "f8", deep, "other-name-of-f8", 0), 0);
    int sparse = openat(t, "sparse", O_WRONLY | O_CREAT, 0644);
    assert_int_equal(pwrite(sparse, "begin", 5, 1000000), 5);
    assert_int_equal(pwrite(sparse, "middle", 6, 9000000), 6);
    assert_int_equal(ftruncate(sparse, 20000000), 0);
    close(sparse);
    close(deep);
    close(t);
}

static void whole_tree(void **state) {
    (void)state;
    make_tree();
    struct run r = plain("t");
    transfer(&r);
    assert_int_equal(r.source_result, 0);
    assert_int_equal(r.sink_result, 0);
    assert_int_equal(r.sink_summary.failures, 0);
    same_tree(from, to);
    struct stat st;
    fstatat(to, "t/sparse", &st, 0);
    assert_true(st.st_blocks * 512 < 2000000);

    /* Again: nothing to do. */
    transfer(&r);
    assert_int_equal(r.sink_result, 0);
    assert_int_equal(r.sink_summary.files, 0);
    assert_int_equal(r.sink_summary.bytes, 0);
    assert_int_equal(r.sink_summary.failures, 0);
    same_tree(from, to);

    /* One file is new, one changed, one changed without a trace in size and time. */
    random_file(from, "t/deep/new", 70000, 99);
    random_file(from, "t/f2", 4095, 77);
    transfer(&r);
    assert_int_equal(r.sink_result, 0);
    assert_int_equal(r.sink_summary.files, 2);
    struct stat before;
    fstatat(from, "t/f6", &before, 0);
    random_file(from, "t/f6", TREE_PIECE, 78);
    utimensat(from, "t/f6", (struct timespec[2]){before.st_mtim, before.st_mtim}, 0);
    transfer(&r);
    assert_int_equal(r.sink_summary.files, 0);
    r.source.flags = r.sink.flags = TREE_WITH_DIGESTS;
    transfer(&r);
    assert_int_equal(r.sink_result, 0);
    assert_int_equal(r.sink_summary.files, 1);
}

static void compressed(void **state) {
    (void)state;
    char *zeros = calloc(1, 3000000);
    memset(zeros, 'a', 3000000);
    write_file(from, "z", zeros, 3000000);
    free(zeros);
    struct run r = plain("z");
    r.source.compress = TREE_ZSTD;
    transfer(&r);
    assert_int_equal(r.sink_result, 0);
    same_tree(from, to);
}

/* The line is cut at any byte: the destination has the old or the new, and the next attempt completes. */
static void cut_anywhere(void **state) {
    (void)state;
    make_tree();
    unsigned cuts = 0, resumed = 0;
    struct run r = plain("t");
    /* Each attempt needs less than the one before, so the growing allowance is enough in the end. */
    for (r.cut = 1;; r.cut = r.cut * 5 / 4 + 7) {
        struct stat st;
        transfer(&r);
        if (r.sink_result == 0)
            break;
        assert_int_equal(fstatat(to, "t", &st, 0), -1);
        resumed += r.sink_summary.resumed > 0;
        cuts++;
    }
    assert_true(cuts > 20 && resumed > 0);
    assert_int_equal(r.sink_summary.failures, 0);
    same_tree(from, to);
}

static void one_large_file(void **state) {
    (void)state;
    random_file(from, "big", 30000001, 5);
    random_file(to, "big", 1000, 6);
    struct run r = plain("big");
    r.cut = 17000000;
    transfer(&r);
    struct stat st;
    assert_int_equal(fstatat(to, "big", &st, 0), 0);
    assert_int_equal(st.st_size, 1000);
    r.cut = 0;
    transfer(&r);
    assert_int_equal(r.sink_result, 0);
    assert_true(r.sink_summary.resumed >= 3 * TREE_CHUNK);
    assert_int_equal(r.sink_summary.resumed + r.sink_summary.bytes, 30000001);
    same_tree(from, to);
}

/* A line that never carries a whole chunk: what each attempt brought counts, to the record that was cut. */
static void cuts_within_chunks(void **state) {
    static const size_t sizes[] = {TREE_CHUNK - 1, 9000001};
    enum { CUT = 1000000, LOST = TREE_HEAD + TREE_RECORD };
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned attempts = 0, most = (unsigned)(sizes[i] / (CUT - LOST)) + 2;
        random_file(from, "big", sizes[i], 5);
        struct run r = plain("big");
        r.cut = CUT;
        do
            transfer(&r);
        while (r.sink_result != 0 && ++attempts < most);
        assert_int_equal(r.sink_result, 0);
        assert_true(attempts >= sizes[i] / CUT);
        assert_int_equal(r.sink_summary.failures, 0);
        assert_int_equal(r.sink_summary.resumed + r.sink_summary.bytes, sizes[i]);
        same_tree(from, to);
        assert_int_equal(unlinkat(from, "big", 0) | unlinkat(to, "big", 0), 0);
    }
}

/* Another file of the same name, size and time comes between two attempts: nothing of the first is in what arrives. */
static void another_large_file(void **state) {
    (void)state;
    struct stat st;
    random_file(from, "big", 30000000, 5);
    assert_int_equal(fstatat(from, "big", &st, 0), 0);
    struct run r = plain("big");
    r.cut = 17000000;
    transfer(&r);
    random_file(from, "other", 30000000, 6);
    utimensat(from, "other", (struct timespec[2]){st.st_mtim, st.st_mtim}, 0);
    assert_int_equal(renameat(from, "other", from, "big"), 0);
    transfer(&r);
    assert_int_equal(r.sink_summary.resumed, 0);
    /* The same one with other contents, as a program makes them that does not want to be noticed. */
    random_file(from, "big", 30000000, 7);
    utimensat(from, "big", (struct timespec[2]){st.st_mtim, st.st_mtim}, 0);
    r.cut = 0;
    transfer(&r);
    assert_int_equal(r.sink_result, 0);
    assert_int_equal(r.sink_summary.resumed, 0);
    same_tree(from, to);
}

/* A tree whose source changes after an attempt that was cut. */
static void another_tree(void **state) {
    (void)state;
    make_tree();
    random_file(from, "t/0big", 30000000, 50);
    struct run r = plain("t");
    r.cut = 28000000;
    transfer(&r);
    assert_int_equal(r.sink_result, LL_ELOST);
    static const char *const gone[] = {"t/empty", "t/f0", "t/f2", "t/f4", "t/link", "t/0big"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        assert_int_equal(os_tree_remove(from, gone[i]), 0);
    assert_int_equal(symlinkat("f6", from, "t/f0"), 0);
    assert_int_equal(mkdirat(from, "t/f2", 0750), 0);
    random_file(from, "t/link", 5000000, 51);
    random_file(from, "t/empty", 5, 52);
    assert_int_equal(fchmodat(from, "t/f6", 0600, 0), 0);
    r.cut = 0;
    transfer(&r);
    assert_int_equal(r.sink_result, 0);
    assert_int_equal(r.sink_summary.failures, 0);
    same_tree(from, to);
}

static void policies(void **state) {
    (void)state;
    static const struct {
        uint8_t overwrite;
        time_t there;
        unsigned files;
    } rows[] = {
        {TREE_NEVER, 0, 0},  {TREE_OLDER, -100, 1},  {TREE_OLDER, 100, 0},     {TREE_OLDER, 0, 0},
        {TREE_ALWAYS, 0, 1}, {TREE_DIFFERENT, 0, 0}, {TREE_DIFFERENT, 100, 1},
    };
    write_file(from, "f", "new", 3);
    struct stat st;
    fstatat(from, "f", &st, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_file(to, "f", "old", 3);
        struct timespec t = {st.st_mtim.tv_sec + rows[i].there, st.st_mtim.tv_nsec};
        utimensat(to, "f", (struct timespec[2]){t, t}, 0);
        struct run r = plain("f");
        r.sink.overwrite = rows[i].overwrite;
        transfer(&r);
        assert_int_equal(r.sink_result, 0);
        assert_int_equal(r.sink_summary.files, rows[i].files);
    }
    struct run r = plain("f");
    r.sink.rename = "g";
    r.sink.flags = TREE_DRY_RUN;
    transfer(&r);
    assert_int_equal(r.sink_summary.files, 1);
    assert_int_equal(names_in(to), 1);
}

static void in_the_way(void **state) {
    (void)state;
    make_tree();
    /* Of two names the one that the folder lists first is the file: where it is in deep, the other is a failure too. */
    assert_int_equal(unlinkat(from, "t/deep/other-name-of-f8", 0), 0);
    mkdirat(to, "t", 0755);
    mkdirat(to, "t/f0", 0755);
    write_file(to, "t/deep", "a file", 6);
    mkfifoat(to, "t/f2", 0600);
    struct run r = plain("t");
    transfer(&r);
    assert_int_equal(r.sink_result, 0);
    assert_int_equal(r.sink_summary.failures, 3);
    assert_int_equal(r.source_summary.failures, 3);
    struct stat st;
    assert_int_equal(fstatat(to, "t/f4", &st, 0), 0);
    assert_int_equal(fstatat(to, "t/f2", &st, 0), 0);
    assert_true(S_ISFIFO(st.st_mode));
}

/* ---- hostile sources ---- */

static void hostile(const struct buf *records, int expected) {
    int pair[2];
    struct transfer_io io;
    struct transfer_report report = {0};
    struct tree_summary summary;
    struct sink_options options = {.dir = to, .stream = -1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct ring ring = {0}, their_ring = {0};
    int memory = over_ring ? ring_memory(RING_SIZE) : -1;
    if (over_ring) {
        assert_int_equal(ring_open(&their_ring, memory, pair[0], true), 0);
        assert_true(ring_room(&their_ring) >= (int64_t)buf_size(records));
        memcpy(ring_back(&their_ring), buf_front(records), buf_size(records));
        ring_put(&their_ring, buf_size(records));
        ring_end(&their_ring);
    } else {
        assert_int_equal(send(pair[0], buf_front(records), buf_size(records), 0), buf_size(records));
    }
    shutdown(pair[0], SHUT_WR);
    open_line(&io, &ring, memory, pair[1], false);
    assert_int_equal(sink_run(&io, &options, &report, &summary), expected);
    close_line(&io, &ring);
    ring_close(&their_ring);
    if (memory >= 0)
        close(memory);
    close(pair[0]);
    close(pair[1]);
}

static struct slice text(const char *s) {
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static void add_data(struct buf *b, uint64_t offset, const char *bytes) {
    size_t mark = tree_begin(b, TREE_DATA);
    buf_add_u64(b, offset);
    buf_add(b, bytes, strlen(bytes));
    tree_finish(b, mark);
}

static void hostile_names(void **state) {
    (void)state;
    static const char *const names[] = {"..", ".", "a/b", "", "/", ".landline-0123456789abcdef.part"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf b;
        buf_init(&b, 10000);
        struct tree_entry e = {.mode = 0644, .name = text(names[i]), .digest = digest_of("", 0)};
        tree_put_entry(&b, TREE_WHOLE, &e);
        hostile(&b, i == 5 ? LL_EPROTOCOL : LL_EFORMAT);
        buf_free(&b);
        assert_int_equal(names_in(to), 0);
    }
}

static void hostile_contents(void **state) {
    (void)state;
    enum { TOO_LONG, BEFORE, TWICE, LYING, SHORT, UNASKED, NO_DIGEST, CASES };
    for (int kind = 0; kind < CASES; kind++) {
        struct buf b;
        buf_init(&b, 10000);
        struct tree_entry e = {.mode = 0644, .size = 4, .name = text("victim")};
        if (kind != UNASKED)
            tree_put_entry(&b, TREE_FILE, &e);
        add_data(&b, kind == BEFORE ? UINT64_MAX - 1 : 0, kind == TOO_LONG ? "abcde" : kind == SHORT ? "abc" : "abcd");
        if (kind == TWICE)
            add_data(&b, 0, "abcd");
        if (kind != NO_DIGEST)
            tree_put_digest(&b, kind == SHORT ? 3 : 4, 12345);
        tree_put_close(&b, &(struct tree_close){.size = kind == SHORT ? 3 : 4});
        tree_put_over(&b, 0);
        hostile(&b, kind == LYING ? 0 : LL_EPROTOCOL);
        buf_free(&b);
        struct stat st;
        assert_int_equal(fstatat(to, "victim", &st, 0), -1);
        os_tree_remove(to, ".landline-1.part");
    }
}

static int open_scratch(void **state) {
    (void)state;
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    memcpy(scratch, template, sizeof template);
    if (mkdtemp(scratch) == NULL)
        return -1;
    top = open(scratch, O_RDONLY | O_DIRECTORY);
    return top < 0 ? -1 : 0;
}

static int remove_scratch(void **state) {
    (void)state;
    close(top);
    return os_tree_remove(AT_FDCWD, scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(compressed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cut_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_large_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cuts_within_chunks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_large_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(policies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(in_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_contents, set_up, tear_down),
    };
    int failures = 0;
    for (int i = 0; i < 2; i++) {
        over_ring = i > 0;
        failures += cmocka_run_group_tests(tests, open_scratch, remove_scratch);
    }
    return failures;
}
