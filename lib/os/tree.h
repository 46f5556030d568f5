/* What moving files needs of the system beyond POSIX: opening beneath a folder, publishing a name, flushing, locking.
 * All return 0 or a descriptor, or -errno. Descriptors are close-on-exec. */
#ifndef LIB_OS_TREE_H
#define LIB_OS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* How openat2(2) may resolve a path. */
enum tree_resolve {
    OS_TREE_PLAIN,   /* as open(2) does */
    OS_TREE_BENEATH, /* never above `dir`, no symbolic link at all, no magic link */
    OS_TREE_IN_ROOT, /* `dir` is the root: an absolute path or link starts there, and .. stops there */
};

int os_tree_open(int dir, const char *path, int flags, mode_t mode, enum tree_resolve resolve);

/* renameat2(2); with `fresh` the target must not exist (-EEXIST). */
int os_tree_rename(int from_dir, const char *from, int to_dir, const char *to, bool fresh);

/* Everything of the file system that `fd` is on reaches the disk; errors of the writing are reported. */
int os_tree_sync(int fd);

/* An exclusive lock on the open file or folder, at once or -EWOULDBLOCK. It goes with the descriptor. */
int os_tree_lock(int fd);

/* Removes name and, if it is a folder, all that is below it; symbolic links are removed, not followed. -ENOENT is fine. */
int os_tree_remove(int dir, const char *name);

/* The number of this boot: files that were written but not flushed are only to be trusted within one. */
int os_boot_id(uint8_t out[16]);

/* The umask of the process, without changing it. */
mode_t os_umask(void);

/* Raises the limit of open descriptors as far as it may go; returns the limit. */
size_t os_raise_descriptors(void);

#endif
