/* Results of the protocol as the public client shows them. */
#ifndef LANDLINE_CLIENT_RESULT_H
#define LANDLINE_CLIENT_RESULT_H

#include "landline/client.h"
#include "landline/proto/run.h"

struct call;

/* Of a call that has its result. */
void result_of_call(struct ll_result *out, const struct call *call);
void result_fill(struct ll_result *out, const struct run_result *r, bool verified);

#endif
