/* The names of a folder that the source has given, as hashes in no order until all of them are there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "landline/transfer/sink_state.h"
#include "lib/os/tree.h"

struct sink_seen {
    size_t count, capacity;
    uint64_t *names;
};

int sink_seen_add(struct sink_dir *dir, struct slice name) {
    if (!dir->inside || dir->fresh || dir->lost)
        return 0;
    if (dir->seen == NULL && (dir->seen = calloc(1, sizeof *dir->seen)) == NULL)
        return -ENOMEM;
    struct sink_seen *seen = dir->seen;
    if (seen->count == seen->capacity) {
        size_t capacity = seen->capacity == 0 ? 64 : seen->capacity * 2;
        uint64_t *names = realloc(seen->names, capacity * sizeof *names);
        if (names == NULL)
            return -ENOMEM;
        seen->names = names;
        seen->capacity = capacity;
    }
    seen->names[seen->count++] = XXH64(name.data, name.size, 0);
    return 0;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool named(const struct sink_seen *seen, const char *name) {
    uint64_t hash = XXH64(name, strlen(name), 0);
    return seen != NULL && bsearch(&hash, seen->names, seen->count, sizeof hash, compare) != NULL;
}

void sink_seen_prune(struct sink *s, struct sink_dir *dir) {
    if (!dir->inside || dir->fresh || dir->lost)
        return;
    if (dir->seen != NULL)
        qsort(dir->seen->names, dir->seen->count, sizeof *dir->seen->names, compare);
    int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = fd < 0 ? errno : 0;
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    while (listing != NULL) {
        errno = 0;
        const struct dirent *entry = readdir(listing);
        error = errno;
        if (entry == NULL)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || named(dir->seen, entry->d_name))
            continue;
        int e = os_tree_remove(dir->fd, entry->d_name);
        if (e != 0)
            sink_problem(s, dir, entry->d_name, -e, NULL);
    }
    if (listing == NULL || error != 0)
        sink_problem(s, dir->parent, dir->name, error != 0 ? error : ENOMEM, NULL);
    if (listing != NULL)
        closedir(listing);
    else if (fd >= 0)
        close(fd);
}

void sink_seen_free(struct sink_dir *dir) {
    if (dir->seen != NULL)
        free(dir->seen->names);
    free(dir->seen);
    dir->seen = NULL;
}
