/* Results of the protocol as the public client shows them. */
#ifndef LANDLINE_CLIENT_RESULT_H
#define LANDLINE_CLIENT_RESULT_H

#include "landline/client.h"
#include "landline/proto/run.h"

void result_fill(struct ll_result *out, const struct run_result *r, bool verified);

#endif
