/* Sockets handed over by the service manager: sd_listen_fds(3). */
#include "landline/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

/* A decimal number of the environment: 1 and the number, 0 where there is none, or LL_EFORMAT. */
static int variable(const char *name, long *value) {
    const char *text = getenv(name);
    if (text == NULL)
        return 0;
    char *end;
    errno = 0;
    *value = strtol(text, &end, 10);
    return errno != 0 || end == text || *end != '\0' || *value < 0 ? LL_EFORMAT : 1;
}

/* The name at *names, which moves behind the next colon; it is "unknown" where there is none or it is too long. */
static void next_name(const char **names, char out[256]) {
    size_t length = strcspn(*names, ":");
    const char *name = *names;
    *names += length + (name[length] == ':');
    if (length == 0 || length > 255) {
        name = "unknown";
        length = strlen(name);
    }
    memcpy(out, name, length);
    out[length] = '\0';
}

int ll_listen_fds(struct ll_activated *out, size_t max) {
    long pid = 0, count = 0;
    if (out == NULL && max > 0)
        return -EINVAL;
    int r = variable("LISTEN_PID", &pid);
    if (r <= 0 || pid != (long)getpid())
        return r < 0 ? r : 0;
    r = variable("LISTEN_FDS", &count);
    if (r <= 0)
        return r;
    if ((size_t)count > max)
        return LL_ELIMIT;
    const char *names = getenv("LISTEN_FDNAMES");
    if (names == NULL)
        names = "";
    for (long i = 0; i < count; i++) {
        r = ll_socket_adopt(FIRST_FD + (int)i, &out[i].socket);
        if (r < 0) {
            /* Nothing is taken: the descriptors are as they were for the caller, but close-on-exec. */
            while (i-- > 0) {
                ll_socket_detach(out[i].socket);
                ll_socket_free(out[i].socket);
                out[i].socket = NULL;
            }
            return r;
        }
        next_name(&names, out[i].name);
    }
    return (int)count;
}
