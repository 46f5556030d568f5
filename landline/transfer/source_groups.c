/* Inodes with several names: an open-addressed table from (device, inode) to the number of the group. */
#include "landline/transfer/source_state.h"

#include <stdlib.h>

#include "lib/base/limits.h"

struct group {
    dev_t device;
    ino_t inode;
    uint64_t number;
};

struct source_groups {
    size_t used, capacity; /* capacity is a power of two */
    struct group *slots;
};

static size_t place(const struct source_groups *g, dev_t device, ino_t inode) {
    size_t at = (size_t)((inode * 0x9e3779b97f4a7c15ULL) ^ device) & (g->capacity - 1);
    while (g->slots[at].number != 0 && (g->slots[at].inode != inode || g->slots[at].device != device))
        at = (at + 1) & (g->capacity - 1);
    return at;
}

static bool grow(struct source_groups *g) {
    struct source_groups bigger = {g->used, g->capacity == 0 ? 64 : g->capacity * 2, NULL};
    bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < g->capacity; i++)
        if (g->slots[i].number != 0)
            bigger.slots[place(&bigger, g->slots[i].device, g->slots[i].inode)] = g->slots[i];
    free(g->slots);
    *g = bigger;
    return true;
}

uint64_t source_group(struct source *s, const struct stat *st, bool *known) {
    *known = false;
    if (s->groups == NULL && (s->groups = calloc(1, sizeof *s->groups)) == NULL)
        return 0;
    struct source_groups *g = s->groups;
    if (2 * (g->used + 1) > g->capacity && (g->used >= LIMIT_TRANSFER_GROUPS || !grow(g)))
        return 0;
    struct group *slot = &g->slots[place(g, st->st_dev, st->st_ino)];
    *known = slot->number != 0;
    if (!*known)
        *slot = (struct group){st->st_dev, st->st_ino, ++g->used};
    return slot->number;
}

void source_groups_free(struct source *s) {
    if (s->groups != NULL)
        free(s->groups->slots);
    free(s->groups);
    s->groups = NULL;
}
