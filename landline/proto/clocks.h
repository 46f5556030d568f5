/* One end's clock told in the other's: how the server learns when a request was first sent, however long it was under way
 * (docs/PROTOCOL.md section 7.3).
 *
 * Both are clocks in ms that nobody sets and that go on while the machine sleeps (CLOCK_BOOTTIME). Pure. */
#ifndef LANDLINE_PROTO_CLOCKS_H
#define LANDLINE_PROTO_CLOCKS_H

#include <stdint.h>

/* `theirs` was read by the other end after `ours` was read here: its message answers one of ours. All zero: nothing is known. */
struct clocks {
    uint64_t ours_ms, theirs_ms;
};

/* What our clock showed, at the least, when theirs showed at_ms. 0 where that cannot be said: at_ms is 0, or lies too far back. */
uint64_t clocks_earliest(const struct clocks *clocks, uint64_t at_ms);

#endif
