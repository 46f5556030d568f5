#include "landline/transfer/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"
#include "landline/transfer/source_state.h"
#include "lib/os/clock.h"

/* ---- the queues ---- */

struct source_file *source_push(struct source_queue *q) {
    return &q->files[(q->first + q->count++) % TREE_PENDING];
}

struct source_file *source_first(struct source_queue *q) {
    return q->count == 0 ? NULL : &q->files[q->first];
}

void source_pop(struct source_queue *q) {
    q->first = (q->first + 1) % TREE_PENDING;
    q->count--;
}

void source_file_release(struct source_file *f) {
    source_dir_release(f->dir);
    free(f->name);
}

static void empty_queue(struct source_queue *q) {
    for (; q->count > 0; source_pop(q))
        source_file_release(source_first(q));
}

/* ---- reports ---- */

void source_path(const struct source_dir *dir, const char *name, char *out, size_t size) {
    /* From the end, because only the parents are linked. */
    size_t at = size - 1, n = strlen(name);
    out[at] = '\0';
    for (bool first = true;; first = false) {
        if (n + 1 > at)
            break;
        if (!first)
            out[--at] = '/';
        at -= n;
        memcpy(out + at, name, n);
        if (dir == NULL)
            break;
        name = dir->name;
        n = strlen(name);
        dir = dir->parent;
    }
    memmove(out, out + at, size - at);
}

void source_fail(struct source *s, const struct source_dir *dir, const char *name, int error, const char *text) {
    char path[4096];
    source_path(dir, name, path, sizeof path);
    s->failures++;
    report_problem(s->report, path, error, text);
    struct tree_problem p = {
        .error = (uint32_t)error,
        .path = {(const uint8_t *)path, strlen(path)},
        .text = {(const uint8_t *)text, text != NULL ? strlen(text) : 0},
    };
    tree_put_problem(&s->io->writing, TREE_FAIL, &p);
}

/* ---- what the sink says ---- */

static int hear_answer(struct source *s, struct slice payload) {
    uint8_t answer;
    uint64_t offset;
    int e = tree_get_answer(payload, &answer, &offset);
    struct source_file *f = source_first(&s->asked);
    if (e == 0 && (f == NULL || (offset > f->size && answer == TREE_WANT)))
        e = LL_EPROTOCOL;
    if (e != 0)
        return e;
    if (answer == TREE_WANT) {
        f->offset = offset;
        *source_push(&s->wanted) = *f;
        atomic_fetch_add(&s->report->held, offset);
    } else {
        atomic_fetch_add(&s->report->held, f->size == TREE_SIZE_UNKNOWN ? 0 : f->size);
        atomic_fetch_add(&s->report->files, 1);
        source_file_release(f);
    }
    source_pop(&s->asked);
    return 0;
}

static int hear_mode(struct source *s, struct slice payload) {
    return tree_get_mode(payload, &s->whole);
}

static int hear_problem(struct source *s, struct slice payload) {
    struct tree_problem p;
    int e = tree_get_problem(payload, &p);
    if (e != 0)
        return e;
    char *path = strndup((const char *)p.path.data, p.path.size),
         *text = strndup((const char *)p.text.data, p.text.size);
    if (path != NULL && text != NULL)
        report_problem(s->report, path, (int)p.error, text[0] != '\0' ? text : NULL);
    else
        e = -ENOMEM;
    free(path);
    free(text);
    return e;
}

static int hear_summary(struct source *s, struct slice payload) {
    int e = s->over ? tree_get_summary(payload, s->summary) : LL_EPROTOCOL;
    if (e == 0 && s->begun != NULL)
        e = LL_EPROTOCOL;
    s->finished = e == 0;
    return e;
}

static int hear_one(struct source *s, uint8_t kind, struct slice payload) {
    static const struct {
        uint8_t kind;
        int (*hear)(struct source *, struct slice);
    } rows[] = {
        {TREE_ANSWER, hear_answer},   {TREE_MODE, hear_mode},       {TREE_PROBLEM, hear_problem},
        {TREE_PROVED, source_proved}, {TREE_SUMMARY, hear_summary},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].kind == kind)
            return rows[i].hear(s, payload);
    return LL_EPROTOCOL;
}

/* Hears everything that is there; with `wait`, at least one record. */
static int hear(struct source *s, bool wait) {
    uint8_t kind;
    struct slice payload;
    int e = wait ? transfer_io_flush(s->io) : 0;
    while (e == 0 && !s->finished) {
        int got = transfer_io_next(s->io, wait, &kind, &payload);
        if (got == 0)
            break;
        if (got < 0)
            return got == LL_EOF ? LL_ELOST : got;
        wait = false;
        e = hear_one(s, kind, payload);
    }
    return e;
}

/* ---- the whole ---- */

/* So many announcements are written at once: few system calls, and the sink looks while the walk goes on. */
enum { ANNOUNCED = 256 };

static int settle(struct source *s) {
    if (s->unheard < ANNOUNCED)
        return transfer_io_settle(s->io);
    s->unheard = 0;
    return transfer_io_flush(s->io);
}

static int walk(struct source *s, bool *done) {
    int e = source_walk(s, done);
    if ((s->options->flags & TREE_TOTALS) == 0)
        return e;
    if (*done)
        source_count_end(s, true);
    else if (e == 0)
        e = source_count(s);
    return e;
}

static int step(struct source *s, bool *walked) {
    int e = 0;
    if (atomic_load(&s->report->stop))
        return LL_EINTERRUPTED;
    if (s->wanted.count > 0)
        e = source_send(s);
    bool full = s->asked.count + s->wanted.count + 64 > TREE_PENDING;
    if (e == 0 && !*walked && !full)
        e = walk(s, walked);
    if (e == 0 && *walked && !s->over && s->asked.count + s->wanted.count == 0) {
        tree_put_over(&s->io->writing, s->failures);
        s->over = true;
    }
    if (e != 0)
        return e;
    bool idle = s->wanted.count == 0 && (*walked || full);
    return idle ? hear(s, true) : hear(s, false);
}

int source_run(struct transfer_io *io, const struct source_root *roots, size_t count,
               const struct source_options *options, struct transfer_report *report, struct tree_summary *summary) {
    struct source *s = calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    *s = (struct source){.io = io,
                         .report = report,
                         .options = options,
                         .summary = summary,
                         .roots = roots,
                         .root_count = count,
                         .whole = (options->flags & TREE_FRESH) != 0,
                         .fd = -1,
                         .failures = options->failures,
                         .began = clock_now(),
                         .piece = (options->flags & TREE_SPLITS) != 0 ? TREE_PIECE_SPLIT : TREE_PIECE,
                         .scratch = malloc(TREE_PIECE)};
    int e = s->scratch == NULL ? -ENOMEM : 0;
    bool walked = false;
    s->begun_last = &s->begun;
    io->spreads = true;
    report_begin(report);
    while (e == 0 && !s->finished) {
        e = step(s, &walked);
        atomic_store(&report->all_known, walked);
        if (e == 0)
            e = settle(s);
    }
    if (s->finished)
        summary->failures += s->failures;
    source_count_end(s, false);
    empty_queue(&s->asked);
    empty_queue(&s->wanted);
    source_walk_free(s);
    source_send_free(s);
    source_pack_free(s);
    source_groups_free(s);
    free(s->scratch);
    free(s);
    return e;
}
