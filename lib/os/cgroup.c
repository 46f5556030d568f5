#include "lib/os/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/os/clock.h"

static const char mark[] = "user.landline";

/* One of the files of a group; or -errno. */
static int open_file(int dir, const char *name, const char *file, int flags) {
    char path[NAME_MAX + 32];
    int n = snprintf(path, sizeof path, "%s/%s", name, file);
    if (n < 0 || (size_t)n >= sizeof path)
        return -ENAMETOOLONG;
    int fd = openat(dir, path, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* --- where --- */

/* The path after "0::" in /proc/self/cgroup. */
static int own_group(char *out, size_t size) {
    FILE *f = fopen("/proc/self/cgroup", "re");
    char *line = NULL;
    size_t room = 0;
    int e = -ENOENT;
    while (f != NULL && e == -ENOENT && getline(&line, &room, f) > 0)
        if (strncmp(line, "0::/", 4) == 0) {
            line[strcspn(line, "\n")] = '\0';
            e = snprintf(out, size, "%s", line + 3) < (int)size ? 0 : -ENAMETOOLONG;
        }
    free(line);
    if (f != NULL)
        fclose(f);
    return e;
}

/* Of a line of /proc/self/mountinfo (proc(5)): what of the hierarchy is mounted, and where. */
static bool read_mount(const char *line, char *root, char *mount) {
    const char *type = strstr(line, " - ");
    return type != NULL && strncmp(type, " - cgroup2 ", 11) == 0 &&
           sscanf(line, "%*s %*s %*s %4095s %4095s", root, mount) == 2;
}

/* A group's path as it is below the mount; NULL: it is not. */
static const char *below(const char *root, const char *group) {
    size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(group, "/..", 3) == 0 || strncmp(group, root, n) != 0 || (group[n] != '/' && group[n] != '\0'))
        return NULL;
    return strcmp(group + n, "/") == 0 ? "" : group + n;
}

int cgroup_find(char *mount, char *own, size_t size) {
    char group[4096], root[4096], at[4096];
    int e = own_group(group, sizeof group);
    if (e != 0)
        return e;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t room = 0;
    e = -ENOENT;
    while (f != NULL && e == -ENOENT && getline(&line, &room, f) > 0) {
        const char *path = read_mount(line, root, at) ? below(root, group) : NULL;
        if (path != NULL)
            e = snprintf(mount, size, "%s", at) < (int)size && snprintf(own, size, "%s%s", at, path) < (int)size
                    ? 0
                    : -ENAMETOOLONG;
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return e;
}

static bool kernel_has_kill(void) {
    struct utsname name;
    int major = 0, minor = 0;
    return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           (major > 5 || (major == 5 && minor >= 14));
}

int cgroup_usable(void) {
    char mount[PATH_MAX], own[PATH_MAX], procs[PATH_MAX + 16];
    int e = cgroup_find(mount, own, sizeof own);
    if (e != 0)
        return e;
    snprintf(procs, sizeof procs, "%s/cgroup.procs", own);
    if (access(own, W_OK) != 0 || access(procs, W_OK) != 0)
        return -errno;
    return kernel_has_kill() ? 0 : -ENOSYS;
}

/* --- what is in one --- */

static bool says_populated(int fd) {
    char text[256];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, "populated 1") != NULL;
}

bool cgroup_populated(int dir, const char *name) {
    int fd = open_file(dir, name, "cgroup.events", O_RDONLY);
    bool populated = fd >= 0 && says_populated(fd);
    if (fd >= 0)
        close(fd);
    return populated;
}

void cgroup_await(int dir, const char *name, int64_t deadline) {
    struct pollfd change = {.fd = open_file(dir, name, "cgroup.events", O_RDONLY), .events = POLLPRI};
    while (change.fd >= 0 && says_populated(change.fd)) {
        int n = poll(&change, 1, clock_milliseconds(clock_now(), deadline));
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
    }
    if (change.fd >= 0)
        close(change.fd);
}

int cgroup_kill(int dir, const char *name) {
    int fd = open_file(dir, name, "cgroup.kill", O_WRONLY);
    if (fd < 0)
        return fd;
    int e = write(fd, "1", 1) == 1 ? 0 : -errno;
    close(fd);
    return e;
}

ssize_t cgroup_processes(int dir, const char *name, pid_t **list) {
    int fd = open_file(dir, name, "cgroup.procs", O_RDONLY), pid;
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    size_t count = 0, room = 0;
    *list = NULL;
    if (f == NULL) {
        int e = fd < 0 ? fd : -errno;
        if (fd >= 0)
            close(fd);
        return e;
    }
    while (fscanf(f, "%d", &pid) == 1) {
        if (count == room) {
            room = room == 0 ? 64 : 2 * room;
            pid_t *grown = realloc(*list, room * sizeof **list);
            if (grown == NULL)
                break;
            *list = grown;
        }
        if (pid > 1) /* 0: of another process namespace */
            (*list)[count++] = pid;
    }
    fclose(f);
    return (ssize_t)count;
}

int cgroup_mark(int dir, const char *name, bool marked) {
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int e = (marked ? fsetxattr(fd, mark, "left", 4, 0) : fremovexattr(fd, mark)) == 0 ? 0 : -errno;
    close(fd);
    return e;
}

bool cgroup_marked(int dir, const char *name) {
    char word[16];
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool marked = fd >= 0 && fgetxattr(fd, mark, word, sizeof word) > 0;
    if (fd >= 0)
        close(fd);
    return marked;
}

/* --- the tree of groups --- */

void cgroup_each(int dir, void (*fn)(void *arg, int dir, const char *name), void *arg) {
    int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = own >= 0 ? fdopendir(own) : NULL;
    if (listing == NULL) {
        if (own >= 0)
            close(own);
        return;
    }
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            fn(arg, dir, entry->d_name);
    closedir(listing);
}

static void remove_one(void *arg, int dir, const char *name) {
    (void)arg;
    cgroup_remove(dir, name);
}

int cgroup_remove(int dir, const char *name) {
    if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno != EBUSY && errno != ENOTEMPTY)
        return -errno;
    if (cgroup_populated(dir, name))
        return -EBUSY; /* and what lives there may want its empty ones */
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    cgroup_each(fd, remove_one, NULL);
    close(fd);
    return unlinkat(dir, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}
