/* Notices that this machine has lost the address that a connection has at this end: nothing passes on it any more, and silence
 * would only tell after a while. Where the system does not say so, silence does. */
#ifndef LANDLINE_CLIENT_MOVED_H
#define LANDLINE_CLIENT_MOVED_H

#include <stdint.h>

#include "landline/loop.h"
#include "landline/socket.h"

struct moved;

/* Looks from `after` ns on (0: from now on, in here), so that it costs a short call nothing. `gone` is called once, from the loop.
 * The socket stays the caller's, and outlives it. 0 or -ENOMEM. */
int moved_new(struct moved **out, ll_loop *loop, ll_socket *socket, int64_t after, void (*gone)(void *arg), void *arg);
void moved_free(struct moved *moved);

#endif
