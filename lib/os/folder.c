#include "lib/os/folder.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

int folder_watch(const char *path) {
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (inotify_add_watch(fd, path, IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE) >= 0)
        return fd;
    int e = -errno;
    close(fd);
    return e;
}

bool folder_changed(int fd, const char *name) {
    char space[4096] __attribute__((aligned(8)));
    bool changed = false;
    ssize_t n;
    while ((n = read(fd, space, sizeof space)) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const struct inotify_event *)(space + at);
            changed |= (event->mask & IN_Q_OVERFLOW) != 0 || (event->len > 0 && strcmp(event->name, name) == 0);
            at += (ssize_t)sizeof *event + (ssize_t)event->len;
        }
    return changed;
}
