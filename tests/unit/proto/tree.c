/* landline/proto/tree.h: every record and request there and back, every limit at its edge, bytes that are neither. */
#include "landline/proto/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"

static struct slice text(const char *s) {
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static void same_slice(struct slice a, struct slice b) {
    assert_int_equal(a.size, b.size);
    if (a.size > 0)
        assert_memory_equal(a.data, b.data, a.size);
}

/* The only record in the buffer: its kind is checked, its payload returned. */
static struct slice only(const struct buf *b, uint8_t expected) {
    uint8_t kind;
    uint32_t length;
    assert_int_equal(b->failed, 0);
    assert_true(buf_size(b) >= TREE_HEAD);
    assert_int_equal(tree_head_read(buf_front(b), &kind, &length), 0);
    assert_int_equal(kind, expected);
    assert_int_equal(length, buf_size(b) - TREE_HEAD);
    return (struct slice){buf_front(b) + TREE_HEAD, length};
}

static const struct tree_entry model = {.mode = 0644,
                                        .mtime_s = -5,
                                        .mtime_ns = 999999999,
                                        .size = 3,
                                        .group = 7,
                                        .digest = 0x0123456789abcdef,
                                        .version = 0xfedcba9876543210,
                                        .name = {(const uint8_t *)"a\n\xff", 3},
                                        .target = {(const uint8_t *)"../b", 4},
                                        .bytes = {(const uint8_t *)"xyz", 3}};

static const uint8_t kinds[] = {TREE_DIR, TREE_FILE, TREE_WHOLE, TREE_SYMLINK, TREE_HARD};
enum { KINDS = sizeof kinds };

/* What comes of an entry that is written and read again. */
static int again(uint8_t kind, const struct tree_entry *in, struct tree_entry *out, struct buf *b) {
    buf_clear(b);
    tree_put_entry(b, kind, in);
    return tree_get_entry(kind, only(b, kind), out);
}

static int judge(uint8_t kind, const struct tree_entry *in) {
    struct tree_entry out;
    struct buf b;
    buf_init(&b, 1 << 20);
    int e = again(kind, in, &out, &b);
    buf_free(&b);
    return e;
}

static void entries(void **unused) {
    struct buf b;
    (void)unused;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < KINDS; i++) {
        uint8_t kind = kinds[i];
        struct tree_entry e;
        assert_int_equal(again(kind, &model, &e, &b), 0);
        bool file = kind == TREE_FILE || kind == TREE_WHOLE;
        same_slice(e.name, model.name);
        assert_int_equal(e.mode, file || kind == TREE_DIR ? model.mode : 0);
        assert_true(e.mtime_s == (kind == TREE_HARD ? 0 : model.mtime_s));
        assert_int_equal(e.mtime_ns, kind == TREE_HARD ? 0 : model.mtime_ns);
        assert_true(e.size == (file ? model.size : 0));
        assert_true(e.digest == (file ? model.digest : 0));
        assert_true(e.version == (kind == TREE_FILE ? model.version : 0));
        assert_true(e.group == (file || kind == TREE_HARD ? model.group : 0));
        same_slice(e.target, kind == TREE_SYMLINK ? model.target : (struct slice){0});
        same_slice(e.bytes, kind == TREE_WHOLE ? model.bytes : (struct slice){0});
    }
    buf_free(&b);
}

/* Each payload cut anywhere, and with a byte too many. */
static void short_and_long_entries(void **unused) {
    struct buf b;
    (void)unused;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < KINDS; i++) {
        struct tree_entry e;
        assert_int_equal(again(kinds[i], &model, &e, &b), 0);
        struct slice whole = only(&b, kinds[i]);
        for (size_t n = 0; n < whole.size; n++)
            assert_int_equal(tree_get_entry(kinds[i], (struct slice){whole.data, n}, &e), LL_EFORMAT);
        buf_add_u8(&b, 0);
        whole = (struct slice){buf_front(&b) + TREE_HEAD, whole.size + 1};
        assert_int_equal(tree_get_entry(kinds[i], whole, &e), LL_EFORMAT);
    }
    struct tree_entry e;
    for (unsigned kind = 0; kind < 256; kind++)
        if (memchr(kinds, (int)kind, KINDS) == NULL)
            assert_int_equal(tree_get_entry((uint8_t)kind, text("abcdefghijklmnop"), &e), LL_EFORMAT);
    buf_free(&b);
}

static void limits_of_entries(void **unused) {
    static uint8_t bytes[TREE_SMALL + 1];
    (void)unused;
    memset(bytes, 'x', sizeof bytes);
    for (uint32_t mode = 0; mode <= UINT16_MAX; mode++) {
        struct tree_entry e = model;
        e.mode = (uint16_t)mode;
        assert_int_equal(judge(TREE_FILE, &e), mode <= 0777 ? 0 : LL_EFORMAT);
    }
    for (uint32_t off = 0; off < 3; off++) {
        int expected = off < 2 ? 0 : LL_EFORMAT; /* one below the limit, the limit, one above */
        struct tree_entry e = model;
        e.mtime_ns = 999999998 + off;
        assert_int_equal(judge(TREE_DIR, &e), expected);
        e = model;
        e.size = TREE_SIZE_MAX - 1 + off;
        assert_int_equal(judge(TREE_FILE, &e), expected);
        e.size = e.bytes.size = TREE_SMALL - 1 + off;
        e.bytes.data = bytes;
        assert_int_equal(judge(TREE_WHOLE, &e), expected);
        e = model;
        e.target = (struct slice){bytes, TREE_LINK - 1 + off};
        assert_int_equal(judge(TREE_SYMLINK, &e), expected);
        e = model;
        e.name = (struct slice){bytes, TREE_NAME - 1 + off};
        for (size_t i = 0; i < KINDS; i++)
            assert_int_equal(judge(kinds[i], &e), expected);
        e = model;
        e.size = e.bytes.size - 1 + off; /* the size of WHOLE is that of its contents */
        assert_int_equal(judge(TREE_WHOLE, &e), off == 1 ? 0 : LL_EFORMAT);
    }
    struct tree_entry e = model;
    e.size = TREE_SIZE_UNKNOWN;
    assert_int_equal(judge(TREE_FILE, &e), 0);
    e.size = TREE_SIZE_UNKNOWN - 1;
    assert_int_equal(judge(TREE_FILE, &e), LL_EFORMAT);
    e = model;
    e.group = 0;
    assert_int_equal(judge(TREE_FILE, &e), 0);
    assert_int_equal(judge(TREE_HARD, &e), LL_EFORMAT);
    e.target.size = 0;
    assert_int_equal(judge(TREE_SYMLINK, &e), LL_EFORMAT);
    e.target = (struct slice){(const uint8_t *)"a\0b", 3};
    assert_int_equal(judge(TREE_SYMLINK, &e), LL_EFORMAT);
}

static void names(void **unused) {
    static const struct {
        struct slice name;
        bool good;
    } rows[] = {
        {{(const uint8_t *)"", 0}, false},         {{NULL, 0}, false},
        {{(const uint8_t *)".", 1}, false},        {{(const uint8_t *)"..", 2}, false},
        {{(const uint8_t *)"...", 3}, true},       {{(const uint8_t *)".a", 2}, true},
        {{(const uint8_t *)"/", 1}, false},        {{(const uint8_t *)"a/b", 3}, false},
        {{(const uint8_t *)"../a", 4}, false},     {{(const uint8_t *)"a/", 2}, false},
        {{(const uint8_t *)"a\0b", 3}, false},     {{(const uint8_t *)"\0", 1}, false},
        {{(const uint8_t *)"\n\x1b", 2}, true},    {{(const uint8_t *)"\xff", 1}, true},
        {{(const uint8_t *)" ", 1}, true},         {{(const uint8_t *)"-rf", 3}, true},
        {{(const uint8_t *)".landline", 9}, true},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(tree_name_good(rows[i].name), rows[i].good);
        struct tree_entry e = model;
        e.name = rows[i].name;
        for (size_t k = 0; k < KINDS; k++)
            assert_int_equal(judge(kinds[k], &e), rows[i].good ? 0 : LL_EFORMAT);
    }
}

static void names_of_our_own(void **unused) {
    (void)unused;
    assert_true(tree_name_ours(text(".landline-0123456789abcdef.part")));
    assert_true(tree_name_ours(text(".landline-ffffffffffffffff.journal")));
    const char *const others[] = {
        "",
        ".landline-",
        ".landline-0123456789abcdef",
        ".landline-0123456789abcdef.",
        ".landline-0123456789abcdef.par",
        ".landline-0123456789abcdef.partx",
        ".landline-0123456789abcdef.journals",
        ".landline-0123456789abcde.part",
        ".landline-0123456789abcdef0.part",
        ".landline-0123456789ABCDEF.part",
        ".landline-0123456789abcdeg.part",
        "landline-0123456789abcdef.part",
        "x.landline-0123456789abcdef.part",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(tree_name_ours(text(others[i])));
}

static void heads(void **unused) {
    uint8_t head[TREE_HEAD], kind;
    uint32_t length;
    (void)unused;
    for (uint32_t n = TREE_RECORD - 1; n <= TREE_RECORD + 1; n++) {
        tree_head(head, TREE_DATA, n);
        assert_int_equal(tree_head_read(head, &kind, &length), n <= TREE_RECORD ? 0 : LL_ELIMIT);
        assert_int_equal(length, n);
        assert_int_equal(kind, TREE_DATA);
    }
    memset(head, 0xff, sizeof head);
    assert_int_equal(tree_head_read(head, &kind, &length), LL_ELIMIT);
}

/* ---- the small records: one row each, so that all can be cut and stretched alike ---- */

static int read_over(struct slice p) {
    uint64_t n;
    return tree_get_over(p, &n);
}
static int read_digest(struct slice p) {
    uint64_t end, digest;
    return tree_get_digest(p, &end, &digest);
}
static int read_close(struct slice p) {
    struct tree_close c;
    return tree_get_close(p, &c);
}
static int read_problem(struct slice p) {
    struct tree_problem t;
    return tree_get_problem(p, &t);
}
static int read_mode(struct slice p) {
    bool whole;
    return tree_get_mode(p, &whole);
}
static int read_answer(struct slice p) {
    uint8_t answer;
    uint64_t offset;
    return tree_get_answer(p, &answer, &offset);
}
static int read_proved(struct slice p) {
    bool whole;
    uint64_t digest;
    return tree_get_proved(p, &whole, &digest);
}
static int read_total(struct slice p) {
    uint64_t files, bytes;
    return tree_get_total(p, &files, &bytes);
}
static int read_summary(struct slice p) {
    struct tree_summary s;
    return tree_get_summary(p, &s);
}

static void put_small(struct buf *b, size_t which) {
    const struct tree_problem problem = {.error = 2, .path = text("a/b"), .text = text("why")};
    const struct tree_summary summary = {1, 2, 3, 4, 5, 6, 7};
    switch (which) {
    case 0:
        tree_put_over(b, 5);
        break;
    case 1:
        tree_put_digest(b, 1, 2);
        break;
    case 2:
        tree_put_close(b, &(struct tree_close){TREE_UNREADABLE, 5, 9});
        break;
    case 3:
        tree_put_problem(b, TREE_PROBLEM, &problem);
        break;
    case 4:
        tree_put_mode(b, true);
        break;
    case 5:
        tree_put_answer(b, TREE_WANT, TREE_CHUNK);
        break;
    case 6:
        tree_put_summary(b, &summary);
        break;
    case 7:
        tree_put_proved(b, true, 8);
        break;
    default:
        tree_put_total(b, 3, 4);
    }
}

static void short_and_long_small_ones(void **unused) {
    static int (*const reads[])(struct slice) = {read_over,   read_digest,  read_close,  read_problem, read_mode,
                                                 read_answer, read_summary, read_proved, read_total};
    (void)unused;
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        struct buf b;
        buf_init(&b, 4096);
        put_small(&b, i);
        buf_add_u8(&b, 0);
        size_t n = buf_size(&b) - TREE_HEAD - 1;
        for (size_t cut = 0; cut <= n + 1; cut++)
            assert_int_equal(reads[i]((struct slice){buf_front(&b) + TREE_HEAD, cut}), cut == n ? 0 : LL_EFORMAT);
        buf_free(&b);
    }
}

static void values_of_small_ones(void **unused) {
    struct buf b;
    struct tree_close c;
    struct tree_problem p;
    struct tree_summary s;
    (void)unused;
    buf_init(&b, 4096);
    for (unsigned state = 0; state < 256; state++) {
        buf_clear(&b);
        tree_put_close(&b, &(struct tree_close){(uint8_t)state, 5, UINT64_MAX});
        assert_int_equal(tree_get_close(only(&b, TREE_CLOSE), &c), state <= TREE_UNREADABLE ? 0 : LL_EFORMAT);
    }
    assert_true(c.error == 5 && c.size == UINT64_MAX);
    for (uint32_t error = 4094; error <= 4096; error++) {
        buf_clear(&b);
        tree_put_problem(&b, TREE_FAIL, &(struct tree_problem){error, text("p"), text("")});
        assert_int_equal(tree_get_problem(only(&b, TREE_FAIL), &p), error <= 4095 ? 0 : LL_EFORMAT);
    }
    same_slice(p.path, text("p"));
    for (uint8_t v = 0; v < 3; v++) {
        bool whole;
        assert_int_equal(tree_get_mode((struct slice){&v, 1}, &whole), v < 2 ? 0 : LL_EFORMAT);
        assert_int_equal(whole, v == 1);
    }
    buf_clear(&b);
    put_small(&b, 6);
    assert_int_equal(tree_get_summary(only(&b, TREE_SUMMARY), &s), 0);
    assert_true(s.files == 1 && s.folders == 2 && s.links == 3 && s.skipped == 4 && s.bytes == 5 && s.resumed == 6 &&
                s.failures == 7);
    buf_clear(&b);
    tree_put_empty(&b, TREE_UP);
    assert_int_equal(only(&b, TREE_UP).size, 0);
    buf_free(&b);
}

static int judge_answer(uint8_t answer, uint64_t offset) {
    struct buf b;
    buf_init(&b, 64);
    tree_put_answer(&b, answer, offset);
    int e = read_answer(only(&b, TREE_ANSWER));
    buf_free(&b);
    return e;
}

static void answers(void **unused) {
    (void)unused;
    assert_int_equal(judge_answer(TREE_SKIP, 0), 0);
    assert_int_equal(judge_answer(TREE_SKIP, TREE_CHUNK), LL_EFORMAT);
    assert_int_equal(judge_answer(TREE_WANT, 0), 0);
    assert_int_equal(judge_answer(TREE_WANT, TREE_CHUNK - 1), 0);
    assert_int_equal(judge_answer(TREE_WANT, TREE_CHUNK), 0);
    assert_int_equal(judge_answer(TREE_WANT, UINT64_MAX), 0);
    assert_int_equal(judge_answer(2, 0), LL_EFORMAT);
    assert_int_equal(judge_answer(255, 0), LL_EFORMAT);
}

static void proofs(void **unused) {
    bool whole;
    uint64_t digest;
    struct buf b;
    (void)unused;
    buf_init(&b, 64);
    tree_put_proved(&b, true, 77);
    assert_int_equal(tree_get_proved(only(&b, TREE_PROVED), &whole, &digest), 0);
    assert_true(whole && digest == 77);
    uint8_t *bytes = buf_front(&b) + TREE_HEAD;
    bytes[0] = 2;
    assert_int_equal(read_proved(only(&b, TREE_PROVED)), LL_EFORMAT);
    bytes[0] = 0; /* not whole, and a digest */
    assert_int_equal(read_proved(only(&b, TREE_PROVED)), LL_EFORMAT);
    buf_clear(&b);
    tree_put_proved(&b, false, 0);
    assert_int_equal(tree_get_proved(only(&b, TREE_PROVED), &whole, &digest), 0);
    assert_false(whole);
    buf_free(&b);
}

/* ---- requests ---- */

static int judge_get(const struct tree_get *g, struct tree_get *out, struct buf *b) {
    buf_clear(b);
    tree_put_get(b, g);
    return tree_get_get((struct slice){buf_front(b), buf_size(b)}, out);
}

static void turns_and_joins(void **unused) {
    (void)unused;
    for (unsigned n = 0; n < 256; n++) {
        uint8_t bytes[TREE_ID + 2] = "sixteen bytes id", got = 99;
        struct tree_join j;
        bytes[TREE_ID] = (uint8_t)n;
        assert_int_equal(tree_get_turn((struct slice){&bytes[TREE_ID], 1}, &got), n < TREE_STREAMS ? 0 : LL_EFORMAT);
        assert_true(n >= TREE_STREAMS || got == n);
        assert_int_equal(tree_get_join((struct slice){bytes, TREE_ID + 1}, &j),
                         n > 0 && n < TREE_STREAMS ? 0 : LL_EFORMAT);
        assert_true(n == 0 || n >= TREE_STREAMS || (j.stream == n && memcmp(j.id, bytes, TREE_ID) == 0));
        for (size_t size = 0; size < TREE_ID + 3; size++)
            assert_true(size == TREE_ID + 1 || tree_get_join((struct slice){bytes, size}, &j) == LL_EFORMAT);
        assert_int_equal(tree_get_turn((struct slice){&bytes[TREE_ID], 0}, &got), LL_EFORMAT);
        assert_int_equal(tree_get_turn((struct slice){&bytes[TREE_ID], 2}, &got), LL_EFORMAT);
    }
    struct buf b;
    buf_init(&b, 100);
    tree_put_turn(&b, 5);
    tree_put_join(&b, &(struct tree_join){"sixteen bytes id", 7});
    static const char want[] = "\0\0\0\1\x0e\5sixteen bytes id\7";
    assert_int_equal(buf_size(&b), sizeof want - 1);
    assert_memory_equal(buf_front(&b), want, sizeof want - 1);
    buf_free(&b);
}

static void requests_to_get(void **unused) {
    struct buf b, paths;
    struct tree_get out;
    (void)unused;
    buf_init(&b, 4096);
    buf_init(&paths, 4096);
    buf_add_str32(&paths, "one", 3);
    buf_add_str32(&paths, "", 0);
    const struct slice two = {buf_front(&paths), buf_size(&paths)};
    struct tree_get good = {TREE_FLAGS_GET, TREE_AUTO, 77, 2, two}, g = good;
    assert_int_equal(judge_get(&g, &out, &b), 0);
    assert_true(out.flags == TREE_FLAGS_GET && out.compress == TREE_AUTO && out.rate == 77 && out.count == 2);
    same_slice(out.paths, two);
    for (size_t n = 0; n < buf_size(&b); n++)
        assert_int_equal(tree_get_get((struct slice){buf_front(&b), n}, &out), LL_EFORMAT);
    buf_add_u8(&b, 0);
    assert_int_equal(tree_get_get((struct slice){buf_front(&b), buf_size(&b)}, &out), LL_EFORMAT);
    g.flags = TREE_INTO;
    assert_int_equal(judge_get(&g, &out, &b), LL_EFORMAT);
    g = good, g.compress = TREE_AUTO + 1;
    assert_int_equal(judge_get(&g, &out, &b), LL_EFORMAT);
    for (uint32_t count = 0; count < 5; count++) {
        g = good, g.count = count;
        assert_int_equal(judge_get(&g, &out, &b), count == 2 ? 0 : LL_EFORMAT);
    }
    g.count = UINT32_MAX;
    assert_int_equal(judge_get(&g, &out, &b), LL_EFORMAT);
    g.count = 0, g.paths.size = 0;
    assert_int_equal(judge_get(&g, &out, &b), LL_EFORMAT);
    buf_clear(&paths);
    buf_add_str32(&paths, "a\0b", 3);
    g.count = 1, g.paths = (struct slice){buf_front(&paths), buf_size(&paths)};
    assert_int_equal(judge_get(&g, &out, &b), LL_EFORMAT);
    buf_free(&paths);
    buf_free(&b);
}

static int judge_put(const struct tree_put *p, struct tree_put *out, struct buf *b) {
    buf_clear(b);
    tree_put_put(b, p);
    return tree_get_put((struct slice){buf_front(b), buf_size(b)}, out);
}

static void requests_to_put(void **unused) {
    static const uint8_t id[TREE_ID] = "0123456789abcdef";
    struct buf b;
    struct tree_put out, p = {TREE_FLAGS_PUT, TREE_NEVER, text("~/x"), {id, sizeof id}, 0x01020304}, named = p;
    (void)unused;
    buf_init(&b, 4096);
    assert_int_equal(judge_put(&p, &out, &b), 0);
    assert_true(out.flags == TREE_FLAGS_PUT && out.overwrite == TREE_NEVER && out.attempt == 0x01020304);
    same_slice(out.destination, p.destination);
    same_slice(out.id, p.id);
    for (size_t n = 0; n < buf_size(&b); n++)
        assert_int_equal(tree_get_put((struct slice){buf_front(&b), n}, &out), LL_EFORMAT);
    tree_set_attempt(buf_front(&b), buf_size(&b), UINT32_MAX - 1);
    assert_int_equal(tree_get_put((struct slice){buf_front(&b), buf_size(&b)}, &out), 0);
    assert_int_equal(out.attempt, UINT32_MAX - 1);
    same_slice(out.id, p.id);
    buf_add_u8(&b, 0);
    assert_int_equal(tree_get_put((struct slice){buf_front(&b), buf_size(&b)}, &out), LL_EFORMAT);
    p.flags &= (uint8_t)~TREE_NAMED;
    assert_int_equal(judge_put(&p, &out, &b), 0);
    assert_true(out.id.size == 0 && out.attempt == 0);
    p.destination.size = 0;
    assert_int_equal(judge_put(&p, &out, &b), 0);
    p.destination = (struct slice){(const uint8_t *)"a\0", 2};
    assert_int_equal(judge_put(&p, &out, &b), LL_EFORMAT);
    for (unsigned flag = 1; flag < 256; flag *= 2) {
        p = named, p.flags = (uint8_t)(TREE_NAMED | flag);
        assert_int_equal(judge_put(&p, &out, &b), (flag & TREE_FLAGS_PUT) != 0 ? 0 : LL_EFORMAT);
    }
    p = named, p.overwrite = TREE_NEVER + 1;
    assert_int_equal(judge_put(&p, &out, &b), LL_EFORMAT);
    buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries),
        cmocka_unit_test(short_and_long_entries),
        cmocka_unit_test(limits_of_entries),
        cmocka_unit_test(names),
        cmocka_unit_test(names_of_our_own),
        cmocka_unit_test(heads),
        cmocka_unit_test(short_and_long_small_ones),
        cmocka_unit_test(values_of_small_ones),
        cmocka_unit_test(answers),
        cmocka_unit_test(proofs),
        cmocka_unit_test(turns_and_joins),
        cmocka_unit_test(requests_to_get),
        cmocka_unit_test(requests_to_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
