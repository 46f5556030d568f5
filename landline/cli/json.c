#include "landline/cli/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void add(struct buf *out, const char *text) {
    buf_add(out, text, strlen(text));
}

/* The length of the UTF-8 sequence at `at` (RFC 3629: no overlong form, no surrogate), 0 where there is none. */
static size_t sequence(const uint8_t *at, size_t n) {
    uint8_t c = at[0];
    size_t length = c < 0x80                ? 1
                    : c >= 0xc2 && c < 0xe0 ? 2
                    : c >= 0xe0 && c < 0xf0 ? 3
                    : c >= 0xf0 && c < 0xf5 ? 4
                                            : 0;
    if (length == 0 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && at[1] < 0xa0) || (c == 0xed && at[1] > 0x9f) || (c == 0xf0 && at[1] < 0x90) ||
        (c == 0xf4 && at[1] > 0x8f))
        return 0;
    return length;
}

static void add_character(struct buf *out, const uint8_t *at, size_t length) {
    static const char short_names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *s = short_names; length == 1 && *s != '\0'; s += 2)
        if (at[0] == (uint8_t)s[0]) {
            buf_add_u8(out, '\\');
            buf_add_u8(out, (uint8_t)s[1]);
            return;
        }
    if (length == 1 && (at[0] < 0x20 || at[0] == 0x7f)) {
        char escaped[8];
        snprintf(escaped, sizeof escaped, "\\u%04x", at[0]);
        add(out, escaped);
        return;
    }
    buf_add(out, at, length);
}

static void add_string(struct buf *out, const void *bytes, size_t n) {
    const uint8_t *at = bytes, *end = at + n;
    buf_add_u8(out, '"');
    while (at < end) {
        size_t length = sequence(at, (size_t)(end - at));
        if (length > 0)
            add_character(out, at, length);
        else
            add(out, "\xef\xbf\xbd");
        at += length > 0 ? length : 1;
    }
    buf_add_u8(out, '"');
}

static bool is_text(const uint8_t *at, size_t n) {
    while (n > 0) {
        size_t length = sequence(at, n);
        if (length == 0)
            return false;
        at += length;
        n -= length;
    }
    return true;
}

static void name(struct json *j, const char *text, const char *suffix) {
    if (j->comma)
        buf_add_u8(j->out, ',');
    j->comma = true;
    buf_add_u8(j->out, '"');
    add(j->out, text);
    add(j->out, suffix);
    add(j->out, "\":");
}

struct json json_begin(struct buf *out) {
    buf_add_u8(out, '{');
    return (struct json){.out = out};
}

void json_end(struct json *j) {
    add(j->out, "}\n");
}

void json_text(struct json *j, const char *key, const char *value) {
    name(j, key, "");
    add_string(j->out, value, strlen(value));
}

static void add_formatted(struct json *j, const char *key, const char *digits) {
    name(j, key, "");
    add(j->out, digits);
}

void json_number(struct json *j, const char *key, int64_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, value);
    add_formatted(j, key, digits);
}

void json_unsigned(struct json *j, const char *key, uint64_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    add_formatted(j, key, digits);
}

void json_bool(struct json *j, const char *key, bool value) {
    add_formatted(j, key, value ? "true" : "false");
}

static void add_base64(struct buf *out, const uint8_t *at, size_t n) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t group = (uint32_t)at[i] << 16;
        group |= i + 1 < n ? (uint32_t)at[i + 1] << 8 : 0;
        group |= i + 2 < n ? at[i + 2] : 0;
        char four[4] = {letters[group >> 18], letters[group >> 12 & 63], i + 1 < n ? letters[group >> 6 & 63] : '=',
                        i + 2 < n ? letters[group & 63] : '='};
        buf_add(out, four, 4);
    }
}

void json_bytes(struct json *j, const char *key, const void *bytes, size_t n) {
    if (is_text(bytes, n)) {
        name(j, key, "");
        add_string(j->out, bytes, n);
        return;
    }
    name(j, key, "_base64");
    buf_add_u8(j->out, '"');
    add_base64(j->out, bytes, n);
    buf_add_u8(j->out, '"');
}

void json_array_begin(struct json *j, const char *key) {
    name(j, key, "");
    buf_add_u8(j->out, '[');
    j->comma = false;
}

void json_element(struct json *j, const void *bytes, size_t n) {
    if (j->comma)
        buf_add_u8(j->out, ',');
    j->comma = true;
    add_string(j->out, bytes, n);
}

void json_array_end(struct json *j) {
    buf_add_u8(j->out, ']');
    j->comma = true;
}
