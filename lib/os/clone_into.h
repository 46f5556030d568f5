/* clone(2) for a child that begins in another control group (clone3, CLONE_INTO_CGROUP). The C library has no wrapper that
 * takes both a stack and a group. */
#ifndef LIB_OS_CLONE_INTO_H
#define LIB_OS_CLONE_INTO_H

#include <stddef.h>
#include <stdint.h>

/* As clone(main, stack + size, flags | SIGCHLD, argument, pidfd), with the child in the group whose folder `group` is open as.
 * The child's number, or -errno; -ENOSYS on other processors than x86-64, and on Linux before
 * 5.7. Beside what clone gives: -EBUSY, -EOPNOTSUPP, -ENODEV, -EACCES: the group cannot take it. */
int clone_into(int (*main)(void *), void *stack, size_t size, uint64_t flags, void *argument, int *pidfd, int group);

#endif
