/* A sink that only looks: for ls. */
#ifndef LANDLINE_TRANSFER_LISTING_H
#define LANDLINE_TRANSFER_LISTING_H

#include "landline/proto/tree.h"
#include "landline/transfer/io.h"
#include "landline/transfer/report.h"

struct listing_entry {
    uint8_t kind; /* TREE_DIR, TREE_FILE, TREE_SYMLINK */
    struct tree_entry entry;
};

/* Shows each entry once, the contents of a named folder instead of the folder. Returns as sink_run(). */
int listing_run(struct transfer_io *io, void (*show)(void *arg, const struct listing_entry *entry), void *arg,
                struct transfer_report *report, struct tree_summary *summary);

#endif
