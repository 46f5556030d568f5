#include "landline/transfer/listing.h"

#include <stdlib.h>
#include <string.h>

#include "landline/error.h"

struct listing {
    void (*show)(void *arg, const struct listing_entry *entry);
    void *arg;
    struct transfer_report *report;
    struct tree_summary *summary;
    unsigned depth;
    bool over;
};

static int take_entry(struct listing *l, uint8_t kind, struct slice payload) {
    struct listing_entry e = {.kind = kind};
    int error = tree_get_entry(kind, payload, &e.entry);
    if (error != 0)
        return error;
    /* The folder that was named is the frame; what is in it is shown, and it alone where it is a file. */
    if (l->depth > 0 || kind != TREE_DIR)
        l->show(l->arg, &e);
    if (kind == TREE_DIR && l->depth++ > 1)
        return LL_EPROTOCOL;
    return 0;
}

static int take_fail(struct listing *l, struct slice payload) {
    struct tree_problem p;
    int e = tree_get_problem(payload, &p);
    char *path = e == 0 ? strndup((const char *)p.path.data, p.path.size) : NULL;
    if (path != NULL)
        report_problem(l->report, path, (int)p.error, p.error != 0 ? NULL : "cannot be shown");
    free(path);
    return e;
}

static int take_over(struct listing *l, struct transfer_io *io, struct slice payload) {
    int e = tree_get_over(payload, &l->summary->failures);
    struct tree_summary nothing = {0};
    if (e != 0 || l->depth != 0)
        return LL_EPROTOCOL;
    l->over = true;
    tree_put_summary(&io->writing, &nothing);
    return transfer_io_flush(io);
}

static int take(struct listing *l, struct transfer_io *io, uint8_t kind, struct slice payload) {
    switch (kind) {
    case TREE_DIR:
    case TREE_FILE:
    case TREE_SYMLINK:
        return take_entry(l, kind, payload);
    case TREE_UP:
        return l->depth-- == 0 ? LL_EPROTOCOL : 0;
    case TREE_FAIL:
        return take_fail(l, payload);
    case TREE_OVER:
        return take_over(l, io, payload);
    default:
        return LL_EPROTOCOL;
    }
}

int listing_run(struct transfer_io *io, void (*show)(void *arg, const struct listing_entry *entry), void *arg,
                struct transfer_report *report, struct tree_summary *summary) {
    struct listing l = {.show = show, .arg = arg, .report = report, .summary = summary};
    int e = 0;
    *summary = (struct tree_summary){0};
    while (e == 0 && !l.over) {
        uint8_t kind;
        struct slice payload;
        if (atomic_load(&report->stop))
            return LL_EINTERRUPTED;
        int got = transfer_io_next(io, false, &kind, &payload);
        if (got == 0 && (e = transfer_io_flush(io)) == 0)
            got = transfer_io_next(io, true, &kind, &payload);
        if (e == 0)
            e = got < 0 ? (got == LL_EOF ? LL_ELOST : got) : take(&l, io, kind, payload);
    }
    return e;
}
