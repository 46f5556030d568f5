/* landline/tls.h: the engine as a stream over a stream. */
#include "landline/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/limits.h"
#include "lib/tls/engine.h"

enum { MOST_PARTS = 64 }; /* of one write, which takes no more; the rest is the next one's */

struct ll_tls {
    struct tls_policy *client, *server;
    ll_pin pin;
};

struct tls_stream {
    ll_stream base;
    ll_stream *transport;
    struct tls_engine *engine;
    int read_error, write_error; /* of the transport; what came before a failed write can still be read */
    size_t want;                 /* how much to read at once: grows when it was too little */
};

/* --- pins and keys --- */

static struct tls_pin inner(const ll_pin *pin) {
    struct tls_pin copy;
    memcpy(copy.bytes, pin->bytes, sizeof copy.bytes);
    return copy;
}

void ll_pin_format(const ll_pin *pin, char out[LL_PIN_TEXT]) {
    _Static_assert((int)LL_PIN_TEXT == (int)TLS_PIN_TEXT && sizeof(ll_pin) == sizeof(struct tls_pin), "one pin");
    struct tls_pin copy = inner(pin);
    tls_pin_format(&copy, out);
}

int ll_pin_parse(const char *text, ll_pin *out) {
    struct tls_pin pin;
    int r = tls_pin_parse(&pin, text);
    if (r == 0)
        memcpy(out->bytes, pin.bytes, sizeof out->bytes);
    return r;
}

int ll_tls_open(const char *key_path, struct ll_error_info *info, ll_tls **out) {
    struct tls_identity *identity;
    *out = NULL;
    int r = tls_identity_open(&identity, key_path, info);
    if (r != 0)
        return r;
    ll_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        r = -ENOMEM;
    if (r == 0)
        r = tls_policy_new(&tls->client, TLS_CLIENT, identity);
    if (r == 0)
        r = tls_policy_new(&tls->server, TLS_SERVER, identity);
    if (r == 0)
        memcpy(tls->pin.bytes, tls_identity_pin(identity)->bytes, sizeof tls->pin.bytes);
    tls_identity_close(identity);
    if (r != 0) {
        ll_tls_close(tls);
        return r;
    }
    *out = tls;
    return 0;
}

void ll_tls_close(ll_tls *tls) {
    if (tls == NULL)
        return;
    tls_policy_free(tls->client);
    tls_policy_free(tls->server);
    free(tls);
}

const ll_pin *ll_tls_pin(const ll_tls *tls) {
    return &tls->pin;
}

/* --- moving bytes --- */

/* Gives what is pending to the transport: 0 when all is gone, -EAGAIN, or its error. */
static int flush(struct tls_stream *s) {
    const uint8_t *bytes;
    size_t n;
    while (s->write_error == 0 && (tls_engine_pending(s->engine, &bytes, &n), n > 0)) {
        ssize_t sent = ll_stream_write(s->transport, bytes, n);
        if (sent == -EAGAIN)
            return -EAGAIN;
        if (sent < 0)
            s->write_error = (int)sent;
        else
            tls_engine_sent(s->engine, (size_t)sent);
    }
    return s->write_error;
}

/* Takes what the transport has: 0 when there was something, -EAGAIN, or the error that ended it. */
static int receive(struct tls_stream *s) {
    size_t room;
    uint8_t *to = tls_engine_reserve(s->engine, s->want, &room);
    if (to == NULL)
        return tls_engine_error(s->engine);
    ssize_t n = ll_stream_read(s->transport, to, room);
    tls_engine_commit(s->engine, n > 0 ? (size_t)n : 0);
    if (n > 0) {
        if ((size_t)n == room && s->want < TLS_READ_BULK)
            s->want *= 2;
        else if ((size_t)n < TLS_READ / 2)
            s->want = TLS_READ;
        return 0;
    }
    if (n == LL_EOF)
        tls_engine_eof(s->engine);
    else if (n != -EAGAIN)
        s->read_error = (int)n;
    return n == LL_EOF ? tls_engine_error(s->engine) : (int)n;
}

/* The error that later calls repeat, 0 as long as it lives. An alert that waits is tried once more. */
static int dead(struct tls_stream *s) {
    int error = tls_engine_error(s->engine);
    if (error != 0)
        flush(s);
    return error != 0 ? error : s->read_error;
}

/* Handshakes as far as the transport allows, and flushes: 0 when nothing is left to do. */
static int proceed(struct tls_stream *s) {
    for (;;) {
        int r = dead(s);
        if (r == 0)
            r = flush(s);
        if (r != 0 || tls_engine_state(s->engine) != TLS_HANDSHAKING)
            return r;
        r = receive(s);
        if (r == -EAGAIN)
            return r;
    }
}

static ssize_t stream_read(ll_stream *stream, void *to, size_t size) {
    struct tls_stream *s = (struct tls_stream *)stream;
    const uint8_t *bytes;
    size_t n;
    flush(s);
    while (tls_engine_plain(s->engine, &bytes, &n), n == 0) {
        if (tls_engine_state(s->engine) == TLS_CLOSED)
            return LL_EOF;
        int r = dead(s);
        if (r == 0)
            r = receive(s);
        if (r != 0)
            return r == -EAGAIN ? r : dead(s);
        flush(s); /* the handshake's answers */
    }
    n = n < size ? n : size;
    memcpy(to, bytes, n);
    tls_engine_consume(s->engine, n);
    return (ssize_t)n;
}

/* The non-empty ones of the parts, as many as one write takes; returns their size. */
static size_t choose(const struct iovec *parts, int count, struct iovec some[MOST_PARTS], int *used) {
    size_t total = 0;
    *used = 0;
    for (int i = 0; i < count && *used < MOST_PARTS && total < TLS_READ_BULK; i++) {
        size_t left = TLS_READ_BULK - total, n = parts[i].iov_len < left ? parts[i].iov_len : left;
        some[*used] = (struct iovec){parts[i].iov_base, n};
        *used += n > 0;
        total += n;
    }
    return total;
}

static ssize_t stream_writev(ll_stream *stream, const struct iovec *parts, int count) {
    struct tls_stream *s = (struct tls_stream *)stream;
    struct iovec some[MOST_PARTS];
    int used, r = proceed(s);
    if (r != 0)
        return r;
    size_t total = choose(parts, count, some, &used);
    r = tls_engine_write(s->engine, some, used);
    if (r != 0)
        return r == LL_ECLOSED ? -EPIPE : r;
    r = flush(s);
    return r == 0 || r == -EAGAIN ? (ssize_t)total : r;
}

static int stream_shutdown_write(ll_stream *stream) {
    struct tls_stream *s = (struct tls_stream *)stream;
    int r = tls_engine_state(s->engine) == TLS_HANDSHAKING ? proceed(s) : dead(s);
    if (r != 0)
        return r;
    tls_engine_close(s->engine);
    return flush(s);
}

static int stream_fileno(const ll_stream *stream) {
    return ll_stream_fileno(((const struct tls_stream *)stream)->transport);
}

static unsigned stream_wants(const ll_stream *stream, unsigned events) {
    const struct tls_stream *s = (const struct tls_stream *)stream;
    unsigned inner_events = events & (LL_READ | LL_WRITE);
    if (inner_events != 0 && tls_engine_state(s->engine) == TLS_HANDSHAKING)
        inner_events = LL_READ;
    if (inner_events != 0 && tls_engine_pending_size(s->engine) > 0)
        inner_events |= LL_WRITE;
    return ll_stream_wants(s->transport, inner_events);
}

static unsigned stream_ready(const ll_stream *stream, unsigned events) {
    const struct tls_stream *s = (const struct tls_stream *)stream;
    if (s->read_error != 0 || s->write_error != 0 || tls_engine_state(s->engine) == TLS_FAILED)
        return events & (LL_READ | LL_WRITE);
    unsigned below = ll_stream_ready(s->transport, stream_wants(stream, events));
    unsigned ready = below & LL_READ;
    if (tls_engine_readable(s->engine))
        ready |= LL_READ;
    if (tls_engine_state(s->engine) != TLS_HANDSHAKING && (tls_engine_pending_size(s->engine) == 0 || below & LL_WRITE))
        ready |= LL_WRITE;
    return ready & events;
}

static void stream_close(ll_stream *stream) {
    struct tls_stream *s = (struct tls_stream *)stream;
    if (dead(s) == 0) {
        tls_engine_close(s->engine);
        flush(s);
    }
    tls_engine_free(s->engine);
    ll_stream_close(s->transport);
    free(s);
}

static const struct ll_stream_kind kind = {
    .read = stream_read,
    .writev = stream_writev,
    .shutdown_write = stream_shutdown_write,
    .fileno = stream_fileno,
    .wants = stream_wants,
    .ready = stream_ready,
    .close = stream_close,
};

/* --- making them --- */

/* Puts the engine, if it could be made, over the transport; takes both. */
static int attach(ll_stream *transport, struct tls_engine *engine, int error, ll_stream **out) {
    *out = NULL;
    struct tls_stream *s = error == 0 ? calloc(1, sizeof *s) : NULL;
    if (s == NULL) {
        tls_engine_free(engine);
        ll_stream_close(transport);
        return error == 0 ? -ENOMEM : error;
    }
    *s = (struct tls_stream){.base.kind = &kind, .transport = transport, .engine = engine, .want = TLS_READ};
    *out = &s->base;
    return 0;
}

int ll_tls_connect(ll_tls *tls, ll_stream *transport, const ll_pin *server, const char *name, ll_stream **out) {
    struct tls_engine *engine;
    struct tls_pin pin = inner(server);
    int r = tls_engine_new_client(&engine, tls->client, &pin, name, (uint64_t)time(NULL));
    return attach(transport, engine, r, out);
}

int ll_tls_accept(ll_tls *tls, ll_stream *transport, ll_stream **out) {
    struct tls_engine *engine;
    int r = tls_engine_new_server(&engine, tls->server, (uint64_t)time(NULL));
    return attach(transport, engine, r, out);
}

int ll_tls_handshake(ll_stream *stream) {
    return stream->kind == &kind ? proceed((struct tls_stream *)stream) : -EINVAL;
}

const ll_pin *ll_tls_peer(const ll_stream *stream) {
    if (stream->kind != &kind)
        return NULL;
    const struct tls_pin *pin = tls_engine_peer(((const struct tls_stream *)stream)->engine);
    return (const ll_pin *)pin; /* the same 32 bytes */
}

const char *ll_tls_reason(const ll_stream *stream) {
    return stream->kind == &kind ? tls_engine_sentence(((const struct tls_stream *)stream)->engine) : "";
}
