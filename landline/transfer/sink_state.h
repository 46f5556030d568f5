/* What the parts of the sink share. */
#ifndef LANDLINE_TRANSFER_SINK_STATE_H
#define LANDLINE_TRANSFER_SINK_STATE_H

#include <sys/stat.h>

#include "landline/transfer/digest.h"
#include "landline/transfer/sink.h"
#include "lib/base/limits.h"

enum { STAGE_NAME = 48, DISK_NAME = TREE_NAME + 1 };

struct sink_seen;

struct sink_dir {
    struct sink_dir *parent;
    unsigned refs;
    int fd;      /* -1: a dry run, or `lost` */
    bool inside; /* in a folder that nobody sees yet: names are final */
    bool staged; /* the top of such a folder: to be published */
    bool fresh;  /* made by this run: nothing can be in it */
    bool lost;   /* could not be made: what belongs below it is let pass */
    bool up;     /* the source has left it */
    uint16_t mode;
    struct timespec mtime;
    struct sink_seen *seen; /* where it is inside and not fresh */
    char name[DISK_NAME];   /* the final one */
};

/* Another name of a file whose contents still come. */
struct sink_later {
    struct sink_later *next;
    struct sink_dir *dir;
    char name[DISK_NAME];
};

/* A file whose contents come. */
struct sink_file {
    struct sink_file *next;
    struct sink_dir *dir;
    int fd, journal;             /* -1: not open */
    bool opened, failed, spoilt; /* spoilt: what was written so far is wrong, not only incomplete */
    bool left;                   /* an earlier attempt made it */
    uint16_t mode;
    struct timespec mtime;
    uint64_t size, group, version, resumed;
    uint64_t at, written, proved; /* seen; on the disk; in chunks whose digests agreed */
    struct digest digest;
    struct sink_later *later; /* made when it is complete */
    char name[DISK_NAME], disk[DISK_NAME];
};

struct sink_publish {
    struct sink_dir *dir;
    int lock; /* keeps others away from the stage until it has its name; -1 for links */
    bool folder;
    char stage[STAGE_NAME], name[DISK_NAME];
};

struct sink_groups;

struct sink {
    struct transfer_io *io;
    struct transfer_report *report;
    const struct sink_options *options;
    struct tree_summary *summary;
    struct sink_dir *here; /* the folder the walk is in; the base at the top */
    unsigned depth, tops;
    struct sink_file *first, **last; /* wanted, in order */
    unsigned wanted, later;
    unsigned waited_ms; /* for locks */
    struct sink_publish batch[LIMIT_TRANSFER_BATCH];
    unsigned batched, batch_most;             /* each holds a descriptor or two */
    uint64_t source_failures, heard_failures; /* what the source says it counted; what it told one by one */
    bool over, aborting;
    mode_t umask;
    uint8_t boot[16];
    struct sink_groups *groups;
    void *unpack_context; /* ZSTD_DCtx */
    char *unpacked;       /* TREE_PIECE bytes */
};

/* sink_dir.c */
int sink_enter(struct sink *s, const struct tree_entry *e);
int sink_leave(struct sink *s);
void sink_dir_release(struct sink *s, struct sink_dir *dir);

/* sink_seen.c: a folder that an earlier attempt left may hold what the source has no longer. */
/* The source has named this in the folder. 0 or -ENOMEM. */
int sink_seen_add(struct sink_dir *dir, struct slice name);
/* It has named everything: the rest goes. */
void sink_seen_prune(struct sink *s, struct sink_dir *dir);
void sink_seen_free(struct sink_dir *dir);

/* sink_entry.c: FILE, WHOLE, SYMLINK, HARD */
int sink_file(struct sink *s, const struct tree_entry *e);
int sink_whole(struct sink *s, const struct tree_entry *e);
int sink_symlink(struct sink *s, const struct tree_entry *e);
int sink_hard(struct sink *s, const struct tree_entry *e);
/* The file is complete, or it never will be: makes its other names, or says that they are missing. */
void sink_hard_later(struct sink *s, struct sink_file *f, bool complete);

/* sink_asked.c: whether a name at the top is one that was asked for. */
bool sink_asked(const struct sink_options *options, struct slice name);

/* sink_sweep.c: removes what attempts left in the folder that, at `now` (seconds of the epoch), nobody touched for
 * LIMIT_TRANSFER_OLD and nobody has locked. */
void sink_sweep(int dir, int64_t now);

/* sink_file.c: contents of the first wanted file */
int sink_data(struct sink *s, uint64_t offset, const void *bytes, size_t n);
int sink_packed(struct sink *s, struct slice payload);
int sink_digest(struct sink *s, uint64_t end, uint64_t digest);
int sink_close(struct sink *s, const struct tree_close *c);
/* sink_stream.c: the same for `told` and its descriptor; -ESTALE where an earlier attempt has written something else. */
void sink_stream_begin(struct sink_stream *told);
int sink_stream_write(struct sink_stream *told, int fd, const void *bytes, size_t n);
/* Whether all that was written has come again. */
bool sink_stream_is_whole(const struct sink_stream *told);

/* Writes them all: 0 or -errno. */
int sink_write(const struct sink *s, const struct sink_file *f, const void *bytes, size_t n, uint64_t at);
/* It will not be complete: removes what is there of it, unless a later attempt can go on with that. */
void sink_drop(struct sink *s, struct sink_file *f);
/* Opens and locks what f->disk names in f->dir; it is empty then. Sets f->failed. */
void sink_begin(struct sink *s, struct sink_file *f);
/* The same before the source has its answer, where an earlier attempt left something of the file: what is good of that stays, and
 * f->at is where to go on. Only under its lock can that be told. */
void sink_begin_early(struct sink *s, struct sink_file *f);
/* Everything is there and proved: mode, times, publication. */
void sink_complete(struct sink *s, struct sink_file *f, uint64_t digest);
void sink_file_free(struct sink *s, struct sink_file *f);

/* sink_stage.c: what has the name of something unfinished */
void sink_stage_name(const char *name, char out[STAGE_NAME]);
/* Whether what the descriptor is open on is (still) called so. */
/* Locks what is unfinished. Who had it may be an earlier attempt that has not noticed its end yet, so this waits, three seconds in a
 * transfer. 0, -EWOULDBLOCK, -errno. */
int sink_lock(struct sink *s, int fd);
bool sink_stage_is(int dir, const char *name, int fd);
/* Removes what is there and of no use: of another kind than what is to be made, of somebody else, closed to us. Not what another
 * transfer has locked: -EWOULDBLOCK. 0, -errno. */
int sink_stage_clear(const struct sink_dir *dir, const char *disk);

/* sink_publish.c */
/* Queues; takes `lock`, a descriptor of the file or folder (-1 for a link). */
void sink_publish(struct sink *s, struct sink_dir *dir, const char *stage, const char *name, bool folder, int lock);
void sink_publish_all(struct sink *s);

/* sink_journal.c: the chunks of a file that are proved. */
void sink_journal_name(const char *name, char out[STAGE_NAME]);
/* Looks for a journal that fits the open file; what it proves is entered in f->digest, f->at. */
void sink_journal_resume(struct sink *s, struct sink_file *f);
void sink_journal_begin(struct sink *s, struct sink_file *f);
void sink_journal_add(struct sink_file *f, uint64_t digest);
void sink_journal_remove(const struct sink_file *f);

/* sink_groups.c: where the first name of each file with several is */
int sink_group_add(struct sink *s, uint64_t group, const struct sink_dir *dir, const char *name);
/* The first name is there, complete: others can be linked to it. */
void sink_group_set(struct sink *s, uint64_t group, const struct stat *st);
/* A descriptor of the folder, and in `disk` the name, of the group's first file; -ENOENT where it did not arrive. */
int sink_group_find(struct sink *s, uint64_t group, char disk[DISK_NAME], struct stat *st);
void sink_groups_free(struct sink *s);

/* The path from the top, for reports and groups. */
void sink_path(const struct sink_dir *dir, const char *name, char *out, size_t size);
/* Counts a failure, and tells the report and the source. `error` is an errno or 0. */
void sink_problem(struct sink *s, const struct sink_dir *dir, const char *name, int error, const char *text);
/* What an existing file that the new one would replace says: true to take the new one. */
bool sink_policy(struct sink *s, const struct tree_entry *e, const struct sink_dir *dir, const char *name,
                 const struct stat *there);

#endif
