/* System and C library calls that fail when a test says so. The program is linked with --wrap for each of them; calls
 * pass through until a fault is set. */
#ifndef TESTS_UNIT_NET_FAULT_H
#define TESTS_UNIT_NET_FAULT_H

#include <netdb.h>

enum fault {
    FAULT_MALLOC,
    FAULT_CALLOC,
    FAULT_EVENTFD,
    FAULT_PTHREAD_CREATE,
    FAULT_ATTR_INIT,
    FAULT_ATTR_SIGMASK,
    FAULT_FCNTL,
    FAULT_IOCTL,
    FAULT_GETSOCKOPT,
    FAULT_SETSOCKOPT,
    FAULT_SOCKET,
    FAULT_CLOSE,
    FAULT_POLL,
    FAULT_SEND,
    FAULT_RECV,
    FAULT_CONNECT,
    FAULT_ACCEPT,
    FAULT_SENDFILE,
    FAULT_READ,
    FAULT_PREAD,
    FAULT_IF_NAMEINDEX,
    FAULT_REALLOCARRAY,
    FAULT_EPOLL_CREATE,
    FAULT_EPOLL_CTL,
    FAULT_EPOLL_WAIT,
    FAULT_SIGNALFD,
    FAULT_SYSCALL,
    FAULT_COUNT
};

/* The call after the next `skip` ones fails with `error`, once; a send that fails with 0 sends nothing and says so. */
void fault_set(enum fault fault, int skip, int error);

/* How often it was called since fault_set() or fault_clear(). */
int fault_calls(enum fault fault);

/* No faults any more. */
void fault_clear(void);

/* Where set, it answers instead of the C library's resolver. It runs in whatever thread the library looks up in, and its
 * list is to be made with fault_answer(). */
typedef int fault_resolver(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list);
extern fault_resolver *_Atomic fault_getaddrinfo;

/* Adds an answer to a list: 0. */
int fault_answer(struct addrinfo **list, const void *address, unsigned int length);

/* What getsockopt gives as a length from now on, at most; 0: as it is. */
extern unsigned int fault_option_length;

#endif
