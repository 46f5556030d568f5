/* The contents of the first wanted file: every offset, size and digest is checked before it counts. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "landline/error.h"
#include "landline/transfer/sink_state.h"
#include "lib/os/tree.h"

/* ---- begin ---- */

enum { OPEN_FLAGS = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY };

static int make(const struct sink_file *f, mode_t mode) {
    return os_tree_open(f->dir->fd, f->disk, OPEN_FLAGS | O_CREAT | O_EXCL, mode, OS_TREE_BENEATH);
}

/* Whether the open file is a plain one of ours that is still called so, and by no other name. */
static bool is_mine(const struct sink_file *f, int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == geteuid() &&
           sink_stage_is(f->dir->fd, f->disk, fd);
}

/* In a folder that nobody else sees. What stands there and cannot be gone on with is of a source that has changed since. */
static int open_inside(const struct sink_file *f, bool keep) {
    mode_t mode = f->mode | 0600; /* the final one from the start, where the umask allows */
    if (f->dir->fresh)
        return make(f, mode);
    int fd = keep ? os_tree_open(f->dir->fd, f->disk, OPEN_FLAGS, 0, OS_TREE_BENEATH) : -ENOENT;
    if (fd >= 0 && is_mine(f, fd))
        return fd;
    if (fd >= 0)
        close(fd);
    int e = os_tree_remove(f->dir->fd, f->disk);
    return e != 0 ? e : make(f, mode);
}

/* Whether an error says that what has the stage's name is no file that we can write to: a link, a folder, a socket, or a
 * complete file whose mode does not let us, which an attempt that died could not give its name. */
static bool in_the_way(int e) {
    return e == -ELOOP || e == -EISDIR || e == -ENXIO || e == -EACCES;
}

/* Beside the final name, where another transfer may be at work on the same file: whoever has the lock has the stage, until
 * it is renamed. */
static int open_stage(struct sink *s, const struct sink_file *f) {
    for (int tries = 0; tries < 16; tries++) {
        int fd = os_tree_open(f->dir->fd, f->disk, OPEN_FLAGS, 0, OS_TREE_BENEATH);
        bool made = fd == -ENOENT;
        if (made)
            fd = make(f, 0600);
        if (fd == -EEXIST)
            continue;
        if (fd < 0 && (made || !in_the_way(fd)))
            return fd;
        int e = fd < 0 ? 0 : sink_lock(s, fd);
        /* Not every file system gives us what we make. */
        if (fd >= 0 && e == 0 && (made ? sink_stage_is(f->dir->fd, f->disk, fd) : is_mine(f, fd)))
            return fd;
        if (fd >= 0)
            close(fd);
        if (e == 0)
            e = sink_stage_clear(f->dir, f->disk);
        if (e != 0)
            return e;
    }
    return -EBUSY;
}

/* What is smaller is sooner sent again. */
static bool is_resumable(const struct sink_file *f) {
    return f->size > TREE_SMALL && f->version != 0;
}

/* A journal from the first chunk on, so that a process may die. A file of one chunk gets it when an attempt is given up: most of
 * them never need one. */
static bool is_large(const struct sink_file *f) {
    return is_resumable(f) && f->size >= TREE_CHUNK;
}

static int open_target(struct sink *s, struct sink_file *f, bool keep) {
    f->fd = f->dir->inside ? open_inside(f, keep) : open_stage(s, f);
    if (f->fd < 0)
        return f->fd;
    if (keep)
        sink_journal_resume(s, f);
    /* Holes are not written: behind what is kept nothing may stand. */
    if (!f->dir->fresh && ftruncate(f->fd, (off_t)f->resumed) != 0)
        return -errno;
    if (is_large(f))
        sink_journal_begin(s, f);
    else if (keep)
        sink_journal_remove(f);
    return 0;
}

static void begin(struct sink *s, struct sink_file *f, bool keep) {
    f->opened = true;
    f->left = keep;
    int e = open_target(s, f, keep);
    if (e != 0) {
        sink_problem(s, f->dir, f->name, -e, e == -EWOULDBLOCK ? "another transfer is at work on it" : NULL);
        f->failed = true;
    }
}

void sink_begin(struct sink *s, struct sink_file *f) {
    if (s->options->stream < 0) {
        begin(s, f, false);
        return;
    }
    f->opened = true;
    f->fd = s->options->stream;
}

void sink_begin_early(struct sink *s, struct sink_file *f) {
    struct stat st;
    bool keep = s->options->stream < 0 && (s->options->flags & TREE_NO_RESUME) == 0 && is_resumable(f);
    if (keep && !f->dir->fresh && fstatat(f->dir->fd, f->disk, &st, AT_SYMLINK_NOFOLLOW) == 0)
        begin(s, f, true);
}

void sink_drop(struct sink *s, struct sink_file *f) {
    /* What is unfinished must not be seen with a tree that will be; what is wrong is of no use to a later attempt, nor is the beginning of
     * a stream to another command. */
    bool is_seen = f->dir->inside && !s->aborting, is_stream = f->size == TREE_SIZE_UNKNOWN,
         is_useless = f->spoilt || (s->aborting ? !is_resumable(f) : is_stream || !is_large(f));
    if (s->options->stream >= 0)
        return;
    if (is_seen || (is_useless && f->fd >= 0)) {
        sink_journal_remove(f);
        unlinkat(f->dir->fd, f->disk, 0);
    } else if (f->fd >= 0 && f->journal < 0) {
        sink_journal_begin(s, f);
    }
}

void sink_file_free(struct sink *s, struct sink_file *f) {
    sink_hard_later(s, f, false);
    if (f->fd >= 0 && f->fd != s->options->stream)
        close(f->fd);
    if (f->journal >= 0)
        close(f->journal);
    sink_dir_release(s, f->dir);
    free(f);
}

/* ---- the records ---- */

/* The file that contents are for, open. NULL where no file was asked for. */
static struct sink_file *current(struct sink *s) {
    struct sink_file *f = s->first;
    if (f != NULL && !f->opened)
        sink_begin(s, f);
    return f;
}

static void fail(struct sink *s, struct sink_file *f, int error, const char *text) {
    if (error == ESTALE && s->options->stream >= 0)
        text = "it is not what was written before the link was lost";
    if (!f->failed)
        sink_problem(s, f->dir, f->name, error, text);
    f->failed = true;
}

int sink_write(const struct sink *s, const struct sink_file *f, const void *bytes, size_t n, uint64_t at) {
    const char *next = bytes;
    if (s->options->stream >= 0)
        return sink_stream_write(s->options->told, f->fd, bytes, n);
    while (n > 0) {
        ssize_t done = pwrite(f->fd, next, n, (off_t)at);
        if (done < 0 && errno != EINTR)
            return -errno;
        if (done > 0) {
            next += done;
            at += (uint64_t)done;
            n -= (size_t)done;
        }
    }
    return 0;
}

/* A hole: what was not sent is zero, within the chunk at hand. False where the source says so across its end. */
static bool pass_hole(struct sink *s, struct sink_file *f, uint64_t to) {
    if (to < f->at || to - f->at > digest_room(&f->digest))
        return false;
    size_t n = (size_t)(to - f->at);
    digest_add_zeros(&f->digest, n);
    atomic_fetch_add(&s->report->holes, n);
    f->at = to;
    static const char zeros[4096];
    for (size_t piece; s->options->stream >= 0 && !f->failed && n > 0; n -= piece) {
        piece = n < sizeof zeros ? n : sizeof zeros;
        int e = sink_write(s, f, zeros, piece, 0);
        if (e != 0)
            fail(s, f, -e, NULL);
    }
    return true;
}

int sink_data(struct sink *s, uint64_t offset, const void *bytes, size_t n) {
    struct sink_file *f = current(s);
    if (f == NULL || n == 0 || n > TREE_PIECE || (offset > f->at && !pass_hole(s, f, offset)))
        return LL_EPROTOCOL;
    if (offset != f->at || n > digest_room(&f->digest) || n > f->size - offset || offset + n > TREE_SIZE_MAX)
        return LL_EPROTOCOL;
    digest_add(&f->digest, bytes, n);
    f->at += n;
    s->summary->bytes += n;
    atomic_fetch_add(&s->report->bytes, n);
    if (f->failed)
        return 0;
    int e = sink_write(s, f, bytes, n, offset);
    if (e != 0)
        fail(s, f, -e, NULL);
    f->written = f->at;
    return 0;
}

int sink_packed(struct sink *s, struct slice payload) {
    struct reader r = reader_of(payload.data, payload.size);
    uint64_t offset = reader_u64(&r);
    uint32_t size = reader_u32(&r);
    struct slice packed = reader_rest(&r);
    if (reader_end(&r) != 0 || size == 0 || size > TREE_PIECE)
        return LL_EFORMAT;
    if (s->unpacked == NULL) {
        s->unpacked = malloc(TREE_PIECE);
        s->unpack_context = ZSTD_createDCtx();
        if (s->unpacked == NULL || s->unpack_context == NULL)
            return -ENOMEM;
    }
    size_t n = ZSTD_decompressDCtx(s->unpack_context, s->unpacked, size, packed.data, packed.size);
    return ZSTD_isError(n) || n != size ? LL_EFORMAT : sink_data(s, offset, s->unpacked, n);
}

int sink_digest(struct sink *s, uint64_t end, uint64_t digest) {
    struct sink_file *f = current(s);
    uint64_t begin = f != NULL ? f->digest.at : 0;
    if (f == NULL || end < begin || end > f->size || !pass_hole(s, f, end) || f->at == f->proved)
        return LL_EPROTOCOL;
    if (f->at % TREE_CHUNK != 0 && f->size != TREE_SIZE_UNKNOWN && f->at != f->size)
        return LL_EPROTOCOL;
    if (digest_close_chunk(&f->digest) != digest) {
        fail(s, f, 0, ll_strerror(LL_EDIGEST));
        f->spoilt = true;
    }
    f->proved = f->at;
    if (!f->failed && f->at % TREE_CHUNK == 0)
        sink_journal_add(f, digest);
    return 0;
}

/* ---- the end ---- */

void sink_complete(struct sink *s, struct sink_file *f, uint64_t digest) {
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, f->mtime};
    bool mode_is_right = f->dir->inside && (f->mode & s->umask) == 0 && (f->mode & 0600) == 0600 && !f->left;
    int e = 0;
    if (s->options->stream < 0) {
        /* A hole at the end; and nothing of a longer attempt may remain. */
        if (f->written != f->at && ftruncate(f->fd, (off_t)f->at) != 0)
            e = -errno;
        if (e == 0 && !mode_is_right && fchmod(f->fd, f->mode & ~(f->size == TREE_SIZE_UNKNOWN ? s->umask : 0)) != 0)
            e = -errno;
        if (e == 0 && f->size != TREE_SIZE_UNKNOWN && futimens(f->fd, times) != 0)
            e = -errno;
    }
    if (e != 0) {
        fail(s, f, -e, NULL);
        return;
    }
    char path[4096];
    path[0] = '\0';
    if (s->report->receipt != NULL)
        sink_path(f->dir, f->name, path, sizeof path);
    s->summary->files++;
    sink_hard_later(s, f, s->options->stream < 0);
    report_receipt(s->report, &(struct transfer_receipt){path, f->at, digest, f->resumed, true, false});
    if (f->dir->inside && f->journal >= 0)
        sink_journal_remove(f);
    else if (!f->dir->inside && s->options->stream < 0) {
        sink_publish(s, f->dir, f->disk, f->name, false, f->fd);
        f->fd = -1;
    }
}

int sink_close(struct sink *s, const struct tree_close *c) {
    struct sink_file *f = current(s);
    bool right = f != NULL && (c->state != TREE_OK || (c->size == f->at && f->proved == f->at &&
                                                       (f->size == f->at || f->size == TREE_SIZE_UNKNOWN)));
    if (!right)
        return LL_EPROTOCOL;
    if (c->state == TREE_OK) {
        uint64_t digest = digest_whole(&f->digest);
        if (!f->failed)
            sink_complete(s, f, digest);
        if (f->resumed > 0)
            tree_put_proved(&s->io->writing, !f->failed, f->failed ? 0 : digest);
    } else if (c->state != TREE_OK) {
        char path[4096];
        sink_path(f->dir, f->name, path, sizeof path);
        s->heard_failures++;
        report_problem(s->report, path, (int)c->error,
                       c->state == TREE_CHANGED ? "it changed while it was read" : NULL);
        f->spoilt = c->state == TREE_CHANGED;
    }
    if (c->state != TREE_OK || f->failed)
        sink_drop(s, f);
    s->first = f->next;
    if (s->first == NULL)
        s->last = &s->first;
    s->wanted--;
    sink_file_free(s, f);
    return 0;
}
