/* Dialling: from a list of HOST:PORT to one connected socket, on the loop, without blocking (RFC 8305 in spirit).
 *
 * Names are looked up in a thread of their own; addresses then start one stagger apart, or as soon as the one before has
 * failed; the first that connects wins. */
#ifndef LANDLINE_CLIENT_DIAL_H
#define LANDLINE_CLIENT_DIAL_H

#include <stdint.h>

#include "landline/loop.h"
#include "landline/socket.h"

struct dial;

struct dial_end {
    int error;                 /* 0, or why no address could be reached: the failure of the first … */
    struct ll_error_info info; /* … and where */
    ll_socket *socket;         /* with error 0: connected, non-blocking, TCP_NODELAY; the callee's */
    const char *host;          /* the name that was dialled, for the knock; valid during the call */
    const char *address;       /* HOST:PORT of it */
};
/* Called once. The dial may be freed inside. */
typedef void dial_fn(void *arg, const struct dial_end *end);

/* The first address is on its way when this returns. `deadline` is for all of it. 0; LL_EADDRESS for a malformed list, -ENOMEM,
 * -EAGAIN (no thread). */
int dial_start(struct dial **out, ll_loop *loop, const char *addresses, int64_t deadline, dial_fn *done, void *arg);
/* Stops it, if it goes on; NULL is fine. */
void dial_free(struct dial *dial);

#endif
