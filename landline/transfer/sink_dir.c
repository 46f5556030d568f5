/* Folders of the destination: gone into where they are there, built out of sight where they are new. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "landline/error.h"
#include "landline/transfer/sink_state.h"
#include "lib/os/tree.h"

/* Gives a new folder its mode and times, now that nothing more goes in. */
static int settle(struct sink_dir *dir) {
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, dir->mtime};
    if (fchmod(dir->fd, dir->mode) != 0)
        return -errno;
    return futimens(dir->fd, times) == 0 ? 0 : -errno;
}

void sink_dir_release(struct sink *s, struct sink_dir *dir) {
    while (dir != NULL && --dir->refs == 0) {
        struct sink_dir *parent = dir->parent;
        if (dir->inside && dir->up && !dir->lost && !s->aborting) {
            sink_seen_prune(s, dir);
            int e = settle(dir);
            if (e != 0)
                sink_problem(s, parent, dir->name, -e, NULL);
        }
        if (dir->staged && dir->up && !s->aborting) {
            char stage[STAGE_NAME];
            sink_stage_name(dir->name, stage);
            sink_publish(s, parent, stage, dir->name, true, dir->fd);
            dir->fd = -1;
        }
        if (dir->fd >= 0)
            close(dir->fd);
        sink_seen_free(dir);
        free(dir);
        dir = parent;
    }
}

static int open_folder(const struct sink_dir *at, const char *name) {
    return os_tree_open(at->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, 0, OS_TREE_BENEATH);
}

/* What an earlier attempt left: a folder of ours, or -ENOTDIR. */
static int open_left(const struct sink_dir *at, const char *disk) {
    struct stat st;
    int fd = open_folder(at, disk);
    /* The user's own umask or an interrupted run may have left it closed to us. */
    if (fd == -EACCES && fchmodat(at->fd, disk, 0700, AT_SYMLINK_NOFOLLOW) == 0)
        fd = open_folder(at, disk);
    if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_uid != geteuid())) {
        close(fd);
        fd = -ENOTDIR;
    }
    return fd == -ELOOP ? -ENOTDIR : fd;
}

/* A folder of that name in `at`, made if need be. A descriptor or -errno. */
static int make_folder(struct sink *s, const struct sink_dir *at, const char *disk, bool *fresh) {
    bool anew = (s->options->flags & TREE_NO_RESUME) != 0 && !at->inside;
    *fresh = mkdirat(at->fd, disk, 0700) == 0;
    if (!*fresh && errno != EEXIST)
        return -errno;
    int fd = *fresh ? open_folder(at, disk) : anew ? -ENOTDIR : open_left(at, disk);
    if (*fresh || fd != -ENOTDIR)
        return fd;
    int e = sink_stage_clear(at, disk);
    if (e != 0)
        return e;
    *fresh = mkdirat(at->fd, disk, 0700) == 0;
    return *fresh ? open_folder(at, disk) : -errno;
}

/* Decides what the new folder is: there already, or staged, or in a staged one. Sets dir->fd or returns -errno. */
static int place_folder(struct sink *s, struct sink_dir *dir) {
    struct sink_dir *at = dir->parent;
    struct stat there;
    if (at->inside) {
        dir->inside = true;
        dir->fd = make_folder(s, at, dir->name, &dir->fresh);
        return dir->fd < 0 ? dir->fd : 0;
    }
    if (fstatat(at->fd, dir->name, &there, AT_SYMLINK_NOFOLLOW) == 0) {
        dir->fd = S_ISDIR(there.st_mode) ? open_folder(at, dir->name) : -ENOTDIR;
        if (dir->fd >= 0)
            sink_sweep(dir->fd, time(NULL));
        return dir->fd < 0 ? dir->fd : 0;
    }
    if (errno != ENOENT)
        return -errno;
    char stage[STAGE_NAME];
    sink_stage_name(dir->name, stage);
    dir->inside = dir->staged = true;
    dir->fd = make_folder(s, at, stage, &dir->fresh);
    if (dir->fd < 0)
        return dir->fd;
    int e = sink_lock(s, dir->fd);
    return e == 0 && !sink_stage_is(at->fd, stage, dir->fd) ? -EWOULDBLOCK : e; /* it has just got its name */
}

static struct sink_dir *new_dir(struct sink *s, const struct tree_entry *e) {
    struct sink_dir *dir = calloc(1, sizeof *dir);
    if (dir == NULL)
        return NULL;
    *dir = (struct sink_dir){.parent = s->here,
                             .refs = 1,
                             .fd = -1,
                             .mode = e->mode,
                             .mtime = {.tv_sec = e->mtime_s, .tv_nsec = e->mtime_ns}};
    memcpy(dir->name, e->name.data, e->name.size);
    s->here->refs++;
    return dir;
}

static bool dry(const struct sink *s) {
    return (s->options->flags & TREE_DRY_RUN) != 0;
}

/* A dry run goes into what is there, and takes the rest for new. */
static int look_only(struct sink_dir *dir) {
    dir->fd = dir->parent->fd < 0 ? -1 : open_folder(dir->parent, dir->name);
    return dir->fd == -ENOENT || dir->fd >= 0 || dir->parent->fd < 0 ? 0 : dir->fd;
}

int sink_enter(struct sink *s, const struct tree_entry *e) {
    if (s->depth >= TREE_DEPTH)
        return LL_ELIMIT;
    struct sink_dir *dir = new_dir(s, e);
    if (dir == NULL)
        return -ENOMEM;
    dir->lost = dir->parent->lost;
    int failure = 0;
    if (s->options->stream >= 0)
        failure = -EISDIR;
    else if (!dir->lost)
        failure = dry(s) ? look_only(dir) : place_folder(s, dir);
    if (failure != 0) {
        sink_problem(s, dir->parent, dir->name, -failure,
                     failure == -EWOULDBLOCK ? "another transfer is at work on it" : NULL);
        dir->lost = true;
        dir->staged = false;
    }
    if (dir->fd < -1)
        dir->fd = -1;
    bool new_folder = dir->inside || (dry(s) && dir->fd < 0);
    s->summary->folders += !dir->lost && new_folder ? 1 : 0;
    if (s->depth == 0 && !dry(s))
        tree_put_mode(&s->io->writing, dir->fresh);
    s->here = dir;
    s->depth++;
    return 0;
}

int sink_leave(struct sink *s) {
    struct sink_dir *dir = s->here;
    if (s->depth == 0)
        return LL_EPROTOCOL;
    dir->up = true;
    s->here = dir->parent;
    s->depth--;
    sink_dir_release(s, dir);
    return 0;
}
