/* What a transfer shows while it runs and when it is over: the progress line, problems, receipts, the closing line. The engine
 * calls from its own thread, the timer from the loop: one lock around all that is printed. */
#ifndef LANDLINE_CLI_PROGRESS_H
#define LANDLINE_CLI_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "landline/proto/tree.h"
#include "landline/transfer/report.h"

struct progress {
    struct transfer_report report; /* for the engine */
    const char *host;
    bool quiet, json;
    bool dry_run;

    pthread_mutex_t lock;
    bool on_terminal, shown; /* shown: a line stands on the terminal */
    int64_t began, last_shown, last_moved;
    uint64_t last_bytes, best; /* best: the most bytes done that were shown; the line never goes back */
    unsigned percent;          /* the same of the percentage */
    double rate;               /* bytes a second, smoothed */
    uint64_t problems;
};

/* `fd` is where people look, standard error. */
void progress_begin(struct progress *p, const char *host, bool quiet, bool json, bool dry_run);
/* Shows how far it is; call several times a second. */
void progress_tick(struct progress *p);
/* Takes the line away, so that something else can be printed. */
void progress_clear(struct progress *p);
/* The closing line, or object. `summary` is the sink's; failed: the transfer as a whole did not succeed. */
void progress_end(struct progress *p, const struct tree_summary *summary, bool failed);

/* The line, at most `columns` wide; pure, for tests. */
struct progress_state {
    uint64_t done, known, files, known_files;
    bool all_known;
    double rate;
    int64_t stalled_ns, elapsed_ns;
    unsigned least; /* a percentage that was shown before: none below it is */
};
unsigned progress_percent(const struct progress_state *state);
void progress_line(char *out, size_t size, unsigned columns, const struct progress_state *state);

#endif
