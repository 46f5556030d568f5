/* Text in columns: how wide it is on a terminal, and where to break it. */
#ifndef LANDLINE_OBSERVE_TEXT_H
#define LANDLINE_OBSERVE_TEXT_H

#include <stddef.h>

/* The columns that n bytes of UTF-8 take: two for East Asian wide characters (UAX 11), none for combining marks; a
 * byte that is not UTF-8 counts one. */
size_t text_width(const char *text, size_t n);

/* The bytes of `text` (n of them) that fit into `columns`, broken behind a space or a wide character where there is
 * one, and never inside a character; at least one character. The space at the break belongs to the line. */
size_t text_break(const char *text, size_t n, size_t columns);

#endif
