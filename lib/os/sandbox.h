/* The cell of a process that faces the network: it may use the descriptors it holds, take memory, and end. It cannot
 * execute, open, make or rename a file, make a socket or connect one, start a process or a thread, send a signal to
 * another process, or make memory executable.
 *
 *   seccomp      a list of what is allowed; everything else is EPERM (seccomp(2), classic BPF)
 *   Landlock     no file, no port, no abstract socket, no signal, as far as the kernel's version knows them (landlock(7))
 *   rlimits      no file grows, no core is dumped (it would hold the key), no process is made
 *   prctl        no_new_privs, and not dumpable: no other process of the same user can attach to it
 *
 * There is no way back. */
#ifndef LIB_OS_SANDBOX_H
#define LIB_OS_SANDBOX_H

#include <stddef.h>

#include "landline/error.h"

struct sandbox_level {
    int landlock; /* ABI version in use, 0 where the kernel has none */
};

/* Locks the calling process in; it must have one thread. Any descriptor that is open stays usable. 0 and what was
 * achieved in *level (may be NULL); -errno when seccomp, no_new_privs or a limit could not be had: the caller must end
 * then, since nothing may run half locked. A kernel without Landlock is no error. */
int sandbox_enter(struct sandbox_level *level, struct ll_error_info *info);

/* The names of the calls that the filter allows, for the test and the documentation; NULL behind the last. */
const char *const *sandbox_allowed(void);

#endif
