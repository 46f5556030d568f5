/* Notices that this machine has moved, where the system says so (lib/os/addresses.h). */
#ifndef LANDLINE_CLIENT_MOVED_H
#define LANDLINE_CLIENT_MOVED_H

#include <stdint.h>

#include "landline/loop.h"
#include "landline/socket.h"

struct moved;

/* It has lost the address that a connection has at this end: nothing passes on it any more, and silence would only tell after a
 * while. Looks from `after` ns on (0: from now on, in here), so that it costs a short call nothing. `gone` is called once, from the
 * loop. The socket stays the caller's, and outlives it. 0 or -ENOMEM. */
int moved_new(struct moved **out, ll_loop *loop, ll_socket *socket, int64_t after, void (*gone)(void *arg), void *arg);
/* It may have got a way that it did not have: an address, a route, an interface. `came` is called from the loop, once for all that
 * is known by then, until it is freed. 0, -ENOMEM, or what making the socket gives. */
int moved_hear(struct moved **out, ll_loop *loop, void (*came)(void *arg), void *arg);
void moved_free(struct moved *moved);

#endif
