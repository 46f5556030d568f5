/* The audit log: one line of JSON per run or transfer, appended whole, so that lines of several writers never mix.
 * Bytes that are no valid UTF-8 or would not print are \u00XX escapes of themselves. */
#ifndef LANDLINE_SERVICE_AUDIT_H
#define LANDLINE_SERVICE_AUDIT_H

#include <stddef.h>
#include <stdint.h>

#include "landline/proto/run.h"
#include "landline/service/exchange.h"
#include "lib/base/buf.h"

/* Opens the log for appending, 0600: a descriptor or -errno. */
int audit_open(const char *path);

/* Members of an object: ,"name":value. */
void audit_text(struct buf *line, const char *name, const void *bytes, size_t n);
void audit_number(struct buf *line, const char *name, uint64_t value);
/* A time in unix_ms as "2026-01-31T12:00:00.000Z". */
void audit_time(struct buf *line, const char *name, uint64_t unix_ms);

/* Who and what, as members without the braces; to be freed. NULL: no memory. */
char *audit_describe(const struct peer *peer, const struct run_request *request);

/* Adds {"members"} and a newline to what is to be written. */
void audit_gather(struct buf *lines, const struct buf *line);
/* Writes whole lines, which are gone then also if it failed. */
void audit_write(int fd, struct buf *lines);

#endif
