/* Every limit of the program, in one place. Each is checked before memory is taken, and each is tested at limit - 1,
 * limit and limit + 1. Sizes are bytes, times are milliseconds, unless the name says otherwise. */
#ifndef LIB_BASE_LIMITS_H
#define LIB_BASE_LIMITS_H

enum {
    LIMIT_BUFFER = 64 << 20, /* a growing buffer, where its owner names no smaller limit */

    /* TLS */
    LIMIT_TLS_HELLO = 4 << 10,        /* a ClientHello; one with a post-quantum key share has about 1,800 bytes */
    LIMIT_TLS_HANDSHAKE = 16 << 10,   /* all that a peer may send before the connection is established */
    LIMIT_TLS_CERTIFICATE = 2 << 10,  /* the peer's Certificate message; ours has about 350 bytes */
    LIMIT_TLS_INPUT = 1 << 20,        /* ciphertext that one engine holds undecrypted */
    LIMIT_TLS_PENDING = 16 << 20,     /* ciphertext that one engine holds unsent */
    LIMIT_TLS_UPDATES = 16,           /* KeyUpdates of the peer in a row … */
    LIMIT_TLS_UPDATE_EVERY = 1 << 20, /* … of which one is forgiven for each so many bytes of data */
    LIMIT_KNOCK_AGE = 26 * 3600,      /* seconds between the two clocks */
    LIMIT_KEY_FILE = 4 << 10,

    LIMIT_SPAWN_FDS = 16, /* descriptors handed to a program */
};

#endif
