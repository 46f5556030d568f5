/* Hearing of changes in a folder (inotify(7)). */
#ifndef LIB_OS_FOLDER_H
#define LIB_OS_FOLDER_H

#include <stdbool.h>

/* A descriptor that is readable when a file in the folder was written, replaced or removed; or -errno. */
int folder_watch(const char *path);

/* Takes what was reported: whether one of the changes was to the file called `name` (also where so many were reported that
 * some were lost). */
bool folder_changed(int fd, const char *name);

#endif
