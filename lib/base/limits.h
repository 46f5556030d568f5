/* Every limit of the program, in one place. Each is checked before memory is taken, and each is tested at limit - 1,
 * limit and limit + 1. Sizes are bytes, times are milliseconds, unless the name says otherwise. */
#ifndef LIB_BASE_LIMITS_H
#define LIB_BASE_LIMITS_H

enum {
    LIMIT_BUFFER = 64 << 20, /* a growing buffer, where its owner names no smaller limit */
};

#endif
