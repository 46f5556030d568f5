/* The side of a transfer that has the files (docs/PROTOCOL.md section 7.6). */
#ifndef LANDLINE_TRANSFER_SOURCE_H
#define LANDLINE_TRANSFER_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "landline/proto/tree.h"
#include "landline/transfer/io.h"
#include "landline/transfer/report.h"

/* Contents that come from a descriptor, until it ends, and cannot be read twice. So that a later attempt can go on with them, the last
 * of them are kept. */
struct source_stream {
    int fd;           /* not taken */
    size_t keeps;     /* bytes: a chunk, and all that can be under way to the sink's disk; not 0 */
    uint64_t version; /* the same in all attempts, and in no other transfer; not 0 */
    uint64_t taken;   /* read so far … */
    bool ended;       /* … to the end */
    char *kept;       /* NULL at first */
};
void source_stream_free(struct source_stream *stream);

struct source_root {
    int dir;                      /* the folder it is in; not taken */
    const char *at;               /* its name there, opened without following a link … */
    const char *name;             /* … and what the sink is told it is called */
    struct source_stream *stream; /* not NULL: the contents come from there; dir and at are not used */
};

struct source_options {
    uint8_t flags;     /* TREE_WITH_DIGESTS, TREE_LIST, TREE_FRESH, TREE_TOTALS, TREE_SPLITS */
    uint8_t compress;  /* enum tree_compress */
    uint64_t failures; /* sources that could not be found, of which the sink was told with FAIL */
};

/* Sends the roots, in order, and waits for the sink's summary. Blocks until then. 0, also when single files failed (they are
 * in the report and in the summary's count, the sink's and the source's together); LL_ELOST when the line dropped, LL_EPROTOCOL or
 * LL_EFORMAT when the sink talks nonsense, LL_EINTERRUPTED when report->stop was set, -errno. */
int source_run(struct transfer_io *io, const struct source_root *roots, size_t count,
               const struct source_options *options, struct transfer_report *report, struct tree_summary *summary);

#endif
