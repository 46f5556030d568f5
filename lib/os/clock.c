#include "lib/os/clock.h"

#include <fcntl.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

enum { NS_PER_MS = 1000 * 1000 };

int64_t clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail: the clock exists and the pointer is good */
    return (int64_t)t.tv_sec * 1000 * NS_PER_MS + t.tv_nsec;
}

uint64_t clock_boot_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / NS_PER_MS;
}

void clock_boot_id(char out[CLOCK_BOOT_ID]) {
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, CLOCK_BOOT_ID - 1) : -1;
    out[n == CLOCK_BOOT_ID - 1 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
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
