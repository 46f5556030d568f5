#include "landline/proto/clocks.h"

enum {
    APART =
        256, /* no two clocks go apart by more than one part of so many: a computer's does by a ten-thousandth, and NTP
                    pulls at it with at most a two-thousandth */
    ROUNDED = 1, /* ms that were cut off when theirs was read */
};

uint64_t clocks_earliest(const struct clocks *clocks, uint64_t at_ms) {
    uint64_t at;
    if (at_ms == 0 || clocks->theirs_ms == 0)
        return 0;
    if (at_ms <= clocks->theirs_ms) {
        uint64_t earlier = clocks->theirs_ms - at_ms, back = earlier + earlier / APART + (earlier > 0) + ROUNDED;
        return back > earlier && clocks->ours_ms > back ? clocks->ours_ms - back : 0;
    }
    uint64_t later = at_ms - clocks->theirs_ms;
    return __builtin_add_overflow(clocks->ours_ms, later - later / APART - 1, &at) || at == 0 ? 0 : at - ROUNDED;
}
