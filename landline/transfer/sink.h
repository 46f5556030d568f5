/* The side of a transfer that gets the files (docs/PROTOCOL.md section 7.6).
 *
 * What is new in a folder that was there before is built under a name of landline's own beside its final name, and gets
 * that name when it is complete, proved and on the disk: a file, or a whole new folder at once. A later attempt finds what
 * an earlier one left, and goes on with it. */
#ifndef LANDLINE_TRANSFER_SINK_H
#define LANDLINE_TRANSFER_SINK_H

#include <stdbool.h>
#include <stdint.h>
#define XXH_STATIC_LINKING_ONLY /* the state, in place */
#include <xxhash.h>

#include "landline/proto/tree.h"
#include "landline/transfer/io.h"
#include "landline/transfer/report.h"

/* What has gone to a descriptor, in all attempts; zero at first. Of a later attempt, so much is passed over; where it is not the same,
 * nothing more is written. */
struct sink_stream {
    uint64_t written, passed; /* bytes; passed: that have come in this attempt */
    bool differs;
    XXH64_state_t out, again; /* digests of what was written, and of what came in its place */
};

struct sink_options {
    int dir;            /* the folder in which the top names go; not taken */
    const char *rename; /* the only top name gets this one; NULL: they keep theirs */
    uint8_t
        flags; /* TREE_WITH_DIGESTS (compare contents), TREE_NO_RESUME, TREE_DRY_RUN, TREE_FRESH (the source was told) */
    uint8_t overwrite;  /* enum tree_overwrite */
    struct slice asked; /* get: the paths of the request (str32 each): other top names are refused. Empty: any name */
    int stream;         /* not -1: the one file goes to this descriptor, and nothing to disk … */
    struct sink_stream *told; /* … and this is how far that is */
};

/* Takes what the source sends until it is over, and sends the summary. Blocks until then. 0, also when single files failed
 * (see summary->failures and the report); LL_ELOST when the line dropped, LL_EPROTOCOL, LL_EFORMAT or LL_ELIMIT when the source
 * breaks the rules, LL_EINTERRUPTED when report->stop was set, -errno. After an error nothing that was not complete has its
 * final name. */
int sink_run(struct transfer_io *io, const struct sink_options *options, struct transfer_report *report,
             struct tree_summary *summary);

#endif
