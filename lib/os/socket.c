#include "lib/os/socket.h"

#include <sys/ioctl.h>
#include <time.h>

enum { SECOND = 1000000000 };

int os_poll(struct pollfd *fds, size_t count, int64_t deadline) {
    if (deadline == CLOCK_NEVER)
        return (int)os_result(ppoll(fds, count, NULL, NULL));
    int64_t left = deadline - clock_now();
    if (left < 0)
        left = 0;
    struct timespec wait = {.tv_sec = left / SECOND, .tv_nsec = left % SECOND};
    return (int)os_result(ppoll(fds, count, &wait, NULL));
}

int os_set_nonblocking(int fd, int on) {
    return (int)os_result(ioctl(fd, FIONBIO, &on));
}
