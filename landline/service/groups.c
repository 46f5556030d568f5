#include "landline/service/groups.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/os/cgroup.h"
#include "lib/os/clock.h"
#include "lib/os/tree.h"

enum {
    DYING_MS = 1000, /* what was killed may take, where it is waited for */
    DEEPEST = 16,    /* how far below the top keepers that crashed are looked for */
    TRIES = 8,       /* of making the folder, while a keeper that looks for dead ones may hold it … */
    TRY_AGAIN_MS = 10,
};

static const char prefix[] = "landline-";

/* The name of a group's folder. */
struct number {
    char text[12];
};

static struct number name_of(uint32_t number) {
    struct number name;
    snprintf(name.text, sizeof name.text, "%u", number);
    return name;
}

static int open_folder(int dir, const char *name) {
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* --- what keepers that crashed have left --- */

static void kill_unmarked(void *arg, int dir, const char *name) {
    (void)arg;
    if (!cgroup_marked(dir, name))
        cgroup_kill(dir, name);
}

static void remove_dead(void *arg, int dir, const char *name) {
    const int64_t *deadline = arg;
    if (!cgroup_marked(dir, name))
        cgroup_await(dir, name, *deadline);
    cgroup_remove(dir, name);
}

struct search {
    const char *own; /* name of the folder */
    int depth;
};

static void look(void *arg, int dir, const char *name);

static void look_below(const struct search *search, int fd) {
    struct search deeper = {search->own, search->depth + 1};
    if (search->depth < DEEPEST)
        cgroup_each(fd, look, &deeper);
}

/* Our own, of the keeper before. */
static void clear_own(int fd) {
    cgroup_each(fd, kill_unmarked, NULL);
    int64_t deadline = clock_after(clock_now(), DYING_MS * INT64_C(1000000));
    cgroup_each(fd, remove_dead, &deadline);
}

/* Others' processes are theirs, also when their keeper is dead: only what is empty goes. */
static void clear(const struct search *search, int dir, int fd, const char *name) {
    int64_t passed = clock_now();
    if (strcmp(name, search->own) == 0)
        clear_own(fd);
    else
        cgroup_each(fd, remove_dead, &passed);
    unlinkat(dir, name, AT_REMOVEDIR);
}

static void look(void *arg, int dir, const char *name) {
    const struct search *search = arg;
    int fd = open_folder(dir, name);
    if (fd < 0)
        return;
    if (strncmp(name, prefix, sizeof prefix - 1) == 0 && os_tree_lock(fd) == 0)
        clear(search, dir, fd, name);
    else
        look_below(search, fd);
    close(fd);
}

static void clear_dead(const char *mount, const char *own) {
    const struct search search = {own, 0};
    int fd = open_folder(AT_FDCWD, mount);
    if (fd < 0)
        return;
    look_below(&search, fd);
    close(fd);
}

/* --- ours --- */

static int remember_left(struct groups *g, uint32_t number) {
    if (g->left_count == g->left_room) {
        size_t room = g->left_room == 0 ? 16 : 2 * g->left_room;
        uint32_t *grown = realloc(g->left, room * sizeof *grown);
        if (grown == NULL)
            return -ENOMEM;
        g->left = grown;
        g->left_room = room;
    }
    g->left[g->left_count++] = number;
    return 0;
}

/* In a folder that is there already, what a run of the keeper before had left behind lives on. */
static void find_left(void *arg, int dir, const char *name) {
    struct groups *g = arg;
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    (void)dir;
    if (*end != '\0' || number == 0 || number >= UINT32_MAX)
        return;
    remember_left(g, (uint32_t)number);
    g->last = number > g->last ? (uint32_t)number : g->last;
}

/* With the lock on it, and still there: a keeper that looks for dead ones may have had it in between. Others may pass, but not
 * open it: they could hold the lock. */
static int make_folder(struct groups *g) {
    struct stat open, there;
    int e = -EAGAIN;
    for (int i = 0; i < TRIES && e == -EAGAIN; i++) {
        if (mkdirat(g->above, g->name, 0711) != 0 && errno != EEXIST)
            return -errno;
        int fd = open_folder(g->above, g->name);
        if (fd == -ENOENT)
            continue;
        if (fd < 0)
            return fd;
        e = os_tree_lock(fd);
        if (e == 0 && (fstat(fd, &open) != 0 || fstatat(g->above, g->name, &there, AT_SYMLINK_NOFOLLOW) != 0 ||
                       open.st_ino != there.st_ino))
            e = -EAGAIN;
        if (e == 0)
            g->folder = fd;
        else
            close(fd);
        if (e == -EWOULDBLOCK)
            poll(NULL, 0, TRY_AGAIN_MS);
    }
    return e;
}

int groups_open(struct groups *g, const uint8_t server[8]) {
    char mount[PATH_MAX], own[PATH_MAX];
    *g = (struct groups){.above = -1, .folder = -1};
    int n = snprintf(g->name, sizeof g->name, "%s", prefix);
    for (int i = 0; i < 8; i++)
        n += snprintf(g->name + n, sizeof g->name - (size_t)n, "%02x", server[i]);
    int e = cgroup_usable();
    if (e == 0)
        e = cgroup_find(mount, own, sizeof own);
    if (e != 0)
        return e;
    clear_dead(mount, g->name);
    g->above = open_folder(AT_FDCWD, own);
    e = g->above < 0 ? g->above : make_folder(g);
    if (e != 0) {
        groups_close(g);
        return e;
    }
    clear_own(g->folder);
    cgroup_each(g->folder, find_left, g);
    return 0;
}

void groups_close(struct groups *g) {
    if (g->folder >= 0) {
        /* What was killed just now may still be dying. */
        int64_t deadline = clock_after(clock_now(), DYING_MS * INT64_C(1000000));
        cgroup_each(g->folder, remove_dead, &deadline);
        unlinkat(g->above, g->name, AT_REMOVEDIR);
        close(g->folder);
    }
    if (g->above >= 0)
        close(g->above);
    free(g->left);
    *g = (struct groups){.above = -1, .folder = -1};
}

static uint32_t make_group(struct groups *g) {
    for (int i = 0; i < TRIES && g->last < UINT32_MAX - 1; i++) {
        uint32_t number = ++g->last;
        if (mkdirat(g->folder, name_of(number).text, 0755) == 0)
            return number;
        if (errno != EEXIST)
            break;
    }
    return 0;
}

static void take_back(struct groups *g, uint32_t number) {
    if (g->free_count < LIMIT_GROUPS_FREE)
        g->free[g->free_count++] = number;
    else
        cgroup_remove(g->folder, name_of(number).text);
}

uint32_t groups_take(struct groups *g, int *fd) {
    *fd = -1;
    while (g->folder >= 0 && !g->given_up) {
        uint32_t number = g->free_count > 0 ? g->free[--g->free_count] : make_group(g);
        if (number == 0)
            return 0;
        *fd = openat(g->folder, name_of(number).text, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (*fd >= 0)
            return number;
        if (errno != ENOENT) { /* else it was killed, and swept before it was left */
            take_back(g, number);
            return 0;
        }
    }
    return 0;
}

void groups_give_up(struct groups *g) {
    g->given_up = true;
}

static bool is_left(const struct groups *g, uint32_t number) {
    for (size_t i = 0; i < g->left_count; i++)
        if (g->left[i] == number)
            return true;
    return false;
}

void groups_leave(struct groups *g, uint32_t number) {
    if (number == 0 || g->folder < 0 || is_left(g, number))
        return;
    struct number name = name_of(number);
    if (!cgroup_populated(g->folder, name.text)) {
        take_back(g, number);
        return;
    }
    /* The mark is for the next keeper, should this one crash. */
    cgroup_mark(g->folder, name.text, true);
    remember_left(g, number);
}

void groups_sweep(struct groups *g) {
    size_t kept = 0;
    for (size_t i = 0; i < g->left_count; i++) {
        struct number name = name_of(g->left[i]);
        if (cgroup_remove(g->folder, name.text) == -EBUSY)
            g->left[kept++] = g->left[i];
    }
    g->left_count = kept;
}

/* Once killed a group is good for nothing: Linux (6.18) kills what is born in it later (CLONE_INTO_CGROUP) as well. */
int groups_kill(struct groups *g, uint32_t number) {
    if (number == 0 || g->folder < 0)
        return -ENOENT;
    int e = cgroup_kill(g->folder, name_of(number).text);
    if (e == 0 && !is_left(g, number))
        remember_left(g, number);
    return e;
}

ssize_t groups_processes(const struct groups *g, uint32_t number, pid_t **list) {
    *list = NULL;
    return number == 0 || g->folder < 0 ? 0 : cgroup_processes(g->folder, name_of(number).text, list);
}
