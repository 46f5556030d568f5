/* UTF-8 (RFC 3629). */
#ifndef LIB_BASE_UTF8_H
#define LIB_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The length of the sequence at the front of bytes[size] and its code point; 0 where it is not valid. size > 0. */
size_t utf8_decode(const void *bytes, size_t size, uint32_t *point);

#endif
