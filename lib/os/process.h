/* What a process says of itself, and which children it gets. Results are 0 or -errno. */
#ifndef LIB_OS_PROCESS_H
#define LIB_OS_PROCESS_H

#include <stddef.h>

/* Its name in ps(1) and top(1), cut to 15 bytes. */
void process_set_name(const char *name);

/* Orphans among its descendants become its children from now on (PR_SET_CHILD_SUBREAPER, prctl(2)). */
int process_adopt_orphans(void);

/* As many descriptors as the system lets it have. */
void process_raise_descriptors(void);
/* How many it may have. */
size_t process_descriptors(void);

#endif
