#include "landline/proto/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "landline/error.h"
#include "landline/proto/ledger_state.h"
#include "lib/base/limits.h"

enum { FEWEST = 64 };

struct ledger *ledger_new(const struct ledger_config *config, const uint8_t instance[LEDGER_INSTANCE],
                          uint64_t now_ms) {
    struct ledger *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->horizon_ms = config->horizon_ms > 0 ? config->horizon_ms : LIMIT_LEDGER_HORIZON_MS;
    l->max_entries = config->max_entries > 0 ? config->max_entries : LIMIT_LEDGER_ENTRIES;
    ledger_forget_past(l, instance, now_ms);
    return l;
}

void ledger_free(struct ledger *l) {
    if (l == NULL)
        return;
    for (struct ledger_node *at = l->oldest, *next; at != NULL; at = next) {
        next = at->newer;
        free(at);
    }
    free(l->buckets);
    free(l);
}

/* --- the table --- */

static struct ledger_node *node_of(const struct ledger_entry *entry) {
    return (struct ledger_node *)(void *)entry; /* the entry is its first member */
}

/* Clients choose ids; a seed that they cannot know keeps them from choosing collisions. */
static struct ledger_node **bucket_of(const struct ledger *l, const struct run_id *id) {
    return &l->buckets[XXH64(id->bytes, RUN_ID_SIZE, (uintptr_t)l) & (l->bucket_count - 1)];
}

struct ledger_node *ledger_look(const struct ledger *l, const struct run_id *id) {
    if (l->bucket_count == 0)
        return NULL;
    struct ledger_node *at = *bucket_of(l, id);
    while (at != NULL && !run_id_equal(&at->entry.id, id))
        at = at->next;
    return at;
}

static int grow(struct ledger *l) {
    size_t count = l->bucket_count > 0 ? l->bucket_count * 2 : FEWEST;
    struct ledger_node **buckets = calloc(count, sizeof(struct ledger_node *));
    if (buckets == NULL)
        return -ENOMEM;
    free(l->buckets);
    l->buckets = buckets;
    l->bucket_count = count;
    for (struct ledger_node *at = l->oldest; at != NULL; at = at->newer) {
        struct ledger_node **bucket = bucket_of(l, &at->entry.id);
        at->next = *bucket;
        *bucket = at;
    }
    return 0;
}

struct ledger_node *ledger_insert(struct ledger *l, const struct ledger_entry *entry) {
    if (l->count >= l->bucket_count && grow(l) < 0)
        return NULL;
    struct ledger_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->entry = *entry;
    struct ledger_node **bucket = bucket_of(l, &entry->id);
    node->next = *bucket;
    *bucket = node;
    node->older = l->newest;
    if (l->newest != NULL)
        l->newest->newer = node;
    else
        l->oldest = node;
    l->newest = node;
    l->count++;
    return node;
}

static void take_out(struct ledger *l, struct ledger_node *node) {
    struct ledger_node **at = bucket_of(l, &node->entry.id);
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    *(node->older != NULL ? &node->older->newer : &l->oldest) = node->newer;
    *(node->newer != NULL ? &node->newer->older : &l->newest) = node->older;
    l->count--;
    free(node);
}

/* A forgotten id was recorded at at_ms, so it was first sent before: with the reach there it can never again be proved to be
 * new. */
static void forget(struct ledger *l, struct ledger_node *node) {
    if (node->entry.at_ms > l->reach_ms)
        l->reach_ms = node->entry.at_ms;
    l->first_life = false;
    take_out(l, node);
}

/* --- the question --- */

static bool may_touch(const struct ledger_entry *entry, const uint8_t *key, bool others) {
    return others || memcmp(entry->key, key, LEDGER_KEY) == 0;
}

struct ledger_entry *ledger_find(struct ledger *l, const uint8_t key[LEDGER_KEY], bool others,
                                 const struct run_id *id) {
    struct ledger_node *node = ledger_look(l, id);
    return node != NULL && may_touch(&node->entry, key, others) ? &node->entry : NULL;
}

enum ledger_verdict ledger_judge(struct ledger *l, const uint8_t key[LEDGER_KEY], bool others,
                                 const struct run_request *request, uint64_t sent_ms, struct ledger_entry **entry) {
    struct ledger_node *node = ledger_look(l, &request->id);
    *entry = NULL;
    if (node ==
        NULL) /* whatever was started under it was recorded after it was sent: all that is remembered, or nothing was */
        return l->first_life || sent_ms > l->reach_ms ? LEDGER_START : LEDGER_UNKNOWN_RUN;
    if (!may_touch(&node->entry, key, others))
        return LEDGER_UNKNOWN_RUN;
    uint8_t fingerprint[RUN_PRINT_SIZE];
    run_request_fingerprint(request, fingerprint);
    if (memcmp(fingerprint, node->entry.fingerprint, sizeof fingerprint) != 0)
        return LEDGER_CONFLICT;
    if (node->entry.state == LEDGER_EXPIRED)
        return LEDGER_UNKNOWN_RUN;
    *entry = &node->entry;
    return LEDGER_ATTACH;
}

/* --- what happens --- */

static bool needed(const struct ledger_node *node) {
    return node->entry.run != NULL || node->entry.state == LEDGER_RUNNING;
}

static int make_room(struct ledger *l) {
    for (struct ledger_node *at = l->oldest, *next; at != NULL && l->count >= l->max_entries; at = next) {
        next = at->newer;
        if (!needed(at))
            forget(l, at);
    }
    return l->count < l->max_entries ? 0 : LL_ELIMIT;
}

int ledger_start(struct ledger *l, const uint8_t key[LEDGER_KEY], const struct run_request *request, uint64_t now_ms,
                 struct ledger_entry **entry, struct buf *record) {
    int e = make_room(l);
    if (e < 0)
        return e;
    struct ledger_entry fresh = {.id = request->id, .at_ms = now_ms, .state = LEDGER_RUNNING};
    memcpy(fresh.key, key, LEDGER_KEY);
    run_request_fingerprint(request, fresh.fingerprint);
    struct ledger_node *node = ledger_insert(l, &fresh);
    if (node == NULL)
        return -ENOMEM;
    e = ledger_put_start(&node->entry, record);
    if (e < 0)
        take_out(l, node);
    else
        *entry = &node->entry;
    return e;
}

int ledger_set_state(struct ledger *l, struct ledger_entry *entry, enum ledger_state state, struct buf *record) {
    (void)l;
    int e = ledger_put_state(&entry->id, state, record);
    if (e == 0)
        entry->state = state;
    return e;
}

void ledger_unstart(struct ledger *l, struct ledger_entry *entry) {
    take_out(l, node_of(entry));
}

size_t ledger_expire(struct ledger *l, uint64_t now_ms) {
    size_t forgotten = 0;
    for (struct ledger_node *at = l->oldest, *next; at != NULL; at = next) {
        next = at->newer;
        if (at->entry.at_ms + l->horizon_ms >= now_ms)
            break;
        if (needed(at))
            continue;
        forget(l, at);
        forgotten++;
    }
    return forgotten;
}

void ledger_forget_past(struct ledger *l, const uint8_t instance[LEDGER_INSTANCE], uint64_t now_ms) {
    memcpy(l->instance, instance, LEDGER_INSTANCE);
    l->reach_ms = now_ms;
    l->first_life = false;
}

void ledger_first_life(struct ledger *l) {
    l->first_life = true;
}

/* --- what it is --- */

const uint8_t *ledger_instance(const struct ledger *l) {
    return l->instance;
}

uint64_t ledger_reach(const struct ledger *l) {
    return l->reach_ms;
}

uint32_t ledger_horizon_s(const struct ledger *l) {
    uint64_t s = l->horizon_ms / 1000;
    return s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

size_t ledger_count(const struct ledger *l) {
    return l->count;
}

struct ledger_entry *ledger_each(const struct ledger *l, const struct ledger_entry *entry) {
    struct ledger_node *node = entry == NULL ? l->oldest : node_of(entry)->newer;
    return node != NULL ? &node->entry : NULL;
}
