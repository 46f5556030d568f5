/* Writing JSON (RFC 8259) into a buffer. */
#ifndef LIB_BASE_JSON_H
#define LIB_BASE_JSON_H

#include <stddef.h>

#include "lib/base/buf.h"

/* bytes[size] as a string with its quotes. Control characters are escaped; bytes that are not valid UTF-8 become the lone
 * surrogates \udc80 … \udcff (as Python's surrogateescape reads them back), so that every name can be told from every
 * other. */
void json_string(struct buf *b, const void *bytes, size_t size);

#endif
