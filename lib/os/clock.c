#include "lib/os/clock.h"

#include <limits.h>
#include <time.h>

enum { NS_PER_MS = 1000 * 1000 };

int64_t clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail: the clock exists and the pointer is good */
    return (int64_t)t.tv_sec * 1000 * NS_PER_MS + t.tv_nsec;
}

int64_t clock_after(int64_t now, int64_t length) {
    int64_t sum;
    return __builtin_add_overflow(now, length, &sum) ? CLOCK_NEVER : sum;
}

int clock_milliseconds(int64_t now, int64_t deadline) {
    if (deadline == CLOCK_NEVER)
        return -1;
    if (deadline <= now)
        return 0;
    int64_t ms = (deadline - now - 1) / NS_PER_MS + 1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}
