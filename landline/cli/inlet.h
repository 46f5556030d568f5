/* An input of ours: standard input or a file, read when the owner has room, never waited for. */
#ifndef LANDLINE_CLI_INLET_H
#define LANDLINE_CLI_INLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/loop.h"

struct inlet;

struct inlet_owner {
    /* How much is wanted now; 0 pauses the inlet until inlet_touch(). */
    size_t (*room)(void *arg);
    void (*bytes)(void *arg, const uint8_t *bytes, size_t n);
    /* No more will come: 0 at the end of the input, LL_EOF when it was a terminal that is gone (which is told though there is no
     * room), else -errno. */
    void (*end)(void *arg, int error);
};

/* `fd` stays the caller's. A file is read from at once: the owner may be called before this returns. */
int inlet_new(struct inlet **out, ll_loop *loop, int fd, const struct inlet_owner *owner, void *arg);
void inlet_free(struct inlet *inlet);
/* There is room again, or the terminal may be ours again (SIGCONT). */
void inlet_touch(struct inlet *inlet);

#endif
