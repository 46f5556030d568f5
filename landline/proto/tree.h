/* Records of a file transfer: what the source and the sink of get and put say to each other (docs/PROTOCOL.md section 7.6).
 *
 * A record is u32 length, u8 kind, then `length` bytes. Getters read the payload of one record; slices point into it. They
 * return 0, or LL_EFORMAT for bytes that are no such record or a name that a source must not send. */
#ifndef LANDLINE_PROTO_TREE_H
#define LANDLINE_PROTO_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/reader.h"

enum {
    TREE_HEAD = 5,                  /* bytes of a record's head */
    TREE_PIECE = 256 * 1024,        /* the most file bytes of one DATA record */
    TREE_SMALL = 64 * 1024,         /* the largest file that WHOLE carries */
    TREE_RECORD = TREE_PIECE + 256, /* the longest payload … */
    TREE_PIECE_SPLIT = 64 * 1024,   /* … and both with TREE_SPLITS */
    TREE_RECORD_SPLIT = TREE_PIECE_SPLIT + 512,
    TREE_CHUNK = 4 * 1024 * 1024, /* what has a digest of its own */
    TREE_NAME = 255,              /* bytes of a name */
    TREE_LINK = 4095,             /* bytes of a symbolic link's target */
    TREE_DEPTH = 4096,            /* folders within folders */
    TREE_PENDING = 1024,          /* files announced and not answered */
    TREE_STREAMS = 8,             /* that carry one transfer at most, the first among them */
    TREE_ID = 16,                 /* bytes of the id by which streams join */
};

#define TREE_SIZE_MAX     (1ULL << 50)
#define TREE_SIZE_UNKNOWN UINT64_MAX /* a source that is a pipe: CLOSE tells */

enum tree_kind {
    /* of the source */
    TREE_DIR = 1,
    TREE_UP,
    TREE_FILE,
    TREE_WHOLE,
    TREE_SYMLINK,
    TREE_HARD,
    TREE_DATA,
    TREE_PACKED,
    TREE_DIGEST,
    TREE_CLOSE,
    TREE_FAIL,
    TREE_OVER,
    TREE_TOTAL,
    TREE_TURN,
    /* of the sink */
    TREE_MODE = 32,
    TREE_ANSWER,
    TREE_PROBLEM,
    TREE_SUMMARY,
    TREE_PROVED,
};

/* DIR, FILE, WHOLE, SYMLINK, HARD. Each kind has the fields that are marked for it; the others are zero. */
struct tree_entry {
    uint16_t mode;     /* DIR, FILE, WHOLE: permission bits, never more than 0777 */
    int64_t mtime_s;   /* all but HARD */
    uint32_t mtime_ns; /* … below 10^9 */
    uint64_t size;     /* FILE, WHOLE */
    uint64_t group;    /* FILE, WHOLE, HARD: the same number for names of one file; 0: it has one name */
    uint64_t digest;   /* FILE where the request asked for digests, else 0; WHOLE always */
    uint64_t version;  /* FILE: another number when it is another file or its contents may have changed; 0: not known */
    struct slice name; /* one component: 1 … 255 bytes, no slash, no NUL, not . or .. */
    struct slice target; /* SYMLINK: where it points */
    struct slice bytes;  /* WHOLE: the contents, `size` bytes */
};

enum tree_answer {
    TREE_SKIP = 0, /* the sink does not want the file */
    TREE_WANT = 1, /* send it from `offset` */
};

enum tree_state {
    TREE_OK = 0,
    TREE_CHANGED = 1, /* the file changed while it was read */
    TREE_UNREADABLE = 2,
};

struct tree_close {
    uint8_t state;  /* enum tree_state */
    uint32_t error; /* errno where unreadable */
    uint64_t size;  /* as it was sent */
};

struct tree_problem {
    uint32_t error; /* errno (Linux number), 0 where the text says it all */
    struct slice path, text;
};

struct tree_summary {
    uint64_t files, folders, links; /* made or replaced */
    uint64_t skipped;               /* files that were there and the same */
    uint64_t bytes;                 /* file bytes that crossed the line */
    uint64_t resumed;               /* … that an earlier attempt has left */
    uint64_t failures;
};

/* Begins a record; tree_finish() fills in the length, given what begin returned. */
size_t tree_begin(struct buf *b, uint8_t kind);
void tree_finish(struct buf *b, size_t mark);
/* The head alone, for a payload that is written from where it lies. */
void tree_head(uint8_t out[TREE_HEAD], uint8_t kind, uint32_t length);
/* Reads a head. 0, or LL_ELIMIT for a length that no record may have; nothing is known of the kind yet. */
int tree_head_read(const uint8_t head[TREE_HEAD], uint8_t *kind, uint32_t *length);

void tree_put_entry(struct buf *b, uint8_t kind, const struct tree_entry *e);
int tree_get_entry(uint8_t kind, struct slice payload, struct tree_entry *e);
void tree_put_empty(struct buf *b, uint8_t kind); /* UP */
void tree_put_over(struct buf *b, uint64_t failures);
int tree_get_over(struct slice payload, uint64_t *failures);
void tree_put_total(struct buf *b, uint64_t files, uint64_t bytes);
int tree_get_total(struct slice payload, uint64_t *files, uint64_t *bytes);
/* What follows comes on the stream with that number. */
void tree_put_turn(struct buf *b, uint8_t stream);
int tree_get_turn(struct slice payload, uint8_t *stream);
/* Ends a chunk at offset `end`. */
void tree_put_digest(struct buf *b, uint64_t end, uint64_t digest);
int tree_get_digest(struct slice payload, uint64_t *end, uint64_t *digest);
void tree_put_close(struct buf *b, const struct tree_close *c);
int tree_get_close(struct slice payload, struct tree_close *c);
void tree_put_problem(struct buf *b, uint8_t kind, const struct tree_problem *p); /* FAIL, PROBLEM */
int tree_get_problem(struct slice payload, struct tree_problem *p);
void tree_put_mode(struct buf *b, bool whole);
int tree_get_mode(struct slice payload, bool *whole);
void tree_put_answer(struct buf *b, uint8_t answer, uint64_t offset);
int tree_get_answer(struct slice payload, uint8_t *answer, uint64_t *offset);
/* `whole`: it has all of its contents, of that digest; else the digest is 0. */
void tree_put_proved(struct buf *b, bool whole, uint64_t digest);
int tree_get_proved(struct slice payload, bool *whole, uint64_t *digest);
void tree_put_summary(struct buf *b, const struct tree_summary *s);
int tree_get_summary(struct slice payload, struct tree_summary *s);

/* Whether a name may stand in an entry. */
bool tree_name_good(struct slice name);
/* Whether it is one of landline's own unfinished files: ".landline-" 16 hexadecimal digits ".part" or ".journal".
 * Sources do not send them, sinks refuse them. */
bool tree_name_ours(struct slice name);

/* --- requests --- */

/* The exit status in the result when a stream was lost to the server's side. */
enum { TREE_LOST = 75 };

/* Kinds of CONTROL on the stream of a get or put. */
enum { TREE_SPLIT = 1 }; /* TREE_ID bytes: further streams may join under this id */

/* join */
struct tree_join {
    uint8_t id[TREE_ID];
    uint8_t stream; /* 1 … TREE_STREAMS - 1 */
};
void tree_put_join(struct buf *b, const struct tree_join *j);
int tree_get_join(struct slice payload, struct tree_join *j);

enum tree_flag {
    TREE_WITH_DIGESTS = 1, /* get: FILE carries the digest; put: compare contents, not size and time */
    TREE_NO_RESUME = 2,    /* put: begin anew */
    TREE_DRY_RUN = 4,      /* put: answer, write nothing */
    TREE_INTO = 8,         /* put: the destination is a folder, made where it is missing */
    TREE_LIST = 16,        /* get: the entries of one folder, nothing below, no contents */
    TREE_FRESH = 32,       /* get: the sink has nothing: small files may come as WHOLE from the first */
    TREE_TOTALS = 64,      /* get: say how much there is as soon as it is known */
    TREE_NAMED = 64,       /* put: the request ends in the transfer's id and the number of the attempt */
    TREE_SPLITS = 128,     /* streams may join: no record is longer than TREE_RECORD_SPLIT */
    TREE_FLAGS_GET = TREE_WITH_DIGESTS | TREE_LIST | TREE_FRESH | TREE_TOTALS | TREE_SPLITS,
    TREE_FLAGS_PUT = TREE_WITH_DIGESTS | TREE_NO_RESUME | TREE_DRY_RUN | TREE_INTO | TREE_NAMED | TREE_SPLITS,
};

enum tree_overwrite {
    TREE_DIFFERENT,
    TREE_ALWAYS,
    TREE_OLDER,
    TREE_NEVER,
};

enum tree_compress {
    TREE_PLAIN,
    TREE_ZSTD,
    TREE_AUTO,
};

/* get and ls */
struct tree_get {
    uint8_t flags, compress;
    uint64_t rate;      /* bytes a second; 0: as fast as it goes */
    uint32_t count;     /* paths, each str32 */
    struct slice paths; /* the paths as they stand in the request: count × str32 */
};
void tree_put_get(struct buf *b, const struct tree_get *g);
int tree_get_get(struct slice payload, struct tree_get *g);

struct tree_put {
    uint8_t flags, overwrite;
    struct slice destination;
    /* With TREE_NAMED. */
    struct slice id; /* TREE_ID bytes */
    uint32_t attempt;
};
void tree_put_put(struct buf *b, const struct tree_put *p);
/* Changes the number in the request of a named put. */
void tree_set_attempt(uint8_t *request, size_t size, uint32_t attempt);
int tree_get_put(struct slice payload, struct tree_put *p);

#endif
