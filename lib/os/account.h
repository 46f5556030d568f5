/* Accounts of the user database: who a program is to run as. */
#ifndef LIB_OS_ACCOUNT_H
#define LIB_OS_ACCOUNT_H

#include <stddef.h>
#include <sys/types.h>

struct account {
    char *name, *home, *shell; /* one allocation, name first */
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* supplementary ones, the primary among them */
    size_t group_count;
};

/* By name, or the calling process's own user with NULL (whose groups are not looked up). A user without an entry has its
 * number as name, "/" as home and /bin/sh as shell; an empty shell is /bin/sh. Reads the user database, which may wait
 * for a directory service. 0, -ENOENT, -ENOMEM, -errno. */
int account_find(struct account *out, const char *name);
void account_free(struct account *account);

#endif
