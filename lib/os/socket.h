/* The system's socket calls, each one system call, with the result as the library has it: a count or 0, or -errno.
 * Inline, because the data calls are the price of everything above. What makes a descriptor makes it close-on-exec. */
#ifndef LIB_OS_SOCKET_H
#define LIB_OS_SOCKET_H

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "lib/os/clock.h"

static inline ssize_t os_result(ssize_t r) {
    return r < 0 ? -errno : r;
}

static inline int os_socket(int family, int type, int protocol) {
    return (int)os_result(socket(family, type | SOCK_CLOEXEC, protocol));
}
static inline int os_socketpair(int family, int type, int protocol, int fds[2]) {
    return (int)os_result(socketpair(family, type | SOCK_CLOEXEC, protocol, fds));
}
static inline int os_accept(int fd, struct sockaddr *peer, socklen_t *length, int flags) {
    return (int)os_result(accept4(fd, peer, length, flags | SOCK_CLOEXEC));
}
static inline int os_connect(int fd, const struct sockaddr *address, socklen_t length) {
    return (int)os_result(connect(fd, address, length));
}
static inline int os_bind(int fd, const struct sockaddr *address, socklen_t length) {
    return (int)os_result(bind(fd, address, length));
}
static inline int os_listen(int fd, int backlog) {
    return (int)os_result(listen(fd, backlog));
}
static inline int os_shutdown(int fd, int how) {
    return (int)os_result(shutdown(fd, how));
}
static inline int os_getpeername(int fd, struct sockaddr *address, socklen_t *length) {
    return (int)os_result(getpeername(fd, address, length));
}
static inline int os_getsockname(int fd, struct sockaddr *address, socklen_t *length) {
    return (int)os_result(getsockname(fd, address, length));
}
static inline int os_getsockopt(int fd, int level, int option, void *value, socklen_t *size) {
    return (int)os_result(getsockopt(fd, level, option, value, size));
}
static inline int os_setsockopt(int fd, int level, int option, const void *value, socklen_t size) {
    return (int)os_result(setsockopt(fd, level, option, value, size));
}

static inline ssize_t os_recv(int fd, void *buffer, size_t size, int flags) {
    return os_result(recv(fd, buffer, size, flags));
}
static inline ssize_t os_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *from,
                                  socklen_t *length) {
    return os_result(recvfrom(fd, buffer, size, flags, from, length));
}
static inline ssize_t os_send(int fd, const void *buffer, size_t size, int flags) {
    return os_result(send(fd, buffer, size, flags));
}
static inline ssize_t os_sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *to,
                                socklen_t length) {
    return os_result(sendto(fd, buffer, size, flags, to, length));
}
static inline ssize_t os_recvmsg(int fd, struct msghdr *message, int flags) {
    return os_result(recvmsg(fd, message, flags | MSG_CMSG_CLOEXEC));
}
static inline ssize_t os_sendmsg(int fd, const struct msghdr *message, int flags) {
    return os_result(sendmsg(fd, message, flags));
}
static inline ssize_t os_recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags) {
    return os_result(recvmmsg(fd, messages, count, flags | MSG_CMSG_CLOEXEC, NULL));
}
static inline ssize_t os_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags) {
    return os_result(sendmmsg(fd, messages, count, flags));
}

/* Waits until one of the descriptors is ready: how many are, 0 at the deadline, -EINTR. */
int os_poll(struct pollfd *fds, size_t count, int64_t deadline);

/* Adds and takes away O_NONBLOCK of the open file. */
int os_set_nonblocking(int fd, int on);

#endif
