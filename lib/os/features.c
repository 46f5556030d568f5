#include "lib/os/features.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { LANDLOCK_VERSION_FLAG = 1 };

int features_landlock(void) {
#ifdef SYS_landlock_create_ruleset
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
    return version < 0 ? -errno : (int)version;
#else
    return -ENOSYS;
#endif
}

static bool has_action(uint32_t action) {
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

bool features_seccomp(void) {
    return has_action(SECCOMP_RET_KILL_PROCESS);
}

bool features_seccomp_notify(void) {
    return has_action(SECCOMP_RET_USER_NOTIF);
}

/* Closes what a probe opened; its answer. */
static int probed(long fd) {
    if (fd < 0)
        return -errno;
    close((int)fd);
    return 0;
}

int features_openat2(void) {
    const struct open_how how = {.flags = O_PATH | O_CLOEXEC | O_DIRECTORY, .resolve = RESOLVE_BENEATH};
    return probed(syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how));
}

int features_pidfd(void) {
    return probed(syscall(SYS_pidfd_open, getpid(), 0));
}

int features_close_range(void) {
    /* A range that holds no descriptor. */
    return syscall(SYS_close_range, ~0U - 1, ~0U - 1, 0) == 0 ? 0 : -errno;
}

int features_clock(struct features_clock *out) {
    struct timex t = {.modes = 0};
    int state = adjtimex(&t);
    if (state < 0)
        return -errno;
    out->synchronised = state != TIME_ERROR && (t.status & STA_UNSYNC) == 0;
    out->error_ns = (int64_t)t.maxerror * 1000;
    return 0;
}

int features_limit(int resource, struct features_limit *out) {
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
        return -errno;
    out->soft = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    out->hard = limit.rlim_max == RLIM_INFINITY ? UINT64_MAX : limit.rlim_max;
    return 0;
}

void features_kernel(char *out, size_t size) {
    struct utsname name;
    if (uname(&name) == 0)
        snprintf(out, size, "%s %s %s", name.sysname, name.release, name.machine);
    else
        snprintf(out, size, "?");
}

bool features_may_capture(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    memset(data, 0, sizeof data);
    if (syscall(SYS_capget, &head, data) != 0)
        return false;
    return (data[CAP_NET_RAW / 32].effective & 1U << CAP_NET_RAW % 32) != 0;
}
