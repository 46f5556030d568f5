/* A ledger as a file: records of fixed size, each with a checksum.
 *
 *      epoch   u8 1, 16 bytes instance, u64 reach_ms, u32 check
 *      start   u8 2, 16 bytes id, 32 bytes key, 16 bytes fingerprint, u64 at_ms, u8 state, u32 check
 *      state   u8 3, 16 bytes id, u8 state, u32 check
 *
 * check is XXH32 of the bytes before it. */
#include "landline/proto/ledger.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "landline/error.h"
#include "landline/proto/ledger_state.h"
#include "landline/proto/run_fields.h"

enum record {
    RECORD_EPOCH = 1,
    RECORD_START = 2,
    RECORD_STATE = 3,
};

enum { CHECK = 4 };

/* By kind; 0 for none. */
static const size_t sizes[256] = {
    [RECORD_EPOCH] = 1 + LEDGER_INSTANCE + 8 + CHECK,
    [RECORD_START] = 1 + RUN_ID_SIZE + LEDGER_KEY + RUN_PRINT_SIZE + 8 + 1 + CHECK,
    [RECORD_STATE] = 1 + RUN_ID_SIZE + 1 + CHECK,
};

static int finish(struct buf *b, size_t mark) {
    if (b->failed == 0)
        buf_add_u32(b, XXH32(buf_front(b) + mark, buf_size(b) - mark, 0));
    int e = b->failed;
    if (e < 0) {
        b->end = b->start + mark;
        b->failed = 0;
    }
    return e;
}

int ledger_epoch(const struct ledger *l, struct buf *record) {
    size_t mark = buf_size(record);
    buf_add_u8(record, RECORD_EPOCH);
    buf_add(record, l->instance, LEDGER_INSTANCE);
    buf_add_u64(record, l->reach_ms);
    return finish(record, mark);
}

int ledger_put_start(const struct ledger_entry *entry, struct buf *record) {
    size_t mark = buf_size(record);
    buf_add_u8(record, RECORD_START);
    run_id_put(record, &entry->id);
    buf_add(record, entry->key, LEDGER_KEY);
    buf_add(record, entry->fingerprint, RUN_PRINT_SIZE);
    buf_add_u64(record, entry->at_ms);
    buf_add_u8(record, (uint8_t)entry->state);
    return finish(record, mark);
}

int ledger_put_state(const struct run_id *id, enum ledger_state state, struct buf *record) {
    size_t mark = buf_size(record);
    buf_add_u8(record, RECORD_STATE);
    run_id_put(record, id);
    buf_add_u8(record, (uint8_t)state);
    return finish(record, mark);
}

int ledger_dump(const struct ledger *l, struct buf *out) {
    int e = ledger_epoch(l, out);
    for (const struct ledger_node *at = l->oldest; at != NULL && e == 0; at = at->newer)
        e = ledger_put_start(&at->entry, out);
    return e;
}

/* --- reading --- */

static int load_epoch(struct ledger *l, struct reader *r, uint64_t now_ms) {
    struct slice instance = reader_bytes(r, LEDGER_INSTANCE);
    uint64_t reach = reader_u64(r);
    memcpy(l->instance, instance.data, LEDGER_INSTANCE);
    l->reach_ms = reach < now_ms ? reach : now_ms;
    return 0;
}

static int load_start(struct ledger *l, struct reader *r, uint64_t now_ms) {
    struct ledger_entry entry = {.id = run_fields_get_id(r)};
    memcpy(entry.key, reader_bytes(r, LEDGER_KEY).data, LEDGER_KEY);
    memcpy(entry.fingerprint, reader_bytes(r, RUN_PRINT_SIZE).data, RUN_PRINT_SIZE);
    entry.at_ms = reader_u64(r);
    if (entry.at_ms > now_ms)
        entry.at_ms = now_ms;
    uint8_t state = reader_u8(r);
    if (state > LEDGER_EXPIRED || ledger_look(l, &entry.id) != NULL)
        return LL_EFORMAT;
    entry.state = state;
    return ledger_insert(l, &entry) != NULL ? 0 : -ENOMEM;
}

static int load_state(struct ledger *l, struct reader *r, uint64_t now_ms) {
    (void)now_ms;
    struct run_id id = run_fields_get_id(r);
    uint8_t state = reader_u8(r);
    struct ledger_node *node = ledger_look(l, &id);
    if (state > LEDGER_EXPIRED)
        return LL_EFORMAT;
    if (node != NULL) /* else it was forgotten before the file was */
        node->entry.state = state;
    return 0;
}

static int (*const loaders[256])(struct ledger *, struct reader *, uint64_t) = {
    [RECORD_EPOCH] = load_epoch,
    [RECORD_START] = load_start,
    [RECORD_STATE] = load_state,
};

/* The size of the record at `bytes`, 0 where there is no good one. */
static size_t record_at(const uint8_t *bytes, size_t n) {
    size_t size = n > 0 ? sizes[bytes[0]] : 0;
    if (size == 0 || size > n)
        return 0;
    struct reader r = reader_of(bytes + size - CHECK, CHECK);
    return reader_u32(&r) == XXH32(bytes, size - CHECK, 0) ? size : 0;
}

int ledger_load(struct ledger *l, const void *bytes, size_t n, uint64_t now_ms, size_t *used) {
    const uint8_t *at = bytes;
    int e = 0;
    *used = 0;
    l->first_life = false;
    while (*used < n && e == 0) {
        size_t size = record_at(at + *used, n - *used);
        if (size == 0) {
            e = LL_EFORMAT;
            break;
        }
        struct reader r = reader_of(at + *used + 1, size - 1 - CHECK);
        e = loaders[at[*used]](l, &r, now_ms);
        if (e == 0)
            *used += size;
    }
    for (struct ledger_node *node = l->oldest; node != NULL; node = node->newer)
        if (node->entry.state == LEDGER_RUNNING && node->entry.run == NULL)
            node->entry.state = LEDGER_LOST;
    return e;
}

bool ledger_torn(const void *bytes, size_t n, size_t used) {
    const uint8_t *at = bytes;
    return used < n && sizes[at[used]] > n - used;
}
