#include "landline/transfer/report.h"

void report_problem(struct transfer_report *report, const char *path, int error, const char *text) {
    if (report->problem != NULL)
        report->problem(report->arg, path, error, text);
}

void report_receipt(struct transfer_report *report, const struct transfer_receipt *receipt) {
    atomic_fetch_add(&report->files, 1);
    if (report->receipt != NULL)
        report->receipt(report->arg, receipt);
}
