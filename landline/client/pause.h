/* The wait between two tries of a client to get a link. It grows with each try that fails, and is cut short when this machine gets
 * an address, a route or an interface: what did not work then may work now. */
#ifndef LANDLINE_CLIENT_PAUSE_H
#define LANDLINE_CLIENT_PAUSE_H

#include <stdint.h>

#include "landline/loop.h"

struct pause;

/* `over` is called from the loop, each time it is time for a try. 0 or -ENOMEM. */
int pause_new(struct pause **out, ll_loop *loop, void (*over)(void *arg), void *arg);
void pause_free(struct pause *pause); /* NULL is fine */

/* The first try, in the next pass of the loop. */
void pause_skip(struct pause *pause);
/* A try has failed: waits, but not beyond `give_up_at`. `retry_after_ms` is what a busy server asked for, 0 for none: that is obeyed
 * whatever happens to the network. News of the network counts until pause_end(), during the tries too: a try that has waited
 * for an answer for some seconds by then is repeated, for it may have gone out by a way that is no more. */
void pause_begin(struct pause *pause, uint32_t retry_after_ms, int64_t give_up_at);
/* There is a link, or nobody wants one any more: the next wait is a short one again. */
void pause_end(struct pause *pause);

#endif
