/* Where the size ends and the file begins, in the classic file protocol, which has no mark between the two.
 *
 * The stream is digits, then that many bytes, then silence: the server waits for the next path. So if the first k bytes
 * are digits, the size may be any of the numbers that the first 1, 2, … k of them make (only "0" where they begin with
 * one: a size is written without leading zeros), and each such number i digits long, of value v, says that v + i bytes
 * come in all. These sums grow with i, so the total tells the numbers apart:
 *
 *   SIZE_MORE        no number agrees with the total so far; some still can
 *   SIZE_COMPLETE    only the longest number agrees, and all of its bytes are there: nothing else is possible
 *   SIZE_IF_SILENT   a shorter number agrees: right if nothing more comes, wrong if something does. How long to wait:
 *                    size_silence()
 *   SIZE_WRONG       there is no digit to begin with, or more came than any number explains
 *
 * What can go wrong: a server that pauses for longer than size_silence() at the very byte where a shorter number agrees
 * is misunderstood. For a file that does not begin with a digit that is only so if the pause falls within the file's
 * first bytes or among the size's own digits ("12" could be the one-byte file "2"); for one that does, nothing but
 * silence can tell, and the bytes that came with the first receive are taken for a hint. */
#ifndef LANDLINE_CLASSIC_SIZE_H
#define LANDLINE_CLASSIC_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIZE_DIGITS = 19 }; /* numbers of so many digits always fit 64 bits */

enum size_verdict { SIZE_MORE, SIZE_COMPLETE, SIZE_IF_SILENT, SIZE_WRONG };

struct size {
    char digits[SIZE_DIGITS];
    size_t digit_count; /* digits at the front of the stream, as far as they can belong to the size */
    size_t hint;        /* the first receive was so many bytes, all digits; 0: it was not */
    bool digits_over;   /* something else came behind them */
    uint64_t total;     /* bytes of the stream so far */
};

/* Takes the bytes of one receive. Returns how many of them, at the front, are counted among `digits`; the rest are
 * certainly the file's. Start from a zeroed struct. */
size_t size_feed(struct size *size, const void *bytes, size_t n);

/* What is known now. With SIZE_COMPLETE and SIZE_IF_SILENT, *value is the file's size and *length the digits of it; the
 * digits behind those are the file's first bytes. */
enum size_verdict size_judge(const struct size *size, uint64_t *value, size_t *length);

/* Milliseconds of silence that confirm a SIZE_IF_SILENT with `length` digits. */
int size_silence(const struct size *size, size_t length);

#endif
