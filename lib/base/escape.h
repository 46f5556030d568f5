/* Printing what a peer said: bytes that could drive a terminal are escaped. */
#ifndef LIB_BASE_ESCAPE_H
#define LIB_BASE_ESCAPE_H

#include <stddef.h>

/* Copies bytes[length] to out[size] as one printable line: valid printable UTF-8 stays, everything else (controls,
 * DEL, C1, invalid or bidirectional-override sequences, the backslash itself) becomes \xNN, \n, \t or \\. Always
 * terminated; cut at a whole escape where out is too small. Returns the length written. */
size_t escape_bytes(char *out, size_t size, const void *bytes, size_t length);

/* The same for a C string. */
size_t escape_text(char *out, size_t size, const char *text);

/* The same for a sentence, in which names were escaped when they were put into it: a backslash stays as it is. So a sentence may
 * pass here at each place that has to be sure of it, and nothing in it is escaped twice. */
size_t escape_sentence(char *out, size_t size, const void *bytes, size_t length);

#endif
