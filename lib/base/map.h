/* A hash map from 64-bit keys to pointers, neither NULL nor owned. Keys may be anything; they are mixed before use, but
 * not against somebody who chooses them to collide: key what a peer chooses with something it does not know. */
#ifndef LIB_BASE_MAP_H
#define LIB_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint64_t key;
    void *value;
};

struct map {
    struct map_slot *slots;
    size_t capacity, count; /* capacity is a power of two, or 0 */
};

/* A zeroed struct map is an empty one. */
void map_free(struct map *map);
/* NULL where there is none. */
void *map_get(const struct map *map, uint64_t key);
/* Makes room for one more, so that the next map_put() cannot fail: 0 or -ENOMEM. */
int map_reserve(struct map *map);
/* Puts it in, in place of what was there: 0 or -ENOMEM. */
int map_put(struct map *map, uint64_t key, void *value);
/* Takes it out and returns it; NULL where there was none. Shrinks no memory. */
void *map_take(struct map *map, uint64_t key);

/* Visits all, in no order: start with *at = 0; NULL at the end. The map may not change meanwhile. */
void *map_each(const struct map *map, size_t *at);

#endif
