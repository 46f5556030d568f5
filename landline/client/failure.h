/* Failures in words: what failed, where, why, and what to do next. */
#ifndef LANDLINE_CLIENT_FAILURE_H
#define LANDLINE_CLIENT_FAILURE_H

#include "landline/client.h"
#include "landline/client/dial.h"
#include "landline/client/link.h"
#include "landline/proto/message.h"

/* Fills `out` (may be NULL) and returns `code`. What is not printable is escaped (escape_sentence). */
int failure_set(struct ll_failure *out, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A call failed that has an info; `host` may be NULL. */
int failure_info(struct ll_failure *out, const char *host, int code, const struct ll_error_info *info);

/* Where a connection was to go. */
struct failure_place {
    const char *host, *address;
    const struct tls_pin *expected;
    const struct tls_identity *own;
};

int failure_dial(struct ll_failure *out, const struct failure_place *place, const struct dial_end *end);
int failure_link(struct ll_failure *out, const struct failure_place *place, const struct link_end *end);

/* The server refused a request; `what` says which ("run"). */
int failure_refused(struct ll_failure *out, const char *host, const char *what, const struct message_refused *refused);

#endif
