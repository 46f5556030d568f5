#include "landline/transfer/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "landline/error.h"
#include "landline/transfer/sink_state.h"
#include "lib/os/tree.h"

/* ---- reports ---- */

void sink_path(const struct sink_dir *dir, const char *name, char *out, size_t size) {
    size_t at = size - 1, n = strlen(name);
    out[at] = '\0';
    for (bool first = true;; first = false) {
        if (n + 1 > at)
            break;
        if (!first)
            out[--at] = '/';
        at -= n;
        memcpy(out + at, name, n);
        if (dir == NULL || dir->parent == NULL) /* the base has no name */
            break;
        name = dir->name;
        n = strlen(name);
        dir = dir->parent;
    }
    memmove(out, out + at, size - at);
}

void sink_problem(struct sink *s, const struct sink_dir *dir, const char *name, int error, const char *text) {
    char path[4096];
    sink_path(dir, name, path, sizeof path);
    s->summary->failures++;
    report_problem(s->report, path, error, text);
    struct tree_problem p = {
        .error = (uint32_t)error,
        .path = {(const uint8_t *)path, strlen(path)},
        .text = {(const uint8_t *)text, text != NULL ? strlen(text) : 0},
    };
    tree_put_problem(&s->io->writing, TREE_PROBLEM, &p);
}

/* ---- what the source says ---- */

/* Names at the top are the caller's to choose; names of landline's own are nobody's. */
static int admit(struct sink *s, struct tree_entry *e) {
    if (tree_name_ours(e->name))
        return LL_EPROTOCOL;
    if (s->depth > 0)
        return 0;
    if (s->options->rename != NULL ? s->tops > 0 : !sink_asked(s->options, e->name))
        return LL_EPROTOCOL;
    s->tops++;
    if (s->options->rename != NULL)
        e->name = (struct slice){(const uint8_t *)s->options->rename, strlen(s->options->rename)};
    return tree_name_good(e->name) ? 0 : LL_EFORMAT;
}

static int take_entry(struct sink *s, uint8_t kind, struct slice payload) {
    static int (*const takers[])(struct sink *, const struct tree_entry *) = {
        [TREE_DIR] = sink_enter,       [TREE_FILE] = sink_file, [TREE_WHOLE] = sink_whole,
        [TREE_SYMLINK] = sink_symlink, [TREE_HARD] = sink_hard,
    };
    struct tree_entry entry;
    int e = tree_get_entry(kind, payload, &entry);
    if (e == 0)
        e = admit(s, &entry);
    if (e == 0)
        e = sink_seen_add(s->here, entry.name);
    return e != 0 ? e : takers[kind](s, &entry);
}

static int take_up(struct sink *s, uint8_t kind, struct slice payload) {
    (void)kind;
    return payload.size != 0 ? LL_EFORMAT : sink_leave(s);
}

static int take_data(struct sink *s, uint8_t kind, struct slice payload) {
    if (kind == TREE_PACKED)
        return sink_packed(s, payload);
    struct reader r = reader_of(payload.data, payload.size);
    uint64_t offset = reader_u64(&r);
    struct slice bytes = reader_rest(&r);
    int e = reader_end(&r);
    return e != 0 ? e : sink_data(s, offset, bytes.data, bytes.size);
}

static int take_digest(struct sink *s, uint8_t kind, struct slice payload) {
    uint64_t end, digest;
    (void)kind;
    int e = tree_get_digest(payload, &end, &digest);
    return e != 0 ? e : sink_digest(s, end, digest);
}

static int take_close(struct sink *s, uint8_t kind, struct slice payload) {
    struct tree_close c;
    (void)kind;
    int e = tree_get_close(payload, &c);
    return e != 0 ? e : sink_close(s, &c);
}

static int take_fail(struct sink *s, uint8_t kind, struct slice payload) {
    struct tree_problem p;
    (void)kind;
    int e = tree_get_problem(payload, &p);
    if (e != 0)
        return e;
    char *path = strndup((const char *)p.path.data, p.path.size),
         *text = strndup((const char *)p.text.data, p.text.size);
    s->heard_failures++;
    if (path != NULL && text != NULL)
        report_problem(s->report, path, (int)p.error, text[0] != '\0' ? text : NULL);
    else
        e = -ENOMEM;
    free(path);
    free(text);
    return e;
}

static int take_over(struct sink *s, uint8_t kind, struct slice payload) {
    (void)kind;
    int e = tree_get_over(payload, &s->source_failures);
    if (e == 0 && (s->depth != 0 || s->wanted != 0))
        e = LL_EPROTOCOL;
    s->over = e == 0;
    return e;
}

static int take_total(struct sink *s, uint8_t kind, struct slice payload) {
    uint64_t files, bytes;
    (void)kind;
    int e = tree_get_total(payload, &files, &bytes);
    if (e == 0)
        report_total(s->report, files, bytes);
    return e;
}

static int take(struct sink *s, uint8_t kind, struct slice payload) {
    static const struct {
        uint8_t kind;
        int (*take)(struct sink *, uint8_t, struct slice);
    } rows[] = {
        {TREE_DATA, take_data},     {TREE_PACKED, take_data}, {TREE_DIGEST, take_digest}, {TREE_CLOSE, take_close},
        {TREE_WHOLE, take_entry},   {TREE_FILE, take_entry},  {TREE_DIR, take_entry},     {TREE_UP, take_up},
        {TREE_SYMLINK, take_entry}, {TREE_HARD, take_entry},  {TREE_FAIL, take_fail},     {TREE_OVER, take_over},
        {TREE_TOTAL, take_total},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].kind == kind)
            return rows[i].take(s, kind, payload);
    return LL_EPROTOCOL;
}

/* ---- the whole ---- */

/* Bytes of answers that are written at once: about 128 answers, so that the source goes on while more are found. */
enum { ANSWERS = 2048 };

static int next(struct sink *s) {
    uint8_t kind;
    struct slice payload;
    if (atomic_load(&s->report->stop))
        return LL_EINTERRUPTED;
    int got = transfer_io_next(s->io, false, &kind, &payload);
    if (got == 0) {
        /* Nothing is there: the answers may be what the source waits for. */
        got = transfer_io_flush(s->io);
        if (got == 0)
            got = transfer_io_next(s->io, true, &kind, &payload);
    }
    if (got < 0)
        return got == LL_EOF ? LL_ELOST : got;
    int e = take(s, kind, payload);
    return e != 0 || buf_size(&s->io->writing) < ANSWERS ? e : transfer_io_flush(s->io);
}

static int finish(struct sink *s) {
    struct tree_summary said = *s->summary;
    while (s->batched > 0)
        sink_publish_all(s);
    said = *s->summary;
    s->summary->failures += s->source_failures > s->heard_failures ? s->source_failures : s->heard_failures;
    tree_put_summary(&s->io->writing, &said);
    return transfer_io_flush(s->io);
}

/* After a failure: unfinished things stay where they are for the next attempt, complete ones get their names. */
static void give_up(struct sink *s) {
    s->aborting = true;
    while (s->first != NULL) {
        struct sink_file *f = s->first;
        s->first = f->next;
        sink_drop(s, f);
        sink_file_free(s, f);
    }
    while (s->batched > 0)
        sink_publish_all(s);
    while (s->depth > 0) {
        struct sink_dir *dir = s->here;
        s->here = dir->parent;
        s->depth--;
        sink_dir_release(s, dir);
    }
}

/* A quarter of the descriptors: a batch may hold its files and as many folders, and the walk is in others. */
static unsigned batch_most(void) {
    long most = sysconf(_SC_OPEN_MAX) / 4;
    if (most >= LIMIT_TRANSFER_BATCH)
        return LIMIT_TRANSFER_BATCH;
    return most > 1 ? (unsigned)most : 1;
}

int sink_run(struct transfer_io *io, const struct sink_options *options, struct transfer_report *report,
             struct tree_summary *summary) {
    struct sink_dir base = {.refs = 2, .fd = options->dir};
    struct sink *s = calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    *summary = (struct tree_summary){0};
    *s = (struct sink){
        .io = io, .report = report, .options = options, .summary = summary, .here = &base, .umask = os_umask()};
    s->last = &s->first;
    s->batch_most = batch_most();
    report_begin(report);
    int e = os_boot_id(s->boot);
    if (e == 0 && options->stream < 0 && (options->flags & TREE_DRY_RUN) == 0)
        sink_sweep(options->dir, time(NULL));
    if (options->stream >= 0)
        sink_stream_begin(options->told);
    while (e == 0 && !s->over)
        e = next(s);
    if (e == 0 && options->stream >= 0 && !sink_stream_is_whole(options->told) && summary->failures == 0)
        sink_problem(s, &base, "standard output", ESTALE, "more was written before the link was lost");
    if (e == 0)
        e = finish(s);
    else
        give_up(s);
    atomic_store(&report->all_known, true);
    sink_groups_free(s);
    ZSTD_freeDCtx(s->unpack_context);
    free(s->unpacked);
    free(s);
    return e;
}
