#include "lib/os/flow.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int flow_prepare(int fd, bool *is_socket) {
    int type;
    socklen_t size = sizeof type;
    *is_socket = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
    if (*is_socket)
        return 0;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return 0;
}

ssize_t flow_read(int fd, bool is_socket, void *to, size_t size) {
    ssize_t n;
    do
        n = is_socket ? recv(fd, to, size, MSG_DONTWAIT) : read(fd, to, size);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* A write to a pipe can only be kept from raising SIGPIPE by blocking it in this thread, and taking it back if it was
 * raised here and nowhere before. */
static ssize_t write_quietly(int fd, const struct iovec *parts, int count) {
    sigset_t pipe_signal, before, pending;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    ssize_t n;
    do
        n = writev(fd, parts, count);
    while (n < 0 && errno == EINTR);
    int e = n < 0 ? -errno : 0;
    if (e == -EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe_signal, NULL, &(struct timespec){0, 0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e < 0 ? e : n;
}

ssize_t flow_writev(int fd, bool is_socket, const struct iovec *parts, int count) {
    if (!is_socket)
        return write_quietly(fd, parts, count);
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
    ssize_t n;
    do
        n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int flow_shutdown_write(int fd) {
    return shutdown(fd, SHUT_WR) < 0 && errno != ENOTCONN ? -errno : 0;
}

void flow_close(int fd) {
    close(fd); /* on Linux the descriptor is gone, whatever this returns */
}
