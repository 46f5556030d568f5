#include "landline/service/results.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/number.h"

enum {
    MAGIC = 0x4c4c5231, /* "LLR1" */
    HEAD = 8,
    SEGMENT = 64 << 20, /* a new one is begun above this */
    MOST_RECORD = 16 << 20,
};

static uint64_t key_of(const uint8_t *id) {
    uint64_t key;
    memcpy(&key, id + RUN_ID_SIZE - sizeof key, sizeof key);
    return key;
}

/* Where a record lies, as the index holds it: the segment's number and the offset behind the head, never 0. */
static void *place(uint32_t segment, uint64_t offset) {
    return (void *)(uintptr_t)((uint64_t)segment << 32 | (offset + HEAD));
}

static void path_of(const struct results *r, uint32_t segment, char *out, size_t size) {
    snprintf(out, size, "%s/results.%u", r->folder, segment);
}

/* --- reading --- */

/* A whole segment, mapped; NULL where it cannot be had. */
static const uint8_t *map_segment(const struct results *r, uint32_t number, uint64_t *size) {
    char path[4200];
    struct stat st;
    path_of(r, number, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    void *memory = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
        *size = (uint64_t)st.st_size;
        memory = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    if (fd >= 0)
        close(fd);
    return memory == MAP_FAILED ? NULL : memory;
}

/* The record at *offset, which is moved behind it; an empty one at the end or where the bytes are none. */
static struct slice next_record(const uint8_t *segment, uint64_t size, uint64_t *offset) {
    const struct slice none = {0};
    if (size - *offset < HEAD + RUN_ID_SIZE)
        return none;
    struct reader r = reader_of(segment + *offset, HEAD);
    uint32_t magic = reader_u32(&r), length = reader_u32(&r);
    if (magic != MAGIC || length < RUN_ID_SIZE || length > MOST_RECORD || length > size - *offset - HEAD)
        return none;
    const struct slice record = {segment + *offset + HEAD, length};
    *offset += HEAD + length;
    return record;
}

/* Visits the records that the index says are those of their ids; returns the end of the last whole one. */
static uint64_t visit(const struct results *r, uint32_t number, results_fn *each, void *arg) {
    uint64_t size, offset = 0, at = 0;
    const uint8_t *segment = map_segment(r, number, &size);
    struct slice record;
    if (segment == NULL)
        return 0;
    while (record = next_record(segment, size, &offset), record.size > 0) {
        if (each != NULL && map_get(&r->index, key_of(record.data)) == place(number, at))
            each(arg, record);
        at = offset;
    }
    munmap((void *)(uintptr_t)segment, size);
    return offset;
}

void results_each(const struct results *r, results_fn *each, void *arg) {
    for (size_t i = 0; i < r->count; i++)
        visit(r, r->segments[i].number, each, arg);
}

bool results_has(const struct results *r, const struct run_id *id) {
    return map_get(&r->index, key_of(id->bytes)) != NULL;
}

int results_get(const struct results *r, const struct run_id *id, struct buf *out) {
    uint64_t at = (uint64_t)(uintptr_t)map_get(&r->index, key_of(id->bytes));
    char path[4200];
    uint8_t head[HEAD];
    if (at == 0)
        return 0;
    path_of(r, (uint32_t)(at >> 32), path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    off_t offset = (off_t)(at & UINT32_MAX);
    int e = pread(fd, head, HEAD, offset - HEAD) == HEAD ? 1 : -EIO;
    struct reader r2 = reader_of(head + 4, 4);
    uint32_t length = reader_u32(&r2);
    uint8_t *to = e == 1 && length <= MOST_RECORD ? buf_reserve(out, length) : NULL;
    if (to == NULL || pread(fd, to, length, offset) != (ssize_t)length)
        e = -EIO;
    else
        buf_commit(out, length);
    close(fd);
    return e == 1 && memcmp(buf_front(out), id->bytes, RUN_ID_SIZE) != 0 ? 0 : e;
}

/* --- opening --- */

static int compare(const void *a, const void *b) {
    const struct results_segment *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* The number of a segment's name, exactly as path_of() writes it; 0: it is no segment's. */
static uint32_t segment_number(const char *name) {
    static const char prefix[] = "results.";
    enum { PREFIX = sizeof prefix - 1 };
    uint64_t number;
    bool ours = strncmp(name, prefix, PREFIX) == 0 && name[PREFIX] != '0' &&
                number_parse(name + PREFIX, 1, INT32_MAX - 1, &number) == 0;
    return ours ? (uint32_t)number : 0;
}

static int list_segments(struct results *r) {
    DIR *folder = opendir(r->folder);
    const struct dirent *entry;
    if (folder == NULL)
        return -errno;
    while ((entry = readdir(folder)) != NULL && r->count < LIMIT_RESULT_SEGMENTS) {
        uint32_t number = segment_number(entry->d_name);
        if (number > 0)
            r->segments[r->count++] = (struct results_segment){.number = number};
    }
    closedir(folder);
    qsort(r->segments, r->count, sizeof r->segments[0], compare);
    return 0;
}

static int index_segment(struct results *r, struct results_segment *s) {
    uint64_t size, offset = 0, at = 0;
    const uint8_t *segment = map_segment(r, s->number, &size);
    struct slice record;
    struct stat st;
    char path[4200];
    int e = 0;
    path_of(r, s->number, path, sizeof path);
    if (stat(path, &st) == 0)
        s->last_ms = (uint64_t)st.st_mtim.tv_sec * 1000;
    if (segment == NULL)
        return 0;
    while (e == 0 && (record = next_record(segment, size, &offset), record.size > 0)) {
        e = map_put(&r->index, key_of(record.data), place(s->number, at));
        at = offset;
    }
    munmap((void *)(uintptr_t)segment, size);
    s->size = offset;
    if (offset < size && truncate(path, (off_t)offset) < 0)
        e = -errno;
    return e;
}

static int begin_segment(struct results *r, uint64_t unix_ms) {
    char path[4200];
    uint32_t number = r->count > 0 ? r->segments[r->count - 1].number + 1 : 1;
    if (r->count == LIMIT_RESULT_SEGMENTS)
        return -ENOSPC;
    path_of(r, number, path, sizeof path);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (r->fd >= 0)
        close(r->fd);
    r->fd = fd;
    r->segments[r->count++] = (struct results_segment){.number = number, .first_ms = unix_ms};
    return 0;
}

int results_open(struct results *r, const char *folder) {
    *r = (struct results){.folder = folder, .fd = -1};
    int e = list_segments(r);
    for (size_t i = 0; e == 0 && i < r->count; i++)
        e = index_segment(r, &r->segments[i]);
    return e;
}

void results_close(struct results *r) {
    if (r->fd >= 0)
        close(r->fd);
    map_free(&r->index);
    *r = (struct results){.fd = -1};
}

/* --- writing --- */

static bool needs_segment(const struct results *r, uint64_t unix_ms) {
    if (r->fd < 0)
        return true;
    const struct results_segment *last = &r->segments[r->count - 1];
    return last->size > SEGMENT || last->first_ms + (uint64_t)LIMIT_RESULTS_AGE * 1000 / 8 < unix_ms;
}

int results_put(struct results *r, const struct buf *record, uint64_t extra, uint64_t unix_ms) {
    size_t n = buf_size(record);
    if (n > MOST_RECORD || record->failed != 0)
        return -EFBIG;
    int e = map_reserve(&r->index); /* what is written must be found again */
    if (e == 0 && needs_segment(r, unix_ms))
        e = begin_segment(r, unix_ms);
    if (e != 0)
        return e;
    struct results_segment *s = &r->segments[r->count - 1];
    uint8_t head[HEAD];
    for (int i = 0; i < 4; i++) {
        head[i] = (uint8_t)((uint32_t)MAGIC >> (24 - 8 * i));
        head[4 + i] = (uint8_t)(n >> (24 - 8 * i));
    }
    const struct iovec parts[] = {{head, HEAD}, {buf_front(record), n}};
    ssize_t done;
    do
        done = writev(r->fd, parts, 2);
    while (done < 0 && errno == EINTR);
    if (done != (ssize_t)(HEAD + n)) {
        e = done < 0 ? -errno : -ENOSPC;
        return done > 0 && ftruncate(r->fd, (off_t)s->size) < 0 ? -EIO : e;
    }
    (void)map_put(&r->index, key_of(buf_front(record)), place(s->number, s->size));
    s->size += HEAD + n;
    s->extra += extra;
    s->last_ms = unix_ms;
    return 0;
}

struct dropping {
    struct results *results;
    results_fn *tell;
    void *arg;
};

static void drop(void *arg, struct slice record) {
    struct dropping *d = arg;
    d->tell(d->arg, record);
    map_take(&d->results->index, key_of(record.data));
}

void results_expire(struct results *r, uint64_t unix_ms, results_fn *dropped, void *arg) {
    uint64_t total = 0;
    for (size_t i = 0; i < r->count; i++)
        total += r->segments[i].size + r->segments[i].extra;
    while (r->count > 0) {
        const struct results_segment oldest = r->segments[0];
        bool old = oldest.last_ms + (uint64_t)LIMIT_RESULTS_AGE * 1000 < unix_ms;
        if (!old && total <= LIMIT_RESULTS_SIZE && r->count < LIMIT_RESULT_SEGMENTS)
            return;
        if (r->count == 1 && r->fd >= 0) { /* the one that is being written */
            close(r->fd);
            r->fd = -1;
        }
        struct dropping d = {r, dropped, arg};
        char path[4200];
        visit(r, oldest.number, drop, &d);
        path_of(r, oldest.number, path, sizeof path);
        unlink(path);
        total -= oldest.size + oldest.extra;
        r->count--;
        memmove(r->segments, r->segments + 1, r->count * sizeof r->segments[0]);
    }
}
