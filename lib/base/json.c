#include "lib/base/json.h"

#include <stdio.h>

#include "lib/base/utf8.h"

static void add_escape(struct buf *b, unsigned unit) {
    char text[8];
    buf_add(b, text, (size_t)snprintf(text, sizeof text, "\\u%04x", unit));
}

void json_string(struct buf *b, const void *bytes, size_t size) {
    const uint8_t *s = bytes;
    buf_add_u8(b, '"');
    for (size_t taken; size > 0; s += taken, size -= taken) {
        uint32_t point;
        taken = utf8_decode(s, size, &point);
        if (taken == 0) {
            taken = 1;
            add_escape(b, 0xdc00U + *s);
        } else if (point == '"' || point == '\\') {
            buf_add_u8(b, '\\');
            buf_add_u8(b, *s);
        } else if (point < 0x20 || point == 0x7f) {
            add_escape(b, point);
        } else {
            buf_add(b, s, taken);
        }
    }
    buf_add_u8(b, '"');
}
