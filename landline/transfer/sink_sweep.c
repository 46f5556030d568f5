/* What attempts left behind that nobody came back for. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "landline/transfer/sink_state.h"
#include "lib/os/tree.h"

static bool old(const struct stat *st, int64_t now) {
    /* Not mtime: an unfinished file may have its source's already. */
    return now - st->st_ctim.tv_sec > LIMIT_TRANSFER_OLD;
}

/* The journal of a stage is as old as its last chunk; the stage is looked at for both. */
static bool is_stage(const char *name) {
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".part") == 0;
}

/* Removes it if it is old and nobody holds its lock; a link has no lock, and none that is in use is old. */
static void sweep_one(int dir, const char *name, int64_t now) {
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !old(&st, now))
        return;
    bool lockable = is_stage(name) && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
    int fd = lockable ? os_tree_open(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, OS_TREE_BENEATH) : -1;
    bool mine = !lockable || (fd >= 0 && os_tree_lock(fd) == 0 && sink_stage_is(dir, name, fd));
    if (mine)
        os_tree_remove(dir, name);
    if (fd >= 0)
        close(fd);
}

void sink_sweep(int dir, int64_t now) {
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (tree_name_ours((struct slice){(const uint8_t *)entry->d_name, strlen(entry->d_name)}))
            sweep_one(dir, entry->d_name, now);
    closedir(listing);
}
