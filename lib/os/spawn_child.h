/* The child's half of spawn: what runs between clone and exec, in memory that is the parent's. */
#ifndef LIB_OS_SPAWN_CHILD_H
#define LIB_OS_SPAWN_CHILD_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/limits.h"
#include "lib/os/spawn.h"

/* As the kernel has it; zero is SIG_DFL. */
struct kernel_sigaction {
    uint64_t handler, flags, restorer, mask;
};

/* Shared by parent and child; the parent sleeps while the child writes. */
struct spawn_job {
    const struct spawn_request *request;
    const char *file; /* looked for in `path` unless it has a slash */
    const char *const *argv, *const *env;
    const char *path;

    int fds[LIMIT_SPAWN_FDS]; /* the request's, moved out of each other's way */
    char candidate[PATH_MAX]; /* the file that exec was tried with last */
    int failed;               /* 0, or the negative code of the step that failed … */
    const char *step;         /* … its name … */
    const char *subject;      /* … and what it was about, or NULL */
    bool step_is_exec;
};

/* For clone(2); does not return when all goes well. */
int spawn_child_main(void *job);

#endif
