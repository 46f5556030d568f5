/* A tree as one stream over plain TCP, for bench/run files: what moving many small files costs without security, checks,
 * resume or hard links. Modes and times of files are kept.
 *
 *     bench-limit-tree serve                      prints its port
 *     bench-limit-tree get PORT FOLDER DESTINATION */
#include <ftw.h>
#include <sys/stat.h>

#include "bench/plain.h"

enum { GATHERED = 256 << 10 };

/* Before each entry; then the name from the folder on, then a file's content or a link's target. */
struct entry {
    uint32_t mode, name;
    uint64_t size;
    struct timespec mtime;
};

static char gathered[GATHERED];
static size_t have, taken;
static int peer;
static size_t root; /* characters of the folder's name */

static void flush_out(void) {
    write_full(peer, gathered, have);
    have = 0;
}

static void put(const void *bytes, size_t n) {
    if (n > GATHERED - have)
        flush_out();
    if (n > GATHERED) {
        write_full(peer, bytes, n);
        return;
    }
    memcpy(gathered + have, bytes, n);
    have += n;
}

static void put_content(const char *path, uint64_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    need(fd, path);
    while (size > 0) {
        if (have == GATHERED)
            flush_out();
        ssize_t n = read(fd, gathered + have, size < GATHERED - have ? size : GATHERED - have);
        require(n > 0, path);
        have += (size_t)n;
        size -= (size_t)n;
    }
    close(fd);
}

static int send_entry(const char *path, const struct stat *s, int kind, struct FTW *where) {
    (void)kind, (void)where;
    char target[4096];
    const char *name = path + root;
    struct entry e = {.mode = s->st_mode, .name = (uint32_t)strlen(name), .mtime = s->st_mtim};
    if (S_ISREG(s->st_mode))
        e.size = (uint64_t)s->st_size;
    else if (S_ISLNK(s->st_mode))
        e.size = (uint64_t)readlink(path, target, sizeof(target));
    else if (!S_ISDIR(s->st_mode))
        return 0;
    put(&e, sizeof(e));
    put(name, e.name);
    if (S_ISREG(s->st_mode))
        put_content(path, e.size);
    else
        put(target, e.size);
    return 0;
}

static void answer(int fd) {
    char folder[4096] = {0};
    need(read(fd, folder, sizeof(folder) - 1), "request");
    peer = fd;
    root = strlen(folder);
    need(nftw(folder, send_entry, 64, FTW_PHYS), folder);
    put(&(struct entry){0}, sizeof(struct entry));
    flush_out();
}

/* ---- the receiver ---- */

static size_t more(void) {
    if (taken < have)
        return have - taken;
    ssize_t n = read(peer, gathered, GATHERED);
    require(n > 0, "read");
    taken = 0;
    have = (size_t)n;
    return have;
}

static void take(void *to, size_t n) {
    for (size_t done = 0; done < n;) {
        size_t there = more(), now = there < n - done ? there : n - done;
        memcpy((char *)to + done, gathered + taken, now);
        taken += now;
        done += now;
    }
}

static void make_file(int folder, const char *name, const struct entry *e) {
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    need(fd, name);
    for (uint64_t left = e->size; left > 0;) {
        size_t there = more(), now = there < left ? there : (size_t)left;
        write_full(fd, gathered + taken, now);
        taken += now;
        left -= now;
    }
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, e->mtime};
    need(fchmod(fd, e->mode & 0777), name);
    need(futimens(fd, times), name);
    close(fd);
}

static void make(int folder, const char *name, const struct entry *e) {
    char target[4097] = {0};
    if (S_ISREG(e->mode)) {
        make_file(folder, name, e);
    } else if (S_ISLNK(e->mode)) {
        require(e->size < sizeof(target), "size of a link");
        take(target, e->size);
        need(symlinkat(target, folder, name), name);
    } else if (name[0] != 0) {
        need(mkdirat(folder, name, (e->mode & 0777) | 0700), name);
    }
}

static void get(const char *port, const char *folder, const char *destination) {
    peer = connect_to(port);
    write_full(peer, folder, strlen(folder));
    need(mkdir(destination, 0755), destination);
    int at = open(destination, O_PATH | O_DIRECTORY | O_CLOEXEC);
    need(at, destination);
    for (;;) {
        struct entry e;
        char name[4097] = {0};
        take(&e, sizeof(e));
        if (e.mode == 0)
            return;
        require(e.name < sizeof(name), "size of a name");
        take(name, e.name);
        make(at, name[0] == '/' ? name + 1 : name, &e);
    }
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "get") == 0) {
        get(argv[2], argv[3], argv[4]);
        return 0;
    }
    if (argc != 2 || strcmp(argv[1], "serve") != 0)
        return 2;
    int listener = listen_and_say();
    for (;;) {
        int fd = accept_one(listener);
        answer(fd);
        close(fd);
    }
}
