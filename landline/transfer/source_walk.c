/* The walk: announces folders, files and links in the order in which the system lists them. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/error.h"
#include "landline/transfer/source_state.h"

enum { ENTRIES_A_STEP = 64, BYTES_A_STEP = 512 * 1024 };

void source_dir_release(struct source_dir *dir) {
    while (dir != NULL && --dir->refs == 0) {
        struct source_dir *parent = dir->parent;
        if (dir->listing != NULL)
            closedir(dir->listing);
        free(dir);
        dir = parent;
    }
}

static struct slice slice_of(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static struct tree_entry entry_of(const char *name, const struct stat *st) {
    return (struct tree_entry){
        .mode = (uint16_t)(st->st_mode & 0777),
        .mtime_s = st->st_mtim.tv_sec,
        .mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
        .size = (uint64_t)st->st_size,
        .name = slice_of(name),
    };
}

/* ---- one entry of each kind; `dir` is NULL at the top ---- */

struct found {
    struct source_dir *dir;
    const struct source_root *root; /* at the top */
    int at;                         /* the folder's descriptor */
    const char *open_name, *name;
    struct stat st;
};

static void announce_link(struct source *s, const struct found *f) {
    char target[TREE_LINK + 1];
    ssize_t n = readlinkat(f->at, f->open_name, target, sizeof target);
    if (n < 0 || n > TREE_LINK) {
        source_fail(s, f->dir, f->name, n < 0 ? errno : ENAMETOOLONG, NULL);
        return;
    }
    struct tree_entry e = entry_of(f->name, &f->st);
    e.target = (struct slice){(const uint8_t *)target, (size_t)n};
    tree_put_entry(&s->io->writing, TREE_SYMLINK, &e);
}

static int enter(struct source *s, const struct found *f) {
    struct source_dir *dir = calloc(1, sizeof *dir);
    if (dir == NULL)
        return -ENOMEM;
    int fd = -1;
    if (s->depth < TREE_DEPTH)
        fd = openat(f->at, f->open_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    else
        errno = ENAMETOOLONG;
    dir->listing = fd < 0 ? NULL : fdopendir(fd);
    if (dir->listing == NULL) {
        source_fail(s, f->dir, f->name, errno, NULL);
        if (fd >= 0)
            close(fd);
        free(dir);
        return 0;
    }
    dir->refs = 1;
    dir->parent = f->dir;
    if (f->dir != NULL)
        f->dir->refs++;
    memcpy(dir->name, f->name, strlen(f->name) + 1);
    struct tree_entry e = entry_of(f->name, &f->st);
    tree_put_entry(&s->io->writing, TREE_DIR, &e);
    s->walking = dir;
    s->depth++;
    return 0;
}

/* A small file in one record. False where it cannot be so: it changed its size, or cannot be read whole. */
static bool send_whole(struct source *s, const struct found *f, struct tree_entry *e) {
    int fd = openat(f->at, f->open_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        source_fail(s, f->dir, f->name, errno, NULL);
        return true;
    }
    ssize_t n = read(fd, s->scratch, TREE_SMALL + 1);
    close(fd);
    if (n < 0 || (uint64_t)n != e->size)
        return false;
    e->digest = digest_of(s->scratch, (size_t)n);
    e->bytes = (struct slice){(const uint8_t *)s->scratch, (size_t)n};
    tree_put_entry(&s->io->writing, TREE_WHOLE, e);
    atomic_fetch_add(&s->report->bytes, e->size);
    char path[4096];
    if (s->report->receipt == NULL)
        path[0] = '\0';
    else
        source_path(f->dir, f->name, path, sizeof path);
    report_receipt(s->report, &(struct transfer_receipt){path, e->size, e->digest, 0, true, false});
    return true;
}

/* Who changes a file's contents, or puts another file in its place, can set its size and its time, and not these. */
static uint64_t version_of(const struct stat *st) {
    const uint64_t state[] = {htobe64((uint64_t)st->st_ino), htobe64((uint64_t)st->st_ctim.tv_sec),
                              htobe64((uint64_t)st->st_ctim.tv_nsec)};
    uint64_t version = xxh3()->of(state, sizeof state);
    return version != 0 ? version : 1;
}

static int ask(struct source *s, const struct found *f, struct tree_entry *e) {
    struct source_file file = {
        .dir = f->dir,
        .root = f->root,
        .name = strdup(f->open_name),
        .size = e->size,
        .mtime = f->st.st_mtim,
        .ctime = f->st.st_ctim,
        .inode = f->st.st_ino,
    };
    if (file.name == NULL)
        return -ENOMEM;
    e->version = version_of(&f->st);
    if ((s->options->flags & TREE_WITH_DIGESTS) != 0) {
        int fd = source_open(&file), error = fd < 0 ? fd : source_digest(s, fd, &e->digest);
        if (fd >= 0)
            close(fd);
        if (error != 0) {
            source_fail(s, f->dir, f->name, -error, NULL);
            free(file.name);
            return 0;
        }
    }
    if (f->dir != NULL)
        f->dir->refs++;
    *source_push(&s->asked) = file;
    s->unheard++;
    tree_put_entry(&s->io->writing, TREE_FILE, e);
    return 0;
}

static int announce_file(struct source *s, const struct found *f) {
    struct tree_entry e = entry_of(f->name, &f->st);
    if (f->st.st_nlink > 1) {
        bool known;
        e.group = source_group(s, &f->st, &known);
        if (known) {
            tree_put_entry(&s->io->writing, TREE_HARD, &e);
            return 0;
        }
    }
    atomic_fetch_add(&s->report->known_files, 1);
    atomic_fetch_add(&s->report->known_bytes, e.size);
    if (s->whole && e.size <= TREE_SMALL && send_whole(s, f, &e))
        return 0;
    e.bytes = (struct slice){NULL, 0};
    return ask(s, f, &e);
}

static int list_entry(struct source *s, const struct found *f) {
    struct tree_entry e = entry_of(f->name, &f->st);
    if (S_ISLNK(f->st.st_mode))
        announce_link(s, f);
    else if (S_ISDIR(f->st.st_mode)) {
        tree_put_entry(&s->io->writing, TREE_DIR, &e);
        tree_put_empty(&s->io->writing, TREE_UP);
    } else if (S_ISREG(f->st.st_mode)) {
        e.digest = 0;
        tree_put_entry(&s->io->writing, TREE_FILE, &e);
    } else {
        source_fail(s, f->dir, f->name, 0, "neither file, folder nor link");
    }
    return 0;
}

static int announce(struct source *s, struct found *f) {
    if (fstatat(f->at, f->open_name, &f->st, AT_SYMLINK_NOFOLLOW) != 0) {
        source_fail(s, f->dir, f->name, errno, NULL);
        return 0;
    }
    if ((s->options->flags & TREE_LIST) != 0 && (f->dir != NULL || !S_ISDIR(f->st.st_mode)))
        return list_entry(s, f);
    if (S_ISREG(f->st.st_mode))
        return announce_file(s, f);
    if (S_ISDIR(f->st.st_mode))
        return enter(s, f);
    if (S_ISLNK(f->st.st_mode))
        announce_link(s, f);
    else
        source_fail(s, f->dir, f->name, 0, "neither file, folder nor link: left out");
    return 0;
}

/* ---- the order ---- */

static int announce_stream(struct source *s, const struct source_root *root) {
    struct source_file file = {.root = root, .name = strdup(root->name), .size = TREE_SIZE_UNKNOWN};
    if (file.name == NULL)
        return -ENOMEM;
    *source_push(&s->asked) = file;
    struct tree_entry e = {
        .mode = 0666, .size = TREE_SIZE_UNKNOWN, .version = root->stream->version, .name = slice_of(root->name)};
    tree_put_entry(&s->io->writing, TREE_FILE, &e);
    atomic_fetch_add(&s->report->known_files, 1);
    return 0;
}

static int next_root(struct source *s) {
    const struct source_root *root = &s->roots[s->root_next++];
    if (root->stream != NULL)
        return announce_stream(s, root);
    struct found f = {.root = root, .at = root->dir, .open_name = root->at, .name = root->name};
    return announce(s, &f);
}

static int leave(struct source *s, int error) {
    struct source_dir *dir = s->walking;
    if (error != 0)
        source_fail(s, dir->parent, dir->name, error, NULL);
    tree_put_empty(&s->io->writing, TREE_UP);
    s->walking = dir->parent;
    s->depth--;
    source_dir_release(dir);
    return 0;
}

static int next_entry(struct source *s) {
    errno = 0;
    struct dirent *entry = readdir(s->walking->listing);
    if (entry == NULL)
        return leave(s, errno);
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || tree_name_ours(slice_of(entry->d_name)))
        return 0;
    struct found f = {
        .dir = s->walking, .at = dirfd(s->walking->listing), .open_name = entry->d_name, .name = entry->d_name};
    return announce(s, &f);
}

int source_walk(struct source *s, bool *done) {
    int e = 0;
    for (int i = 0; e == 0 && i < ENTRIES_A_STEP && buf_size(&s->io->writing) < BYTES_A_STEP; i++) {
        if (s->walking != NULL) {
            e = next_entry(s);
        } else if (s->root_next < s->root_count) {
            e = next_root(s);
        } else {
            *done = true;
            break;
        }
    }
    return e;
}

void source_walk_free(struct source *s) {
    source_dir_release(s->walking);
    s->walking = NULL;
}
