/* landline/observe/draw.h: pictures keep their width, and let nothing of the network through unescaped. */
#include "landline/observe/draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

#include "landline/observe/text.h"

static const char hostile[] = "\033]0;x\007</text>\"\\\n\xff";

/* A handshake, hostile data sent twice, a reset: every kind of row. */
static void gather(struct flow_table *t) {
    static const struct {
        int from, flags;
        uint32_t seq, ack;
        bool data;
    } sent[] = {{0, TCP_SYN, 0, 0, false},          {1, TCP_SYN | TCP_ACK, 0, 1, false}, {0, TCP_ACK, 1, 1, false},
                {0, TCP_PSH | TCP_ACK, 1, 1, true}, {0, TCP_PSH | TCP_ACK, 1, 1, true},  {1, TCP_RST, 1, 0, false}};
    struct packet_end ends[2] = {
        {.family = 6, .bytes = {0x20, 1, 0x0d, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, .port = 40000},
        {.family = 6, .bytes = {0x20, 1}, .port = 80}};
    flow_table_init(t);
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
        struct flow *f = NULL;
        struct packet p = {.from = ends[sent[i].from], .to = ends[1 - sent[i].from], .time_ns = (int64_t)i << 37};
        p.seq = 4000000000U + sent[i].seq;
        p.ack = 4000000000U + sent[i].ack;
        p.flags = (uint16_t)sent[i].flags;
        if (sent[i].data) {
            p.payload = (const uint8_t *)hostile;
            p.held = p.length = sizeof hostile - 1;
        }
        assert_int_equal(flow_table_add(t, &p, &f), 0);
        flow_judge(f);
    }
}

/* Rows of the diagram have both lifelines, in the columns where all others have them. */
static void check_lifelines(const char *line, size_t n, int columns, bool ascii) {
    static const char *const edges[2][2][3] = {{{"│", "├", "┤"}, {"│", "├", "┤"}}, {{"|", "+", "+"}, {"|", "+", "+"}}};
    static const size_t left = 22, right_from_end = 13;
    for (int side = 0; side < 2; side++) {
        size_t want = side == 0 ? left : (size_t)columns - right_from_end, at = 0;
        while (at < n && text_width(line, at) < want)
            at += text_break(line + at, n - at, 0);
        bool found = false;
        for (int i = 0; i < 3; i++)
            found = found || strncmp(line + at, edges[ascii][side][i], strlen(edges[ascii][side][i])) == 0;
        if (!found)
            fail_msg("no lifeline in column %zu of \"%.*s\"", want, (int)n, line);
    }
}

static void check_line(const char *line, size_t n, int columns) {
    if (text_width(line, n) > (size_t)columns)
        fail_msg("%d columns: \"%.*s\"", columns, (int)n, line);
    for (size_t i = 0; i < n; i++)
        assert_true((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
}

static void widths(void **state) {
    (void)state;
    struct flow_table t;
    gather(&t);
    for (int columns = DRAW_NARROWEST; columns <= DRAW_WIDEST; columns += 7) {
        for (int variant = 0; variant < 8; variant++) {
            struct draw_style style = {.columns = columns,
                                       .language = (variant & 1) != 0 ? WORDS_ZH : WORDS_EN,
                                       .explain = (variant & 2) != 0,
                                       .ascii = (variant & 4) != 0};
            struct buf out;
            buf_init(&out, 1 << 20);
            draw_terminal(&out, t.flows[0], &style);
            assert_int_equal(out.failed, 0);
            int rows = 0;
            const char *at = (const char *)buf_front(&out), *end = at + buf_size(&out);
            while (at < end) {
                const char *line_end = memchr(at, '\n', (size_t)(end - at));
                assert_non_null(line_end);
                check_line(at, (size_t)(line_end - at), columns);
                const char *edge = style.ascii ? "|" : "│";
                bool row = line_end - at > 30 && strncmp(at + 22, edge, strlen(edge)) == 0;
                if (row)
                    check_lifelines(at, (size_t)(line_end - at), columns, style.ascii);
                rows += row;
                at = line_end + 1;
            }
            assert_true(rows > 10);
            buf_free(&out);
        }
    }
    flow_table_free(&t);
}

static void ascii_only(void **state) {
    (void)state;
    struct flow_table t;
    gather(&t);
    struct buf out;
    buf_init(&out, 1 << 20);
    draw_terminal(&out, t.flows[0], &(struct draw_style){.columns = 80, .ascii = true});
    for (size_t i = 0; i < buf_size(&out); i++)
        assert_true(buf_front(&out)[i] < 0x80);
    buf_free(&out);
    flow_table_free(&t);
}

static bool contains(const struct buf *b, const char *text) {
    return memmem(buf_front(b), buf_size(b), text, strlen(text)) != NULL;
}

static void escapes(void **state) {
    (void)state;
    struct flow_table t;
    gather(&t);
    struct buf out;
    buf_init(&out, 1 << 20);
    struct draw_style style = {.columns = 200};
    draw_svg(&out, &t, &style);
    assert_false(contains(&out, "</text>&quot;\\"));
    assert_true(contains(&out, "\\x1b]0;x\\x07&lt;/text&gt;&quot;\\\\\\n\\xff"));
    assert_false(contains(&out, "\033"));
    buf_clear(&out);
    draw_terminal(&out, t.flows[0], &style);
    assert_true(contains(&out, "\"\\x1b]0;x\\x07</text>\"\\\\\\n\\xff\""));
    assert_false(contains(&out, "\033"));
    style.color = true;
    buf_clear(&out);
    draw_terminal(&out, t.flows[0], &style);
    assert_true(contains(&out, "\033[31m"));
    buf_free(&out);
    flow_table_free(&t);
}

static void json_strings(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *json;
    } cases[] = {
        {"", "\"\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\x01\n\x7f", "\"\\u0001\\u000a\\u007f\""},
        {"握", "\"握\""},
        {"\xff\xc0\xaf", "\"\\ufffd\\ufffd\\ufffd\""},
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
        {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
        {"\xe6\x8f", "\"\\ufffd\\ufffd\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1000);
        draw_json_string(&out, cases[i].bytes, strlen(cases[i].bytes));
        buf_add_u8(&out, 0);
        assert_string_equal((const char *)buf_front(&out), cases[i].json);
        buf_free(&out);
    }
}

/* A buffer that is too small stops the picture, it does not break it. */
static void too_small(void **state) {
    (void)state;
    struct flow_table t;
    gather(&t);
    for (size_t limit = 0; limit < 3000; limit += 61) {
        struct buf out;
        buf_init(&out, limit);
        struct draw_style style = {.columns = 80};
        draw_terminal(&out, t.flows[0], &style);
        draw_svg(&out, &t, &style);
        draw_json(&out, &t, WORDS_EN, NULL);
        assert_int_not_equal(out.failed, 0);
        assert_true(buf_size(&out) <= limit);
        buf_free(&out);
    }
    flow_table_free(&t);
}

static void languages(void **state) {
    (void)state;
    assert_int_equal(words_language("en"), WORDS_EN);
    assert_int_equal(words_language("zh_CN.UTF-8"), WORDS_ZH);
    assert_int_equal(words_language("zhx"), -1);
    assert_int_equal(words_language(""), -1);
    struct buf out;
    buf_init(&out, 1000);
    words_span(&out, 1500);
    words_span(&out, 2500000);
    words_span(&out, 61000000000);
    buf_add_u8(&out, 0);
    assert_string_equal((const char *)buf_front(&out), "1.5 us2.50 ms61.00 s");
    buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths),       cmocka_unit_test(ascii_only), cmocka_unit_test(escapes),
        cmocka_unit_test(json_strings), cmocka_unit_test(too_small),  cmocka_unit_test(languages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
