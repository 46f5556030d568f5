#include "landline/transfer/report.h"

void report_begin(struct transfer_report *report) {
    atomic_store(&report->earlier, atomic_load(&report->bytes));
    atomic_store(&report->held, 0);
    atomic_store(&report->holes, 0);
    atomic_store(&report->files, 0);
    atomic_store(&report->known_bytes, 0);
    atomic_store(&report->known_files, 0);
    atomic_store(&report->all_known, false);
}

void report_total(struct transfer_report *report, uint64_t files, uint64_t bytes) {
    atomic_store(&report->total_bytes, bytes);
    atomic_store(&report->total_files, files);
}

void report_problem(struct transfer_report *report, const char *path, int error, const char *text) {
    if (report->problem != NULL)
        report->problem(report->arg, path, error, text);
}

void report_receipt(struct transfer_report *report, const struct transfer_receipt *receipt) {
    atomic_fetch_add(&report->files, 1);
    if (report->receipt != NULL)
        report->receipt(report->arg, receipt);
}
