/* The journal of a file: which of its chunks are written and proved.
 *
 * A head (magic, boot, size, time and version of the source's file, inode of ours), then eight bytes for each chunk in order. A
 * line that drops and a process that dies lose nothing that was written; a machine that stops may, and who copies the folder
 * elsewhere makes another file: then each chunk is read again and must still have its digest. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/transfer/sink_state.h"

struct head {
    char magic[8];
    uint8_t boot[16];
    uint64_t size, mtime_s, mtime_ns, version, inode;
};

static const char MAGIC[8] = "llfile2";

static struct head head_of(const struct sink *s, const struct sink_file *f) {
    struct stat st;
    struct head h = {.size = htobe64(f->size),
                     .mtime_s = htobe64((uint64_t)f->mtime.tv_sec),
                     .mtime_ns = htobe64((uint64_t)f->mtime.tv_nsec),
                     .version = htobe64(f->version),
                     .inode = htobe64(fstat(f->fd, &st) == 0 ? (uint64_t)st.st_ino : 0)};
    memcpy(h.magic, MAGIC, sizeof MAGIC);
    memcpy(h.boot, s->boot, sizeof h.boot);
    return h;
}

/* Whether the chunk at f->at still has its digest on the disk. */
static bool still_there(int fd, uint64_t at, uint64_t expected) {
    struct digest d;
    char *piece = malloc(TREE_PIECE);
    bool good = piece != NULL;
    digest_init(&d);
    for (uint64_t done = 0; good && done < TREE_CHUNK; done += TREE_PIECE) {
        good = pread(fd, piece, TREE_PIECE, (off_t)(at + done)) == TREE_PIECE;
        if (good)
            digest_add(&d, piece, TREE_PIECE);
    }
    free(piece);
    return good && digest_close_chunk(&d) == expected;
}

/* Enters the chunks that the journal lists, as far as the file has them. */
static void enter_chunks(struct sink_file *f, int journal, int fd, bool believed) {
    struct stat st;
    uint64_t value;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    while (f->size - f->at >= TREE_CHUNK && read(journal, &value, sizeof value) == (ssize_t)sizeof value) {
        if ((uint64_t)st.st_size < f->at + TREE_CHUNK)
            break;
        if (!believed && !still_there(fd, f->at, be64toh(value)))
            break;
        digest_known_chunk(&f->digest, TREE_CHUNK, be64toh(value));
        f->at += TREE_CHUNK;
    }
    f->proved = f->at;
}

/* What stands behind them was written in order, from that state of the source's file: its chunk's digest will prove it. So much of the
 * chunk has to be left that the source has a last byte to send, and says the digest. */
static void enter_rest(struct sink_file *f, int fd) {
    struct stat st;
    char *piece = malloc(TREE_PIECE);
    uint64_t end = f->at + TREE_CHUNK - 1;
    end = end < f->size ? end : f->size;
    if (fstat(fd, &st) != 0)
        end = 0;
    else if ((uint64_t)st.st_size < end)
        end = (uint64_t)st.st_size;
    while (piece != NULL && f->at < end) {
        uint64_t left = end - f->at;
        ssize_t n = pread(fd, piece, left < TREE_PIECE ? (size_t)left : TREE_PIECE, (off_t)f->at);
        if (n <= 0)
            break;
        digest_add(&f->digest, piece, (size_t)n);
        f->at += (uint64_t)n;
    }
    free(piece);
}

void sink_journal_resume(struct sink *s, struct sink_file *f) {
    char name[STAGE_NAME];
    struct head is, must = head_of(s, f);
    sink_journal_name(f->name, name);
    int journal = openat(f->dir->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (journal < 0)
        return;
    /* In a folder that others may write to, a journal of theirs proves nothing. */
    if (fstat(journal, &st) == 0 && st.st_uid == geteuid() && read(journal, &is, sizeof is) == (ssize_t)sizeof is) {
        bool believed = memcmp(is.boot, must.boot, sizeof is.boot) == 0 && is.inode == must.inode;
        memcpy(is.boot, must.boot, sizeof is.boot);
        is.inode = must.inode;
        bool fits = memcmp(&is, &must, sizeof is) == 0;
        if (fits)
            enter_chunks(f, journal, f->fd, believed);
        if (fits && believed)
            enter_rest(f, f->fd);
        f->resumed = f->written = f->at;
    }
    close(journal);
}

/* A journal that cannot be written costs the resume, not the transfer. */
void sink_journal_begin(struct sink *s, struct sink_file *f) {
    char name[STAGE_NAME];
    struct head h = head_of(s, f);
    sink_journal_name(f->name, name);
    /* A new one is really new; neither may be something else that was laid there, nor hold us up. */
    int flags = O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    if (f->resumed < TREE_CHUNK) {
        unlinkat(f->dir->fd, name, 0);
        flags |= O_CREAT | O_EXCL;
    }
    f->journal = openat(f->dir->fd, name, flags, 0600);
    off_t end = (off_t)(sizeof h + f->resumed / TREE_CHUNK * sizeof(uint64_t));
    if (f->journal >= 0 && (pwrite(f->journal, &h, sizeof h, 0) != (ssize_t)sizeof h ||
                            ftruncate(f->journal, end) != 0 || lseek(f->journal, end, SEEK_SET) != end)) {
        close(f->journal);
        f->journal = -1;
    }
}

void sink_journal_add(struct sink_file *f, uint64_t digest) {
    uint64_t big = htobe64(digest);
    if (f->journal >= 0 && write(f->journal, &big, sizeof big) != (ssize_t)sizeof big) {
        close(f->journal);
        f->journal = -1;
    }
}

void sink_journal_remove(const struct sink_file *f) {
    char name[STAGE_NAME];
    sink_journal_name(f->name, name);
    unlinkat(f->dir->fd, name, 0);
}
