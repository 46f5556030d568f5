#include "landline/transfer/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/os/tree.h"

enum { PATH_SIZE = 4096, LINKS = 40 };

/* Where the path begins, and what is left of it: "~", "~/x" and, where confined, "/x" begin at the base. */
static const char *strip(const struct place_base *base, const char *path, int *at) {
    *at = base->dir;
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0'))
        path++;
    else if (path[0] == '/' && !base->confined)
        *at = AT_FDCWD;
    else if (path[0] != '/')
        return path[0] != '\0' ? path : ".";
    if (*at == AT_FDCWD)
        return path;
    while (*path == '/')
        path++;
    return path[0] != '\0' ? path : ".";
}

static int open_path(const struct place_base *base, int at, const char *path, int flags) {
    return os_tree_open(at, path, flags, 0, base->confined ? OS_TREE_IN_ROOT : OS_TREE_PLAIN);
}

/* Splits "a/b/c" into "a/b" and "c"; slashes at the end do not count. */
static int split(const char *path, char folder[PATH_SIZE], char name[TREE_NAME + 1]) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    if (end - begin > TREE_NAME || begin >= PATH_SIZE)
        return -ENAMETOOLONG;
    memcpy(name, path + begin, end - begin);
    name[end - begin] = '\0';
    memcpy(folder, path, begin);
    folder[begin] = '\0';
    if (begin == 0)
        memcpy(folder, ".", 2);
    return 0;
}

/* ---- sources ---- */

static int add_root(struct place_sources *out, int dir, const char *at, const char *name) {
    if (out->count >= LIMIT_TRANSFER_SOURCES) {
        close(dir);
        return LL_ELIMIT;
    }
    struct source_root *roots = realloc(out->roots, (out->count + 1) * sizeof *roots);
    if (roots != NULL)
        out->roots = roots;
    char *at_copy = strdup(at), *name_copy = strdup(name);
    if (roots == NULL || at_copy == NULL || name_copy == NULL) {
        free(at_copy);
        free(name_copy);
        close(dir);
        return -ENOMEM;
    }
    out->roots[out->count++] = (struct source_root){.dir = dir, .at = at_copy, .name = name_copy};
    return 0;
}

static int by_name(const void *a, const void *b) {
    const struct source_root *one = *(struct source_root *const *)a, *other = *(struct source_root *const *)b;
    int order = strcmp(one->name, other->name);
    return order != 0 ? order : (one > other) - (one < other);
}

static void root_free(struct source_root *root) {
    close(root->dir);
    free((char *)(uintptr_t)root->at);
    free((char *)(uintptr_t)root->name);
    *root = (struct source_root){.dir = -1};
}

void place_free(struct place_sources *sources) {
    for (size_t i = 0; i < sources->count; i++)
        root_free(&sources->roots[i]);
    free(sources->roots);
    *sources = (struct place_sources){0};
}

int64_t place_drop_twins(struct place_sources *sources, void (*tell)(void *arg, const char *name), void *arg) {
    size_t n = sources->count, kept = 0;
    struct source_root **sorted = calloc(n + 1, sizeof(struct source_root *)), *first = NULL;
    if (sorted == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &sources->roots[i];
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 0; i < n; i++) {
        if (first == NULL || strcmp(first->name, sorted[i]->name) != 0) {
            first = sorted[i];
            continue;
        }
        tell(arg, sorted[i]->name);
        root_free(sorted[i]);
    }
    for (size_t i = 0; i < n; i++)
        if (sources->roots[i].name != NULL)
            sources->roots[kept++] = sources->roots[i];
    sources->count = kept;
    free(sorted);
    return (int64_t)(n - kept);
}

/* The name that a folder has where the path does not say: "." of /srv/www is called www. */
static void name_of_folder(int dir, char name[TREE_NAME + 1]) {
    char link[64], target[PATH_SIZE], folder[PATH_SIZE];
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
    ssize_t n = readlink(link, target, sizeof target - 1);
    target[n < 0 ? 0 : n] = '\0';
    if (split(target, folder, name) != 0 || name[0] == '\0' || strcmp(name, "/") == 0)
        memcpy(name, "root", 5);
}

/* What a link at the end of the path points to, as a path of its own; false where there is no link. */
static int follow(const struct place_base *base, char path[PATH_SIZE], int dir, const char *name, const char *folder) {
    char target[PATH_SIZE];
    ssize_t n = readlinkat(dir, name, target, sizeof target - 1);
    if (n < 0)
        return errno == EINVAL ? 0 : -errno;
    target[n] = '\0';
    bool absolute = target[0] == '/';
    if ((absolute ? 0 : strlen(folder) + 1) + (size_t)n + 1 > PATH_SIZE)
        return -ENAMETOOLONG;
    size_t used = 0;
    if (!absolute) {
        used = strlen(folder);
        memcpy(path, folder, used);
        path[used++] = '/';
    }
    memcpy(path + used, target, (size_t)n + 1);
    (void)base;
    return 1;
}

static int one_source(const struct place_base *base, int at, const char *given, struct place_sources *out) {
    char path[PATH_SIZE], folder[PATH_SIZE], name[TREE_NAME + 1], shown[TREE_NAME + 1] = "";
    if (strlen(given) >= sizeof path)
        return -ENAMETOOLONG;
    memcpy(path, given, strlen(given) + 1);
    for (int links = 0; links < LINKS; links++) {
        int e = split(path, folder, name);
        if (e != 0)
            return e;
        bool special = name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "/") == 0;
        int dir = open_path(base, at, special ? path : folder, O_RDONLY | O_DIRECTORY);
        if (dir < 0)
            return dir;
        if (special) {
            if (shown[0] == '\0')
                name_of_folder(dir, shown);
            return add_root(out, dir, ".", shown);
        }
        if (shown[0] == '\0')
            memcpy(shown, name, sizeof shown);
        int followed = follow(base, path, dir, name, folder);
        if (followed == 0)
            return add_root(out, dir, name, shown);
        close(dir);
        if (followed < 0)
            return followed;
        if (path[0] == '/' && base->confined)
            memmove(path, path + strspn(path, "/"), strlen(path + strspn(path, "/")) + 1);
    }
    return -ELOOP;
}

/* ---- patterns ---- */

static bool is_pattern(const char *text) {
    return strpbrk(text, "*?[") != NULL;
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder that fit, sorted. */
static int matches(const struct place_base *base, int at, const char *folder, const char *pattern, char ***names,
                   size_t *count) {
    *names = NULL;
    *count = 0;
    int fd = open_path(base, at, folder, O_RDONLY | O_DIRECTORY), e = 0;
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (fd < 0)
        return fd == -ENOTDIR || fd == -EACCES ? 0 : fd;
    if (listing == NULL) {
        close(fd);
        return -ENOMEM;
    }
    for (struct dirent *entry; e == 0 && (entry = readdir(listing)) != NULL;) {
        if (fnmatch(pattern, entry->d_name, FNM_PERIOD) != 0)
            continue;
        char **more = *count < LIMIT_TRANSFER_SOURCES ? realloc(*names, (*count + 1) * sizeof **names) : NULL;
        char *copy = more != NULL ? strdup(entry->d_name) : NULL;
        if (more != NULL)
            *names = more;
        if (copy != NULL)
            (*names)[(*count)++] = copy;
        else
            e = *count < LIMIT_TRANSFER_SOURCES ? -ENOMEM : LL_ELIMIT;
    }
    closedir(listing);
    if (*count > 1)
        qsort(*names, *count, sizeof **names, compare);
    return e;
}

/* Replaces the first component with a pattern by each name that fits, and goes on with the rest. */
static int expand(const struct place_base *base, int at, const char *path, unsigned depth, struct place_sources *out) {
    const char *star = strpbrk(path, "*?[");
    if (star == NULL)
        return one_source(base, at, path, out);
    if (depth == 0)
        return LL_ELIMIT;
    char folder[PATH_SIZE], pattern[PATH_SIZE], next[2 * PATH_SIZE];
    const char *begin = star;
    while (begin > path && begin[-1] != '/')
        begin--;
    size_t length = strcspn(begin, "/");
    if (strlen(path) >= PATH_SIZE)
        return -ENAMETOOLONG;
    memcpy(folder, path, (size_t)(begin - path));
    folder[begin - path] = '\0';
    memcpy(pattern, begin, length);
    pattern[length] = '\0';
    char **names;
    size_t count;
    int e = matches(base, at, folder[0] != '\0' ? folder : ".", pattern, &names, &count);
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        snprintf(next, sizeof next, "%s%s%s", folder, names[i], begin + length);
        /* A name that has stars in it is not a pattern again. */
        if (e == 0 && is_pattern(names[i]))
            e = begin[length] == '\0' ? one_source(base, at, next, out) : 0;
        else if (e == 0 && begin[length] == '\0')
            e = one_source(base, at, next, out);
        else if (e == 0 && (at < 0 || fstatat(at, next, &st, 0) == 0 || base->confined || is_pattern(begin + length)))
            e = expand(base, at, next, depth - 1, out);
        if (e == -ENOENT || e == -ENOTDIR)
            e = 0;
        free(names[i]);
    }
    free(names);
    return e;
}

int place_sources(const struct place_base *base, const char *path, bool patterns, struct place_sources *out,
                  struct ll_error_info *info) {
    int at;
    size_t before = out->count;
    const char *rest = strip(base, path, &at);
    int e = patterns && is_pattern(rest) ? expand(base, at, rest, 64, out) : one_source(base, at, rest, out);
    struct stat st;
    if (e == 0 && out->count == before)
        e = -ENOENT;
    if (e == 0 && out->count == before + 1 &&
        fstatat(out->roots[before].dir, out->roots[before].at, &st, AT_SYMLINK_NOFOLLOW) != 0)
        e = -errno;
    return e == 0 ? 0 : error_at(info, e, "open", path);
}

/* ---- targets ---- */

static int new_name(const struct place_base *base, int at, const char *path, bool into, struct place_target *out) {
    char folder[PATH_SIZE], name[TREE_NAME + 1];
    int e = split(path, folder, name);
    if (e != 0)
        return e;
    if (!tree_name_good((struct slice){(const uint8_t *)name, strlen(name)}))
        return -EISDIR;
    out->dir = open_path(base, at, folder, O_RDONLY | O_DIRECTORY);
    if (out->dir < 0)
        return out->dir;
    if (!into) {
        out->rename = strdup(name);
        return out->rename == NULL ? -ENOMEM : 0;
    }
    int dir = mkdirat(out->dir, name, 0777) == 0 ? open_path(base, out->dir, name, O_RDONLY | O_DIRECTORY) : -errno;
    close(out->dir);
    out->dir = dir;
    return dir < 0 ? dir : 0;
}

int place_target(const struct place_base *base, const char *path, bool into, struct place_target *out,
                 struct ll_error_info *info) {
    int at;
    const char *rest = strip(base, path, &at);
    size_t length = strlen(rest);
    *out = (struct place_target){.dir = -1};
    into = into || (length > 0 && rest[length - 1] == '/');
    int dir = open_path(base, at, rest, O_RDONLY | O_DIRECTORY), e = 0;
    if (dir >= 0)
        out->dir = dir;
    else if (dir == -ENOENT || (dir == -ENOTDIR && !into))
        e = new_name(base, at, rest, into, out);
    else
        e = dir;
    if (e == 0)
        return 0;
    if (out->dir >= 0)
        close(out->dir);
    out->dir = -1;
    return error_at(info, e, "open", path);
}
