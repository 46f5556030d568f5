#include "lib/os/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Raw system calls where the C library's wrapper would do more than the call: setresuid and its like change every
 * thread of the process, and the threads here are the parent's; sigaction refuses the library's own signals; coverage
 * builds make execve write files first, and reset counters that are the parent's. */

static int code(long result) {
    return result < 0 ? -errno : 0;
}

static int set_family(struct spawn_job *job) {
    switch (job->request->family) {
    case SPAWN_NEW_GROUP:
        return code(setpgid(0, 0));
    case SPAWN_NEW_SESSION:
    case SPAWN_ON_TERMINAL:
        return code(setsid());
    default:
        return 0;
    }
}

/* Handlers must be gone before signals are let through: they would run in the parent's memory. Ignored signals would
 * stay ignored after exec. */
static int reset_signals(struct spawn_job *job) {
    struct kernel_sigaction standard = {0};
    const uint64_t *changed = job->request->changed_signals;
    for (int signal = 1; signal <= 64; signal++)
        if (signal != SIGKILL && signal != SIGSTOP && (changed == NULL || (*changed >> (signal - 1) & 1) != 0))
            syscall(SYS_rt_sigaction, signal, &standard, NULL, sizeof(uint64_t));
    return 0;
}

static int set_limits(struct spawn_job *job) {
    const struct spawn_request *r = job->request;
    for (size_t i = 0; i < r->limit_count; i++)
        if (setrlimit((__rlimit_resource_t)r->limits[i].resource, &r->limits[i].value) < 0)
            return -errno;
    return 0;
}

static int set_nice(struct spawn_job *job) {
    return job->request->set_nice ? code(setpriority(PRIO_PROCESS, 0, job->request->nice)) : 0;
}

static int set_umask(struct spawn_job *job) {
    if (job->request->set_umask)
        umask(job->request->umask);
    return 0;
}

static int wanted_fd(const struct spawn_request *r, size_t i) {
    return i < r->fd_count ? r->fds[i] : -1;
}

static size_t fd_count(const struct spawn_request *r) {
    return r->fd_count > 3 ? r->fd_count : 3;
}

/* First lifts every source out of the range that is about to be overwritten, then lays all of them down. */
static int place_fds(struct spawn_job *job) {
    int count = (int)fd_count(job->request);
    for (int i = 0; i < count; i++) {
        job->fds[i] = wanted_fd(job->request, (size_t)i);
        if (job->fds[i] >= 0 && job->fds[i] < count)
            job->fds[i] = fcntl(job->fds[i], F_DUPFD_CLOEXEC, count);
        else if (job->fds[i] < 0)
            job->fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (job->fds[i] < 0)
            return -errno;
        if (job->fds[i] < count) { /* /dev/null, where the caller had a gap */
            int moved = fcntl(job->fds[i], F_DUPFD_CLOEXEC, count);
            if (moved < 0)
                return -errno;
            close(job->fds[i]);
            job->fds[i] = moved;
        }
    }
    for (int i = 0; i < count; i++)
        if (dup2(job->fds[i], i) < 0)
            return -errno;
    return 0;
}

static int close_others(struct spawn_job *job) {
    return code(syscall(SYS_close_range, fd_count(job->request), ~0U, 0));
}

static int set_groups(struct spawn_job *job) {
    const struct spawn_request *r = job->request;
    return r->set_user ? code(syscall(SYS_setgroups, r->group_count, r->groups)) : 0;
}

static int set_gid(struct spawn_job *job) {
    gid_t gid = job->request->gid;
    return job->request->set_user ? code(syscall(SYS_setresgid, gid, gid, gid)) : 0;
}

static int set_uid(struct spawn_job *job) {
    uid_t uid = job->request->uid;
    return job->request->set_user ? code(syscall(SYS_setresuid, uid, uid, uid)) : 0;
}

static int enter_cwd_fd(struct spawn_job *job) {
    return job->request->cwd_fd > 0 ? code(fchdir(job->request->cwd_fd)) : 0;
}

static int enter_cwd(struct spawn_job *job) {
    if (job->request->cwd == NULL)
        return 0;
    job->subject = job->request->cwd;
    return code(chdir(job->request->cwd));
}

static int take_terminal(struct spawn_job *job) {
    return job->request->family == SPAWN_ON_TERMINAL ? code(ioctl(0, TIOCSCTTY, 0)) : 0;
}

static int give_up_privileges(struct spawn_job *job) {
    return job->request->no_new_privileges ? code(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) : 0;
}

/* After the change of user, which clears it. */
static int set_death_signal(struct spawn_job *job) {
    int signal = job->request->death_signal;
    return signal != 0 ? code(prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)) : 0;
}

static int unblock_signals(struct spawn_job *job) {
    (void)job;
    uint64_t none = 0;
    return code(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none));
}

/* The next candidate of a search path into job->candidate; false when it does not fit. An empty entry is the current
 * directory. */
static bool make_candidate(struct spawn_job *job, const char *directory, size_t length) {
    size_t name = strlen(job->file);
    size_t slash = length > 0 ? 1 : 0;
    if (length + slash + name >= sizeof job->candidate)
        return false;
    memcpy(job->candidate, directory, length);
    if (slash)
        job->candidate[length] = '/';
    memcpy(job->candidate + length + slash, job->file, name + 1);
    return true;
}

static int execute(const struct spawn_job *job) {
    return code(syscall(SYS_execve, job->candidate, job->argv, job->env));
}

/* An entry of the path that is not there, or not to be had, does not end the search. */
static bool search_goes_on(int failed) {
    return failed == -ENOENT || failed == -ENOTDIR || failed == -EACCES || failed == -ENODEV || failed == -ESTALE ||
           failed == -ETIMEDOUT;
}

static int search(struct spawn_job *job) {
    bool denied = false;
    const char *entry = job->path;
    for (;;) {
        size_t length = strcspn(entry, ":");
        int failed = make_candidate(job, entry, length) ? execute(job) : -ENOENT;
        denied = denied || failed == -EACCES;
        if (!search_goes_on(failed))
            return failed;
        if (entry[length] == '\0')
            return denied ? -EACCES : -ENOENT;
        entry += length + 1;
    }
}

static int execute_program(struct spawn_job *job) {
    job->subject = job->file;
    if (job->file[0] != '\0' && strchr(job->file, '/') == NULL)
        return search(job);
    if (!make_candidate(job, "", 0))
        return -ENAMETOOLONG;
    return execute(job);
}

static const struct step {
    const char *name;
    int (*run)(struct spawn_job *job);
} steps[] = {
    /* In this order: what needs the caller's rights before they are given up, files with the new ones, and the
     * descriptors before those that a limit would forbid. */
    {"setsid", set_family},
    {"sigaction", reset_signals},
    {"fchdir", enter_cwd_fd},
    {"dup", place_fds},
    {"close_range", close_others},
    {"setrlimit", set_limits},
    {"setpriority", set_nice},
    {"umask", set_umask},
    {"terminal", take_terminal},
    {"setgroups", set_groups},
    {"setgid", set_gid},
    {"setuid", set_uid},
    {"chdir", enter_cwd},
    {"no_new_privs", give_up_privileges},
    {"pdeathsig", set_death_signal},
    {"sigprocmask", unblock_signals},
    {"exec", execute_program},
};

int spawn_child_main(void *argument) {
    struct spawn_job *job = argument;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        job->subject = NULL;
        job->step = steps[i].name;
        job->step_is_exec = steps[i].run == execute_program;
        job->failed = steps[i].run(job);
        if (job->failed != 0)
            _exit(job->step_is_exec ? 127 : 125);
    }
    _exit(127);
}
