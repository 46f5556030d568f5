/* Small files that are read and replaced as a whole, and the lock between those who do. */
#ifndef LIB_OS_WHOLE_H
#define LIB_OS_WHOLE_H

#include <stddef.h>
#include <sys/types.h>

#include "landline/error.h"
#include "lib/base/buf.h"

/* Appends the file's bytes to `into`, whose limit holds. A file that is missing is -ENOENT; one larger than the limit
 * LL_ELIMIT; others -errno; each with the path in `info` (may be NULL). */
int whole_read(const char *path, struct buf *into, struct ll_error_info *info);

/* Puts the bytes under the name in one step: a reader sees the old file or the new one, also after a power cut
 * (temporary file beside it, fsync, rename, fsync of the folder). 0 or -errno with the path in `info`. */
int whole_replace(const char *path, const void *bytes, size_t n, mode_t mode, struct ll_error_info *info);

/* Waits for the exclusive lock of the file (made if missing, 0600; flock(2)) and returns its descriptor, which holds
 * the lock until it is closed; or -errno. */
int whole_lock(const char *path, struct ll_error_info *info);

/* The same without waiting: -EWOULDBLOCK when somebody holds it. */
int whole_try_lock(const char *path, struct ll_error_info *info);

#endif
