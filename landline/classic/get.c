#include "landline/classic/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "landline/classic/size.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/os/plain.h"

enum { BLOCK = 256 << 10, MILLISECONDS = 1000 };

struct transfer {
    ll_socket *socket;
    struct size size;
    struct plain_new file; /* holds the stream behind size.digits */
    char block[BLOCK];
};

/* Receives once and stores what cannot belong to the size. */
static int receive(struct transfer *t, double seconds, size_t *got) {
    int rc = ll_socket_settimeout(t->socket, seconds);
    if (rc < 0)
        return rc;
    ssize_t n = ll_socket_recv(t->socket, t->block, sizeof t->block, 0);
    if (n <= 0)
        return n == 0 ? LL_EOF : (int)n;
    *got = (size_t)n;
    size_t digits = size_feed(&t->size, t->block, *got);
    return plain_write(&t->file, t->block + digits, *got - digits);
}

/* Until the bytes, or a silence, or the end of the stream tell the size. 0, LL_EOF (cut short), LL_EPROTOCOL, … */
static int receive_all(struct transfer *t, uint64_t *value, size_t *digits) {
    for (;;) {
        size_t got;
        enum size_verdict verdict = size_judge(&t->size, value, digits);
        if (verdict == SIZE_COMPLETE)
            return 0;
        if (verdict == SIZE_WRONG)
            return LL_EPROTOCOL;
        bool likely = verdict == SIZE_IF_SILENT;
        double wait = likely ? (double)size_silence(&t->size, *digits) / MILLISECONDS : LL_FOREVER;
        int rc = receive(t, wait, &got);
        if (likely && (rc == LL_ETIMEOUT || rc == LL_EOF))
            return 0;
        if (rc < 0)
            return rc;
    }
}

/* Digits that turned out to be the file's own stand before what was stored. */
static int finish(struct transfer *t, size_t digits) {
    size_t own = t->size.digit_count - digits;
    int rc = own > 0 ? plain_prepend(&t->file, t->size.digits + digits, own) : 0;
    return rc < 0 ? rc : plain_publish(&t->file);
}

int classic_get(ll_socket *socket, const char *path, const char *to, uint64_t *size, struct ll_error_info *info) {
    size_t digits = 0;
    *size = 0;
    struct transfer *t = calloc(1, sizeof *t);
    if (t == NULL)
        return error_at(info, -ENOMEM, "get", path);
    t->socket = socket;
    int rc = plain_create(&t->file, to);
    if (rc < 0) {
        free(t);
        return error_at(info, rc, "create", to);
    }
    rc = ll_socket_settimeout(socket, LL_FOREVER);
    if (rc == 0)
        rc = ll_socket_sendall(socket, path, strlen(path), 0, NULL);
    if (rc == 0)
        rc = receive_all(t, size, &digits);
    if (rc < 0) {
        error_at(info, rc, t->size.total == 0 ? "ask for" : "receive", path);
    } else if ((rc = finish(t, digits)) < 0) {
        error_at(info, rc, "write", to);
    }
    plain_discard(&t->file);
    free(t);
    return rc;
}
