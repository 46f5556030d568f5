#include "lib/os/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/os/paths.h"

enum { PIECE = 16 << 10 };

int whole_read(const char *path, struct buf *into, struct ll_error_info *info) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_at(info, -errno, "open", path);
    int e = 0;
    for (;;) {
        /* A byte more than the limit leaves is asked for nowhere: the file's end has to come before it. */
        uint8_t past;
        size_t room = into->limit - buf_size(into) < PIECE ? into->limit - buf_size(into) : PIECE;
        uint8_t *to = room > 0 ? buf_reserve(into, room) : &past;
        if (to == NULL) {
            e = into->failed;
            break;
        }
        ssize_t n = read(fd, to, room > 0 ? room : 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            e = n < 0 ? -errno : 0;
            break;
        }
        if (room == 0) {
            e = LL_ELIMIT;
            break;
        }
        buf_commit(into, (size_t)n);
    }
    close(fd);
    return e != 0 ? error_at(info, e, "read", path) : 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t n) {
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno != EINTR)
            return -errno;
        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
        }
    }
    return 0;
}

/* The rename is on disk once the folder is. */
static int sync_folder(const char *path) {
    char folder[PATHS_SIZE];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        snprintf(folder, sizeof folder, ".");
    else
        slash[slash == folder ? 1 : 0] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int e = fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
    close(fd);
    return e;
}

int whole_replace(const char *path, const void *bytes, size_t n, mode_t mode, struct ll_error_info *info) {
    char temporary[PATHS_SIZE];
    int length = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (length < 0 || (size_t)length >= sizeof temporary)
        return error_at(info, LL_ELIMIT, "open", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return error_at(info, -errno, "open", temporary);
    int e = write_all(fd, bytes, n);
    if (e == 0 && fchmod(fd, mode) < 0)
        e = -errno;
    if (e == 0 && fsync(fd) < 0)
        e = -errno;
    if (close(fd) < 0 && e == 0)
        e = -errno;
    if (e == 0 && rename(temporary, path) < 0)
        e = -errno;
    if (e != 0) {
        unlink(temporary);
        return error_at(info, e, "write", path);
    }
    e = sync_folder(path);
    return e != 0 ? error_at(info, e, "fsync", path) : 0;
}

static int lock(const char *path, int how, struct ll_error_info *info) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_at(info, -errno, "open", path);
    int e;
    do
        e = flock(fd, how) < 0 ? -errno : 0;
    while (e == -EINTR);
    if (e == 0)
        return fd;
    close(fd);
    return error_at(info, e, "lock", path);
}

int whole_lock(const char *path, struct ll_error_info *info) {
    return lock(path, LOCK_EX, info);
}

int whole_try_lock(const char *path, struct ll_error_info *info) {
    return lock(path, LOCK_EX | LOCK_NB, info);
}
