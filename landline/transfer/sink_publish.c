/* Names appear only for what is on the disk: first one flush for the whole batch, then the renames, then the folders. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "landline/transfer/sink_state.h"
#include "lib/os/tree.h"

static int sync_one(const struct sink_publish *p) {
    if (p->lock < 0)
        return 0; /* a link: its folder carries it */
    return fsync(p->lock) == 0 ? 0 : -errno;
}

/* The cheapest flush that covers the batch. */
static int sync_batch(struct sink *s) {
    if (s->batched == 1 && !s->batch[0].folder)
        return sync_one(&s->batch[0]);
    dev_t done = 0;
    int e = 0;
    for (unsigned i = 0; e == 0 && i < s->batched; i++) {
        struct stat st;
        if (fstat(s->batch[i].dir->fd, &st) != 0)
            return -errno;
        if (i == 0 || st.st_dev != done)
            e = os_tree_sync(s->batch[i].dir->fd);
        done = st.st_dev;
    }
    return e;
}

static int rename_one(const struct sink_publish *p) {
    char journal[STAGE_NAME];
    int e = os_tree_rename(p->dir->fd, p->stage, p->dir->fd, p->name, p->folder);
    if (e == 0 && !p->folder) {
        sink_journal_name(p->name, journal);
        unlinkat(p->dir->fd, journal, 0);
    }
    return e;
}

/* What could not be flushed may be lost though it can be read now: a later attempt must not go on with it. */
static void discard(const struct sink_publish *p) {
    char journal[STAGE_NAME];
    sink_journal_name(p->name, journal);
    unlinkat(p->dir->fd, journal, 0);
    os_tree_remove(p->dir->fd, p->stage);
}

void sink_publish_all(struct sink *s) {
    int e = s->batched > 0 ? sync_batch(s) : 0;
    for (unsigned i = 0; i < s->batched; i++) {
        struct sink_publish *p = &s->batch[i];
        int error = e != 0 ? e : rename_one(p);
        if (e != 0)
            discard(p);
        if (error == 0 && (i + 1 == s->batched || s->batch[i + 1].dir != p->dir) && fsync(p->dir->fd) != 0)
            error = -errno;
        if (error != 0)
            sink_problem(s, p->dir, p->name, -error, NULL);
    }
    /* Released after the loop: a folder that this closes may itself be ready to be published. */
    unsigned count = s->batched;
    struct sink_dir *dirs[LIMIT_TRANSFER_BATCH];
    for (unsigned i = 0; i < count; i++) {
        dirs[i] = s->batch[i].dir;
        if (s->batch[i].lock >= 0)
            close(s->batch[i].lock);
    }
    s->batched = 0;
    for (unsigned i = 0; i < count; i++)
        sink_dir_release(s, dirs[i]);
}

void sink_publish(struct sink *s, struct sink_dir *dir, const char *stage, const char *name, bool folder, int lock) {
    while (s->batched == s->batch_most)
        sink_publish_all(s);
    struct sink_publish *p = &s->batch[s->batched++];
    *p = (struct sink_publish){.dir = dir, .lock = lock, .folder = folder};
    dir->refs++;
    memcpy(p->stage, stage, strlen(stage) + 1);
    memcpy(p->name, name, strlen(name) + 1);
}
