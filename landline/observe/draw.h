/* The pictures: a sequence diagram for the terminal, the same as SVG, and JSON. All render into a buffer; connections
 * must have been judged. What came from the network is escaped. */
#ifndef LANDLINE_OBSERVE_DRAW_H
#define LANDLINE_OBSERVE_DRAW_H

#include <stdbool.h>

#include "landline/observe/flow.h"
#include "landline/observe/words.h"
#include "lib/base/buf.h"

enum { DRAW_NARROWEST = 60, DRAW_WIDEST = 200 };

struct draw_style {
    enum words_language language;
    int columns;  /* brought between DRAW_NARROWEST and DRAW_WIDEST */
    bool explain; /* full sentences instead of one line a step */
    bool ascii;   /* no line-drawing characters */
    bool color;   /* ANSI sequences */
};

void draw_terminal(struct buf *out, const struct flow *f, const struct draw_style *style);
/* Lines that the kernel gave (struct trace, `kernel`), under a heading; nothing where there are none. */
void draw_kernel(struct buf *out, const struct buf *lines, const struct draw_style *style);
/* All connections of a table below each other in one picture. */
void draw_svg(struct buf *out, const struct flow_table *t, const struct draw_style *style);
/* One object: {"connections":[…]}; `facts` is more of its members ("\"kernel\":{…}") or NULL. */
void draw_json(struct buf *out, const struct flow_table *t, enum words_language language, const char *facts);
/* A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void draw_json_string(struct buf *out, const void *bytes, size_t n);

#endif
