/* landline classic upper, exec, ssh, get: the clients of the four plain protocols.
 *
 * They talk to a person, or to a script that plays one: prompt, line, answer, until one of the two ends it. How lines
 * are read and answers are shown is the caller's. */
#ifndef LANDLINE_CLASSIC_CLIENT_H
#define LANDLINE_CLASSIC_CLIENT_H

#include <stddef.h>

#include "landline/error.h"
#include "landline/socket.h"

struct terminal {
    /* Shows the prompt and waits for a line; *line (without its end, valid until the next call) and *size. 0; LL_EOF at
     * the end of the input; LL_ECLOSED when the server ended the connection meanwhile; or what reading gave. */
    int (*ask)(void *arg, const char *prompt, ll_socket *server, const char **line, size_t *size);
    /* Shows bytes of the server's, which may be anything. `last`: the answer is over. 0, or what writing gave. */
    int (*show)(void *arg, const void *bytes, size_t n, bool last);
    /* Shows a line of the client's own. */
    int (*tell)(void *arg, const char *format, ...) __attribute__((format(printf, 2, 3)));
    void *arg;
    /* exec: how many seconds to wait for an answer, which some servers do not give to a command without output. One that
     * comes later is shown before that of the next command. */
    double patience_s;
};

struct classic_client {
    const char *name;
    int port;
    /* Talks until the input ends: 0; LL_EOF when the server ends the connection first; else what failed. */
    int (*talk)(ll_socket *socket, const struct terminal *terminal);
};

/* "upper", "exec", "ssh", "get"; NULL for another name. */
const struct classic_client *classic_client_find(const char *name);

/* The last part of a path with ".new" behind it into out[size], as the old clients name what they get; LL_ELIMIT, or
 * -EINVAL for a path that ends in a slash. */
int classic_new_name(const char *path, char *out, size_t size);

/* Gets one file: its size in *size, its bytes under the name `to`, whole or not at all. `info` (may be NULL) says what
 * failed. LL_EOF: the server closed the connection, since there is no such file or it may not read it (nothing came), or
 * before the end (*size is less than was announced). LL_EPROTOCOL: what came is no size and file. */
int classic_get(ll_socket *socket, const char *path, const char *to, uint64_t *size, struct ll_error_info *info);

#endif
