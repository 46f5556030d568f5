/* Descriptors: closing, duplicating, flags; waking a thread that polls. Results are 0 or a count, or -errno. */
#ifndef LIB_OS_FD_H
#define LIB_OS_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Closes once: on Linux the descriptor is gone even when close(2) reports EINTR, which is therefore no error here. */
int fd_close(int fd);

/* A duplicate, close-on-exec, numbered 3 or higher. */
int fd_duplicate(int fd);

/* Makes it close-on-exec. */
int fd_set_cloexec(int fd);

/* 1 where the open file has O_NONBLOCK, else 0. */
int fd_is_nonblocking(int fd);

/* An event: fd_event_set() makes it readable and it stays so. Both ends are the one descriptor. */
int fd_event(void);
void fd_event_set(int fd);

/* How many bytes of a pipe or terminal can be read at once. */
int fd_waiting(int fd);

/* From the file's position, or from *offset where that is not NULL, which is then moved on. */
ssize_t fd_read(int fd, void *buffer, size_t size, off_t *offset);
/* sendfile(2): from *offset on, which is moved on. No SIGPIPE, which sendfile cannot be told by a flag: the thread blocks
 * it for the call and takes it back if the call raised it. */
ssize_t fd_sendfile(int to, int from, off_t *offset, size_t size);
/* Sets the position; -ESPIPE where there is none. */
int fd_seek(int fd, off_t offset);

#endif
