/* A TLS engine's output onto its TCP socket; and, of a connection that carries bulk, the sealing of it by the kernel where that can
 * (lib/os/ktls.h). What goes over the wire is the same either way.
 *
 * Sealed here, a byte is read, encrypted into the engine and copied into the kernel; by the kernel, it is encrypted from where it
 * lies into the packet. For small messages the kernel's way costs more, so it begins when much has gone out in large pieces. Then
 * it stays until the end of the connection: a kernel gives no key back. */
#ifndef LIB_SEAL_SEAL_H
#define LIB_SEAL_SEAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "lib/tls/engine.h"

enum {
    SEAL_LARGE = 64 << 10, /* a send that counts … */
    SEAL_BULK = 1 << 20,   /* … and how much of those makes a bulk transfer */
};

/* One connection; {0} at its beginning. */
struct seal {
    uint64_t bulk; /* bytes of large sends */
    bool tried;    /* the kernel was asked, or need not be */
};

/* One send, without waiting, of what is pending in the engine. Returns how many bytes of it went, 0 if there were none, or -errno:
 * -EAGAIN when the socket takes no more. Where the kernel cannot go on the engine fails, with LL_ELOST. */
ssize_t seal_send(struct seal *seal, struct tls_engine *engine, int fd);

/* tls_engine_write(), which sends from where the parts lie when the kernel seals and nothing waits. *sent is how many bytes
 * did not become pending so. The parts are changed. Returns as tls_engine_write(), or the -errno of the socket. */
int seal_write(struct tls_engine *engine, int fd, struct iovec *parts, int count, size_t *sent);

#endif
