/* The service behind get, put and ls: a process of its own for each transfer, with the rights of the grant's user, that
 * reads and writes files and speaks records (docs/PROTOCOL.md section 7.6) over its standard input and output. */
#ifndef LANDLINE_SERVICE_FILES_H
#define LANDLINE_SERVICE_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "landline/error.h"
#include "lib/base/buf.h"
#include "lib/base/reader.h"

enum files_kind {
    FILES_GET = 1, /* also ls */
    FILES_PUT = 2,
};

/* What the keeper tells the worker. */
struct files_job {
    uint8_t kind;
    struct slice root;    /* the grant's root; empty: the whole file system, paths begin in the home folder */
    struct slice request; /* as it came in OPEN */
    struct slice audit;   /* the beginning of each line of the audit log, `{"who":…`; empty: none is written */
};

void files_job_put(struct buf *b, const struct files_job *job);
int files_job_get(struct slice bytes, struct files_job *job);

/* Where the records go and come from: a ring (lib/os/ring.h, the second end) whose memory is not -1 and whose bell is `in`, and those
 * that come over `control` (landline/transfer/lines.h); else the descriptors. They stay the caller's. */
struct files_line {
    int in, out, memory, control;
};

/* Does the job over that line, and writes a line for each file to `audit` (-1: none). Blocks until it is over. 0; a negative code and `info` when the transfer as a whole failed. Single files that failed are in the records. */
int files_work(const struct files_job *job, const struct files_line *line, int audit, struct ll_error_info *info);

#endif
