/* Bytes in and out of any descriptor without blocking, without SIGPIPE, interrupted calls repeated. Results are 0 or a
 * count, or -errno. */
#ifndef LIB_OS_FLOW_H
#define LIB_OS_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Gets a descriptor ready: *is_socket says which calls it takes; one that is no socket is made non-blocking. */
int flow_prepare(int fd, bool *is_socket);

ssize_t flow_read(int fd, bool is_socket, void *to, size_t size);
ssize_t flow_writev(int fd, bool is_socket, const struct iovec *parts, int count);
/* Sockets only. */
int flow_shutdown_write(int fd);
void flow_close(int fd);

#endif
