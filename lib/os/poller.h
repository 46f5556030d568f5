/* The system's way to wait for many descriptors at once: epoll(7), one batch of events a call.
 *
 * Event bits are those of <sys/epoll.h>; this room is the only one that may know them. Everything returns 0 or a
 * count, or -errno. */
#ifndef LIB_OS_POLLER_H
#define LIB_OS_POLLER_H

#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { POLLER_BATCH = 256 };

struct poller {
    int fd;
    struct epoll_event events[POLLER_BATCH];
};

int poller_open(struct poller *p);
void poller_close(struct poller *p);

/* `arg` comes back with each event of the descriptor. */
int poller_add(struct poller *p, int fd, uint32_t bits, void *arg);
int poller_change(struct poller *p, int fd, uint32_t bits, void *arg);
void poller_remove(struct poller *p, int fd);

/* Waits until an event or `timeout` nanoseconds have passed (CLOCK_NEVER: no end) and fills p->events; returns how
 * many, 0 at the time-out, -EINTR when a signal handler ran. */
int poller_wait(struct poller *p, int64_t timeout);

/* A descriptor that poller_wait can wait for and that any thread or signal handler can make readable. */
int poller_bell_open(void);
void poller_bell_ring(int bell);
void poller_bell_silence(int bell);

/* A descriptor that is readable while one of some signals is pending. Adds `signo` to `set` and makes the descriptor, or,
 * where `fd` is one, lets it have the set. The signal is blocked in the calling thread; *was_blocked says whether it had been
 * before. Returns the descriptor; on failure nothing has changed. */
int poller_signal_add(int fd, sigset_t *set, int signo, int *was_blocked);
/* Takes one pending signal: 1 and *info, or 0 when there is none. */
int poller_signal_take(int fd, siginfo_t *info);
/* The opposite of adding; the descriptor stays open. */
void poller_signal_remove(int fd, sigset_t *set, int signo, int was_blocked);

/* A descriptor that is readable once process `pid` has ended. */
int poller_child_open(pid_t pid);
/* Reaps an ended child: 1 with *info and *usage, 0 while it runs, -ECHILD when it is not ours or already reaped. */
int poller_child_take(int pidfd, siginfo_t *info, struct rusage *usage);

#endif
