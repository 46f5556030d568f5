/* What the tests of sockets share: checks with the code's name in the message, connected pairs, helper threads. */
#ifndef TESTS_UNIT_NET_SUPPORT_H
#define TESTS_UNIT_NET_SUPPORT_H

#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <pthread.h>

#include "landline/socket.h"

/* The expression gives exactly this code (or count). */
#define assert_code(expression, code) check_code((long)(expression), (long)(code), #expression, __FILE__, __LINE__)
void check_code(long got, long wanted, const char *expression, const char *file, int line);

/* A number of descriptors that are open: for tests of leaks. */
int open_descriptors(void);

/* Waits until so many are open, and says whether it came to that: a look-up's thread ends a moment after the call. */
int await_descriptors(int count);

/* 127.0.0.1 (or ::1), port 0. */
struct ll_address loopback(int family);

/* A listening TCP socket on loopback and its address. */
ll_socket *listener(int family, struct ll_address *address);

/* Two ends of a TCP connection. */
void tcp_pair(ll_socket *ends[2]);

/* Two ends of an AF_UNIX pair of that type. */
void unix_pair(ll_socket *ends[2], int type);

void free_pair(ll_socket *ends[2]);

/* A listener that answers nobody: its queue is full, further connections to it hang. The two connections that fill
 * it come back too. */
struct deaf {
    ll_socket *listener, *fill[4];
    struct ll_address address;
};
void deaf_open(struct deaf *deaf);
void deaf_close(struct deaf *deaf);

/* Fills the socket's send buffer until it would wait; leaves it in blocking mode. */
void fill_up(ll_socket *socket);

/* Signals (SIGUSR1, a handler without SA_RESTART) sent to the calling thread every few milliseconds until pester_stop. */
struct pester {
    pthread_t sender, victim;
    _Atomic int stop;
};
void pester_start(struct pester *pester);
void pester_stop(struct pester *pester);

/* Waits until the thread of that kernel id sleeps in the kernel: it is waiting. */
void await_sleep(int tid);
int my_tid(void);

/* What ll_socket_getsockname or ll_socket_getpeername says of it, as text. */
void check_name(ll_socket *s, int (*ask)(ll_socket *, struct ll_address *), const char *wanted);

/* Monotonic seconds. */
double seconds_now(void);

#endif
