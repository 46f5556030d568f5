/* How many connections a transfer should use, found out while it runs: twice as many, as long as that brings enough more. Pure:
 * the caller has the clock. */
#ifndef LANDLINE_CLIENT_WIDEN_H
#define LANDLINE_CLIENT_WIDEN_H

#include <stdbool.h>
#include <stdint.h>

struct widen {
    unsigned streams, most;
    bool decided;
    int64_t since; /* when the present measurement began, CLOCK_MONOTONIC ns */
    uint64_t from; /* how much had been moved then */
    double last;   /* bytes a ns, of the measurement before; 0: none since the number changed */
    double best;   /* … with the number of streams before this one; 0: none */
};

/* Begins with `streams`, which are enough where they are `most` already. `bytes` have been moved so far. */
void widen_begin(struct widen *w, unsigned streams, unsigned most, uint64_t bytes, int64_t now);
/* How many there should be now. Call it several times a second, with the shortest round trip that was measured, in ns (0: none was). */
unsigned widen_next(struct widen *w, uint64_t bytes, int64_t round_trip, int64_t now);

#endif
