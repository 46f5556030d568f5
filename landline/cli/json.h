/* JSON objects (RFC 8259) into a buffer, one a line; lib/base/json.h has the strings. */
#ifndef LANDLINE_CLI_JSON_H
#define LANDLINE_CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct json {
    struct buf *out;
    bool comma; /* the next member needs one */
};

/* { … } and the end of the line. */
struct json json_begin(struct buf *out);
void json_end(struct json *j);

void json_text(struct json *j, const char *name, const char *value);
void json_number(struct json *j, const char *name, int64_t value);
void json_unsigned(struct json *j, const char *name, uint64_t value);
void json_bool(struct json *j, const char *name, bool value);
/* Bytes that are text as "NAME": "…", others as "NAME_base64": "…" (RFC 4648 4). */
void json_bytes(struct json *j, const char *name, const void *bytes, size_t n);
/* "NAME": [ …, … ]: begin, then each element, then end. Bytes that are no UTF-8 become lone surrogates. */
void json_array_begin(struct json *j, const char *name);
void json_element(struct json *j, const void *bytes, size_t n);
void json_array_end(struct json *j);

#endif
