/* doctor.h: this machine's own state. */
#include "landline/observe/doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "landline/socket.h"
#include "lib/base/limits.h"
#include "lib/os/cgroup.h"
#include "lib/os/features.h"
#include "lib/os/paths.h"
#include "lib/os/whole.h"

static const char machine[] = "machine", network[] = "network", rights[] = "rights", files[] = "files";

/* A file of /proc/sys as one line, tabs as spaces; false where it cannot be read. */
static bool read_setting(const char *path, char *out, size_t size) {
    struct buf b;
    buf_init(&b, LIMIT_TRACE_TEXT);
    bool read = whole_read(path, &b, NULL) == 0 && buf_size(&b) > 0;
    size_t n = buf_size(&b) < size ? buf_size(&b) : size - 1;
    if (read)
        memcpy(out, buf_front(&b), n);
    out[read ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    for (char *at = out; *at != '\0'; at++)
        *at = *at == '\t' ? ' ' : *at;
    buf_free(&b);
    return read;
}

static void check_sandbox(struct doctor *d) {
    int landlock = features_landlock();
    struct finding *f;
    if (landlock > 0) {
        doctor_add(d, machine, "Landlock", DOCTOR_GOOD, "version %d", landlock);
    } else {
        f = doctor_add(d, machine, "Landlock", DOCTOR_WORSE, "%s",
                       landlock == -EOPNOTSUPP ? "built in, not switched on" : "missing in this kernel");
        doctor_advise(f, "%s, so that a server's gate cannot reach files even if it is taken over",
                      landlock == -EOPNOTSUPP ? "add landlock to the kernel's lsm= parameter"
                                              : "run a kernel of 5.13 or newer with Landlock");
    }
    bool seccomp = features_seccomp();
    f = doctor_add(d, machine, "seccomp filters", seccomp ? DOCTOR_GOOD : DOCTOR_WRONG, "%s",
                   !seccomp                    ? "missing"
                   : features_seccomp_notify() ? "yes, with notification"
                                               : "yes");
    if (!seccomp)
        doctor_advise(f, "run a kernel with CONFIG_SECCOMP_FILTER: the gate's sandbox needs it");
}

/* For a server that would be started here and now; one that runs has its own place among the groups. */
static void check_groups(struct doctor *d) {
    static const struct {
        int code;
        const char *text;
    } why[] = {
        {0, "yes: a server ends a run with all that it has started"},
        {-ENOENT, "none: cgroup v2 is not mounted here; runs are ended by session, descent and environment"},
        {-EROFS, "none: cgroup v2 is read-only here; runs are ended by session, descent and environment"},
        {-EACCES,
         "none: this process's group is not its user's (Delegate=yes of a service); runs are ended by session, "
         "descent and environment"},
        {-ENOSYS,
         "none: Linux 5.14 has the first that can be used; runs are ended by session, descent and environment"},
    };
    int code = cgroup_usable();
    const char *text = ll_strerror(code);
    for (size_t i = 0; i < sizeof why / sizeof *why; i++)
        text = why[i].code == code ? why[i].text : text;
    doctor_add(d, machine, "control groups", code == 0 ? DOCTOR_GOOD : DOCTOR_FACT, "%s", text);
}

static void check_calls(struct doctor *d) {
    static const struct {
        const char *name;
        int (*probe)(void);
        const char *since;
    } calls[] = {
        {"openat2", features_openat2, "5.6"},
        {"pidfd_open", features_pidfd, "5.3"},
        {"close_range", features_close_range, "5.9"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int code = calls[i].probe();
        struct finding *f = doctor_add(d, machine, calls[i].name, code == 0 ? DOCTOR_GOOD : DOCTOR_WRONG, "%s",
                                       code == 0 ? "yes" : ll_strerror(code));
        if (code != 0)
            doctor_advise(f, "run a kernel of %s or newer, or a container that allows %s: landline serve needs it",
                          calls[i].since, calls[i].name);
    }
}

static void check_clock(struct doctor *d) {
    struct features_clock clock;
    int code = features_clock(&clock);
    if (code != 0) {
        doctor_add(d, machine, "clock", DOCTOR_FACT, "cannot be asked: %s", ll_strerror(code));
        return;
    }
    struct finding *f = doctor_add(d, machine, "clock", clock.synchronised ? DOCTOR_GOOD : DOCTOR_WORSE, "%s",
                                   clock.synchronised ? "synchronised" : "not synchronised");
    if (!clock.synchronised)
        doctor_advise(
            f, "switch on time synchronisation (timedatectl set-ntp true): invites and the knock compare clocks");
}

static void check_limit(struct doctor *d) {
    enum { FEW_DESCRIPTORS = 4096 };
    struct features_limit limit;
    if (features_limit(RLIMIT_NOFILE, &limit) != 0)
        return;
    bool few = limit.hard < FEW_DESCRIPTORS;
    struct finding *f = doctor_add(d, machine, "open files", few ? DOCTOR_WORSE : DOCTOR_GOOD, "%llu, at most %llu",
                                   (unsigned long long)limit.soft, (unsigned long long)limit.hard);
    if (few)
        doctor_advise(f, "raise the hard limit of open files (LimitNOFILE= of the service): each connection needs one");
    if (features_limit(RLIMIT_NPROC, &limit) == 0 && limit.soft != UINT64_MAX)
        doctor_add(d, machine, "processes", DOCTOR_FACT, "%llu", (unsigned long long)limit.soft);
}

/* Plain settings of the kernel, told as they are. */
static void check_settings(struct doctor *d) {
    static const struct {
        const char *name, *path;
    } settings[] = {
        {"congestion control", "/proc/sys/net/ipv4/tcp_congestion_control"},
        {"others available", "/proc/sys/net/ipv4/tcp_available_congestion_control"},
        {"receive buffer", "/proc/sys/net/ipv4/tcp_rmem"},
        {"send buffer", "/proc/sys/net/ipv4/tcp_wmem"},
        {"accept queue", "/proc/sys/net/core/somaxconn"},
        {"local ports", "/proc/sys/net/ipv4/ip_local_port_range"},
        {"TCP Fast Open", "/proc/sys/net/ipv4/tcp_fastopen"},
        {"explicit congestion (ECN)", "/proc/sys/net/ipv4/tcp_ecn"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        char value[128];
        if (read_setting(settings[i].path, value, sizeof value))
            doctor_add(d, network, settings[i].name, DOCTOR_FACT, "%s", value);
    }
}

static void check_buffers(struct doctor *d) {
    enum { SMALL = 4 << 20 };
    char value[128], *end = value;
    unsigned long long largest = 0;
    if (!read_setting("/proc/sys/net/ipv4/tcp_rmem", value, sizeof value))
        return;
    for (int i = 0; i < 3; i++)
        largest = strtoull(end, &end, 10);
    struct finding *f = doctor_add(d, network, "window on long ways", largest < SMALL ? DOCTOR_WORSE : DOCTOR_GOOD,
                                   "up to %llu KiB", largest >> 10);
    if (largest < SMALL)
        doctor_advise(f, "raise the last number of net.ipv4.tcp_rmem to %d: it limits the rate over long ways", SMALL);
}

static void check_ktls(struct doctor *d) {
    char value[128];
    bool there =
        read_setting("/proc/sys/net/ipv4/tcp_available_ulp", value, sizeof value) && strstr(value, "tls") != NULL;
    doctor_add(d, network, "kernel TLS", DOCTOR_FACT, "%s", there ? "available" : "not loaded (modprobe tls)");
    doctor_add(d, network, "IPv4 and IPv6 at once", DOCTOR_FACT, "%s",
               ll_has_dualstack_ipv6() > 0 ? "one listener takes both" : "not with one listener");
}

static void check_rights(struct doctor *d) {
    char value[128] = "";
    bool raw = features_may_capture();
    read_setting("/proc/sys/net/ipv4/ping_group_range", value, sizeof value);
    doctor_add(d, rights, "capture and ping", DOCTOR_FACT, "%s",
               raw ? "yes (CAP_NET_RAW)" : "no CAP_NET_RAW: trace shows what the kernel tells everybody");
    if (!raw)
        doctor_add(d, rights, "echo sockets for groups", DOCTOR_FACT, "%s", value);
}

static void check_files(struct doctor *d) {
    static const struct {
        const char *name;
        enum paths_kind kind;
    } folders[] = {{"configuration", PATHS_CONFIG}, {"state", PATHS_STATE}, {"runtime", PATHS_RUNTIME}};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[PATHS_SIZE];
        int code = paths_folder(folders[i].kind, path);
        struct finding *f = doctor_add(d, files, folders[i].name, code == 0 ? DOCTOR_FACT : DOCTOR_WRONG, "%s",
                                       code == 0 ? path : ll_strerror(code));
        if (code != 0)
            doctor_advise(f, "set HOME or LANDLINE_HOME to a folder with an absolute path");
    }
}

void doctor_machine(struct doctor *d) {
    char kernel[200];
    features_kernel(kernel, sizeof kernel);
    doctor_add(d, machine, "kernel", DOCTOR_FACT, "%s", kernel);
    check_sandbox(d);
    check_groups(d);
    check_calls(d);
    check_limit(d);
    check_clock(d);
    check_settings(d);
    check_buffers(d);
    check_ktls(d);
    check_rights(d);
    check_files(d);
}
