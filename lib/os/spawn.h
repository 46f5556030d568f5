/* Starting a program, as fast as posix_spawn and with all that a server needs set before it runs.
 *
 * The child is made with vfork semantics: it shares the caller's memory until it executes the program, so the price does
 * not grow with the size of the caller, and what fails between the two is known exactly, before spawn_start() returns.
 * Every signal is blocked while memory is shared, and nothing in the child goes through the C library's thread-wide
 * wrappers: safe from any thread of a threaded program. The calling thread waits for the exec, other threads do not.
 *
 * What the program gets: the descriptors of the request and no other, every signal at its default and none blocked. The
 * rest is the caller's own where the request does not say otherwise; a zeroed request inherits everything and reads and
 * writes /dev/null. */
#ifndef LIB_OS_SPAWN_H
#define LIB_OS_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "landline/error.h"

enum spawn_family {
    SPAWN_IN_MY_GROUP, /* the caller's session and process group: the terminal's Ctrl-C reaches both */
    SPAWN_NEW_GROUP,   /* a process group of its own */
    SPAWN_NEW_SESSION, /* a session and group of its own, without a terminal */
    SPAWN_ON_TERMINAL, /* the same, and descriptor 0 becomes the session's controlling terminal */
};

struct spawn_limit {
    int resource; /* RLIMIT_NOFILE, … */
    struct rlimit value;
};

struct spawn_request {
    /* The program, exactly one of the two. argv ends in NULL; argv[0] is looked for in `path` unless it has a slash, and a
     * file without a format the kernel knows is given to /bin/sh, as execvp(3) does. shell is run as sh -c. */
    const char *const *argv;
    const char *shell;
    const char *file;       /* with argv: execute this file and keep argv[0] as the name it sees; NULL: argv[0] */
    const char *path;       /* where to look; NULL: PATH of env, and /usr/local/bin:/usr/bin:/bin where that has none */
    const char *const *env; /* ends in NULL; NULL: the caller's */

    /* Descriptor i of the program is a duplicate of fds[i] for i < fd_count; -1, and what is missing of the first three,
     * is /dev/null. Close-on-exec on the caller's descriptors does not matter, O_NONBLOCK is shared and stays. */
    const int *fds;
    size_t fd_count; /* at most LIMIT_SPAWN_FDS */

    int group_fd;    /* the folder of the control group to start in, 0: the caller's group */
    int cwd_fd;      /* a directory to start in, 0: none. Entered before `cwd`, so that may be relative to it */
    const char *cwd; /* NULL: where the caller is. Entered with the new user's rights */
    /* Signals that are not at their default in the caller, as spawn_changed_signals() says; NULL: nobody knows, and the
     * child goes through all of them, which costs 62 system calls. */
    const uint64_t *changed_signals;
    enum spawn_family family;
    int death_signal; /* sent to the program when the calling thread ends; 0: none */
    bool no_new_privileges;

    bool set_umask, set_nice, set_user;
    mode_t umask;
    int nice; /* the value, not an increment: -20 … 19 */
    const struct spawn_limit *limits;
    size_t limit_count;
    /* With set_user, all of them; groups are the supplementary ones, none with group_count 0. */
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t group_count;
};

struct spawn_child {
    pid_t pid; /* also its process group, unless the family is SPAWN_IN_MY_GROUP */
    int pidfd; /* readable once it has ended; the caller's to close, spawn_reap() does; -1 after that */
    /* Where spawn_start() failed, the exit code that env(1) would end with: 127 no such program, 126 it is there and
     * cannot be executed, 125 it was not tried because something before it failed, or there was no process or memory for
     * it just then. */
    int exit_code;
};

struct spawn_result {
    bool exited; /* by itself, with exit_code; else killed by `signal` */
    int exit_code, signal;
    bool dumped_core;
    struct rusage usage;
};

/* Starts the program. 0 once it is executing, else the negative code of what failed, in `info` (may be NULL) the step
 * (call: "exec", "chdir", "setrlimit", …; subject: its file or directory), and nothing is left behind: no process, no
 * descriptor. Beside what execve(2), setsid(2), … give:
 *   -EINVAL     no program, or two, or both the session's terminal and no descriptor for it
 *   LL_ELIMIT   more than LIMIT_SPAWN_FDS descriptors
 *   -ENOMEM, -EAGAIN, -EMFILE, -ENFILE   no memory, process or descriptor to be had
 * With a group, step "clone", also what
 * clone_into() gives: start it without one then. Needs Linux 5.11 (close_range). */
int spawn_start(const struct spawn_request *request, struct spawn_child *child, struct ll_error_info *info);

/* Collects a program that has ended: 0 and the result, the pidfd closed; -EAGAIN while it runs; -ECHILD when somebody
 * else collected it (as with SIGCHLD ignored). Never waits. */
int spawn_reap(struct spawn_child *child, struct spawn_result *result);

/* Waits until it has ended, also through signals; it is not collected. For those who have no loop. */
void spawn_await(const struct spawn_child *child);

/* Waits for the end of the child behind a pidfd, at most until `deadline` on clock_now(), and collects it. The pidfd stays the caller's. */
void spawn_collect(int pidfd, int64_t deadline);

/* A signal to the program, or to its whole process group. 0, -ESRCH when it has ended (a group: when none of it is left),
 * -EPERM. Before spawn_reap() the number cannot have passed to somebody else, after it it can: -ESRCH then, nothing is
 * sent. A group whose first process has ended and was not reaped can still be signalled. */
int spawn_signal(const struct spawn_child *child, int signal);
int spawn_signal_group(const struct spawn_child *child, int signal);

/* A pipe for a program's output: ends[0] is the caller's to read from and non-blocking, ends[1] blocks, as programs
 * expect, and is for the request. Both close-on-exec. 0, -EMFILE, -ENFILE. */
int spawn_pipe(int ends[2]);

/* The signals that this process now handles or ignores, bit n - 1 for signal n. For a process that starts many programs
 * and changes no disposition in between. */
uint64_t spawn_changed_signals(void);

/* Lets this process have as many descriptors as it may (the soft limit up to the hard one). Programs should not inherit
 * that, some walk through all of them: *before is the old limit, for a spawn_limit. 0 or -errno. */
int spawn_raise_descriptors(struct rlimit *before);

#endif
