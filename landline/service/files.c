#include "landline/service/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/transfer/place.h"
#include "landline/transfer/sink.h"
#include "landline/transfer/source.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/limits.h"
#include "lib/os/paths.h"
#include "lib/os/tree.h"

void files_job_put(struct buf *b, const struct files_job *job) {
    buf_add_u8(b, job->kind);
    buf_add_str32(b, job->root.data, job->root.size);
    buf_add_str32(b, job->audit.data, job->audit.size);
    buf_add_str32(b, job->request.data, job->request.size);
}

int files_job_get(struct slice bytes, struct files_job *job) {
    struct reader r = reader_of(bytes.data, bytes.size);
    job->kind = reader_u8(&r);
    job->root = reader_str32(&r);
    job->audit = reader_str32(&r);
    job->request = reader_str32(&r);
    if (job->kind != FILES_GET && job->kind != FILES_PUT)
        reader_fail(&r);
    return reader_end(&r);
}

struct worker {
    struct ring ring; /* under io, where there is one … */
    struct lines streams;
    const struct files_job *job;
    struct transfer_io io;
    struct transfer_report report;
    struct place_base base;
    int audit;
    struct buf lines; /* whole lines only, so that an append is one */
};

/* ---- the audit log ---- */

enum { LINES = 64 * 1024 };

static void write_lines(struct worker *w) {
    size_t n = buf_size(&w->lines);
    if (n > 0 && write(w->audit, buf_front(&w->lines), n) != (ssize_t)n)
        w->audit = -1; /* a full disk: the transfer goes on, what it did is in the client's receipts */
    buf_clear(&w->lines);
}

static void note_receipt(void *arg, const struct transfer_receipt *receipt) {
    struct worker *w = arg;
    char text[160];
    if (w->audit < 0 || !receipt->has_digest)
        return;
    buf_add(&w->lines, w->job->audit.data, w->job->audit.size);
    buf_add(&w->lines, ",\"path\":", 8);
    json_string(&w->lines, receipt->path, strlen(receipt->path));
    int n = snprintf(text, sizeof text, ",\"bytes\":%llu,\"digest\":\"%016llx\"}\n", (unsigned long long)receipt->size,
                     (unsigned long long)receipt->digest);
    buf_add(&w->lines, text, (size_t)n);
    if (buf_size(&w->lines) > LINES)
        write_lines(w);
}

/* ---- get ---- */

/* The sources that the request names; what is not there is told to the sink at once. */
static int find_sources(struct worker *w, const struct tree_get *get, struct place_sources *sources,
                        struct source_options *options, struct ll_error_info *info) {
    struct reader paths = reader_of(get->paths.data, get->paths.size);
    int e = 0;
    for (uint32_t i = 0; e == 0 && i < get->count; i++) {
        struct slice path = reader_str32(&paths);
        char *text = strndup((const char *)path.data, path.size);
        if (text == NULL)
            return error_at(info, -ENOMEM, "get", NULL);
        int failure = place_sources(&w->base, text, true, sources, NULL);
        if (failure < -4095) {
            e = error_at(info, failure, "get", text);
        } else if (failure != 0) {
            struct tree_problem problem = {.error = (uint32_t)-failure, .path = path};
            tree_put_problem(&w->io.writing, TREE_FAIL, &problem);
            options->failures++;
        }
        free(text);
    }
    return e;
}

struct twins {
    struct worker *w;
    struct source_options *options;
};

static void tell_twin(void *arg, const char *name) {
    static const char why[] = "two sources have this name: only the first is sent";
    const struct twins *twins = arg;
    struct tree_problem problem = {.path = {(const uint8_t *)name, strlen(name)},
                                   .text = {(const uint8_t *)why, sizeof why - 1}};
    tree_put_problem(&twins->w->io.writing, TREE_FAIL, &problem);
    twins->options->failures++;
}

static int do_get(struct worker *w, struct ll_error_info *info) {
    struct tree_get get;
    struct place_sources sources = {0};
    struct tree_summary summary;
    int e = tree_get_get(w->job->request, &get);
    if (e != 0)
        return error_at(info, e, "get", "the request");
    struct source_options options = {.flags = get.flags, .compress = get.compress};
    e = find_sources(w, &get, &sources, &options, info);
    if (e == 0 && (get.flags & TREE_LIST) == 0 &&
        place_drop_twins(&sources, tell_twin, &(struct twins){w, &options}) < 0)
        e = error_at(info, -ENOMEM, "get", NULL);
    if (e == 0) {
        w->io.rate = get.rate;
        e = source_run(&w->io, sources.roots, sources.count, &options, &w->report, &summary);
        error_at(info, e, "get", NULL);
    }
    place_free(&sources);
    return e;
}

/* ---- put ---- */

static int do_put(struct worker *w, struct ll_error_info *info) {
    struct tree_put put;
    struct tree_summary summary;
    struct place_target target = {.dir = -1};
    int e = tree_get_put(w->job->request, &put);
    if (e != 0)
        return error_at(info, e, "put", "the request");
    char *path = strndup((const char *)put.destination.data, put.destination.size);
    e = path == NULL ? error_at(info, -ENOMEM, "put", NULL)
                     : place_target(&w->base, path, (put.flags & TREE_INTO) != 0, &target, info);
    if (e == 0) {
        struct sink_options options = {
            .dir = target.dir, .rename = target.rename, .flags = put.flags, .overwrite = put.overwrite, .stream = -1};
        e = sink_run(&w->io, &options, &w->report, &summary);
        error_at(info, e, "put", path);
        close(target.dir);
        free(target.rename);
    }
    free(path);
    return e;
}

/* ---- the worker ---- */

static int open_base(struct worker *w, struct ll_error_info *info) {
    char home[PATHS_SIZE];
    w->base.confined = w->job->root.size > 0;
    if (w->base.confined) {
        if (w->job->root.size >= sizeof home)
            return error_at(info, -ENAMETOOLONG, "open", "the grant's root");
        memcpy(home, w->job->root.data, w->job->root.size);
        home[w->job->root.size] = '\0';
    } else if (paths_home(home) != 0) {
        memcpy(home, "/", 2);
    }
    w->base.dir = os_tree_open(AT_FDCWD, home, O_RDONLY | O_DIRECTORY, 0, OS_TREE_PLAIN);
    return w->base.dir < 0 ? error_at(info, w->base.dir, "open", home) : 0;
}

static int open_line(struct worker *w, const struct files_line *line) {
    if (line->memory < 0)
        return transfer_io_init(&w->io, line->in, line->out);
    int e = ring_open(&w->ring, line->memory, line->in, false);
    lines_begin(&w->streams, &w->ring, line->control);
    return e != 0 ? e : transfer_io_init_lines(&w->io, &w->streams);
}

int files_work(const struct files_job *job, const struct files_line *line, int audit, struct ll_error_info *info) {
    struct worker w = {.job = job, .audit = job->audit.size > 0 ? audit : -1, .base = {.dir = -1}};
    os_raise_descriptors();
    buf_init(&w.lines, 4 * LINES);
    w.report.arg = &w;
    w.report.receipt = w.audit >= 0 ? note_receipt : NULL;
    int e = open_line(&w, line);
    if (e != 0)
        error_at(info, e, "start", "the file worker");
    if (e == 0)
        e = open_base(&w, info);
    if (e == 0)
        e = job->kind == FILES_GET ? do_get(&w, info) : do_put(&w, info);
    if (w.audit >= 0)
        write_lines(&w);
    if (w.base.dir >= 0)
        close(w.base.dir);
    transfer_io_free(&w.io);
    lines_end(&w.streams);
    ring_close(&w.ring);
    buf_free(&w.lines);
    return e;
}
