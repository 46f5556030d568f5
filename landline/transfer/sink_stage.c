/* The names of what is unfinished, and what may stand there already. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "landline/transfer/sink_state.h"
#include "lib/os/tree.h"

void sink_stage_name(const char *name, char out[STAGE_NAME]) {
    snprintf(out, STAGE_NAME, ".landline-%016llx.part", (unsigned long long)XXH64(name, strlen(name), 0));
}

void sink_journal_name(const char *name, char out[STAGE_NAME]) {
    snprintf(out, STAGE_NAME, ".landline-%016llx.journal", (unsigned long long)XXH64(name, strlen(name), 0));
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
