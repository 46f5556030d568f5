#include "landline/service/attempts.h"

#include <string.h>

enum { PUTS = sizeof((struct attempts *)0)->puts / sizeof(struct attempt) };

bool attempts_come(struct attempts *a, const uint8_t key[PEER_KEY], const uint8_t id[TREE_ID], uint32_t number) {
    struct attempt *put = NULL;
    for (size_t i = 0; i < PUTS && put == NULL; i++)
        if (a->puts[i].last != 0 && memcmp(a->puts[i].id, id, TREE_ID) == 0 &&
            memcmp(a->puts[i].key, key, PEER_KEY) == 0)
            put = &a->puts[i];
    if (number == 0 || (put != NULL && put->last >= number))
        return false;
    if (put == NULL) {
        put = &a->puts[a->next];
        a->next = (a->next + 1) % PUTS;
    }
    memcpy(put->key, key, PEER_KEY);
    memcpy(put->id, id, TREE_ID);
    put->last = number;
    return true;
}
