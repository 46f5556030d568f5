#include "tests/unit/net/fault.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

static struct { atomic_int calls, at, error; } faults[FAULT_COUNT];

fault_resolver *_Atomic fault_getaddrinfo;
unsigned int fault_option_length;

void fault_set(enum fault fault, int skip, int error) {
    faults[fault].error = error;
    faults[fault].calls = 0;
    faults[fault].at = skip + 1;
}

int fault_calls(enum fault fault) {
    return faults[fault].calls;
}

void fault_clear(void) {
    for (int i = 0; i < FAULT_COUNT; i++)
        faults[i].at = faults[i].calls = 0;
    fault_getaddrinfo = NULL;
    fault_option_length = 0;
}

/* Whether this call is the one: then errno is set. */
static int fails(enum fault fault) {
    if (++faults[fault].calls != faults[fault].at)
        return 0;
    errno = faults[fault].error;
    return 1;
}

#define WRAP(type, failure, fault, name, parameters, arguments)                                                        \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters {                                                                                    \
        return fails(fault) ? (failure) : __real_##name arguments;                                                     \
    }

WRAP(void *, NULL, FAULT_MALLOC, malloc, (size_t n), (n))
WRAP(void *, NULL, FAULT_CALLOC, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, NULL, FAULT_REALLOCARRAY, reallocarray, (void *p, size_t n, size_t size), (p, n, size))
WRAP(int, -1, FAULT_EPOLL_CREATE, epoll_create1, (int flags), (flags))
WRAP(int, -1, FAULT_EPOLL_CTL, epoll_ctl, (int fd, int operation, int about, struct epoll_event *event),
     (fd, operation, about, event))
WRAP(int, -1, FAULT_EPOLL_WAIT, epoll_wait, (int fd, struct epoll_event *events, int n, int wait),
     (fd, events, n, wait))
WRAP(int, -1, FAULT_SIGNALFD, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags))
WRAP(int, -1, FAULT_EVENTFD, eventfd, (unsigned int n, int flags), (n, flags))
WRAP(int, errno, FAULT_PTHREAD_CREATE, pthread_create,
     (pthread_t * thread, const pthread_attr_t *a, void *(*f)(void *), void *p), (thread, a, f, p))
WRAP(int, errno, FAULT_ATTR_INIT, pthread_attr_init, (pthread_attr_t * a), (a))
WRAP(int, errno, FAULT_ATTR_SIGMASK, pthread_attr_setsigmask_np, (pthread_attr_t * a, const sigset_t *s), (a, s))
WRAP(int, -1, FAULT_SETSOCKOPT, setsockopt, (int fd, int level, int option, const void *value, socklen_t size),
     (fd, level, option, value, size))
WRAP(int, -1, FAULT_SOCKET, socket, (int family, int type, int protocol), (family, type, protocol))
WRAP(int, -1, FAULT_POLL, ppoll, (struct pollfd * fds, nfds_t n, const struct timespec *wait, const sigset_t *mask),
     (fds, n, wait, mask))
WRAP(ssize_t, errno == 0 ? 0 : -1, FAULT_SEND, send, (int fd, const void *bytes, size_t n, int flags),
     (fd, bytes, n, flags))
WRAP(ssize_t, -1, FAULT_RECV, recv, (int fd, void *bytes, size_t n, int flags), (fd, bytes, n, flags))
WRAP(int, -1, FAULT_ACCEPT, accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags))
WRAP(ssize_t, -1, FAULT_SENDFILE, sendfile64, (int to, int from, off_t *offset, size_t n), (to, from, offset, n))
WRAP(ssize_t, -1, FAULT_READ, read, (int fd, void *bytes, size_t n), (fd, bytes, n))
WRAP(ssize_t, -1, FAULT_PREAD, pread64, (int fd, void *bytes, size_t n, off_t offset), (fd, bytes, n, offset))
WRAP(struct if_nameindex *, NULL, FAULT_IF_NAMEINDEX, if_nameindex, (void), ())

/* These do their work and then report the failure: an interrupted connect goes on, a close that fails has closed. */
int __real_connect(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length) {
    int r = __real_connect(fd, address, length);
    return fails(FAULT_CONNECT) ? -1 : r;
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
    int r = __real_close(fd);
    return fails(FAULT_CLOSE) ? -1 : r;
}

int __real_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size) {
    if (fails(FAULT_GETSOCKOPT))
        return -1;
    int r = __real_getsockopt(fd, level, option, value, size);
    if (fault_option_length != 0 && *size > fault_option_length)
        *size = fault_option_length;
    return r;
}

int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...) {
    va_list list;
    va_start(list, command);
    long argument = va_arg(list, long);
    va_end(list);
    return fails(FAULT_FCNTL) ? -1 : __real_fcntl64(fd, command, argument);
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...) {
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    return fails(FAULT_IOCTL) ? -1 : __real_ioctl(fd, request, argument);
}

/* None that is made so here has more than five arguments. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...) {
    va_list list;
    long a[5];
    va_start(list, number);
    for (size_t i = 0; i < 5; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    return fails(FAULT_SYSCALL) ? -1 : __real_syscall(number, a[0], a[1], a[2], a[3], a[4]);
}

int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
    if (fault_getaddrinfo != NULL)
        return fault_getaddrinfo(host, service, hints, list);
    return __real_getaddrinfo(host, service, hints, list);
}

/* As the C library lays its answers out: freeaddrinfo() frees each with its address behind it. */
int fault_answer(struct addrinfo **list, const void *address, unsigned int length) {
    struct addrinfo *a = __real_calloc(1, sizeof *a + length);
    a->ai_addr = (struct sockaddr *)(a + 1);
    memcpy(a->ai_addr, address, length);
    a->ai_addrlen = length;
    a->ai_family = a->ai_addr->sa_family;
    a->ai_socktype = SOCK_STREAM;
    while (*list != NULL)
        list = &(*list)->ai_next;
    *list = a;
    return 0;
}
