/* Servers that say what a test wants them to, on the loop of the client that they are for, and a folder for the keys of both.
 * At most one connection at a time: a new one takes the place of the one before. */
#ifndef TESTS_UNIT_CLIENT_PEER_H
#define TESTS_UNIT_CLIENT_PEER_H

#include "tests/unit/net/support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/client.h"
#include "landline/loop.h"
#include "landline/proto/session.h"
#include "landline/stream.h"
#include "landline/tls.h"

struct peer;

struct script {
    bool plain;       /* no TLS */
    const void *says; /* in answer to the first bytes, then it hangs up; NULL: a server's session answers */
    size_t size;      /* 0: it says nothing … */
    bool stays;       /* … and does not hang up */
    enum session_access access;
    uint32_t busy_ms;
    void (*take)(struct peer *peer, const uint8_t *bytes, size_t n); /* answers instead */
    void (*open)(struct peer *peer, uint32_t stream);                /* a request has come; NULL: it is not answered */
};

struct peer {
    const struct script *script;
    char folder[40], key[48], pin[LL_PIN_TEXT], address[LL_ADDRESS_TEXT]; /* key: the client's file */
    ll_loop *loop;
    ll_tls *tls;
    ll_socket *listener;
    ll_watch *arrivals, *watch;
    ll_stream *stream;
    struct session *session;
    int met; /* connections so far */
};

static inline void peer_hang_up(struct peer *p) {
    ll_watch_free(p->watch);
    ll_stream_close(p->stream);
    session_free(p->session);
    p->watch = NULL;
    p->stream = NULL;
    p->session = NULL;
}

/* From now on connections are refused. */
static inline void peer_deafen(struct peer *p) {
    ll_watch_free(p->arrivals);
    ll_socket_free(p->listener);
    p->arrivals = NULL;
    p->listener = NULL;
}

static inline void peer_flush(struct peer *p) {
    struct slice out = session_output(p->session);
    if (out.size > 0)
        assert_int_equal(ll_stream_write(p->stream, out.data, out.size), out.size);
    session_sent(p->session, out.size);
}

/* As a server would, until the script or the session ends the connection. */
static inline void peer_converse(struct peer *p, const uint8_t *bytes, size_t n) {
    int more = 0;
    while (p->session != NULL && n > 0 && more >= 0) {
        struct session_event event;
        size_t used;
        more = session_next(p->session, bytes, n, ll_loop_now(p->loop), &used, &event);
        bytes += used;
        n -= used;
        if (more > 0 && event.type == MESSAGE_OPEN && p->script->open != NULL)
            p->script->open(p, event.stream);
    }
    if (p->session == NULL)
        return;
    peer_flush(p);
    if (more < 0)
        peer_hang_up(p);
}

static inline void peer_take(struct peer *p, const uint8_t *bytes, size_t n) {
    const struct script *s = p->script;
    if (s->take != NULL) {
        s->take(p, bytes, n);
        return;
    }
    if (s->says == NULL && !s->stays && !s->plain) {
        peer_converse(p, bytes, n);
        return;
    }
    if (s->size > 0)
        assert_int_equal(ll_stream_write(p->stream, s->says, s->size), s->size);
    if (!s->stays)
        peer_hang_up(p);
}

static inline void peer_ready(void *arg, unsigned events) {
    struct peer *p = arg;
    uint8_t bytes[8192];
    ssize_t n = 1;
    (void)events;
    while (p->stream != NULL && n > 0) {
        n = ll_stream_read(p->stream, bytes, sizeof bytes);
        if (n > 0)
            peer_take(p, bytes, (size_t)n);
        else if (n != -EAGAIN)
            peer_hang_up(p);
    }
}

static inline void peer_arrival(void *arg, unsigned events) {
    struct peer *p = arg;
    ll_socket *socket;
    ll_stream *stream;
    (void)events;
    assert_code(ll_socket_accept4(p->listener, SOCK_NONBLOCK, &socket, NULL), 0);
    int fd = ll_socket_detach(socket);
    ll_socket_free(socket);
    peer_hang_up(p);
    p->met++;
    assert_code(ll_stream_fd(fd, &stream), 0);
    if (p->script->plain)
        p->stream = stream;
    else
        assert_code(ll_tls_accept(p->tls, stream, &p->stream), 0);
    const struct session_server_config config = {
        .access = p->script->access, .verbs = 31, .greeting_deadline = LL_NEVER, .busy_ms = p->script->busy_ms};
    p->session = session_new_server(&config, ll_loop_now(p->loop));
    assert_non_null(p->session);
    assert_code(ll_loop_fd(p->loop, fd, LL_READ, peer_ready, p, &p->watch), 0);
}

static inline void peer_open(struct peer *p, const struct script *script) {
    char path[56];
    struct ll_address address;
    *p = (struct peer){.script = script, .folder = "/tmp/landline-peer-XXXXXX"};
    assert_non_null(mkdtemp(p->folder));
    assert_int_equal(setenv("LANDLINE_HOME", p->folder, 1), 0);
    snprintf(path, sizeof path, "%s/server", p->folder);
    snprintf(p->key, sizeof p->key, "%s/key", p->folder);
    assert_code(ll_tls_open(path, NULL, &p->tls), 0);
    assert_int_equal(unlink(path), 0);
    ll_pin_format(ll_tls_pin(p->tls), p->pin);
    assert_code(ll_loop_new(&p->loop), 0);
    p->listener = listener(AF_INET, &address);
    ll_address_format(&address, p->address, sizeof p->address);
    assert_code(ll_loop_fd(p->loop, ll_socket_fileno(p->listener), LL_READ, peer_arrival, p, &p->arrivals), 0);
}

/* Everything in the folder but the key is the test's to remove. */
static inline void peer_close(struct peer *p) {
    peer_hang_up(p);
    peer_deafen(p);
    ll_loop_free(p->loop);
    ll_tls_close(p->tls);
    unlink(p->key);
    assert_int_equal(rmdir(p->folder), 0);
}

static inline struct ll_client_options peer_options(const struct peer *p) {
    return (struct ll_client_options){.host = "box",
                                      .addresses = p->address,
                                      .pin = p->pin,
                                      .key_file = p->key,
                                      .patience_s = 0.001,
                                      .loop = p->loop};
}

#endif
