/* What a transfer tells while it runs. The engines call from their own thread; counters may be read from any. */
#ifndef LANDLINE_TRANSFER_REPORT_H
#define LANDLINE_TRANSFER_REPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transfer_receipt {
    const char *path; /* from the top name of the transfer; raw bytes, to be escaped when printed */
    uint64_t size, digest;
    uint64_t resumed; /* bytes that were there from an earlier attempt */
    bool has_digest;  /* false where none of it was moved */
    bool skipped;     /* it was there already, the same */
};

struct transfer_report {
    void *arg;
    /* Either may be NULL. `error` is an errno, or 0 where `text` says it all; text may be NULL. */
    void (*receipt)(void *arg, const struct transfer_receipt *receipt);
    void (*problem)(void *arg, const char *path, int error, const char *text);

    _Atomic uint64_t bytes;       /* file bytes moved … */
    _Atomic uint64_t earlier;     /* … of them before the line dropped the last time; what follows is since then */
    _Atomic uint64_t held;        /* there before, unchanged or from an earlier attempt: not to be moved */
    _Atomic uint64_t holes;       /* passed over */
    _Atomic uint64_t files;       /* entries done */
    _Atomic uint64_t known_bytes; /* so far announced */
    _Atomic uint64_t known_files;
    _Atomic uint64_t total_bytes; /* what there will be, where it was counted ahead; else 0 */
    _Atomic uint64_t total_files;
    _Atomic bool all_known; /* nothing more will be announced */
    _Atomic bool stop;      /* set by the owner: end soon, in a state that can be resumed */
};

/* A transfer begins, or begins again on a new line. */
void report_begin(struct transfer_report *report);
void report_total(struct transfer_report *report, uint64_t files, uint64_t bytes);
void report_problem(struct transfer_report *report, const char *path, int error, const char *text);
void report_receipt(struct transfer_report *report, const struct transfer_receipt *receipt);

#endif
