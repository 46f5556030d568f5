/* An output of ours (standard output, standard error) that others may be slow to read: what does not fit now waits here,
 * and the loop goes on. The open file that others share with us is left as it is: no O_NONBLOCK on it. */
#ifndef LANDLINE_CLI_OUTLET_H
#define LANDLINE_CLI_OUTLET_H

#include <stdbool.h>
#include <stddef.h>

#include "landline/loop.h"
#include "lib/base/buf.h"

struct outlet;
/* n more bytes that had waited were written, or will never be: the outlet is broken. */
typedef void outlet_fn(void *arg, size_t n);

int outlet_new(struct outlet **out, ll_loop *loop, int fd, outlet_fn *written, void *arg);
void outlet_free(struct outlet *outlet);

/* Writes what fits, keeps the rest; returns how many bytes are dealt with already. A broken outlet swallows all. */
size_t outlet_write(struct outlet *outlet, const void *bytes, size_t n);

/* Bytes that wait. */
size_t outlet_waiting(const struct outlet *outlet);
/* 0, or the -errno that broke it. */
int outlet_error(const struct outlet *outlet);

#endif
