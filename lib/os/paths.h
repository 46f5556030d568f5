/* Where landline keeps its files: one rule for client and server.
 *
 *   folder           LANDLINE_HOME=DIR   root               everybody else
 *   PATHS_CONFIG     DIR                 /etc/landline      $XDG_CONFIG_HOME/landline, else ~/.config/landline
 *   PATHS_STATE      DIR                 /var/lib/landline  $XDG_STATE_HOME/landline, else ~/.local/state/landline
 *   PATHS_RUNTIME    DIR                 /run/landline      $XDG_RUNTIME_DIR/landline, else the state folder
 *
 * Config is what a person would back up: keys, hosts, grants. State is what the program writes as it goes. Runtime is
 * gone after a restart: sockets. The XDG variables count only if they hold an absolute path (XDG Base Directory 0.8). */
#ifndef LIB_OS_PATHS_H
#define LIB_OS_PATHS_H

#include <stddef.h>

#include "landline/error.h"

enum paths_kind {
    PATHS_CONFIG,
    PATHS_STATE,
    PATHS_RUNTIME,
};

enum { PATHS_SIZE = 4096 };

/* The folder's path into out[PATHS_SIZE]; nothing is made. 0, LL_ELIMIT where it would not fit, -ENOENT when there is
 * no home folder to be found, -EINVAL for a LANDLINE_HOME that is not absolute and cannot be made so. */
int paths_folder(enum paths_kind kind, char out[PATHS_SIZE]);

/* folder "/" name into out[PATHS_SIZE]; out may be folder itself. 0 or LL_ELIMIT. */
int paths_join(char out[PATHS_SIZE], const char *folder, const char *name);

/* Makes the folder and its missing parents, all of them 0700; one that exists is left as it is. 0 or -errno, with the
 * path that failed in `info` (may be NULL). */
int paths_make(const char *path, struct ll_error_info *info);

/* The home folder of the calling user: HOME if that is an absolute path, else the user database's. 0, -ENOENT. */
int paths_home(char out[PATHS_SIZE]);

#endif
