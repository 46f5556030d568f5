#include "landline/observe/text.h"

#include <stdint.h>
#include <stdbool.h>

static size_t decode(const char *text, size_t n, uint32_t *point) {
    const uint8_t *s = (const uint8_t *)text;
    size_t need = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 0;
    if (need == 0 || need > n) {
        *point = 0xfffd;
        return 1;
    }
    uint32_t value = need == 1 ? s[0] : s[0] & (0xffU >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            *point = 0xfffd;
            return 1;
        }
        value = value << 6 | (s[i] & 0x3fU);
    }
    *point = value;
    return need;
}

struct range {
    uint32_t from, to;
};

static bool within(const struct range *list, size_t count, uint32_t point) {
    for (size_t i = 0; i < count; i++) {
        if (point >= list[i].from && point <= list[i].to)
            return true;
    }
    return false;
}

static size_t columns_of(uint32_t point) {
    static const struct range wide[] = {{0x1100, 0x115f},  {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97f},
                                        {0xac00, 0xd7a3},  {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                                        {0xffe0, 0xffe6},  {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff},
                                        {0x20000, 0x3fffd}};
    static const struct range none[] = {{0x0300, 0x036f}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f},
                                        {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
    if (within(none, sizeof none / sizeof *none, point))
        return 0;
    return within(wide, sizeof wide / sizeof *wide, point) ? 2 : 1;
}

size_t text_width(const char *text, size_t n) {
    size_t width = 0;
    while (n > 0) {
        uint32_t point = 0;
        size_t used = decode(text, n, &point);
        width += columns_of(point);
        text += used;
        n -= used;
    }
    return width;
}

/* Chinese punctuation that may not begin a line. */
static bool closes(uint32_t point) {
    static const struct range marks[] = {{0x3001, 0x3002}, {0x300d, 0x300d}, {0x300f, 0x300f}, {0xff01, 0xff01},
                                         {0xff09, 0xff09}, {0xff0c, 0xff0c}, {0xff1a, 0xff1b}, {0xff1f, 0xff1f}};
    return within(marks, sizeof marks / sizeof *marks, point);
}

size_t text_break(const char *text, size_t n, size_t columns) {
    size_t at = 0, width = 0, good = 0, before = 0;
    while (at < n) {
        uint32_t point = 0;
        size_t used = decode(text + at, n - at, &point), takes = columns_of(point);
        if (point == ' ')
            good = at + used;
        if (width + takes > columns && point != ' ')
            return closes(point) && before > 0 ? before : good > 0 ? good : at > 0 ? at : used;
        width += takes;
        at += used;
        before = good;
        if (takes == 2)
            good = at;
    }
    return n;
}
