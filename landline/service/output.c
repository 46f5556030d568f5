#include "landline/service/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/limits.h"

enum {
    FIRST_BLOCK = 4 << 10,
    RESERVE = 4 << 20,      /* of the ring file, at once */
    SMALL_RING = 1 << 20,   /* in memory, where no file can be had */
    READ_AT_ONCE = 1 << 20, /* from the pipe */
};

void output_init(struct output *o, enum run_overflow overflow) {
    *o = (struct output){.spool = spool_make(LIMIT_RUN_RING, overflow), .ring = -1};
    XXH64_reset(&o->digest, 0);
}

void output_free(struct output *o) {
    if (o->ring >= 0) {
        munmap(o->memory, o->size);
        close(o->ring);
    } else {
        free(o->memory);
    }
    if (o->path != NULL)
        unlink(o->path);
    free(o->path);
    *o = (struct output){.ring = -1};
}

/* The file has blocks for [reserved, reserved + RESERVE). */
static int reserve(struct output *o, int fd, uint64_t size) {
    if (o->reserved >= size)
        return 0;
    uint64_t n = size - o->reserved < RESERVE ? size - o->reserved : RESERVE;
    int e = posix_fallocate(fd, (off_t)o->reserved, (off_t)n);
    if (e != 0)
        return -e;
    o->reserved += n;
    return 0;
}

/* A file of the ring's size with its first piece reserved; a small one in memory if that fails. */
static int open_ring(struct output *o, const char *path, uint64_t *size) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    *size = LIMIT_RUN_RING;
    o->reserved = 0;
    if (fd >= 0 && ftruncate(fd, (off_t)*size) == 0 && reserve(o, fd, *size) == 0 && (o->path = strdup(path)) != NULL)
        return fd;
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    fd = memfd_create("landline-output", MFD_CLOEXEC);
    *size = o->reserved = SMALL_RING;
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)*size) == 0)
        return fd;
    int e = -errno;
    close(fd);
    return e;
}

static int map(int fd, uint64_t size, uint8_t **memory) {
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    *memory = at != MAP_FAILED ? at : NULL;
    return at != MAP_FAILED ? 0 : -errno;
}

static int promote(struct output *o, const char *path) {
    uint64_t size, end = o->spool.end;
    uint8_t *memory;
    int fd = open_ring(o, path, &size);
    if (fd < 0)
        return fd;
    int e = map(fd, size, &memory);
    if (e != 0) {
        close(fd);
        if (o->path != NULL)
            unlink(o->path);
        free(o->path);
        o->path = NULL;
        return e;
    }
    memcpy(memory, o->memory, end);
    free(o->memory);
    o->memory = memory;
    o->size = size;
    o->ring = fd;
    o->spool.cap = size;
    return 0;
}

/* Copies the bytes from `from` to the end to their places in a ring of `size` bytes. */
static void lay_out(const struct output *o, uint64_t from, uint8_t *memory, uint64_t size) {
    for (uint64_t at = from; at < o->spool.end;) {
        uint64_t place = at % size, left = o->spool.end - at;
        struct slice piece = output_at(o, at, left < size - place ? left : size - place);
        memcpy(memory + place, piece.data, piece.size);
        at += piece.size;
    }
}

int output_resize(struct output *o, uint64_t size, const char *path) {
    uint64_t kept = spool_kept(&o->spool);
    uint8_t *memory = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int e = -posix_fallocate(fd, 0, (off_t)size);
    if (e == 0)
        e = map(fd, size, &memory);
    if (e == 0 && rename(path, o->path) < 0)
        e = -errno;
    if (e != 0) {
        if (memory != NULL)
            munmap(memory, size);
        close(fd);
        unlink(path);
        return e;
    }
    lay_out(o, o->spool.end - (kept < size ? kept : size), memory, size);
    munmap(o->memory, o->size);
    close(o->ring);
    o->memory = memory;
    o->ring = fd;
    o->size = o->reserved = size;
    spool_set_cap(&o->spool, size);
    return 0;
}

static int grow_heap(struct output *o) {
    uint64_t size = o->size == 0 ? FIRST_BLOCK : LIMIT_RUN_HEAP;
    uint8_t *grown = realloc(o->memory, size);
    if (grown == NULL)
        return -ENOMEM;
    o->memory = grown;
    o->size = size;
    return 0;
}

/* Storage behind the end, at least a byte: 0, or why there is none. */
static int make_room(struct output *o, const char *path) {
    if (o->ring < 0 && o->spool.end == o->size)
        return o->size < LIMIT_RUN_HEAP ? grow_heap(o) : promote(o, path);
    if (o->ring >= 0 && o->reserved < o->size && o->spool.end + READ_AT_ONCE > o->reserved) {
        int e = reserve(o, o->ring, o->size);
        return e != 0 && o->spool.end < o->reserved ? 0 : e;
    }
    return 0;
}

ssize_t output_read(struct output *o, int fd, uint64_t room, const char *path) {
    if (room == 0)
        return -EAGAIN;
    int e = make_room(o, path);
    if (e != 0)
        return e;
    uint64_t at = o->ring >= 0 ? o->spool.end % o->size : o->spool.end;
    uint64_t n = room < o->size - at ? room : o->size - at;
    if (o->ring >= 0 && at < o->reserved && n > o->reserved - at)
        n = o->reserved - at;
    if (n > READ_AT_ONCE)
        n = READ_AT_ONCE;
    ssize_t got;
    do
        got = read(fd, o->memory + at, n);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    XXH64_update(&o->digest, o->memory + at, (size_t)got);
    spool_add(&o->spool, (uint64_t)got);
    return got;
}

struct slice output_at(const struct output *o, uint64_t offset, uint64_t n) {
    uint64_t at = o->ring >= 0 ? offset % o->size : offset - o->first;
    uint64_t piece = o->ring >= 0 && o->size - at < n ? o->size - at : n;
    return (struct slice){o->memory + at, piece};
}

static int restore_file(struct output *o, uint64_t size, const char *path) {
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    off_t held = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    void *memory = MAP_FAILED;
    if (held >= 0 && (uint64_t)held == size)
        memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        int e = fd < 0 || held < 0 ? -errno : -EIO;
        if (fd >= 0)
            close(fd);
        return e;
    }
    o->memory = memory;
    o->size = o->reserved = size;
    o->ring = fd;
    o->path = strdup(path);
    return o->path != NULL ? 0 : -ENOMEM;
}

int output_restore(struct output *o, uint64_t base, uint64_t end, uint64_t dropped, uint64_t size, struct slice bytes,
                   const char *path) {
    o->spool.base = base;
    o->spool.end = o->spool.acknowledged = end;
    o->spool.dropped = dropped;
    if (path != NULL)
        return restore_file(o, size, path);
    if (bytes.size == 0)
        return 0;
    o->memory = malloc(bytes.size);
    if (o->memory == NULL)
        return -ENOMEM;
    memcpy(o->memory, bytes.data, bytes.size);
    o->size = bytes.size;
    o->first = base;
    return 0;
}

void output_leave(struct output *o) {
    free(o->path);
    o->path = NULL;
    output_free(o);
}

uint64_t output_digest(const struct output *o) {
    return XXH64_digest(&o->digest);
}

uint64_t output_cost(const struct output *o) {
    return o->ring >= 0 ? o->reserved : o->size;
}
