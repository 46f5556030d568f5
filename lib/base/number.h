/* Numbers as people write them: plain, durations, sizes, rates.
 *
 * All parse the whole text or nothing: 0, LL_EFORMAT where the text is no such number, -ERANGE where it is one but too
 * large, too small, or outside what the caller allows. No sign, no white space, no locale. *out is left alone on
 * failure. */
#ifndef LIB_BASE_NUMBER_H
#define LIB_BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Decimal digits, within min … max. */
int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* Octal digits with or without a leading 0, as in a umask or a mode, at most max. */
int number_parse_octal(const char *text, unsigned max, unsigned *out);

/* "10m", "1.5s", "250ms", "1h30m": nanoseconds. Units ns us ms s m h d; a number alone is seconds. */
int number_parse_duration(const char *text, int64_t *out);

/* "64K", "1.5GiB", "10MB", "512": bytes. K M G T (or KiB …) are powers of 1024, KB MB GB TB (or kB) of 1000. */
int number_parse_size(const char *text, uint64_t *out);

/* "2M", "2M/s", "64kbit": bytes a second. A size, or bits with kbit, Mbit, Gbit (powers of 1000); "/s" may follow. */
int number_parse_rate(const char *text, uint64_t *out);

/* A duration for people, exact to what matters: "250 ms", "1.50 s", "2 min 05 s", "3 h 12 min", "4 d 02 h". Returns out. */
const char *number_format_duration(char *out, size_t size, int64_t ns);

/* A size for people: "512 B", "1.5 KiB", "10.0 GiB". Returns out. */
const char *number_format_size(char *out, size_t size, uint64_t bytes);

#endif
