/* The contents of a file, in pieces, with a digest for each chunk; holes are passed over. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/error.h"
#include "landline/transfer/source_state.h"

int source_open(const struct source_file *f) {
    int at = f->dir != NULL ? dirfd(f->dir->listing) : f->root->dir;
    int fd = openat(at, f->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? -errno : fd;
}

static bool same(const struct source_file *f, const struct stat *st) {
    return S_ISREG(st->st_mode) && (uint64_t)st->st_size == f->size && st->st_ino == f->inode &&
           st->st_mtim.tv_sec == f->mtime.tv_sec && st->st_mtim.tv_nsec == f->mtime.tv_nsec &&
           st->st_ctim.tv_sec == f->ctime.tv_sec && st->st_ctim.tv_nsec == f->ctime.tv_nsec;
}

/* ---- begin and end ---- */

static int wait_for_proof(struct source *s, const struct source_file *f, const char *path) {
    size_t n = strlen(path) + 1;
    struct source_begun *b = calloc(1, sizeof *b + n);
    if (b == NULL)
        return -ENOMEM;
    b->size = s->at;
    b->resumed = f->offset;
    memcpy(b->path, path, n);
    *s->begun_last = b;
    s->begun_last = &b->next;
    return 0;
}

static struct source_begun *take_begun(struct source *s) {
    struct source_begun *b = s->begun;
    s->begun = b->next;
    if (s->begun == NULL)
        s->begun_last = &s->begun;
    return b;
}

int source_proved(struct source *s, struct slice payload) {
    bool whole;
    uint64_t digest;
    int e = tree_get_proved(payload, &whole, &digest);
    if (e != 0 || s->begun == NULL)
        return e != 0 ? e : LL_EPROTOCOL;
    struct source_begun *b = take_begun(s);
    if (whole)
        report_receipt(s->report, &(struct transfer_receipt){b->path, b->size, digest, b->resumed, true, false});
    free(b);
    return 0;
}

static int say_end(struct source *s, const struct source_file *f, uint8_t state, int error) {
    struct tree_close c = {.state = state, .error = (uint32_t)error, .size = s->at};
    tree_put_close(&s->io->writing, &c);
    char path[4096];
    source_path(f->dir, f->dir != NULL ? f->name : f->root->name, path, sizeof path);
    if (state == TREE_OK) {
        if (f->offset > 0)
            return wait_for_proof(s, f, path);
        report_receipt(s->report, &(struct transfer_receipt){path, s->at, digest_whole(&s->digest), 0, true, false});
    } else {
        s->failures++;
        report_problem(s->report, path, error,
                       state == TREE_CHANGED ? "it changed while it was read"
                       : error == ESPIPE     ? "what came before the link was lost cannot be read again"
                                             : NULL);
    }
    return 0;
}

static int finish(struct source *s, uint8_t state, int error) {
    struct source_file *f = source_first(&s->wanted);
    int e = say_end(s, f, state, error);
    if (s->fd >= 0 && !s->stream)
        close(s->fd);
    s->fd = -1;
    s->sending = false;
    source_file_release(f);
    source_pop(&s->wanted);
    return e;
}

/* How much was read from where it is, or -errno. */
static ssize_t read_at(struct source *s, void *to, size_t n) {
    if (s->stream != NULL)
        return source_stream_read(s->stream, s->at, to, n);
    ssize_t got = pread(s->fd, to, n, (off_t)s->at);
    return got < 0 ? -errno : got;
}

/* The sink has the beginning of a chunk, whose digest is of all of it. */
static int read_beginning(struct source *s) {
    s->at -= s->at % TREE_CHUNK;
    digest_init(&s->digest);
    s->digest.at = s->at;
    for (uint64_t left; (left = source_first(&s->wanted)->offset - s->at) > 0;) {
        ssize_t n = read_at(s, s->scratch, left < TREE_PIECE ? (size_t)left : TREE_PIECE);
        if (n <= 0)
            return finish(s, n < 0 ? TREE_UNREADABLE : TREE_CHANGED, n < 0 ? (int)-n : 0);
        digest_add(&s->digest, s->scratch, (size_t)n);
        s->at += (uint64_t)n;
    }
    return 0;
}

static int begin(struct source *s, struct source_file *f) {
    struct stat st = {0};
    s->sending = true;
    s->sparse = false;
    s->at = s->data_end = f->offset;
    digest_init(&s->digest);
    s->stream = f->dir == NULL ? f->root->stream : NULL;
    s->fd = s->stream != NULL ? s->stream->fd : source_open(f);
    if (s->fd < 0)
        return finish(s, TREE_UNREADABLE, -s->fd);
    if (s->stream != NULL)
        return read_beginning(s);
    if (fstat(s->fd, &st) != 0)
        return finish(s, TREE_UNREADABLE, errno);
    if (!same(f, &st))
        return finish(s, TREE_CHANGED, 0);
    s->sparse = (uint64_t)st.st_blocks * 512 < f->size;
    posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return read_beginning(s);
}

/* All that was announced has been read. */
static int complete(struct source *s, struct source_file *f) {
    struct stat st;
    if (s->at % TREE_CHUNK != 0)
        tree_put_digest(&s->io->writing, s->at, digest_close_chunk(&s->digest));
    if (s->stream)
        return finish(s, TREE_OK, 0);
    if (fstat(s->fd, &st) != 0)
        return finish(s, TREE_UNREADABLE, errno);
    return finish(s, same(f, &st) ? TREE_OK : TREE_CHANGED, 0);
}

/* ---- the pieces ---- */

static void close_full_chunk(struct source *s) {
    if (s->at % TREE_CHUNK == 0)
        tree_put_digest(&s->io->writing, s->at, digest_close_chunk(&s->digest));
}

/* Passes over a hole, up to the end of its chunk. True where there was one. */
static bool pass_hole(struct source *s, const struct source_file *f) {
    if (!s->sparse || s->at < s->data_end)
        return false;
    off_t data = lseek(s->fd, (off_t)s->at, SEEK_DATA);
    uint64_t next = data < 0 ? (errno == ENXIO ? f->size : s->at) : (uint64_t)data;
    if (next == s->at) {
        off_t hole = lseek(s->fd, (off_t)s->at, SEEK_HOLE);
        s->data_end = hole < 0 ? f->size : (uint64_t)hole;
        return false;
    }
    size_t n = digest_room(&s->digest);
    if (n > next - s->at)
        n = (size_t)(next - s->at);
    digest_add_zeros(&s->digest, n);
    s->at += n;
    atomic_fetch_add(&s->report->holes, n);
    close_full_chunk(s);
    return true;
}

/* Reads into the line itself, where contents go as they are; else into the scratch space. */
static ssize_t read_piece(struct source *s, size_t n, uint8_t **place, const char **bytes) {
    *place = s->options->compress == TREE_PLAIN ? transfer_io_reserve(s->io, sizeof s->at + n) : NULL;
    char *to = *place != NULL ? (char *)*place + sizeof s->at : s->scratch;
    *bytes = to;
    return read_at(s, to, n);
}

static int send_bytes(struct source *s, uint8_t *place, const char *bytes, size_t n) {
    if (place == NULL)
        return source_pack(s, s->at, bytes, n);
    uint64_t offset = htobe64(s->at);
    memcpy(place, &offset, sizeof offset);
    transfer_io_commit(s->io, TREE_DATA, sizeof offset + n);
    return 0;
}

static int send_piece(struct source *s, const struct source_file *f) {
    uint8_t *place;
    const char *bytes;
    size_t n = digest_room(&s->digest);
    if (n > s->piece)
        n = s->piece;
    if (!s->stream && n > f->size - s->at)
        n = (size_t)(f->size - s->at);
    if (s->sparse && n > s->data_end - s->at)
        n = (size_t)(s->data_end - s->at);
    ssize_t got = read_piece(s, n, &place, &bytes);
    if (got < 0)
        return got == -EINTR ? 0 : finish(s, TREE_UNREADABLE, (int)-got);
    if (got == 0)
        return s->stream ? complete(s, source_first(&s->wanted)) : finish(s, TREE_CHANGED, 0);
    digest_add(&s->digest, bytes, (size_t)got);
    int e = send_bytes(s, place, bytes, (size_t)got);
    s->at += (uint64_t)got;
    atomic_fetch_add(&s->report->bytes, (uint64_t)got);
    close_full_chunk(s);
    return e;
}

int source_send(struct source *s) {
    struct source_file *f = source_first(&s->wanted);
    if (!s->sending)
        return begin(s, f);
    if (!s->stream && s->at == f->size)
        return complete(s, f);
    return pass_hole(s, f) ? 0 : send_piece(s, f);
}

void source_send_free(struct source *s) {
    if (s->fd >= 0 && !s->stream)
        close(s->fd);
    s->fd = -1;
    while (s->begun != NULL)
        free(take_begun(s));
}

int source_digest(struct source *s, int fd, uint64_t *digest) {
    struct digest d;
    digest_init(&d);
    for (;;) {
        size_t n = digest_room(&d);
        ssize_t got = read(fd, s->scratch, n < TREE_PIECE ? n : TREE_PIECE);
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        digest_add(&d, s->scratch, (size_t)got);
        if (d.at % TREE_CHUNK == 0)
            digest_close_chunk(&d);
    }
    if (d.at % TREE_CHUNK != 0)
        digest_close_chunk(&d);
    *digest = digest_whole(&d);
    return 0;
}
