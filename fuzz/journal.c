/* The journal of a large file: any bytes. What is resumed lies within the file and, after another boot, has the digests
 * that the journal says; the journal that is then carried on is resumed where it ended.
 *
 * The first byte says how much of the file is there: its three low bits in halves of a chunk. */
#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "landline/transfer/sink_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    HALF = TREE_CHUNK / 2,
    WHOLE = 3 * TREE_CHUNK + 100,
    BOOT = 8,   /* where the head says it */
    INODE = 56, /* and where the inode of the file; eight times 0xff stand for the one it has */
    HEAD = 64,
};

static const uint8_t OWN[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void demand(bool holds) {
    if (!holds)
        abort();
}

static struct sink_file file_of(struct sink_dir *dir, int fd) {
    struct sink_file f = {
        .dir = dir, .fd = fd, .journal = -1, .size = WHOLE, .mtime = {1000, 5}, .version = 7, .name = "file"};
    return f;
}

static uint64_t digest_of_zeros(void) {
    static uint64_t known; /* once, so that the inputs do not take their time from it */
    struct digest d;
    if (known == 0) {
        digest_init(&d);
        digest_add_zeros(&d, TREE_CHUNK);
        known = digest_close_chunk(&d);
    }
    return known;
}

/* Whether the journal is of this boot and of this very file. */
static bool is_believed(const struct sink *s, const uint8_t *data) {
    return memcmp(data + BOOT, s->boot, sizeof s->boot) == 0 && memcmp(data + INODE, OWN, sizeof OWN) == 0;
}

/* Lays the journal there. */
static void put_journal(const struct sink_dir *dir, const struct sink_file *f, const uint8_t *data, size_t size) {
    char name[STAGE_NAME];
    struct stat st;
    sink_journal_name(f->name, name);
    int journal = openat(dir->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    demand(journal >= 0 && write(journal, data, size) == (ssize_t)size && fstat(f->fd, &st) == 0);
    const uint64_t own = htobe64((uint64_t)st.st_ino);
    if (size >= HEAD && memcmp(data + INODE, OWN, sizeof OWN) == 0)
        demand(pwrite(journal, &own, sizeof own, INODE) == (ssize_t)sizeof own);
    close(journal);
}

static void check_resumed(const struct sink_file *f, const struct sink *s, uint64_t held, const uint8_t *data) {
    demand(f->at <= held && f->digest.at == f->at && f->resumed == f->at && f->written == f->at);
    demand(f->proved % TREE_CHUNK == 0 && f->proved <= f->at && f->at - f->proved < TREE_CHUNK);
    if (f->at == 0 || is_believed(s, data))
        return;
    demand(f->proved == f->at);
    for (uint64_t i = 0; i < f->at / TREE_CHUNK; i++) {
        uint64_t value;
        memcpy(&value, data + HEAD + 8 * i, sizeof value);
        demand(be64toh(value) == digest_of_zeros());
    }
}

/* The chunk is completed, the line drops later, and the next attempt finds all of it. */
static void carry_on(struct sink *s, struct sink_file *first) {
    struct sink_file again = file_of(first->dir, first->fd);
    const uint64_t more = digest_of_zeros();
    digest_init(&again.digest);
    sink_journal_begin(s, first);
    demand(first->journal >= 0);
    if (first->size - first->proved >= TREE_CHUNK) {
        digest_add_zeros(&first->digest, digest_room(&first->digest));
        demand(digest_close_chunk(&first->digest) == more);
        sink_journal_add(first, more);
        first->proved += TREE_CHUNK;
    }
    demand(first->journal >= 0 && ftruncate(first->fd, WHOLE) == 0);
    sink_journal_resume(s, &again);
    uint64_t left = WHOLE - first->proved;
    demand(again.proved == first->proved && again.at == first->proved + (left < TREE_CHUNK ? left : TREE_CHUNK - 1));
    digest_add_zeros(&first->digest, again.at - first->digest.at);
    demand(digest_whole(&again.digest) == digest_whole(&first->digest));
    sink_journal_remove(first);
    close(first->journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char folder[] = "/tmp/landline-journal-XXXXXX";
    struct sink s = {.boot = {'b', 'o', 'o', 't'}};
    struct sink_dir dir = {.fd = -1};
    if (size == 0)
        return 0;
    const off_t held = (off_t)(data[0] & 7) * HALF;
    demand(mkdtemp(folder) != NULL && (dir.fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0);
    struct sink_file f = file_of(&dir, memfd_create("file", MFD_CLOEXEC));
    demand(f.fd >= 0 && ftruncate(f.fd, held) == 0);
    put_journal(&dir, &f, data + 1, size - 1);
    digest_init(&f.digest);
    sink_journal_resume(&s, &f);
    check_resumed(&f, &s, (uint64_t)held, data + 1);
    carry_on(&s, &f);
    close(f.fd);
    close(dir.fd);
    demand(rmdir(folder) == 0);
    return 0;
}
