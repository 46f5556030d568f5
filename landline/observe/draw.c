#include "landline/observe/draw.h"

#include <stdio.h>
#include <string.h>

#include "landline/observe/text.h"
#include "lib/base/limits.h"

enum { TIME_COLUMNS = 9, STATE_COLUMNS = 11 };

struct glyphs {
    const char *life, *leave_right, *leave_left, *line, *right, *left, *lost, *note;
};

static const struct glyphs box = {"│", "├", "┤", "─", "▶", "◀", "✗", "· "};
static const struct glyphs plain = {"|", "+", "+", "-", ">", "<", "X", "* "};

struct canvas {
    struct buf *out;
    const struct flow *flow;
    const struct draw_style *style;
    const struct glyphs *g;
    size_t area; /* columns between the two lifelines */
};

static void put(struct buf *out, const char *text) {
    buf_add(out, text, strlen(text));
}

static void repeat(struct buf *out, const char *glyph, size_t n) {
    while (n-- > 0)
        put(out, glyph);
}

static void tint(const struct canvas *c, const char *sequence) {
    if (c->style->color)
        put(c->out, sequence);
}

/* One row: time and state on the left, the lifelines, what is between them (exactly `area` columns), the other state. */
struct row {
    const char *time, *left, *edge_left, *edge_right, *right;
    const char *content; /* padded to the area; may be longer in bytes */
    const char *tint;
};

static void put_row(const struct canvas *c, const struct row *r) {
    size_t width = text_width(r->content, strlen(r->content));
    words_format(c->out, "%*s %*s ", TIME_COLUMNS, r->time, STATE_COLUMNS, r->left);
    tint(c, r->tint);
    put(c->out, r->edge_left);
    put(c->out, r->content);
    repeat(c->out, " ", c->area > width ? c->area - width : 0);
    put(c->out, r->edge_right);
    tint(c, "\033[0m");
    if (*r->right != '\0')
        words_format(c->out, " %s", r->right);
    put(c->out, "\n");
}

static void put_plain_row(const struct canvas *c, const char *content, const char *color) {
    put_row(c, &(struct row){"", "", c->g->life, c->g->life, "", content, color});
}

/* Text between the lifelines, broken into rows. */
static void put_text(const struct canvas *c, const char *lead, const struct buf *text, const char *color) {
    const char *at = (const char *)buf_front(text);
    size_t left = buf_size(text), indent = text_width(lead, strlen(lead)) + 1;
    for (bool first = true; left > 0; first = false) {
        size_t n = text_break(at, left, c->area - indent);
        size_t shown = n;
        while (shown > 0 && at[shown - 1] == ' ')
            shown--;
        char line[4 * DRAW_WIDEST + 16];
        snprintf(line, sizeof line, " %s%.*s", first ? lead : *lead != '\0' ? "  " : "", (int)shown, at);
        put_plain_row(c, line, color);
        at += n;
        left -= n;
    }
}

/* The way of an arrow: to the right where `right`, over `way` of the area's columns, which begin behind `skip`. */
struct way {
    bool right;
    size_t skip, way;
    const char *head;
};

/* A lost segment ends on its way, an ICMP error begins there and goes to who sent what it is about. */
static struct way find_way(const struct canvas *c, const struct step *s) {
    bool right = (s->from == FLOW_CLIENT) != s->icmp;
    bool part = s->lost || s->icmp;
    size_t way = part ? c->area * 2 / 3 : c->area, rest = c->area - way;
    return (struct way){.right = right,
                        .way = way,
                        .skip = right == s->icmp ? rest : 0,
                        .head = s->lost ? c->g->lost
                                : right ? c->g->right
                                        : c->g->left};
}

/* "─── SYN ACK ─────▶", mirrored for the other direction. */
static void make_arrow(const struct canvas *c, const struct step *s, struct buf *line) {
    struct buf flags;
    buf_init(&flags, LIMIT_TRACE_TEXT);
    words_flags(&flags, s);
    buf_add_u8(&flags, '\0');
    const char *name = flags.failed == 0 ? (const char *)buf_front(&flags) : "";
    struct way w = find_way(c, s);
    size_t taken = strlen(name) + 6, rest = w.way > taken ? w.way - taken : 0;
    repeat(line, " ", w.skip);
    if (w.right) {
        repeat(line, c->g->line, 3);
        words_format(line, " %s ", name);
        repeat(line, c->g->line, rest);
        put(line, w.head);
    } else {
        put(line, w.head);
        repeat(line, c->g->line, rest);
        words_format(line, " %s ", name);
        repeat(line, c->g->line, 3);
    }
    buf_add_u8(line, '\0');
    buf_free(&flags);
}

static const char *tint_of(const struct step *s) {
    switch (s->event) {
    case EVENT_REFUSED:
    case EVENT_RESET:
    case EVENT_RESET_UNKNOWN:
    case EVENT_RESET_LATE:
    case EVENT_UNREACHABLE:
    case EVENT_EXPIRED:
        return "\033[31m";
    case EVENT_SYN_AGAIN:
    case EVENT_SYN_ACK_AGAIN:
    case EVENT_DATA_AGAIN:
    case EVENT_FIN_AGAIN:
    case EVENT_WINDOW_ZERO:
        return "\033[33m";
    default:
        return s->lost ? "\033[33m" : "\033[36m";
    }
}

static const char *changed(enum flow_state before, enum flow_state after) {
    return before != after ? flow_state_name(after) : "";
}

static void put_arrow(const struct canvas *c, size_t i) {
    const struct step *s = &c->flow->steps[i];
    const enum flow_state *before = i == 0 ? c->flow->start : c->flow->steps[i - 1].state;
    double ms = (double)(s->time_ns - c->flow->steps[0].time_ns) / 1e6;
    char time[32];
    snprintf(time, sizeof time, ms < 99999 ? "%.3f" : "%.0f", ms);
    struct buf line;
    buf_init(&line, LIMIT_TRACE_TEXT);
    make_arrow(c, s, &line);
    bool from_left = s->from == FLOW_CLIENT && !s->icmp, from_right = s->from == FLOW_SERVER && !s->icmp;
    if (line.failed == 0)
        put_row(c, &(struct row){time, changed(before[0], s->state[0]), from_left ? c->g->leave_right : c->g->life,
                                 from_right ? c->g->leave_left : c->g->life, changed(before[1], s->state[1]),
                                 (const char *)buf_front(&line), tint_of(s)});
    buf_free(&line);
}

static void put_step(const struct canvas *c, size_t i) {
    const struct step *s = &c->flow->steps[i];
    struct buf text;
    buf_init(&text, LIMIT_TRACE_TEXT);
    put_arrow(c, i);
    words_numbers(&text, c->flow, s);
    put_text(c, "", &text, "\033[2m");
    buf_clear(&text);
    words_options(&text, c->flow, s);
    put_text(c, "", &text, "\033[2m");
    buf_clear(&text);
    words_payload(&text, s);
    put_text(c, "", &text, "\033[2m");
    buf_clear(&text);
    words_step(&text, c->flow, i, c->style->language, c->style->explain);
    put_text(c, c->g->note, &text, "");
    buf_free(&text);
}

/* Both ends by name and address, each above its lifeline. */
static void put_head(const struct canvas *c) {
    char end[2][PACKET_END_TEXT];
    for (int i = 0; i < 2; i++)
        packet_end_text(&c->flow->side[i].end, end[i]);
    struct buf name[2];
    for (int i = 0; i < 2; i++) {
        buf_init(&name[i], LIMIT_TRACE_TEXT);
        words_format(&name[i], i == 0 ? "%s %s" : "%s %s",
                     i == 0 ? words_label(WORDS_CLIENT, c->style->language) : end[i],
                     i == 0 ? end[i] : words_label(WORDS_SERVER, c->style->language));
    }
    size_t width[2], lead = TIME_COLUMNS + 1 + STATE_COLUMNS + 1, all = lead + c->area + 2 + 1 + STATE_COLUMNS;
    for (int i = 0; i < 2; i++)
        width[i] = text_width((const char *)buf_front(&name[i]), buf_size(&name[i]));
    buf_add(c->out, buf_front(&name[0]), buf_size(&name[0]));
    if (width[0] + width[1] + 2 > all) {
        put(c->out, "\n");
        width[0] = 0;
    }
    repeat(c->out, " ", all > width[0] + width[1] ? all - width[0] - width[1] : 0);
    buf_add(c->out, buf_front(&name[1]), buf_size(&name[1]));
    put(c->out, "\n");
    words_format(c->out, "%*s\n", TIME_COLUMNS, "ms");
    for (int i = 0; i < 2; i++)
        buf_free(&name[i]);
}

/* Lines of `columns`, the first behind `lead`, the others behind as many spaces. */
static void put_paragraph(struct buf *out, const char *text, size_t left, const char *lead, size_t columns) {
    for (bool first = true; left > 0; first = false) {
        size_t n = text_break(text, left, columns - strlen(lead)), shown = n;
        while (shown > 0 && text[shown - 1] == ' ')
            shown--;
        words_format(out, "%*s", (int)strlen(lead), first ? lead : "");
        buf_add(out, text, shown);
        put(out, "\n");
        text += n;
        left -= n;
    }
}

static void put_line(const struct canvas *c, enum words_label label) {
    put(c->out, words_label(label, c->style->language));
    put(c->out, "\n");
}

static size_t columns_of(const struct draw_style *style) {
    int columns = style->columns < DRAW_NARROWEST ? DRAW_NARROWEST : style->columns;
    return (size_t)(columns > DRAW_WIDEST ? DRAW_WIDEST : columns);
}

void draw_terminal(struct buf *out, const struct flow *f, const struct draw_style *style) {
    size_t columns = columns_of(style);
    size_t area = columns - (TIME_COLUMNS + 1 + STATE_COLUMNS + 1) - 2 - (1 + STATE_COLUMNS);
    struct canvas c = {.out = out, .flow = f, .style = style, .g = style->ascii ? &plain : &box, .area = area};
    put_head(&c);
    if (!f->whole)
        put_line(&c, WORDS_LATE_START);
    put_row(&c, &(struct row){"", flow_state_name(f->start[0]), c.g->life, c.g->life, flow_state_name(f->start[1]), "",
                              ""});
    for (size_t i = 0; i < f->count; i++)
        put_step(&c, i);
    if (f->cut)
        put_line(&c, WORDS_CUT);
    put(out, "\n");
    struct buf text;
    buf_init(&text, LIMIT_TRACE_TEXT);
    words_verdict(&text, f, style->language);
    put_paragraph(out, (const char *)buf_front(&text), buf_size(&text), "", columns);
    buf_free(&text);
}

void draw_kernel(struct buf *out, const struct buf *lines, const struct draw_style *style) {
    const char *at = (const char *)buf_front(lines), *end = at + buf_size(lines);
    if (at == end)
        return;
    words_format(out, "%s\n", words_label(WORDS_KERNEL, style->language));
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL)
            line_end = end;
        put_paragraph(out, at, (size_t)(line_end - at), "  - ", columns_of(style));
        at = line_end + (line_end < end);
    }
}
