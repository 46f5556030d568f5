/* Upper case of ASCII letters, everything else untouched: what Python's bytes.upper() does. */
#ifndef LIB_BASE_ASCII_H
#define LIB_BASE_ASCII_H

#include <stddef.h>

void ascii_upper(unsigned char *bytes, size_t n);

#endif
