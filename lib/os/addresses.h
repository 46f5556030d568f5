/* Hearing what becomes of the addresses of this machine, and of its ways (rtnetlink(7)). */
#ifndef LIB_OS_ADDRESSES_H
#define LIB_OS_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum addresses_news {
    ADDRESSES_LOST, /* for addresses_lost() */
    ADDRESSES_CAME, /* for addresses_came() */
};

/* The socket for it is AF_NETLINK, SOCK_RAW, with this protocol, bound to the group address that is written to `out`; its size. It
 * needs no privilege. */
#define ADDRESSES_PROTOCOL 0 /* NETLINK_ROUTE */
size_t addresses_group(enum addresses_news news, void *out, size_t size);

/* Whether a batch that was received, any bytes, says that the machine has lost the address of `local` (IPv4 or IPv6). */
bool addresses_lost(const void *batch, size_t size, const struct sockaddr *local);

/* Whether it says that the machine may reach what it did not: that it has an address that can be used, a route, or an interface that
 * runs. These are also told when they have only changed. */
bool addresses_came(const void *batch, size_t size);

#endif
