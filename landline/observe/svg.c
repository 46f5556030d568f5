/* draw.h: a trace as a picture that stands in a report. */
#include "landline/observe/draw.h"

#include <stdio.h>
#include <string.h>

#include "landline/observe/text.h"
#include "lib/base/limits.h"

enum {
    WIDTH = 900,
    LIFE_LEFT = 190, /* x of the lifelines */
    LIFE_RIGHT = 710,
    LINE = 16,  /* height of a line of text */
    COLUMN = 7, /* width of a column of text at this size, rounded up */
    MARGIN = 24,
    TEXT_COLUMNS = (LIFE_RIGHT - LIFE_LEFT - 30) / COLUMN,
    SUMMARY_COLUMNS = (WIDTH - 2 * MARGIN) / COLUMN,
};

struct pen {
    struct buf *out;
    const struct flow *flow;
    const struct draw_style *style;
    int y;
};

static void put(struct buf *out, const char *text) {
    buf_add(out, text, strlen(text));
}

/* Text as XML: its special characters by name, controls (already escaped elsewhere) not at all. */
static void put_xml(struct buf *out, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        switch (text[i]) {
        case '&':
            put(out, "&amp;");
            break;
        case '<':
            put(out, "&lt;");
            break;
        case '>':
            put(out, "&gt;");
            break;
        case '"':
            put(out, "&quot;");
            break;
        default:
            if ((unsigned char)text[i] >= 0x20)
                buf_add(out, text + i, 1);
        }
    }
}

static void put_text(struct pen *p, int x, const char *class, const char *text, size_t n) {
    words_format(p->out, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, p->y, class);
    put_xml(p->out, text, n);
    put(p->out, "</text>\n");
}

/* Lines of text from x on, each at most `columns` wide. */
static void put_lines(struct pen *p, int x, const char *class, const struct buf *text, size_t columns) {
    const char *at = (const char *)buf_front(text);
    for (size_t left = buf_size(text); left > 0;) {
        size_t n = text_break(at, left, columns);
        put_text(p, x, class, at, n);
        p->y += LINE;
        at += n;
        left -= n;
    }
}

static void put_state(struct pen *p, int side, enum flow_state before, enum flow_state after) {
    if (before == after)
        return;
    const char *name = flow_state_name(after);
    put_text(p, side == FLOW_CLIENT ? LIFE_LEFT - 12 : LIFE_RIGHT + 12, side == FLOW_CLIENT ? "state left" : "state",
             name, strlen(name));
}

static const char *class_of(const struct step *s) {
    bool bad = s->icmp || (s->flags & TCP_RST) != 0;
    return bad ? "bad" : s->lost ? "lost" : "way";
}

static void put_arrow(struct pen *p, const struct step *s) {
    int from = s->from == FLOW_CLIENT ? LIFE_LEFT : LIFE_RIGHT, to = s->from == FLOW_CLIENT ? LIFE_RIGHT : LIFE_LEFT;
    if (s->icmp) { /* it begins on the way, and goes to who sent what it is about */
        int sender = from;
        from = from + (to - from) * 2 / 3;
        to = sender;
    }
    int sign = to > from ? 1 : -1;
    if (s->lost)
        to = from + (to - from) * 2 / 3;
    words_format(p->out, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"%s\"/>\n", from, p->y, to, p->y,
                 class_of(s));
    if (s->lost)
        words_format(p->out, "<path d=\"M%d %dl10 10m0 -10l-10 10\" class=\"lost\"/>\n", to - 5, p->y - 5);
    else
        words_format(p->out, "<path d=\"M%d %dl%d -5v10z\" class=\"head %s\"/>\n", to, p->y, -10 * sign, class_of(s));
}

static void put_step(struct pen *p, size_t i) {
    const struct step *s = &p->flow->steps[i];
    const enum flow_state *before = i == 0 ? p->flow->start : p->flow->steps[i - 1].state;
    struct buf text;
    buf_init(&text, LIMIT_TRACE_TEXT);
    p->y += LINE;
    words_flags(&text, s);
    words_format(&text, "   ");
    words_numbers(&text, p->flow, s);
    put_lines(p, LIFE_LEFT + 15, "fact", &text, TEXT_COLUMNS);
    p->y -= LINE / 2;
    put_arrow(p, s);
    buf_clear(&text);
    words_span(&text, s->time_ns - p->flow->steps[0].time_ns);
    p->y += 4;
    put_text(p, MARGIN, "time", (const char *)buf_front(&text), buf_size(&text));
    for (int side = 0; side < 2; side++)
        put_state(p, side, before[side], s->state[side]);
    p->y += LINE - 2;
    buf_clear(&text);
    words_options(&text, p->flow, s);
    put_lines(p, LIFE_LEFT + 15, "fact", &text, TEXT_COLUMNS);
    buf_clear(&text);
    words_payload(&text, s);
    put_lines(p, LIFE_LEFT + 15, "fact", &text, TEXT_COLUMNS);
    buf_clear(&text);
    words_step(&text, p->flow, i, p->style->language, p->style->explain);
    put_lines(p, LIFE_LEFT + 15, "say", &text, TEXT_COLUMNS);
    buf_free(&text);
}

static void put_heads(struct pen *p) {
    for (int i = 0; i < 2; i++) {
        char end[PACKET_END_TEXT];
        packet_end_text(&p->flow->side[i].end, end);
        const char *name = words_label(i == 0 ? WORDS_CLIENT : WORDS_SERVER, p->style->language);
        int x = i == 0 ? LIFE_LEFT : LIFE_RIGHT;
        put_text(p, x, "name", name, strlen(name));
        p->y += LINE;
        put_text(p, x, "end", end, strlen(end));
        p->y -= LINE;
    }
    p->y += 2 * LINE;
}

static void put_flow(struct pen *p) {
    struct buf text;
    buf_init(&text, LIMIT_TRACE_TEXT);
    p->y += MARGIN;
    put_heads(p);
    int top = p->y - LINE / 2;
    p->y += LINE / 2;
    for (int side = 0; side < 2; side++)
        put_state(p, side, FLOW_STATE_COUNT, p->flow->start[side]);
    for (size_t i = 0; i < p->flow->count; i++)
        put_step(p, i);
    for (int x = LIFE_LEFT; x <= LIFE_RIGHT; x += LIFE_RIGHT - LIFE_LEFT)
        words_format(p->out, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"life\"/>\n", x, top, x, p->y);
    p->y += LINE * 3 / 2;
    words_verdict(&text, p->flow, p->style->language);
    put_lines(p, MARGIN, "say", &text, SUMMARY_COLUMNS);
    buf_free(&text);
}

static const char style_sheet[] =
    "<style>\n"
    "text{font:12px 'DejaVu Sans Mono','Noto Sans Mono CJK SC',Menlo,Consolas,monospace;fill:#1d2733}\n"
    ".name{font-weight:bold;font-size:14px;text-anchor:middle}.end{text-anchor:middle;fill:#51606f}\n"
    ".fact,.time{fill:#51606f;font-size:11px}.say{font-family:'DejaVu Sans','Noto Sans CJK SC',sans-serif}\n"
    ".state{font-weight:bold;fill:#0b5394}.left{text-anchor:end}\n"
    ".life{stroke:#9aa7b4;stroke-width:2}.way{stroke:#0b5394;stroke-width:1.6}.head{fill:#0b5394}\n"
    ".lost{stroke:#b45f06;stroke-width:1.6;stroke-dasharray:6 4;fill:none}\n"
    ".bad{stroke:#b3261e;stroke-width:1.6}.head.bad{fill:#b3261e}\n"
    "</style>\n";

void draw_svg(struct buf *out, const struct flow_table *t, const struct draw_style *style) {
    struct buf body;
    buf_init(&body, out->limit);
    struct pen p = {.out = &body, .style = style, .y = MARGIN / 2};
    for (size_t i = 0; i < t->count; i++) {
        p.flow = t->flows[i];
        put_flow(&p);
        p.y += MARGIN;
    }
    words_format(out,
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
                 "role=\"img\" xml:lang=\"%s\">\n<title>TCP</title>\n",
                 WIDTH, p.y, WIDTH, p.y, style->language == WORDS_ZH ? "zh" : "en");
    put(out, style_sheet);
    words_format(out, "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", WIDTH, p.y);
    buf_add(out, buf_front(&body), buf_size(&body));
    if (body.failed != 0 && out->failed == 0)
        out->failed = body.failed;
    put(out, "</svg>\n");
    buf_free(&body);
}
