#include "lib/os/poller.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/os/clock.h"

int poller_open(struct poller *p) {
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    return p->fd < 0 ? -errno : 0;
}

void poller_close(struct poller *p) {
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static int control(struct poller *p, int operation, int fd, uint32_t bits, void *arg) {
    struct epoll_event e = {.events = bits, .data.ptr = arg};
    return epoll_ctl(p->fd, operation, fd, &e) < 0 ? -errno : 0;
}

int poller_add(struct poller *p, int fd, uint32_t bits, void *arg) {
    return control(p, EPOLL_CTL_ADD, fd, bits, arg);
}

int poller_change(struct poller *p, int fd, uint32_t bits, void *arg) {
    return control(p, EPOLL_CTL_MOD, fd, bits, arg);
}

void poller_remove(struct poller *p, int fd) {
    control(p, EPOLL_CTL_DEL, fd, 0, NULL); /* a descriptor that was closed first is gone already */
}

int poller_wait(struct poller *p, int64_t timeout) {
    int n;
    if (timeout == 0 || timeout == CLOCK_NEVER) {
        n = epoll_wait(p->fd, p->events, POLLER_BATCH, timeout == 0 ? 0 : -1);
    } else {
        struct timespec t = {timeout / 1000000000, timeout % 1000000000};
        n = epoll_pwait2(p->fd, p->events, POLLER_BATCH, &t, NULL);
        if (n < 0 && errno == ENOSYS) /* Linux before 5.11 */
            n = epoll_wait(p->fd, p->events, POLLER_BATCH, clock_milliseconds(0, timeout));
    }
    return n < 0 ? -errno : n;
}

int poller_bell_open(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void poller_bell_ring(int bell) {
    int saved = errno; /* may run in a signal handler */
    eventfd_write(bell, 1);
    errno = saved;
}

void poller_bell_silence(int bell) {
    eventfd_t count;
    eventfd_read(bell, &count);
}

int poller_signal_add(int fd, sigset_t *set, int signo, int *was_blocked) {
    sigset_t one, more = *set, before;
    sigemptyset(&one);
    if (sigaddset(&one, signo) < 0 || sigaddset(&more, signo) < 0)
        return -errno;
    fd = signalfd(fd, &more, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    pthread_sigmask(SIG_BLOCK, &one, &before);
    *was_blocked = sigismember(&before, signo);
    *set = more;
    return fd;
}

int poller_signal_take(int fd, siginfo_t *info) {
    struct signalfd_siginfo s;
    if (read(fd, &s, sizeof s) != (ssize_t)sizeof s)
        return 0;
    *info = (siginfo_t){.si_signo = (int)s.ssi_signo, .si_code = s.ssi_code};
    info->si_pid = (pid_t)s.ssi_pid;
    info->si_uid = s.ssi_uid;
    return 1;
}

void poller_signal_remove(int fd, sigset_t *set, int signo, int was_blocked) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signo);
    sigdelset(set, signo);
    signalfd(fd, set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (!was_blocked)
        pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

int poller_child_open(pid_t pid) {
    int fd = (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by definition */
    return fd < 0 ? -errno : fd;
}

int poller_child_take(int pidfd, siginfo_t *info, struct rusage *usage) {
    info->si_pid = 0;
    /* The C library's waitid() leaves out what the kernel's gives: the usage of exactly this child. */
    if (syscall(SYS_waitid, P_PIDFD, pidfd, info, WEXITED | WNOHANG, usage) < 0)
        return -errno;
    return info->si_pid != 0;
}
