/* What this kernel can do for landline, asked without changing anything. */
#ifndef LIB_OS_FEATURES_H
#define LIB_OS_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The Landlock version (landlock(7)), 1 and up; -EOPNOTSUPP where it is switched off, -ENOSYS where it is missing. */
int features_landlock(void);
/* Seccomp filters can be installed; with them, calls can be handed to another process. */
bool features_seccomp(void);
bool features_seccomp_notify(void);
/* System calls that the server uses: 0, or -ENOSYS (-EPERM under a filter). */
int features_openat2(void);
int features_pidfd(void);
int features_close_range(void);

struct features_clock {
    bool synchronised;
    int64_t error_ns; /* the most it can be wrong, as the kernel was told */
};
/* adjtimex(2); -EPERM where a sandbox forbids it. */
int features_clock(struct features_clock *out);

/* A limit of this process: RLIMIT_…; UINT64_MAX for none. */
struct features_limit {
    uint64_t soft, hard;
};
int features_limit(int resource, struct features_limit *out);

/* The kernel's name and release, "Linux 6.1.0-18-amd64". */
void features_kernel(char *out, size_t size);
/* This process may capture packets and open raw sockets (CAP_NET_RAW). */
bool features_may_capture(void);

#endif
