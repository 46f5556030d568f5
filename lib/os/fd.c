#include "lib/os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <time.h>
#include <unistd.h>

static int result(int r) {
    return r < 0 ? -errno : r;
}

int fd_close(int fd) {
    int r = result(close(fd));
    return r == -EINTR ? 0 : r;
}

int fd_duplicate(int fd) {
    return result(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

int fd_set_cloexec(int fd) {
    return result(fcntl(fd, F_SETFD, FD_CLOEXEC));
}

int fd_is_nonblocking(int fd) {
    int flags = result(fcntl(fd, F_GETFL));
    return flags < 0 ? flags : (flags & O_NONBLOCK) != 0;
}

int fd_event(void) {
    return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

void fd_event_set(int fd) {
    /* Fails only when it is set 2^64 times, and then it is set. */
    (void)!eventfd_write(fd, 1);
}

int fd_waiting(int fd) {
    int n = 0;
    return ioctl(fd, FIONREAD, &n) != 0 ? -errno : n;
}

ssize_t fd_read(int fd, void *buffer, size_t size, off_t *offset) {
    ssize_t n = offset == NULL ? read(fd, buffer, size) : pread(fd, buffer, size, *offset);
    if (n < 0)
        return -errno;
    if (offset != NULL)
        *offset += n;
    return n;
}

ssize_t fd_sendfile(int to, int from, off_t *offset, size_t size) {
    static const struct timespec at_once = {0};
    sigset_t pipe, before, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    sigpending(&pending);
    ssize_t n = sendfile(to, from, offset, size);
    if (n < 0)
        n = -errno;
    if (n == -EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

int fd_seek(int fd, off_t offset) {
    return lseek(fd, offset, SEEK_SET) < 0 ? -errno : 0;
}
