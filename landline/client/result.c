#include "landline/client/result.h"

#include "landline/proto/call.h"
#include "lib/base/escape.h"

void result_of_call(struct ll_result *out, const struct call *call) {
    result_fill(out, call_result(call), call_verified(call, 1) && call_verified(call, 2));
    out->missed_output = call_dropped(call, 1);
    out->missed_errors = call_dropped(call, 2);
}

void result_fill(struct ll_result *out, const struct run_result *r, bool verified) {
    *out = (struct ll_result){.ending = (enum ll_ending)r->kind,
                              .code = (int)r->code,
                              .error = (int)r->error,
                              .core_dumped = (r->flags & RUN_CORE_DUMPED) != 0,
                              .output_cut = (r->flags & RUN_OUTPUT_CUT) != 0,
                              .started_ms = r->started,
                              .ended_ms = r->ended,
                              .input = r->total0,
                              .output = r->total1,
                              .errors = r->total2,
                              .output_digest = r->digest1,
                              .errors_digest = r->digest2,
                              .verified = verified,
                              .dropped_output = r->dropped1,
                              .dropped_errors = r->dropped2,
                              .user_us = r->user_us,
                              .system_us = r->system_us,
                              .max_rss_kib = r->maxrss_kib};
    escape_sentence(out->text, sizeof out->text, r->text.data, r->text.size);
}
