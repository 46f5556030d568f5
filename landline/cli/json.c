#include "landline/cli/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/json.h"
#include "lib/base/utf8.h"

static void add(struct buf *out, const char *text) {
    buf_add(out, text, strlen(text));
}

static bool is_text(const uint8_t *at, size_t n) {
    uint32_t point;
    while (n > 0) {
        size_t length = utf8_decode(at, n, &point);
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
    json_string(j->out, value, strlen(value));
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
    for (size_t size; n > 0; at += size, n -= size) {
        char four[] = "====";
        size = n < 3 ? n : 3;
        base64_encode(four, at, size, base64_plain);
        buf_add(out, four, sizeof four - 1);
    }
}

void json_bytes(struct json *j, const char *key, const void *bytes, size_t n) {
    if (is_text(bytes, n)) {
        name(j, key, "");
        json_string(j->out, bytes, n);
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
    json_string(j->out, bytes, n);
}

void json_array_end(struct json *j) {
    buf_add_u8(j->out, ']');
    j->comma = true;
}
