/* Files with several names: the path of each one's first name, found again when another name comes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/error.h"
#include "landline/transfer/sink_state.h"
#include "lib/os/tree.h"

struct group {
    uint64_t number;
    bool there; /* complete, with the inode below */
    dev_t device;
    ino_t inode;
    char *path;
};

struct sink_groups {
    size_t used, capacity;
    struct group *list; /* in the order of their numbers: sources count up */
};

int sink_group_add(struct sink *s, uint64_t number, const struct sink_dir *dir, const char *name) {
    if (s->groups == NULL && (s->groups = calloc(1, sizeof *s->groups)) == NULL)
        return -ENOMEM;
    struct sink_groups *g = s->groups;
    if (g->used >= LIMIT_TRANSFER_GROUPS)
        return LL_ELIMIT;
    if (g->used > 0 && g->list[g->used - 1].number >= number)
        return LL_EPROTOCOL;
    if (g->used == g->capacity) {
        size_t capacity = g->capacity == 0 ? 64 : g->capacity * 2;
        struct group *list = realloc(g->list, capacity * sizeof *list);
        if (list == NULL)
            return -ENOMEM;
        g->list = list;
        g->capacity = capacity;
    }
    char path[16384];
    sink_path(dir, name, path, sizeof path);
    char *copy = strdup(path);
    if (copy == NULL)
        return -ENOMEM;
    g->list[g->used++] = (struct group){.number = number, .path = copy};
    return 0;
}

static int by_number(const void *key, const void *row) {
    uint64_t a = *(const uint64_t *)key, b = ((const struct group *)row)->number;
    return a < b ? -1 : a > b;
}

static struct group *find(const struct sink *s, uint64_t number) {
    const struct sink_groups *g = s->groups;
    return g == NULL || g->used == 0 ? NULL : bsearch(&number, g->list, g->used, sizeof *g->list, by_number);
}

void sink_group_set(struct sink *s, uint64_t number, const struct stat *st) {
    struct group *g = find(s, number);
    if (g == NULL)
        return;
    g->there = true;
    g->device = st->st_dev;
    g->inode = st->st_ino;
}

/* One step down, to the final name or to the one it has while it is unfinished. */
static int step(int at, const char *name) {
    char stage[STAGE_NAME];
    sink_stage_name(name, stage);
    const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW;
    int fd = os_tree_open(at, name, flags, 0, OS_TREE_BENEATH);
    return fd >= 0 ? fd : os_tree_open(at, stage, flags, 0, OS_TREE_BENEATH);
}

static bool is_it(int at, const char *disk, const struct group *g, struct stat *st) {
    return fstatat(at, disk, st, AT_SYMLINK_NOFOLLOW) == 0 && st->st_ino == g->inode && st->st_dev == g->device;
}

int sink_group_find(struct sink *s, uint64_t number, char disk[DISK_NAME], struct stat *st) {
    const struct group *g = find(s, number);
    char *path = g != NULL && g->there ? strdup(g->path) : NULL;
    if (path == NULL)
        return -ENOENT;
    int at = dup(s->options->dir);
    char *name = path, *slash;
    for (; at >= 0 && (slash = strchr(name, '/')) != NULL; name = slash + 1) {
        *slash = '\0';
        int next = step(at, name);
        close(at);
        at = next;
    }
    if (at >= 0) {
        strncpy(disk, name, DISK_NAME - 1);
        disk[DISK_NAME - 1] = '\0';
        if (!is_it(at, disk, g, st))
            sink_stage_name(name, disk);
        if (!is_it(at, disk, g, st)) {
            close(at);
            at = -ENOENT;
        }
    }
    free(path);
    return at;
}

void sink_groups_free(struct sink *s) {
    if (s->groups != NULL) {
        for (size_t i = 0; i < s->groups->used; i++)
            free(s->groups->list[i].path);
        free(s->groups->list);
    }
    free(s->groups);
    s->groups = NULL;
}
