/* What the source announces, one entry at a time: what is wanted of it, and what can be made at once. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/error.h"
#include "landline/transfer/sink_state.h"
#include "lib/os/tree.h"

static void name_of(const struct tree_entry *e, char out[DISK_NAME]) {
    memcpy(out, e->name.data, e->name.size);
    out[e->name.size] = '\0';
}

/* The name under which something new in `dir` is made. */
static void disk_name(const struct sink_dir *dir, const char *name, char out[DISK_NAME]) {
    if (dir->inside)
        memcpy(out, name, strlen(name) + 1);
    else
        sink_stage_name(name, out);
}

/* ---- is it wanted? ---- */

static bool same_time(const struct tree_entry *e, const struct stat *st) {
    return st->st_mtim.tv_sec == e->mtime_s && (uint32_t)st->st_mtim.tv_nsec == e->mtime_ns;
}

static bool older(const struct tree_entry *e, const struct stat *st) {
    return st->st_mtim.tv_sec < e->mtime_s ||
           (st->st_mtim.tv_sec == e->mtime_s && (uint32_t)st->st_mtim.tv_nsec < e->mtime_ns);
}

/* Whether the file there has the contents that the source has. */
static bool same_contents(const struct tree_entry *e, const struct sink_dir *dir, const char *name) {
    struct digest d;
    char *piece = malloc(TREE_PIECE);
    int fd = openat(dir->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 || piece == NULL ? -1 : 1;
    digest_init(&d);
    while (n > 0) {
        size_t room = digest_room(&d);
        n = read(fd, piece, room < TREE_PIECE ? room : TREE_PIECE);
        if (n > 0)
            digest_add(&d, piece, (size_t)n);
        if (n > 0 && d.at % TREE_CHUNK == 0)
            digest_close_chunk(&d);
    }
    if (d.at % TREE_CHUNK != 0)
        digest_close_chunk(&d);
    if (fd >= 0)
        close(fd);
    free(piece);
    return n == 0 && digest_whole(&d) == e->digest;
}

bool sink_policy(struct sink *s, const struct tree_entry *e, const struct sink_dir *dir, const char *name,
                 const struct stat *there) {
    bool compare = (s->options->flags & TREE_WITH_DIGESTS) != 0;
    switch (s->options->overwrite) {
    case TREE_ALWAYS:
        return true;
    case TREE_NEVER:
        return false;
    case TREE_OLDER:
        return older(e, there);
    default:
        if ((uint64_t)there->st_size != e->size)
            return true;
        return compare ? !same_contents(e, dir, name) : !same_time(e, there);
    }
}

/* Whether an earlier attempt left the file, whole: it has its time, which comes last. A name that it shares with a file of another
 * name must be one that it still shares. */
static bool is_left(const struct sink *s, const struct tree_entry *e, const char *name, const struct stat *there) {
    bool compare = (s->options->flags & TREE_WITH_DIGESTS) != 0;
    return S_ISREG(there->st_mode) && (uint64_t)there->st_size == e->size && same_time(e, there) &&
           (there->st_mode & 0777) == e->mode && (there->st_nlink == 1 || e->group != 0) &&
           (!compare || same_contents(e, s->here, name));
}

enum verdict { NEW, REPLACE, KEEP, IMPOSSIBLE };

/* What is to become of a file called `name`; what stands there is in *there for KEEP. */
static enum verdict judge(struct sink *s, const struct tree_entry *e, const char *name, struct stat *there) {
    struct sink_dir *dir = s->here;
    if (dir->fd < 0 || dir->fresh)
        return NEW;
    if (fstatat(dir->fd, name, there, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT)
            return NEW;
        sink_problem(s, dir, name, errno, NULL);
        return IMPOSSIBLE;
    }
    if (dir->inside)
        return is_left(s, e, name, there) ? KEEP : REPLACE;
    if (S_ISREG(there->st_mode))
        return sink_policy(s, e, dir, name, there) ? REPLACE : KEEP;
    if (S_ISLNK(there->st_mode))
        return s->options->overwrite == TREE_NEVER ? KEEP : REPLACE;
    sink_problem(s, dir, name, S_ISDIR(there->st_mode) ? EISDIR : 0,
                 S_ISDIR(there->st_mode) ? NULL : "something that is no file stands there");
    return IMPOSSIBLE;
}

/* Counts what need not be made: in a folder that an earlier attempt has left it is that one's, for nobody had it under its name. */
static void count_kept(struct sink *s, const struct sink_dir *dir, uint64_t *made) {
    ++*(dir->inside ? made : &s->summary->skipped);
}

static void keep(struct sink *s, const struct tree_entry *e, const char *name, const struct stat *there) {
    char path[4096];
    sink_group_set(s, e->group, there);
    if (e->size >= TREE_CHUNK && s->here->fd >= 0 && (s->options->flags & TREE_DRY_RUN) == 0) {
        /* An attempt that ended between the file's name and the journal's removal leaves that behind. */
        char journal[STAGE_NAME];
        sink_journal_name(name, journal);
        unlinkat(s->here->fd, journal, 0);
    }
    uint64_t resumed = s->here->inside ? e->size : 0;
    count_kept(s, s->here, &s->summary->files);
    s->summary->resumed += resumed;
    atomic_fetch_add(&s->report->held, e->size);
    sink_path(s->here, name, path, sizeof path);
    report_receipt(s->report, &(struct transfer_receipt){path, e->size, 0, resumed, false, !s->here->inside});
}

/* ---- FILE ---- */

static struct sink_file *new_file(struct sink *s, const struct tree_entry *e, const char *name) {
    struct sink_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    *f = (struct sink_file){.dir = s->here,
                            .fd = -1,
                            .journal = -1,
                            .mode = e->mode,
                            .mtime = {.tv_sec = e->mtime_s, .tv_nsec = e->mtime_ns},
                            .size = e->size,
                            .group = e->group,
                            .version = e->version};
    memcpy(f->name, name, strlen(name) + 1);
    disk_name(s->here, name, f->disk);
    digest_init(&f->digest);
    s->here->refs++;
    return f;
}

static int want(struct sink *s, const struct tree_entry *e, const char *name) {
    if (s->wanted >= TREE_PENDING)
        return LL_EPROTOCOL;
    struct sink_file *f = new_file(s, e, name);
    if (f == NULL)
        return -ENOMEM;
    sink_begin_early(s, f);
    s->summary->resumed += f->resumed;
    atomic_fetch_add(&s->report->held, f->resumed);
    *s->last = f;
    s->last = &f->next;
    s->wanted++;
    tree_put_answer(&s->io->writing, TREE_WANT, f->at);
    return 0;
}

static void skip(struct sink *s) {
    tree_put_answer(&s->io->writing, TREE_SKIP, 0);
}

int sink_file(struct sink *s, const struct tree_entry *e) {
    char name[DISK_NAME];
    struct stat there;
    name_of(e, name);
    atomic_fetch_add(&s->report->known_files, 1);
    atomic_fetch_add(&s->report->known_bytes, e->size == TREE_SIZE_UNKNOWN ? 0 : e->size);
    if (s->options->stream >= 0 && !s->here->lost)
        return want(s, e, name);
    if (e->group != 0)
        sink_group_add(s, e->group, s->here, name);
    enum verdict verdict = s->here->lost ? IMPOSSIBLE : judge(s, e, name, &there);
    if (verdict == KEEP)
        keep(s, e, name, &there);
    if (verdict == KEEP || verdict == IMPOSSIBLE) {
        skip(s);
        return 0;
    }
    if ((s->options->flags & TREE_DRY_RUN) != 0) {
        char path[4096];
        sink_path(s->here, name, path, sizeof path);
        s->summary->files++;
        s->summary->bytes += e->size == TREE_SIZE_UNKNOWN ? 0 : e->size;
        report_receipt(s->report, &(struct transfer_receipt){path, e->size, 0, 0, false, false});
        skip(s);
        return 0;
    }
    return want(s, e, name);
}

/* ---- WHOLE ---- */

int sink_whole(struct sink *s, const struct tree_entry *e) {
    char name[DISK_NAME];
    struct stat there;
    name_of(e, name);
    if (s->options->stream >= 0 || (s->options->flags & TREE_DRY_RUN) != 0)
        return LL_EPROTOCOL;
    atomic_fetch_add(&s->report->known_files, 1);
    atomic_fetch_add(&s->report->known_bytes, e->size);
    if (digest_of(e->bytes.data, e->bytes.size) != e->digest) {
        sink_problem(s, s->here, name, 0, ll_strerror(LL_EDIGEST));
        return 0;
    }
    if (e->group != 0)
        sink_group_add(s, e->group, s->here, name);
    enum verdict verdict = s->here->lost ? IMPOSSIBLE : judge(s, e, name, &there);
    if (verdict == KEEP)
        keep(s, e, name, &there);
    if (verdict == KEEP || verdict == IMPOSSIBLE)
        return 0;
    struct sink_file *f = new_file(s, e, name);
    if (f == NULL)
        return -ENOMEM;
    sink_begin(s, f);
    int error = f->fd >= 0 ? sink_write(s, f, e->bytes.data, e->bytes.size, 0) : 0;
    if (error != 0) {
        sink_problem(s, f->dir, f->name, -error, NULL);
        f->failed = true;
    }
    f->at = f->written = e->size;
    s->summary->bytes += e->size;
    atomic_fetch_add(&s->report->bytes, e->size);
    if (!f->failed)
        sink_complete(s, f, e->digest);
    if (f->failed)
        sink_drop(s, f);
    sink_file_free(s, f);
    return 0;
}

/* ---- links ---- */

/* Makes room for a link called `name`: false where something stands there that it must not replace, or that is the same.
 * A link of landline's own from an earlier attempt is removed. */
static bool clear_way(struct sink *s, struct sink_dir *dir, const char *name, const char *disk, const char *target) {
    struct stat there;
    if (dir->fresh || fstatat(dir->fd, name, &there, AT_SYMLINK_NOFOLLOW) != 0) {
        if (!dir->fresh && errno == ENOENT && !dir->inside)
            sink_stage_clear(dir, disk);
        return true;
    }
    char now[TREE_LINK + 1];
    ssize_t n = target != NULL && S_ISLNK(there.st_mode) ? readlinkat(dir->fd, name, now, sizeof now) : -1;
    if (n >= 0 && (size_t)n == strlen(target) && memcmp(now, target, (size_t)n) == 0) {
        count_kept(s, dir, &s->summary->links);
        return false;
    }
    if (!dir->inside && (S_ISDIR(there.st_mode) || s->options->overwrite == TREE_NEVER)) {
        if (S_ISDIR(there.st_mode))
            sink_problem(s, dir, name, EISDIR, NULL);
        return false;
    }
    sink_stage_clear(dir, disk);
    return true;
}

/* A link was made under its disk name. */
static void link_made(struct sink *s, struct sink_dir *dir, const char *name, const char *disk) {
    s->summary->links++;
    if (!dir->inside)
        sink_publish(s, dir, disk, name, false, -1);
}

static bool cannot_link(const struct sink *s) {
    return s->here->lost || (s->options->flags & TREE_DRY_RUN) != 0;
}

int sink_symlink(struct sink *s, const struct tree_entry *e) {
    char name[DISK_NAME], disk[DISK_NAME], target[TREE_LINK + 1];
    if (s->options->stream >= 0)
        return LL_EPROTOCOL;
    name_of(e, name);
    disk_name(s->here, name, disk);
    memcpy(target, e->target.data, e->target.size);
    target[e->target.size] = '\0';
    if (cannot_link(s) || !clear_way(s, s->here, name, disk, target))
        return 0;
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = e->mtime_s, .tv_nsec = e->mtime_ns}};
    if (symlinkat(target, s->here->fd, disk) != 0) {
        sink_problem(s, s->here, name, errno, NULL);
        return 0;
    }
    utimensat(s->here->fd, disk, times, AT_SYMLINK_NOFOLLOW);
    link_made(s, s->here, name, disk);
    return 0;
}

static void hard_now(struct sink *s, struct sink_dir *dir, const char *name, uint64_t group) {
    char disk[DISK_NAME], first[DISK_NAME];
    struct stat st, there;
    disk_name(dir, name, disk);
    int at = sink_group_find(s, group, first, &st);
    if (at < 0) {
        sink_problem(s, dir, name, 0, "the file that it is another name of did not arrive");
        return;
    }
    bool is_there = fstatat(dir->fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_ino == st.st_ino &&
                    there.st_dev == st.st_dev;
    if (is_there) {
        count_kept(s, dir, &s->summary->links);
    } else if (clear_way(s, dir, name, disk, NULL)) {
        if (linkat(at, first, dir->fd, disk, 0) == 0)
            link_made(s, dir, name, disk);
        else
            sink_problem(s, dir, name, errno, NULL);
    }
    close(at);
}

/* Until its contents are complete and proved, a file must get no other name either. */
static int put_off(struct sink *s, struct sink_file *f, const char *name) {
    struct sink_later *later = s->later < LIMIT_TRANSFER_GROUPS ? calloc(1, sizeof *later) : NULL;
    if (later == NULL)
        return s->later < LIMIT_TRANSFER_GROUPS ? -ENOMEM : LL_ELIMIT;
    *later = (struct sink_later){.next = f->later, .dir = s->here};
    memcpy(later->name, name, strlen(name) + 1);
    s->here->refs++;
    s->later++;
    f->later = later;
    return 0;
}

void sink_hard_later(struct sink *s, struct sink_file *f, bool complete) {
    struct stat st;
    if (complete && f->group != 0 && fstat(f->fd, &st) == 0)
        sink_group_set(s, f->group, &st);
    while (f->later != NULL) {
        struct sink_later *later = f->later;
        f->later = later->next;
        if (!s->aborting)
            hard_now(s, later->dir, later->name, f->group);
        sink_dir_release(s, later->dir);
        s->later--;
        free(later);
    }
}

int sink_hard(struct sink *s, const struct tree_entry *e) {
    char name[DISK_NAME];
    if (s->options->stream >= 0)
        return LL_EPROTOCOL;
    name_of(e, name);
    if (cannot_link(s))
        return 0;
    for (struct sink_file *f = s->first; f != NULL; f = f->next)
        if (f->group == e->group)
            return put_off(s, f, name);
    hard_now(s, s->here, name, e->group);
    return 0;
}
