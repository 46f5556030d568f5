#include "landline/classic/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "landline/classic/talk.h"
#include "lib/base/limits.h"

static const struct classic_client clients[] = {
    {"upper", 6969, talk_upper},
    {"exec", 6969, talk_exec},
    {"ssh", 9999, talk_ssh},
    {"get", 2222, talk_get},
};
enum { CLIENTS = sizeof clients / sizeof *clients };

const struct classic_client *classic_client_find(const char *name) {
    for (size_t i = 0; i < CLIENTS; i++)
        if (strcmp(clients[i].name, name) == 0)
            return &clients[i];
    return NULL;
}

int classic_new_name(const char *path, char *out, size_t size) {
    const char *slash = strrchr(path, '/');
    const char *last = slash != NULL ? slash + 1 : path;
    if (*last == '\0')
        return -EINVAL;
    int length = snprintf(out, size, "%s.new", last);
    return length < 0 || (size_t)length >= size ? LL_ELIMIT : 0;
}
