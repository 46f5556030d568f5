#include "landline/client/wire.h"

#include <errno.h>
#include <stdlib.h>

#include "landline/error.h"
#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/os/socket.h"
#include "lib/seal/seal.h"

struct wire {
    struct tls_engine *tls; /* NULL: plain */
    struct seal seal;
    struct buf in, out; /* plain */
    bool was_open, closed;
    int error;
};

static int wire_new(struct wire **out) {
    struct wire *wire = calloc(1, sizeof *wire);
    *out = wire;
    if (wire == NULL)
        return -ENOMEM;
    buf_init(&wire->in, LIMIT_TLS_INPUT);
    buf_init(&wire->out, LIMIT_TLS_PENDING);
    return 0;
}

int wire_new_tls(struct wire **out, struct tls_policy *policy, const struct tls_pin *expect, const char *name,
                 uint64_t unix_now) {
    int error = wire_new(out);
    if (error == 0)
        error = tls_engine_new_client(&(*out)->tls, policy, expect, name, unix_now);
    if (error != 0) {
        wire_free(*out);
        *out = NULL;
    }
    return error;
}

int wire_new_plain(struct wire **out) {
    int error = wire_new(out);
    if (error == 0)
        (*out)->was_open = true;
    return error;
}

void wire_free(struct wire *wire) {
    if (wire == NULL)
        return;
    tls_engine_free(wire->tls);
    buf_free(&wire->in);
    buf_free(&wire->out);
    free(wire);
}

static void note_open(struct wire *wire) {
    enum tls_state state = tls_engine_state(wire->tls);
    if (state == TLS_ESTABLISHED || state == TLS_CLOSED)
        wire->was_open = true;
}

bool wire_is_open(const struct wire *wire) {
    if (wire->tls == NULL)
        return !wire->closed && wire->error == 0;
    enum tls_state state = tls_engine_state(wire->tls);
    return !wire->closed && (state == TLS_ESTABLISHED || state == TLS_CLOSED);
}

bool wire_was_open(const struct wire *wire) {
    return wire->was_open;
}

int wire_error(const struct wire *wire) {
    return wire->tls != NULL ? tls_engine_error(wire->tls) : wire->error;
}

const char *wire_sentence(const struct wire *wire) {
    return wire->tls != NULL ? tls_engine_sentence(wire->tls) : "";
}

bool wire_has_ended(const struct wire *wire) {
    return wire->tls != NULL && tls_engine_state(wire->tls) == TLS_CLOSED;
}

const struct tls_pin *wire_peer(const struct wire *wire) {
    return wire->tls != NULL ? tls_engine_peer(wire->tls) : NULL;
}

uint8_t *wire_reserve(struct wire *wire, size_t want, size_t *room) {
    if (wire->tls != NULL)
        return tls_engine_reserve(wire->tls, want, room);
    size_t left = wire->in.limit - buf_size(&wire->in);
    *room = want < left ? want : left;
    uint8_t *at = *room > 0 ? buf_reserve(&wire->in, *room) : NULL;
    if (at == NULL)
        *room = 0;
    return at;
}

void wire_commit(struct wire *wire, size_t n) {
    if (wire->tls == NULL) {
        buf_commit(&wire->in, n);
        return;
    }
    tls_engine_commit(wire->tls, n);
    note_open(wire);
}

void wire_eof(struct wire *wire) {
    if (wire->tls != NULL)
        tls_engine_eof(wire->tls);
    else
        wire->error = LL_ELOST;
}

void wire_plain(struct wire *wire, const uint8_t **bytes, size_t *n) {
    if (wire->tls != NULL) {
        tls_engine_plain(wire->tls, bytes, n);
        return;
    }
    *n = buf_size(&wire->in);
    *bytes = *n > 0 ? buf_front(&wire->in) : NULL;
}

void wire_consume(struct wire *wire, size_t n) {
    if (wire->tls != NULL)
        tls_engine_consume(wire->tls, n);
    else
        buf_consume(&wire->in, n);
}

void wire_place(struct wire *wire, size_t head, uint8_t *(*choose)(void *, const uint8_t *, size_t), void *arg) {
    if (wire->tls != NULL)
        tls_engine_place(wire->tls, head, choose, arg);
}

const uint8_t *wire_apart(const struct wire *wire, size_t *n) {
    *n = 0;
    return wire->tls != NULL ? tls_engine_apart(wire->tls, n) : NULL;
}

int wire_write(struct wire *wire, const struct iovec *parts, int count) {
    if (wire->tls != NULL)
        return tls_engine_write(wire->tls, parts, count);
    if (wire->closed)
        return LL_ECLOSED;
    for (int i = 0; i < count; i++)
        buf_add(&wire->out, parts[i].iov_base, parts[i].iov_len);
    return wire->out.failed;
}

void wire_close(struct wire *wire) {
    wire->closed = true;
    if (wire->tls != NULL)
        tls_engine_close(wire->tls);
}

size_t wire_pending(const struct wire *wire) {
    return wire->tls != NULL ? tls_engine_pending_size(wire->tls) : buf_size(&wire->out);
}

ssize_t wire_send(struct wire *wire, int fd) {
    if (wire->tls != NULL)
        return seal_send(&wire->seal, wire->tls, fd);
    size_t n = buf_size(&wire->out);
    ssize_t sent = n > 0 ? os_send(fd, buf_front(&wire->out), n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (sent > 0)
        buf_consume(&wire->out, (size_t)sent);
    return sent == -EINTR ? -EAGAIN : sent;
}

struct tls_engine *wire_release(struct wire *wire) {
    struct tls_engine *tls = wire->tls;
    wire_place(wire, 0, NULL, NULL); /* who was asked does not go along */
    wire->tls = NULL;
    wire->error = LL_ECLOSED;
    return tls;
}
