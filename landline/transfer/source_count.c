/* How much there is, counted ahead of the walk: the walk must wait for the sink, and who looks at a terminal wants to know how
 * long it will take. A thread of its own, because a disk that is read for the first time may take a minute. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/transfer/source_state.h"
#include "lib/os/clock.h"

enum { DEPTH = 64 }; /* deeper trees are not counted: each folder holds a descriptor and a buffer while one is in it */

static const int64_t PATIENCE = 1000000000;

struct source_count {
    pthread_t thread;
    _Atomic bool stop, done;
    const struct source_root *roots;
    size_t root_count;
    /* A file with several names counts once in all, wherever they are. */
    double files, bytes;
    bool good;
};

static bool count_folder(struct source_count *c, int fd, unsigned depth);

static bool count_entry(struct source_count *c, int at, const char *name, unsigned depth) {
    struct stat st;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return true; /* the walk will say so */
    if (S_ISREG(st.st_mode)) {
        double names = st.st_nlink > 1 ? (double)st.st_nlink : 1;
        c->files += 1 / names;
        c->bytes += (double)st.st_size / names;
    }
    if (!S_ISDIR(st.st_mode))
        return true;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 ? errno != EMFILE : depth < DEPTH ? count_folder(c, fd, depth + 1) : (close(fd), false);
}

/* Takes the descriptor. False: it cannot be told. */
static bool count_folder(struct source_count *c, int fd, unsigned depth) {
    DIR *listing = fdopendir(fd);
    bool good = listing != NULL;
    if (listing == NULL) {
        close(fd);
        return false;
    }
    for (struct dirent *entry; good && (entry = readdir(listing)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            good = !atomic_load(&c->stop) && count_entry(c, fd, entry->d_name, depth);
    closedir(listing);
    return good;
}

static void *count_all(void *arg) {
    struct source_count *c = arg;
    c->good = true;
    for (size_t i = 0; c->good && i < c->root_count; i++)
        c->good = c->roots[i].stream == NULL && count_entry(c, c->roots[i].dir, c->roots[i].at, 0);
    atomic_store(&c->done, true);
    return NULL;
}

static int begin(struct source *s) {
    struct source_count *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->roots = s->roots;
    c->root_count = s->root_count;
    s->count = c;
    if (pthread_create(&c->thread, NULL, count_all, c) == 0)
        return 0;
    free(c);
    s->count = NULL;
    s->counted = true; /* it goes without */
    return 0;
}

static void tell_total(struct source *s, uint64_t files, uint64_t bytes) {
    report_total(s->report, files, bytes);
    tree_put_total(&s->io->writing, files, bytes);
}

int source_count(struct source *s) {
    struct source_count *c = s->count;
    if (c == NULL)
        return s->counted || clock_now() - s->began < PATIENCE ? 0 : begin(s);
    if (!atomic_load(&c->done))
        return 0;
    if (c->good)
        tell_total(s, (uint64_t)(c->files + 0.5), (uint64_t)(c->bytes + 0.5));
    source_count_end(s, false);
    s->counted = true;
    return 0;
}

void source_count_end(struct source *s, bool tell) {
    struct source_count *c = s->count;
    if (c != NULL) {
        atomic_store(&c->stop, true);
        pthread_join(c->thread, NULL);
        free(c);
        s->count = NULL;
    }
    if (tell)
        tell_total(s, atomic_load(&s->report->known_files), atomic_load(&s->report->known_bytes));
}
