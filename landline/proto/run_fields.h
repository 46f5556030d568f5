/* Pieces that several messages of the run family share. Internal to run_*.c. */
#ifndef LANDLINE_PROTO_RUN_FIELDS_H
#define LANDLINE_PROTO_RUN_FIELDS_H

#include "landline/proto/run.h"

void run_fields_put_size(struct buf *b, const struct run_window_size *size);
struct run_window_size run_fields_get_size(struct reader *r);
struct run_id run_fields_get_id(struct reader *r);
bool run_fields_has_nul(struct slice s);
/* Overwrites integers in an encoded message. */
void run_fields_write_u64(uint8_t *out, uint64_t v);

#endif
