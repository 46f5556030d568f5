#include "lib/os/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/os/clock.h"
#include "lib/os/clone_into.h"
#include "lib/os/spawn_child.h"

/* The child needs a few frames of a few hundred bytes; its paths are in struct spawn_job. */
enum { CHILD_STACK = 32 << 10 };

static const char default_path[] = "/usr/local/bin:/usr/bin:/bin";

static const char *search_path(const struct spawn_request *r, const char *const *env) {
    if (r->path != NULL)
        return r->path;
    for (; env != NULL && *env != NULL; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return default_path;
}

static bool understood(const struct spawn_request *r) {
    if ((r->argv == NULL) == (r->shell == NULL) || (r->argv != NULL && r->argv[0] == NULL))
        return false;
    if (r->family == SPAWN_ON_TERMINAL && (r->fd_count == 0 || r->fds[0] < 0))
        return false;
    return r->fd_count == 0 || r->fds != NULL;
}

/* All signals, also the two that the C library keeps for itself and never blocks. */
static void block_all(uint64_t *old) {
    uint64_t all = UINT64_MAX;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, old, sizeof all);
}

/* Not inlined, so that the child's stack lies above nothing that the caller still needs. */
static __attribute__((noinline)) int run_child(struct spawn_job *job, struct spawn_child *child) {
    _Alignas(16) char stack[CHILD_STACK];
    const int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
    int pidfd = -1, pid, group = job->request->group_fd;
    if (group > 0)
        pid = clone_into(spawn_child_main, stack, sizeof stack, (uint64_t)flags, job, &pidfd, group);
    else if ((pid = clone(spawn_child_main, stack + sizeof stack, flags | SIGCHLD, job, &pidfd)) < 0)
        pid = -errno;
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(stack, sizeof stack); /* the child's frames ended without a return */
#endif
    if (pid < 0)
        return pid;
    child->pid = pid;
    child->pidfd = pidfd;
    return 0;
}

/* From here to the child's exec its memory is ours: no signal handler may run in it, and the thread may not be
 * cancelled with every signal blocked. */
static int run_undisturbed(struct spawn_job *job, struct spawn_child *child) {
    int cancel_state;
    uint64_t old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    block_all(&old);
    int rc = run_child(job, child);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof old);
    pthread_setcancelstate(cancel_state, NULL);
    return rc;
}

static void bury(struct spawn_child *child) {
    int status;
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(child->pidfd);
    child->pidfd = -1;
    child->pid = -1;
}

/* The exit code that a shell would give (POSIX 2.8.2), but for what may succeed a moment later. */
static int code_of_exec(int error) {
    if (error == -EAGAIN || error == -ENOMEM)
        return 125;
    return error == -ENOENT || error == -ENOTDIR ? 127 : 126;
}

static int attempt(struct spawn_job *job, struct spawn_child *child, struct ll_error_info *info) {
    int rc = run_undisturbed(job, child);
    if (rc < 0)
        return error_at(info, rc, "clone", NULL);
    if (job->failed == 0)
        return 0;
    bury(child);
    if (job->step_is_exec)
        child->exit_code = code_of_exec(job->failed);
    return error_at(info, job->failed, job->step, job->subject);
}

/* A script without its #! line: /bin/sh reads it, as POSIX says of execvp. */
static int attempt_as_script(struct spawn_job *job, struct spawn_child *child, struct ll_error_info *info) {
    size_t count = 0;
    while (job->argv[count] != NULL)
        count++;
    const char **argv = calloc(count + 2, sizeof *argv);
    char *script = strdup(job->candidate);
    int rc = -ENOMEM;
    if (argv == NULL || script == NULL) {
        error_at(info, rc, "exec", job->candidate);
        goto done;
    }
    argv[0] = "sh";
    argv[1] = script;
    memcpy(argv + 2, job->argv + 1, (count - 1) * sizeof *argv);
    job->argv = argv;
    job->file = "/bin/sh";
    job->failed = 0;
    rc = attempt(job, child, info);
done:
    free(script);
    free(argv);
    return rc;
}

int spawn_start(const struct spawn_request *request, struct spawn_child *child, struct ll_error_info *info) {
    *child = (struct spawn_child){.pid = -1, .pidfd = -1, .exit_code = 125};
    if (!understood(request))
        return error_at(info, -EINVAL, "spawn", NULL);
    if (request->fd_count > LIMIT_SPAWN_FDS)
        return error_at(info, LL_ELIMIT, "spawn", "descriptors");
    const char *const shell_argv[] = {"sh", "-c", "--", request->shell, NULL};
    const char *const *env = request->env != NULL ? request->env : (const char *const *)environ;
    struct spawn_job job = {
        .request = request,
        .argv = request->shell != NULL ? shell_argv : request->argv,
        .env = env,
        .path = search_path(request, env),
    };
    job.file = request->shell != NULL ? "/bin/sh" : request->file != NULL ? request->file : request->argv[0];
    int rc = attempt(&job, child, info);
    if (rc == -ENOEXEC && job.step_is_exec && request->shell == NULL)
        rc = attempt_as_script(&job, child, info);
    if (rc == 0) {
        child->exit_code = 0;
        error_at(info, 0, "exec", NULL);
    }
    return rc;
}

int spawn_reap(struct spawn_child *child, struct spawn_result *result) {
    int status;
    pid_t got;
    if (child->pid <= 0)
        return -ECHILD;
    do
        got = wait4(child->pid, &status, WNOHANG, &result->usage);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return -EAGAIN;
    int rc = got < 0 ? -errno : 0;
    if (rc == 0) {
        result->exited = WIFEXITED(status);
        result->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        result->dumped_core = WIFSIGNALED(status) && WCOREDUMP(status);
    }
    close(child->pidfd);
    child->pidfd = -1;
    child->pid = -1;
    return rc;
}

void spawn_await(const struct spawn_child *child) {
    struct pollfd end = {.fd = child->pidfd, .events = POLLIN};
    while (child->pidfd >= 0 && poll(&end, 1, -1) < 0 && errno == EINTR)
        ;
}

void spawn_collect(int pidfd, int64_t deadline) {
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    siginfo_t info;
    while (poll(&end, 1, clock_milliseconds(clock_now(), deadline)) < 0 && errno == EINTR)
        ;
    waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
}

int spawn_signal(const struct spawn_child *child, int signal) {
    if (child->pid <= 0)
        return -ESRCH;
    return syscall(SYS_pidfd_send_signal, child->pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int spawn_signal_group(const struct spawn_child *child, int signal) {
    if (child->pid <= 0)
        return -ESRCH;
    return kill(-child->pid, signal) < 0 ? -errno : 0;
}

/* The C library's sigaction() refuses its own two. */
uint64_t spawn_changed_signals(void) {
    uint64_t changed = 0;
    for (int signal = 1; signal <= 64; signal++) {
        struct kernel_sigaction now = {0};
        if (syscall(SYS_rt_sigaction, signal, NULL, &now, sizeof(uint64_t)) < 0 || now.handler != 0)
            changed |= UINT64_C(1) << (signal - 1);
    }
    return changed;
}

int spawn_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
        int rc = -errno;
        close(ends[0]);
        close(ends[1]);
        return rc;
    }
    return 0;
}

int spawn_raise_descriptors(struct rlimit *before) {
    if (getrlimit(RLIMIT_NOFILE, before) < 0)
        return -errno;
    struct rlimit most = {before->rlim_max, before->rlim_max};
    return setrlimit(RLIMIT_NOFILE, &most) < 0 ? -errno : 0;
}
