/* From the options of a run to the request of the protocol (docs/PROTOCOL.md section 7.2). */
#ifndef LANDLINE_CLIENT_REQUEST_H
#define LANDLINE_CLIENT_REQUEST_H

#include "landline/client.h"
#include "landline/proto/call.h"

/* A call for these options, with an id of its own. 0, -EINVAL where they contradict each other, LL_ELIMIT, -ENOMEM. */
int request_call(struct call **out, const struct ll_run_options *options, uint64_t unix_ms);
int request_attach_call(struct call **out, const struct ll_attach_options *options, uint64_t unix_ms);

#endif
