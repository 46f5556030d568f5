/* Control groups, version 2 (cgroups(7)), as far as they hold the processes of a program together: no controller is asked
 * for. A group is a folder; `dir` and `name` say which. Results are 0 or -errno. */
#ifndef LIB_OS_CGROUP_H
#define LIB_OS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where the hierarchy is mounted, and in it the folder of the caller's own group; buffers of `size`. -ENOENT: there is none, or
 * the group lies outside of what is mounted. */
int cgroup_find(char *mount, char *own, size_t size);
/* What keeps the caller from having groups below its own whose processes can be ended at once (cgroup.kill, Linux 5.14): 0, or
 * as cgroup_find(), -EACCES, -EROFS, -ENOSYS. Changes nothing. */
int cgroup_usable(void);

/* Whether a process lives in it or below. */
bool cgroup_populated(int dir, const char *name);
/* Waits until none does, at most until `deadline` (clock.h). */
void cgroup_await(int dir, const char *name, int64_t deadline);
/* KILL to all that is in it or below, also to what is being forked. */
int cgroup_kill(int dir, const char *name);
/* The processes in it, not below: their number, the caller's to free in *list; or negative. */
ssize_t cgroup_processes(int dir, const char *name, pid_t **list);
/* A word on the group that stays with it; whether there is one. */
int cgroup_mark(int dir, const char *name, bool marked);
bool cgroup_marked(int dir, const char *name);
/* Removes it with the groups below; -EBUSY, and nothing is removed, while a process lives there. */
int cgroup_remove(int dir, const char *name);

/* Calls fn for each group directly below the open folder. */
void cgroup_each(int dir, void (*fn)(void *arg, int dir, const char *name), void *arg);

#endif
