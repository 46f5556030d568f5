/* Plain files: reading one that is there, making one that appears whole or not at all. Results are 0 or -errno. */
#ifndef LIB_OS_PLAIN_H
#define LIB_OS_PLAIN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens a regular file for reading, without waiting (a FIFO would) and without touching a device: its descriptor,
 * close-on-exec, and its size. -EISDIR, and -EINVAL for what is no file and no folder; else what open(2) gives. */
int plain_open(const char *path, uint64_t *size);

/* A file that will have the name `path`: until then it has another one, beside it. */
struct plain_new {
    int fd; /* for writing and reading; -1: none */
    char *path, *temporary;
};

int plain_create(struct plain_new *file, const char *path);
/* Writes all of it at the file's position. */
int plain_write(struct plain_new *file, const void *bytes, size_t size);
/* Puts the bytes in front of what has been written. Costs a copy of the whole. */
int plain_prepend(struct plain_new *file, const void *bytes, size_t size);
/* Gives it its name, in place of a file that had it, with the permissions that a new file gets. The descriptor is
 * closed. On failure plain_discard() is still to be called. */
int plain_publish(struct plain_new *file);
/* Removes it, where it was not published. */
void plain_discard(struct plain_new *file);

#endif
