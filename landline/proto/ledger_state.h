/* What a ledger is made of. Internal to ledger*.c. */
#ifndef LANDLINE_PROTO_LEDGER_STATE_H
#define LANDLINE_PROTO_LEDGER_STATE_H

#include "landline/proto/ledger.h"

struct ledger_node {
    struct ledger_entry entry; /* first */
    struct ledger_node *next;  /* in the bucket */
    struct ledger_node *older, *newer;
};

struct ledger {
    uint64_t horizon_ms;
    size_t max_entries;
    uint8_t instance[LEDGER_INSTANCE];
    uint64_t reach_ms;
    bool first_life; /* ledger_first_life() */
    struct ledger_node **buckets;
    size_t bucket_count, count; /* buckets: a power of two, or 0 */
    struct ledger_node *oldest, *newest;
};

/* ledger.c */
struct ledger_node *ledger_look(const struct ledger *l, const struct run_id *id);
struct ledger_node *ledger_insert(struct ledger *l, const struct ledger_entry *entry);

/* ledger_file.c: 0 or the error of the buffer, which then holds what it held before. */
int ledger_put_start(const struct ledger_entry *entry, struct buf *record);
int ledger_put_state(const struct run_id *id, enum ledger_state state, struct buf *record);

#endif
