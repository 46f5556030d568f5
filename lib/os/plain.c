#include "lib/os/plain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int plain_open(const char *path, uint64_t *size) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = fstat(fd, &status) < 0 ? -errno : 0;
    if (rc == 0 && !S_ISREG(status.st_mode))
        rc = S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
    if (rc < 0) {
        close(fd);
        return rc;
    }
    *size = (uint64_t)status.st_size;
    return fd;
}

/* A hidden file in the folder where it will get its name: renaming does not cross file systems. */
static int make_temporary(const char *path, char **temporary) {
    const char *slash = strrchr(path, '/');
    int folder = slash != NULL ? (int)(slash + 1 - path) : 0;
    if (asprintf(temporary, "%.*s.landline-XXXXXX", folder, path) < 0) {
        *temporary = NULL;
        return -ENOMEM;
    }
    int fd = mkostemp(*temporary, O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int plain_create(struct plain_new *file, const char *path) {
    *file = (struct plain_new){.fd = -1, .path = strdup(path)};
    int rc = file->path != NULL ? make_temporary(path, &file->temporary) : -ENOMEM;
    if (rc < 0) {
        free(file->path);
        free(file->temporary);
        *file = (struct plain_new){.fd = -1};
        return rc;
    }
    file->fd = rc;
    return 0;
}

static int write_all(int fd, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

int plain_write(struct plain_new *file, const void *bytes, size_t size) {
    return write_all(file->fd, bytes, size);
}

static int copy_all(int to, int from) {
    char block[64 << 10];
    ssize_t n;
    while ((n = read(from, block, sizeof block)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        int rc = n < 0 ? -errno : write_all(to, block, (size_t)n);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int plain_prepend(struct plain_new *file, const void *bytes, size_t size) {
    char *temporary;
    int fd = make_temporary(file->path, &temporary);
    int rc = fd < 0 ? fd : 0;
    if (rc == 0)
        rc = write_all(fd, bytes, size);
    if (rc == 0 && lseek(file->fd, 0, SEEK_SET) < 0)
        rc = -errno;
    if (rc == 0)
        rc = copy_all(fd, file->fd);
    if (rc < 0) {
        if (fd >= 0) {
            close(fd);
            unlink(temporary);
        }
        free(temporary);
        return rc;
    }
    close(file->fd);
    unlink(file->temporary);
    free(file->temporary);
    file->fd = fd;
    file->temporary = temporary;
    return 0;
}

int plain_publish(struct plain_new *file) {
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(file->fd, 0666 & ~mask) < 0)
        return -errno;
    int rc = close(file->fd) < 0 && errno != EINTR ? -errno : 0;
    file->fd = -1;
    if (rc == 0 && rename(file->temporary, file->path) < 0)
        rc = -errno;
    if (rc < 0)
        return rc;
    free(file->temporary);
    file->temporary = NULL;
    plain_discard(file);
    return 0;
}

void plain_discard(struct plain_new *file) {
    if (file->fd >= 0)
        close(file->fd);
    if (file->temporary != NULL)
        unlink(file->temporary);
    free(file->temporary);
    free(file->path);
    *file = (struct plain_new){.fd = -1};
}
