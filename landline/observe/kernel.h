/* What the kernel says of connections, as lines of text: TCP_INFO of a socket of one's own, the socket diagnostics of
 * everybody's. */
#ifndef LANDLINE_OBSERVE_KERNEL_H
#define LANDLINE_OBSERVE_KERNEL_H

#include <stdint.h>

#include "landline/socket.h"
#include "lib/base/buf.h"

/* "after connect: ESTABLISHED, round trip 0.05 ms ± 0.02, mss 1448, …" */
void kernel_socket(struct buf *out, const char *when, ll_socket *socket);
/* One line for each socket on this local port: "after close: 127.0.0.1:40112 -> 127.0.0.1:80 TIME_WAIT, 59.9 s left". */
void kernel_port(struct buf *out, const char *when, uint16_t port);

/* The states of all sockets on a port, to tell what changed: one line a socket as in kernel_port(), those that are new
 * or in another state than in `before`, which is replaced. */
void kernel_changes(struct buf *out, struct buf *before, uint16_t port);

#endif
