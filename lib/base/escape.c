#include "lib/base/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/utf8.h"

/* What may reach a terminal as it is: no controls, nothing that turns the direction of the text around. */
static int harmless(uint32_t point) {
    if (point < 0x20 || point == '\\' || (point >= 0x7f && point < 0xa0))
        return 0;
    if ((point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e))
        return 0;
    return !(point >= 0x2060 && point <= 0x206f) && point != 0xfeff && !(point >= 0xfff9 && point <= 0xfffb);
}

static size_t escape_one(char out[5], uint8_t byte) {
    static const char named[] = {'\n', 'n', '\t', 't', '\r', 'r', '\\', '\\'};
    for (size_t i = 0; i < sizeof named; i += 2) {
        if (byte == (uint8_t)named[i]) {
            out[0] = '\\';
            out[1] = named[i + 1];
            return 2;
        }
    }
    return (size_t)snprintf(out, 5, "\\x%02x", byte);
}

static size_t escape(char *out, size_t size, const void *bytes, size_t length, bool escaped) {
    const uint8_t *s = bytes;
    size_t used = 0;
    while (length > 0 && size > 0) {
        char piece[5];
        uint32_t point = 0;
        size_t taken = utf8_decode(s, length, &point), shown = taken;
        if (taken != 0 && (harmless(point) || (escaped && point == '\\'))) {
            memcpy(piece, s, taken);
        } else {
            taken = 1;
            shown = escape_one(piece, *s);
        }
        if (used + shown >= size)
            break;
        memcpy(out + used, piece, shown);
        used += shown;
        s += taken;
        length -= taken;
    }
    if (size > 0)
        out[used] = '\0';
    return used;
}

size_t escape_bytes(char *out, size_t size, const void *bytes, size_t length) {
    return escape(out, size, bytes, length, false);
}

size_t escape_text(char *out, size_t size, const char *text) {
    return escape_bytes(out, size, text, strlen(text));
}

size_t escape_sentence(char *out, size_t size, const void *bytes, size_t length) {
    return escape(out, size, bytes, length, true);
}
