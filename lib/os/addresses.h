/* Hearing that an address of this machine is gone (rtnetlink(7)). */
#ifndef LIB_OS_ADDRESSES_H
#define LIB_OS_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* The socket for it is AF_NETLINK, SOCK_RAW, with this protocol, bound to the group address that is written to `out`; its size. It
 * needs no privilege. */
#define ADDRESSES_PROTOCOL 0 /* NETLINK_ROUTE */
size_t addresses_group(void *out, size_t size);

/* Whether a batch that was received, any bytes, says that the machine has lost the address of `local` (IPv4 or IPv6). */
bool addresses_lost(const void *batch, size_t size, const struct sockaddr *local);

#endif
