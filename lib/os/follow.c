#include "lib/os/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define FOLLOW_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define FOLLOW_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define FOLLOW_ARCH AUDIT_ARCH_RISCV64
#endif

enum { NOT_STARTED = 127, READ_END = 0, WRITE_END = 1 };

#ifdef FOLLOW_ARCH
/* The filter for this thread and all that come of it; the listening descriptor, or -errno. */
static int install_filter(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FOLLOW_ARCH, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_listen, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (fd < 0 && errno == EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    return fd < 0 ? -errno : (int)fd;
}
#else
static int install_filter(void) {
    return -ENOSYS;
}
#endif

static int send_result(int to, int code, int fd) {
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec part = {&code, sizeof code};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
        m.msg_control = &control;
        m.msg_controllen = sizeof control;
    }
    return sendmsg(to, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The next result of the child, and the descriptor that may come with it. */
static int receive_result(int from, int *fd) {
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    int code = -EPIPE;
    struct iovec part = {&code, sizeof code};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n;
    do
        n = recvmsg(from, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return 1; /* closed by exec: it runs */
    if (n != (ssize_t)sizeof code)
        return n < 0 ? -errno : -EPIPE;
    struct cmsghdr *head = CMSG_FIRSTHDR(&m);
    if (head != NULL && head->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(head), sizeof *fd);
    return code;
}

static _Noreturn void become_program(int to, char *const argv[]) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int fd = install_filter();
    if (fd < 0) {
        send_result(to, fd, -1);
        _exit(NOT_STARTED);
    }
    if (send_result(to, 0, fd) == 0) {
        close(fd);
        execvp(argv[0], argv);
        send_result(to, -errno, -1);
    }
    _exit(NOT_STARTED);
}

int follow_start(struct follow *f, char *const argv[]) {
    int ends[2], code = 0;
    *f = (struct follow){.listener = -1, .pidfd = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return -errno;
    f->pid = fork();
    if (f->pid < 0)
        code = -errno;
    if (f->pid == 0)
        become_program(ends[WRITE_END], argv);
    close(ends[WRITE_END]);
    if (code == 0)
        code = receive_result(ends[READ_END], &f->listener);
    if (code == 0)
        code = receive_result(ends[READ_END], &f->listener);
    close(ends[READ_END]);
    if (code == 1) {
        f->pidfd = (int)syscall(SYS_pidfd_open, f->pid, 0);
        code = f->pidfd < 0 ? -errno : 0;
    }
    if (code != 0) {
        if (f->pid > 0)
            waitpid(f->pid, NULL, 0);
        follow_close(f);
    }
    return code;
}

/* A TCP socket's local port; where `may_bind` and it has none yet, it gets one. 0 for other sockets. */
static uint16_t find_port(int fd, int may_bind) {
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } address;
    int type = 0, protocol = 0;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM)
        return 0;
    size = sizeof protocol;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 || protocol != IPPROTO_TCP)
        return 0;
    for (int round = 0; round < 2; round++) {
        size = sizeof address;
        memset(&address, 0, sizeof address);
        if (getsockname(fd, &address.any, &size) != 0)
            return 0;
        bool is_ipv6 = address.any.sa_family == AF_INET6;
        uint16_t port = ntohs(is_ipv6 ? address.ipv6.sin6_port : address.ipv4.sin_port);
        if (port != 0 || !may_bind || bind(fd, &address.any, size) != 0)
            return port;
    }
    return 0;
}

/* The process that a thread belongs to: pidfd_open(2) takes no other. */
static pid_t process_of(pid_t thread) {
    char path[40], text[512];
    snprintf(path, sizeof path, "/proc/%d/status", thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *line = strstr(text, "\nTgid:\t");
    return line != NULL ? (pid_t)strtol(line + 7, NULL, 10) : thread;
}

/* The port of descriptor `number` of a thread's process, through a duplicate that is closed before the call goes on. */
static uint16_t look_at(pid_t thread, int number) {
    int pidfd = (int)syscall(SYS_pidfd_open, process_of(thread), 0);
    if (pidfd < 0)
        return 0;
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
    uint16_t port = fd < 0 ? 0 : find_port(fd, 1);
    if (fd >= 0)
        close(fd);
    close(pidfd);
    return port;
}

enum follow_kind follow_next(struct follow *f, uint16_t *port) {
    struct seccomp_notif call;
    memset(&call, 0, sizeof call);
    *port = 0;
    if (ioctl(f->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
        return FOLLOW_NOTHING;
    enum follow_kind kind = call.data.nr == SYS_connect ? FOLLOW_CONNECT : FOLLOW_LISTEN;
    *port = look_at((pid_t)call.pid, (int)call.data.args[0]);
    struct seccomp_notif_resp answer = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ioctl(f->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    return *port != 0 ? kind : FOLLOW_NOTHING;
}

int follow_wait(struct follow *f) {
    int status = 0;
    pid_t ended;
    do
        ended = waitpid(f->pid, &status, 0);
    while (ended < 0 && errno == EINTR);
    if (ended < 0)
        return -errno;
    f->pid = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void follow_close(struct follow *f) {
    if (f->listener >= 0)
        close(f->listener);
    if (f->pidfd >= 0)
        close(f->pidfd);
    f->listener = f->pidfd = -1;
}
