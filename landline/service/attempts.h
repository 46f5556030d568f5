/* Which attempts at named puts have come (docs/PROTOCOL.md section 7.6). A request that was held up on a connection that its client has
 * given up may come long after the later attempts, and after what was done since: it must not write again. */
#ifndef LANDLINE_SERVICE_ATTEMPTS_H
#define LANDLINE_SERVICE_ATTEMPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/proto/tree.h"
#include "landline/service/exchange.h"

/* All zero at first. The oldest are forgotten. */
struct attempts {
    struct attempt {
        uint8_t key[PEER_KEY], id[TREE_ID];
        uint32_t last; /* 0: none */
    } puts[256];
    size_t next;
};

/* False: this one, or one after it, has come already. Else it is noted. */
bool attempts_come(struct attempts *attempts, const uint8_t key[PEER_KEY], const uint8_t id[TREE_ID], uint32_t number);

#endif
