/* What the parts of the source share: the walk announces, the answers choose, the files are sent. */
#ifndef LANDLINE_TRANSFER_SOURCE_STATE_H
#define LANDLINE_TRANSFER_SOURCE_STATE_H

#include <dirent.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "landline/transfer/digest.h"
#include "landline/transfer/source.h"

/* A folder that is being walked, or that a file which waits for its answer is in. */
struct source_dir {
    struct source_dir *parent;
    DIR *listing;
    unsigned refs;
    char name[TREE_NAME + 1];
};

/* A file that was announced. */
struct source_file {
    struct source_dir *dir; /* NULL: at the top, see `root` */
    const struct source_root *root;
    char *name;
    uint64_t size, offset;
    struct timespec mtime, ctime;
    ino_t inode;
};

struct source_queue {
    struct source_file files[TREE_PENDING];
    unsigned first, count;
};

/* A file that was begun in the middle: only the sink knows the digest of the whole. */
struct source_begun {
    struct source_begun *next;
    uint64_t size, resumed;
    char path[];
};

struct source_count;  /* what counts ahead */
struct source_groups; /* the inodes with several names */

struct source {
    struct transfer_io *io;
    struct transfer_report *report;
    const struct source_options *options;
    struct tree_summary *summary;

    const struct source_root *roots;
    size_t root_count, root_next;
    struct source_dir *walking; /* the deepest folder, NULL between roots */
    unsigned depth;
    bool whole;    /* the sink wants small files at once */
    bool over;     /* OVER has been sent */
    bool finished; /* SUMMARY has come */
    uint64_t failures;
    struct source_groups *groups;
    struct source_count *count; /* while it counts */
    bool counted;               /* or it could not be */
    int64_t began;              /* CLOCK_MONOTONIC ns */
    char *scratch;              /* TREE_PIECE bytes … */
    size_t piece;               /* … of which so many are sent at once */

    struct source_queue asked, wanted;
    struct source_begun *begun, **begun_last; /* those of which the sink has still to say that they are proved */
    unsigned unheard;                         /* announced, and not written yet */

    /* The file that is being sent: wanted's first, once it is open. */
    int fd;
    bool sending;
    struct source_stream *stream; /* NULL: it is a file */
    uint64_t at, data_end;        /* data_end: where the extent at hand ends */
    bool sparse;
    struct digest digest;

    struct {
        void *context; /* ZSTD_CCtx */
        char *out;
        size_t capacity;
        double ns_per_byte, ratio; /* measured, for TREE_AUTO */
        unsigned skipped;
    } pack;
};

/* source_walk.c: announces what comes next; sets *done when there is nothing left. At most about 64 entries. */
int source_walk(struct source *s, bool *done);
void source_walk_free(struct source *s);
void source_dir_release(struct source_dir *dir);

/* source_file.c: sends the next piece of the first wanted file. */
int source_send(struct source *s);
void source_send_free(struct source *s);
int source_open(const struct source_file *f);
/* PROVED came. */
int source_proved(struct source *s, struct slice payload);
/* The digest of all of a file's contents. */
int source_digest(struct source *s, int fd, uint64_t *digest);

/* source_stream.c: what is at that offset, read or kept. How much; 0 at the end, -errno, -ESPIPE where it is kept no more. */
ssize_t source_stream_read(struct source_stream *stream, uint64_t at, void *bytes, size_t n);

/* source_pack.c: DATA or PACKED, as the options say. */
int source_pack(struct source *s, uint64_t offset, const char *bytes, size_t n);
void source_pack_free(struct source *s);

/* source_groups.c: the group of an inode with several names; *known tells whether it was announced before. 0: no group
 * (too many). */
uint64_t source_group(struct source *s, const struct stat *st, bool *known);
void source_groups_free(struct source *s);

/* source_count.c: counts, in a thread of its own, what the walk has not come to yet. Counting costs as much as the walk, so it
 * begins only when the transfer has lasted a second. */
int source_count(struct source *s);
/* The walk has come to the end: what was announced is all. Ends the thread. */
void source_count_end(struct source *s, bool tell);

/* The path from the top, for reports. */
void source_path(const struct source_dir *dir, const char *name, char *out, size_t size);
/* Counts and reports a failure of one entry, and tells the sink. */
void source_fail(struct source *s, const struct source_dir *dir, const char *name, int error, const char *text);

struct source_file *source_push(struct source_queue *q);
struct source_file *source_first(struct source_queue *q);
/* Forgets the first; what it holds must have been given back or moved. */
void source_pop(struct source_queue *q);
void source_file_release(struct source_file *f);

#endif
