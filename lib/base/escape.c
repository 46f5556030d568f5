#include "lib/base/escape.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The length of the UTF-8 sequence at s, and its code point; 0 where the bytes are not valid UTF-8 (RFC 3629). */
static size_t decode(const uint8_t *s, size_t length, uint32_t *point) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t need = s[0] < 0x80 ? 1 : s[0] >= 0xf0 && s[0] < 0xf8 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
    if (need == 0 || s[0] >= 0xf8 || need > length)
        return 0;
    uint32_t value = need == 1 ? s[0] : s[0] & (0xffU >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (s[i] & 0x3fU);
    }
    if (value < smallest[need] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *point = value;
    return need;
}

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

size_t escape_bytes(char *out, size_t size, const void *bytes, size_t length) {
    const uint8_t *s = bytes;
    size_t used = 0;
    while (length > 0 && size > 0) {
        char piece[5];
        uint32_t point = 0;
        size_t taken = decode(s, length, &point), shown = taken;
        if (taken != 0 && harmless(point)) {
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

size_t escape_text(char *out, size_t size, const char *text) {
    return escape_bytes(out, size, text, strlen(text));
}
