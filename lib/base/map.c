#include "lib/base/map.h"

#include <errno.h>
#include <stdlib.h>

enum { SMALLEST = 16 };

void map_free(struct map *map) {
    free(map->slots);
    *map = (struct map){0};
}

static size_t place_of(const struct map *map, uint64_t key) {
    uint64_t mixed = key * 0x9e3779b97f4a7c15ULL;
    mixed ^= mixed >> 32;
    return (size_t)mixed & (map->capacity - 1);
}

/* The slot of the key, or the free one where it would go. */
static struct map_slot *find(const struct map *map, uint64_t key) {
    size_t i = place_of(map, key);
    while (map->slots[i].value != NULL && map->slots[i].key != key)
        i = (i + 1) & (map->capacity - 1);
    return &map->slots[i];
}

void *map_get(const struct map *map, uint64_t key) {
    return map->count > 0 ? find(map, key)->value : NULL;
}

static int grow(struct map *map) {
    struct map bigger = {.capacity = map->capacity == 0 ? SMALLEST : 2 * map->capacity, .count = map->count};
    bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value != NULL)
            *find(&bigger, map->slots[i].key) = map->slots[i];
    free(map->slots);
    *map = bigger;
    return 0;
}

int map_reserve(struct map *map) {
    return 4 * (map->count + 1) > 3 * map->capacity ? grow(map) : 0;
}

int map_put(struct map *map, uint64_t key, void *value) {
    int e = map_reserve(map);
    if (e != 0)
        return e;
    struct map_slot *slot = find(map, key);
    if (slot->value == NULL)
        map->count++;
    *slot = (struct map_slot){key, value};
    return 0;
}

void *map_take(struct map *map, uint64_t key) {
    if (map->count == 0)
        return NULL;
    struct map_slot *slot = find(map, key);
    void *value = slot->value;
    if (value == NULL)
        return NULL;
    map->count--;
    /* Those behind it move up, so that no probe stops at the hole. */
    size_t mask = map->capacity - 1, hole = (size_t)(slot - map->slots);
    for (size_t i = (hole + 1) & mask; map->slots[i].value != NULL; i = (i + 1) & mask) {
        size_t home = place_of(map, map->slots[i].key);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole].value = NULL;
    return value;
}

void *map_each(const struct map *map, size_t *at) {
    while (*at < map->capacity) {
        void *value = map->slots[(*at)++].value;
        if (value != NULL)
            return value;
    }
    return NULL;
}
