/* Following the TCP ports of a program and of all that it starts.
 *
 * Polling /proc would miss a connection that lives for a millisecond, a namespace of its own would cut the program off,
 * a preloaded library misses static programs. So the program runs under a seccomp filter that hands two calls to us
 * before they happen, connect(2) and listen(2), and lets all others pass untouched (seccomp_unotify(2), Linux 5.6).
 * While the caller waits in connect, its socket is bound to a port if it has none, which the kernel would do a moment
 * later; so the port is known before the first packet leaves. The program's call then goes on as it was.
 *
 * Not followed: what processes connect that the program only asks to (a daemon), 32-bit programs, TCP Fast Open by
 * sendto(2), io_uring. Without CAP_SYS_ADMIN the program gets no_new_privs: sudo and its like do not work in it. */
#ifndef LIB_OS_FOLLOW_H
#define LIB_OS_FOLLOW_H

#include <stdint.h>
#include <sys/types.h>

struct follow {
    int listener; /* readable when a call waits */
    int pidfd;    /* readable when the program has ended */
    pid_t pid;
};

/* Starts argv[0] (searched in PATH) with the caller's descriptors 0 to 2. 0, or the negative code of what failed,
 * -ENOENT for no such program, -ENOSYS or -EINVAL where the kernel cannot. */
int follow_start(struct follow *f, char *const argv[]);

enum follow_kind { FOLLOW_NOTHING, FOLLOW_CONNECT, FOLLOW_LISTEN };
/* Handles one waiting call and lets it go on. What it was about: the local port of a TCP socket that connects or
 * listens, in *port; or nothing of interest. */
enum follow_kind follow_next(struct follow *f, uint16_t *port);

/* Once pidfd is readable: the exit status as a shell has it (128 + the signal), or a negative code. */
int follow_wait(struct follow *f);
void follow_close(struct follow *f);

#endif
