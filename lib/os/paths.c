#include "lib/os/paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"

struct place {
    const char *system;   /* for root */
    const char *variable; /* for everybody else */
    const char *home;     /* beneath the home folder, where the variable is not set */
};

static const struct place places[] = {
    [PATHS_CONFIG] = {"/etc/landline", "XDG_CONFIG_HOME", ".config/landline"},
    [PATHS_STATE] = {"/var/lib/landline", "XDG_STATE_HOME", ".local/state/landline"},
    [PATHS_RUNTIME] = {"/run/landline", "XDG_RUNTIME_DIR", ".local/state/landline"},
};

static int copy(char out[PATHS_SIZE], const char *path) {
    size_t n = strlen(path);
    if (n >= PATHS_SIZE)
        return LL_ELIMIT;
    memmove(out, path, n + 1);
    return 0;
}

int paths_join(char out[PATHS_SIZE], const char *folder, const char *name) {
    size_t n = strlen(folder), m = strlen(name);
    if (n + 1 + m >= PATHS_SIZE)
        return LL_ELIMIT;
    memmove(out, folder, n);
    out[n] = '/';
    memcpy(out + n + 1, name, m + 1);
    return 0;
}

int paths_home(char out[PATHS_SIZE]) {
    const char *home = getenv("HOME");
    if (home != NULL && home[0] == '/')
        return copy(out, home);
    struct passwd entry, *found = NULL;
    char text[4096];
    if (getpwuid_r(geteuid(), &entry, text, sizeof text, &found) != 0 || found == NULL || found->pw_dir[0] != '/')
        return -ENOENT;
    return copy(out, found->pw_dir);
}

/* LANDLINE_HOME made absolute, so that it still means the same after a change of directory. */
static int own_folder(char out[PATHS_SIZE], const char *given) {
    if (given[0] == '/')
        return copy(out, given);
    char here[PATHS_SIZE];
    if (getcwd(here, sizeof here) == NULL)
        return -EINVAL;
    return paths_join(out, here, given);
}

int paths_folder(enum paths_kind kind, char out[PATHS_SIZE]) {
    const char *own = getenv("LANDLINE_HOME");
    if (own != NULL && own[0] != '\0')
        return own_folder(out, own);
    const struct place *place = &places[kind];
    if (geteuid() == 0)
        return copy(out, place->system);
    const char *base = getenv(place->variable);
    if (base != NULL && base[0] == '/')
        return paths_join(out, base, "landline");
    char home[PATHS_SIZE];
    int e = paths_home(home);
    return e != 0 ? e : paths_join(out, home, place->home);
}

int paths_make(const char *path, struct ll_error_info *info) {
    char part[PATHS_SIZE];
    int e = copy(part, path);
    if (e != 0)
        return error_at(info, e, "mkdir", path);
    for (char *slash = part + 1; slash != NULL;) {
        slash = strchr(slash, '/');
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST) {
            struct stat st;
            e = -errno;
            /* A parent that may only be passed through is no error (read-only or foreign file systems). */
            if (stat(part, &st) < 0 || !S_ISDIR(st.st_mode))
                return error_at(info, e, "mkdir", part);
        }
        if (slash != NULL)
            *slash++ = '/';
    }
    return 0;
}
