#include "landline/classic/talk.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/limits.h"

enum { PIECE = 1024, BLOCK = 64 << 10, MILLISECONDS = 1000 };

/* As Python's strip() does with what input() gave. */
static void strip(const char **line, size_t *size) {
    while (*size > 0 && isspace((unsigned char)(*line)[*size - 1]))
        --*size;
    while (*size > 0 && isspace((unsigned char)**line)) {
        ++*line;
        --*size;
    }
}

/* The next line that is not empty. 0, LL_EOF at the end of the input, LL_ECLOSED at that of the connection. */
static int next_line(ll_socket *socket, const struct terminal *t, const char *prompt, bool stripped, const char **line,
                     size_t *size) {
    int rc;
    do {
        rc = t->ask(t->arg, prompt, socket, line, size);
        if (rc == 0 && stripped)
            strip(line, size);
    } while (rc == 0 && *size == 0);
    return rc;
}

/* What a conversation ends with: the user's end of input is its good end, the server's is not. */
static int over(int rc) {
    return rc == LL_EOF ? 0 : rc == LL_ECLOSED ? LL_EOF : rc;
}

static int receive(ll_socket *socket, void *into, size_t most, double seconds, size_t *got) {
    int rc = ll_socket_settimeout(socket, seconds);
    *got = 0;
    if (rc < 0)
        return rc;
    ssize_t n = ll_socket_recv(socket, into, most, 0);
    if (n > 0)
        *got = (size_t)n;
    return n > 0 ? 0 : n == 0 ? LL_ECLOSED : (int)n;
}

static int send_all(ll_socket *socket, const void *bytes, size_t n) {
    int rc = ll_socket_settimeout(socket, LL_FOREVER);
    return rc < 0 ? rc : ll_socket_sendall(socket, bytes, n, 0, NULL);
}

/* The answer has as many bytes as the question. They go in turns of one piece: a server that answers before it receives
 * the rest cannot block both. */
int talk_upper(ll_socket *socket, const struct terminal *t) {
    char answer[PIECE];
    const char *line;
    size_t size;
    int rc;
    while ((rc = next_line(socket, t, ">>: ", true, &line, &size)) == 0) {
        while (size > 0) {
            size_t piece = size < PIECE ? size : PIECE;
            if ((rc = send_all(socket, line, piece)) < 0)
                return rc;
            if ((rc = ll_socket_recvall(socket, answer, piece, 0, NULL)) < 0)
                return rc;
            line += piece;
            size -= piece;
            if ((rc = t->show(t->arg, answer, piece, size == 0)) < 0)
                return rc;
        }
    }
    return over(rc);
}

/* Shows what comes until it has been quiet for a while: the answer has no length. LL_ETIMEOUT: nothing came. */
static int show_until_quiet(ll_socket *socket, const struct terminal *t, double first_wait) {
    char block[BLOCK];
    size_t got;
    double wait = first_wait;
    int rc;
    while ((rc = receive(socket, block, sizeof block, wait, &got)) == 0) {
        if ((rc = t->show(t->arg, block, got, false)) < 0)
            return rc;
        wait = (double)LIMIT_CLASSIC_QUIET_MS / MILLISECONDS;
    }
    int shown = t->show(t->arg, NULL, 0, true);
    if (rc != LL_ETIMEOUT && rc != -EAGAIN)
        return rc;
    return shown < 0 || wait != first_wait ? shown : LL_ETIMEOUT;
}

static int exec_one(ll_socket *socket, const struct terminal *t, const char *line, size_t size) {
    int rc = show_until_quiet(socket, t, 0); /* a late answer to the last command */
    if (rc == 0 || rc == LL_ETIMEOUT)
        rc = send_all(socket, line, size);
    if (rc == 0)
        rc = show_until_quiet(socket, t, t->patience_s);
    return rc == LL_ETIMEOUT ? t->tell(t->arg, "(no answer within %g s)", t->patience_s) : rc;
}

int talk_exec(ll_socket *socket, const struct terminal *t) {
    const char *line;
    size_t size;
    int rc;
    while ((rc = next_line(socket, t, ">>: ", true, &line, &size)) == 0)
        if ((rc = exec_one(socket, t, line, size)) < 0)
            break;
    return over(rc);
}

/* The length, which comes alone but has no end mark either: the server waits until we consent. */
static int receive_length(ll_socket *socket, unsigned long long *length) {
    char digits[20] = "";
    size_t held = 0, got;
    double wait = LL_FOREVER;
    int rc;
    *length = 0;
    while ((rc = receive(socket, digits + held, sizeof digits - 1 - held, wait, &got)) == 0) {
        held += got;
        wait = (double)LIMIT_CLASSIC_DIGITS_MS / MILLISECONDS;
        if (held == sizeof digits - 1)
            return LL_EPROTOCOL;
    }
    if (rc != LL_ETIMEOUT)
        return rc;
    digits[held] = '\0';
    if (strspn(digits, "0123456789") != held)
        return LL_EPROTOCOL;
    for (size_t i = 0; i < held; i++)
        *length = *length * 10 + (unsigned long long)(digits[i] - '0');
    return 0;
}

static int show_exactly(ll_socket *socket, const struct terminal *t, unsigned long long left) {
    char block[BLOCK];
    size_t got;
    int rc = 0;
    while (left > 0 && rc == 0) {
        rc = receive(socket, block, left < sizeof block ? (size_t)left : sizeof block, LL_FOREVER, &got);
        if (rc == 0) {
            left -= got;
            rc = t->show(t->arg, block, got, left == 0);
        }
    }
    return rc;
}

int talk_ssh(ll_socket *socket, const struct terminal *t) {
    const char *line;
    size_t size;
    unsigned long long length;
    int rc;
    while ((rc = next_line(socket, t, "command: ", false, &line, &size)) == 0) {
        if ((rc = send_all(socket, line, size)) < 0 || (rc = receive_length(socket, &length)) < 0)
            break;
        if ((rc = t->tell(t->arg, "length: %llu", length)) < 0 || (rc = send_all(socket, "ok", 2)) < 0)
            break;
        if ((rc = show_exactly(socket, t, length)) < 0)
            break;
    }
    return over(rc);
}

/* A path that makes no name here is told and passed over; a file that does not come ends the connection. */
static int get_one(ll_socket *socket, const struct terminal *t, const char *line, size_t length) {
    char path[LIMIT_CLASSIC_NAME + 1], to[NAME_MAX + 1];
    uint64_t size;
    int rc = length > LIMIT_CLASSIC_NAME ? LL_ELIMIT : memchr(line, '\0', length) != NULL ? -EINVAL : 0;
    if (rc == 0) {
        memcpy(path, line, length);
        path[length] = '\0';
        rc = classic_new_name(path, to, sizeof to);
    }
    if (rc < 0)
        return t->tell(t->arg, "cannot make a name of that: %s", ll_strerror(rc));
    if ((rc = classic_get(socket, path, to, &size, NULL)) < 0)
        return rc == LL_EOF ? LL_ECLOSED : rc;
    rc = t->tell(t->arg, "size: %llu", (unsigned long long)size);
    return rc < 0 ? rc : t->tell(t->arg, "saved as: %s", to);
}

int talk_get(ll_socket *socket, const struct terminal *t) {
    const char *line;
    size_t length;
    int rc;
    while ((rc = next_line(socket, t, "file: ", false, &line, &length)) == 0)
        if ((rc = get_one(socket, t, line, length)) < 0)
            break;
    return over(rc);
}
