/* The names of what is unfinished, and what may stand there already. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "landline/transfer/sink_state.h"
#include "lib/os/tree.h"

enum { LOCK_PATIENCE_MS = 3000, LOCK_EVERY_MS = 20 };

void sink_stage_name(const char *name, char out[STAGE_NAME]) {
    snprintf(out, STAGE_NAME, ".landline-%016llx.part", (unsigned long long)XXH64(name, strlen(name), 0));
}

void sink_journal_name(const char *name, char out[STAGE_NAME]) {
    snprintf(out, STAGE_NAME, ".landline-%016llx.journal", (unsigned long long)XXH64(name, strlen(name), 0));
}

/* Whether to try again; in all, so that many that are locked do not take longer. */
static bool has_patience(struct sink *s) {
    const struct timespec piece = {.tv_nsec = LOCK_EVERY_MS * 1000000L};
    if (s->waited_ms >= LOCK_PATIENCE_MS || atomic_load(&s->report->stop))
        return false;
    s->waited_ms += LOCK_EVERY_MS;
    nanosleep(&piece, NULL);
    return true;
}

int sink_lock(struct sink *s, int fd) {
    int e;
    do
        e = os_tree_lock(fd);
    while (e == -EWOULDBLOCK && has_patience(s));
    return e;
}

bool sink_stage_is(int dir, const char *name, int fd) {
    struct stat st, named;
    return fstat(fd, &st) == 0 && fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_ino == st.st_ino &&
           named.st_dev == st.st_dev;
}

int sink_stage_clear(const struct sink_dir *dir, const char *disk) {
    int fd = os_tree_open(dir->fd, disk, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, OS_TREE_BENEATH);
    int e = fd < 0 ? 0 : os_tree_lock(fd);
    if (e != -EWOULDBLOCK)
        e = os_tree_remove(dir->fd, disk);
    if (fd >= 0)
        close(fd);
    return e;
}
