/* A child process that goes on by itself: the program as it stands, in a session of its own. */
#ifndef LIB_OS_DAEMON_H
#define LIB_OS_DAEMON_H

#include <stddef.h>
#include <sys/types.h>

/* Forks. In the parent: the child's pid, or -errno; -EBADF where one of `keep` is 0, 1 or 2, which the child gives up.
 * In the child, which never has more than this one thread: 0. It has its own session, / as its folder, umask 077, standard signals, an empty
 * mask, /dev/null as descriptors 0, 1 and 2, and of the others only the `count` descriptors `keep`. Nobody who waits for the
 * end of the parent's output waits for it. It must end with daemon_end(). */
pid_t daemon_fork(const int *keep, size_t count);

/* Ends a process that daemon_fork() made: nothing of the parent's is flushed or torn down. */
_Noreturn void daemon_end(int status);

/* The process's command line as ps(1) shows it becomes `title`, cut to the room that `argv` has; its name becomes
 * the same, cut to 15 bytes. */
void daemon_title(char **argv, const char *title);

#endif
