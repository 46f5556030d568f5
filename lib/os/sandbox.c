#include "lib/os/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/error.h"

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#else
#error "lib/os/sandbox.c: name the audit architecture of this processor"
#endif

/* call, argument that is looked at (-1: none), mask, and what the masked argument must be. The busiest come first. What
 * only some processors have stands behind. To allow a call, add a line and say why it cannot be used to get out. */
#define ANY -1, 0, 0
#define SANDBOX_LIST(X)                                                                                                \
    X(epoll_pwait2, ANY)                                                                                               \
    X(epoll_pwait, ANY)                                                                                                \
    X(recvfrom, ANY)                                                                                                   \
    X(recvmsg, ANY)                                                                                                    \
    X(sendto, 4, UINT32_MAX, 0) /* no address: only on connected sockets */                                            \
    X(sendmsg, ANY)                                                                                                    \
    X(read, ANY)                                                                                                       \
    X(write, ANY)                                                                                                      \
    X(readv, ANY)                                                                                                      \
    X(writev, ANY)                                                                                                     \
    X(epoll_ctl, ANY)                                                                                                  \
    X(accept4, ANY) /* on the listeners that it was given */                                                           \
    X(close, ANY)                                                                                                      \
    X(shutdown, ANY)                                                                                                   \
    X(setsockopt, ANY)                                                                                                 \
    X(getsockopt, ANY)                                                                                                 \
    X(getsockname, ANY)                                                                                                \
    X(getpeername, ANY)                                                                                                \
    X(mmap, 2, PROT_EXEC, 0)                                                                                           \
    X(mprotect, 2, PROT_EXEC, 0)                                                                                       \
    X(munmap, ANY)                                                                                                     \
    X(mremap, ANY)                                                                                                     \
    X(madvise, ANY)                                                                                                    \
    X(brk, ANY)                                                                                                        \
    X(futex, ANY)                                                                                                      \
    X(clock_gettime, ANY)                                                                                              \
    X(clock_nanosleep, ANY)                                                                                            \
    X(gettimeofday, ANY)                                                                                               \
    X(getrandom, ANY)                                                                                                  \
    X(getpid, ANY)                                                                                                     \
    X(gettid, ANY)                                                                                                     \
    X(getuid, ANY)                                                                                                     \
    X(geteuid, ANY)                                                                                                    \
    X(sched_yield, ANY)                                                                                                \
    X(fcntl, 1, UINT32_MAX, F_GETFL)                                                                                   \
    X(fcntl, 1, UINT32_MAX, F_SETFL)                                                                                   \
    X(fcntl, 1, UINT32_MAX, F_GETFD)                                                                                   \
    X(fcntl, 1, UINT32_MAX, F_SETFD)                                                                                   \
    X(fstat, ANY)                                                                                                      \
    X(newfstatat, 3, 0x1000, 0x1000) /* AT_EMPTY_PATH, as fstat() does it; Landlock sees to the paths */               \
    X(rt_sigaction, ANY)                                                                                               \
    X(rt_sigprocmask, ANY)                                                                                             \
    X(rt_sigreturn, ANY)                                                                                               \
    X(sigaltstack, ANY)                                                                                                \
    X(tgkill, 0, UINT32_MAX, OWN_PID) /* abort() */                                                                    \
    X(restart_syscall, ANY)                                                                                            \
    X(exit, ANY)                                                                                                       \
    X(exit_group, ANY)                                                                                                 \
    SANDBOX_PROCESSOR(X)

#if defined(__x86_64__)
#define SANDBOX_PROCESSOR(X) X(epoll_wait, ANY) X(poll, ANY) X(time, ANY)
#else
#define SANDBOX_PROCESSOR(X)
#endif

enum { OWN_PID = UINT32_MAX - 1 }; /* a value that stands for the process's own number */

struct rule {
    uint32_t number;
    int argument;
    uint32_t mask, value;
};

#define RULE(name, ...)         RULE_ROW(name, __VA_ARGS__)
#define RULE_ROW(name, a, m, v) {__NR_##name, a, m, v},
static const struct rule rules[] = {SANDBOX_LIST(RULE)};
#define NAME(name, ...) #name,
static const char *const names[] = {SANDBOX_LIST(NAME) NULL};
enum { RULES = sizeof rules / sizeof rules[0], MOST_STEPS = 8 + 6 * RULES };

const char *const *sandbox_allowed(void) {
    return names;
}

static size_t add_rule(struct sock_filter *at, const struct rule *rule) {
    const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const uint32_t number_at = offsetof(struct seccomp_data, nr);
    if (rule->argument < 0) {
        at[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, rule->number, 0, 1);
        at[1] = allow;
        return 2;
    }
    /* The low half of the argument: every call in the table takes an int or a NULL there. */
    uint32_t argument_at = (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)rule->argument);
    uint32_t value = rule->value == OWN_PID ? (uint32_t)getpid() : rule->value;
    at[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, rule->number, 0, 5);
    at[1] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument_at);
    at[2] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, rule->mask);
    at[3] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    at[4] = allow;
    at[5] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number_at);
    return 6;
}

static int filter_calls(void) {
    struct sock_filter steps[MOST_STEPS];
    size_t n = 0;
    steps[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    steps[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCH, 1, 0);
    steps[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    steps[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < RULES; i++)
        n += add_rule(steps + n, &rules[i]);
    steps[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    struct sock_fprog program = {.len = (unsigned short)n, .filter = steps};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

/* linux/landlock.h of this distribution is older than many kernels, so the versions are written down here. */
struct ruleset {
    uint64_t files, ports, scopes;
};
static const struct ruleset known[] = {
    {0}, /* ABI 0: none */
    {(1ULL << 13) - 1, 0, 0},
    {(1ULL << 14) - 1, 0, 0},
    {(1ULL << 15) - 1, 0, 0},
    {(1ULL << 15) - 1, 3, 0},
    {(1ULL << 16) - 1, 3, 0},
    {(1ULL << 16) - 1, 3, 3},
};
enum {
    LANDLOCK_CREATE = 444, /* the numbers are the same on every processor */
    LANDLOCK_RESTRICT = 446,
    ABI_KNOWN = sizeof known / sizeof known[0] - 1,
};

/* Handles every right and grants none. Returns the ABI version, 0 where there is no Landlock. */
static int close_landlock(void) {
    long abi = syscall(LANDLOCK_CREATE, NULL, 0, 1);
    if (abi <= 0)
        return 0;
    int used = abi > ABI_KNOWN ? ABI_KNOWN : (int)abi;
    size_t size = used >= 6 ? 24 : used >= 4 ? 16 : 8;
    int fd = (int)syscall(LANDLOCK_CREATE, &known[used], size, 0);
    if (fd < 0)
        return -errno;
    int e = syscall(LANDLOCK_RESTRICT, fd, 0) < 0 ? -errno : used;
    close(fd);
    return e;
}

static int set_limit(int resource, rlim_t value) {
    struct rlimit limit = {value, value};
    return setrlimit((__rlimit_resource_t)resource, &limit) < 0 ? -errno : 0;
}

int sandbox_enter(struct sandbox_level *level, struct ll_error_info *info) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return error_at(info, -errno, "prctl", "no_new_privs");
    int e = set_limit(RLIMIT_CORE, 0);
    if (e == 0)
        e = set_limit(RLIMIT_FSIZE, 0);
    if (e == 0)
        e = set_limit(RLIMIT_NPROC, 0);
    if (e != 0)
        return error_at(info, e, "setrlimit", "");
    int abi = close_landlock();
    if (abi < 0)
        return error_at(info, abi, "landlock", "");
    e = filter_calls();
    if (e != 0)
        return error_at(info, e, "seccomp", "");
    if (level != NULL)
        level->landlock = abi;
    return 0;
}
