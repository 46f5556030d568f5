/* Time as a point: nanoseconds of CLOCK_MONOTONIC, which never jumps. Deadlines are such points; CLOCK_NEVER is a
 * deadline that does not come. */
#ifndef LIB_OS_CLOCK_H
#define LIB_OS_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

int64_t clock_now(void);

/* CLOCK_BOOTTIME in ms: it goes on while the machine sleeps, nobody sets it, and it begins anew with each boot. */
uint64_t clock_boot_ms(void);
/* Which boot that is, as 36 characters and NUL; "" where the system does not say. */
enum { CLOCK_BOOT_ID = 37 };
void clock_boot_id(char out[CLOCK_BOOT_ID]);

/* now + length, without overflow: a length that reaches past the end of time gives CLOCK_NEVER. */
int64_t clock_after(int64_t now, int64_t length);

/* For calls that count in milliseconds (poll): from `now` until `deadline`, rounded up so that nobody wakes early;
 * 0 if it has passed, -1 for CLOCK_NEVER. */
int clock_milliseconds(int64_t now, int64_t deadline);

#endif
