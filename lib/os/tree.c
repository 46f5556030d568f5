#include "lib/os/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int os_tree_open(int dir, const char *path, int flags, mode_t mode, enum tree_resolve resolve) {
    static const uint64_t how[] = {
        [OS_TREE_PLAIN] = 0,
        [OS_TREE_BENEATH] = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        [OS_TREE_IN_ROOT] = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    struct open_how request = {
        .flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
        .mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? mode : 0,
        .resolve = how[resolve],
    };
    /* A rename elsewhere in the tree makes the kernel give up a walk beneath a root with EAGAIN: it may be tried again. */
    for (int tries = 0;; tries++) {
        long fd = syscall(SYS_openat2, dir, path, &request, sizeof request);
        if (fd >= 0)
            return (int)fd;
        if (errno != EINTR && !(errno == EAGAIN && resolve != OS_TREE_PLAIN && tries < 1000))
            return -errno;
    }
}

int os_tree_rename(int from_dir, const char *from, int to_dir, const char *to, bool fresh) {
    if (renameat2(from_dir, from, to_dir, to, fresh ? RENAME_NOREPLACE : 0) == 0)
        return 0;
    return -errno;
}

int os_tree_sync(int fd) {
    return syncfs(fd) == 0 ? 0 : -errno;
}

int os_tree_lock(int fd) {
    return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

static int remove_below(int fd);

int os_tree_remove(int dir, const char *name) {
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int e = remove_below(fd);
    if (e == 0 && unlinkat(dir, name, AT_REMOVEDIR) != 0)
        e = -errno;
    return e;
}

/* Takes the descriptor. */
static int remove_below(int fd) {
    DIR *listing = fdopendir(fd);
    if (listing == NULL) {
        int e = -errno;
        close(fd);
        return e;
    }
    int e = 0;
    fchmod(fd, 0700);
    for (struct dirent *entry; e == 0 && (entry = readdir(listing)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            e = os_tree_remove(fd, entry->d_name);
    closedir(listing);
    return e;
}

int os_boot_id(uint8_t out[16]) {
    char text[40] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, text, sizeof text - 1);
    int e = n < 0 ? -errno : 0;
    close(fd);
    size_t digits = 0;
    memset(out, 0, 16);
    for (ssize_t i = 0; i < n && digits < 32; i++) {
        const char *hex = "0123456789abcdef", *at = text[i] != '\0' ? strchr(hex, text[i]) : NULL;
        if (at != NULL) {
            out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | (at - hex));
            digits++;
        }
    }
    return e != 0 || digits == 32 ? e : -EIO;
}

mode_t os_umask(void) {
    unsigned mask = 022;
    FILE *status = fopen("/proc/self/status", "re");
    char line[128];
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "Umask: %o", &mask) == 1)
            break;
    if (status != NULL)
        fclose(status);
    return (mode_t)mask;
}

size_t os_raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return (size_t)limit.rlim_cur;
}
