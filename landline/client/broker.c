/* broker.h: the process. One loop: the server's connection, the listener, the local clients. */
#include "landline/client/broker.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "landline/client/client_state.h"
#include "landline/client/moved.h"
#include "landline/loop.h"
#include "landline/message.h"
#include "landline/proto/relay.h"
#include "lib/os/clock.h"
#include "lib/os/sandbox.h"
#include "lib/seal/seal.h"

enum { READS = 8 };

static const int64_t MS = 1000000;

struct local {
    struct broker *broker;
    ll_socket *socket;
    ll_watch *watch;
    struct relay_port *port;
    struct local *previous, *next;
    bool ending; /* its last words are still to be sent */
};

struct broker {
    ll_loop *loop;
    ll_socket *server, *listener;
    struct tls_engine *tls;
    struct seal seal;
    struct relay *relay;
    ll_watch *server_watch, *listener_watch;
    ll_timer *timer;
    struct moved *moved;
    struct local *locals;
    size_t local_count;
    uint64_t welcome_ms, welcomed_at_ms; /* the server's time of day, and ours when it was told */
    int64_t last_received, last_asked, idle_since, idle_ns;
    bool held_back; /* clients wait for the server's transport */
    bool over;
};

/* --- the server's side --- */

static size_t ahead(const struct broker *b) {
    return tls_engine_pending_size(b->tls) + buf_size(relay_up(b->relay));
}

static unsigned server_wants(void *arg) {
    const struct broker *b = arg;
    return LL_READ | (ahead(b) > 0 ? LL_WRITE : 0);
}

static void send_ciphertext(struct broker *b) {
    ssize_t sent;
    do
        sent = seal_send(&b->seal, b->tls, ll_socket_fileno(b->server));
    while (sent > 0);
    b->over = b->over || (sent < 0 && sent != -EAGAIN) || tls_engine_state(b->tls) == TLS_FAILED;
}

static void send_up(struct broker *b) {
    struct buf *up = relay_up(b->relay);
    while (!b->over && buf_size(up) > 0 && tls_engine_pending_size(b->tls) < LIMIT_BROKER_AHEAD) {
        size_t n = buf_size(up) < LIMIT_BROKER_TURN ? buf_size(up) : LIMIT_BROKER_TURN;
        struct iovec part = {buf_front(up), n};
        b->over = tls_engine_write(b->tls, &part, 1) != 0;
        buf_consume(up, n);
        send_ciphertext(b);
    }
    send_ciphertext(b);
    b->over = b->over || up->failed != 0;
    ll_watch_touch(b->server_watch);
    bool full = ahead(b) >= LIMIT_BROKER_AHEAD;
    for (struct local *l = b->locals; b->held_back && !full && l != NULL; l = l->next)
        ll_watch_touch(l->watch);
    b->held_back = full;
}

/* False: there is no more for now, or never. */
static bool receive(struct broker *b) {
    const uint8_t *plain;
    size_t room, n;
    uint8_t *to = tls_engine_reserve(b->tls, TLS_READ_BULK, &room);
    ssize_t got = to != NULL ? ll_socket_recv(b->server, to, room, 0) : -ENOBUFS;
    if (got == -EAGAIN)
        return false;
    if (got > 0) {
        b->last_received = ll_loop_now(b->loop);
        tls_engine_commit(b->tls, (size_t)got);
        for (tls_engine_plain(b->tls, &plain, &n); n > 0; tls_engine_plain(b->tls, &plain, &n)) {
            if (relay_from_server(b->relay, plain, n, clock_boot_ms()) != 0) {
                b->over = true;
                return false;
            }
            tls_engine_consume(b->tls, n);
        }
    }
    b->over = got <= 0 || tls_engine_state(b->tls) != TLS_ESTABLISHED;
    return !b->over && (size_t)got == room;
}

/* --- the clients' side --- */

static void listen_on(struct broker *b) {
    ll_watch_set(b->listener_watch, b->local_count < LIMIT_BROKER_CLIENTS ? LL_READ : 0);
}

static void local_free(struct local *l) {
    struct broker *b = l->broker;
    relay_port_free(l->port);
    ll_watch_free(l->watch);
    ll_socket_free(l->socket);
    if (l->previous != NULL)
        l->previous->next = l->next;
    else
        b->locals = l->next;
    if (l->next != NULL)
        l->next->previous = l->previous;
    b->local_count--;
    free(l);
    listen_on(b);
}

static unsigned local_wants(void *arg) {
    const struct local *l = arg;
    bool reads = !l->ending && ahead(l->broker) < LIMIT_BROKER_AHEAD;
    return (reads ? LL_READ : 0) | (buf_size(relay_port_out(l->port)) > 0 ? LL_WRITE : 0);
}

/* Sends what it can. False: that was the client's end, and it is freed. */
static bool send_down(struct local *l) {
    struct buf *out = relay_port_out(l->port);
    ssize_t sent = 0;
    while (buf_size(out) > 0 && (sent = ll_socket_send(l->socket, buf_front(out), buf_size(out), 0)) > 0)
        buf_consume(out, (size_t)sent);
    if ((sent < 0 && sent != -EAGAIN) || out->failed != 0 || (l->ending && buf_size(out) == 0)) {
        local_free(l);
        return false;
    }
    ll_watch_touch(l->watch);
    return true;
}

/* After anything that came: to each what is for it. */
static void settle(struct broker *b) {
    struct local *l;
    while ((l = relay_next_dirty(b->relay)) != NULL)
        send_down(l);
    send_up(b);
    if (relay_streams(b->relay) > 0)
        b->idle_since = ll_loop_now(b->loop);
}

static uint64_t server_ms(const struct broker *b) {
    return b->welcome_ms + (client_unix_ms() - b->welcomed_at_ms);
}

/* Whether all that is for the client was taken by its socket; if not, it has gone, and is freed: of what it asked for nothing is
 * passed on. */
static bool is_told(struct local *l) {
    if (!send_down(l))
        return false;
    if (buf_size(relay_port_out(l->port)) == 0)
        return true;
    local_free(l);
    return false;
}

static void take_from(struct local *l) {
    uint8_t bytes[LIMIT_BROKER_TURN];
    struct broker *b = l->broker;
    ssize_t n = ll_socket_recv(l->socket, bytes, sizeof bytes, 0);
    if (n == -EAGAIN)
        return;
    b->idle_since = ll_loop_now(b->loop);
    size_t used, at = 0;
    int e = n > 0 ? 0 : LL_EOF;
    while (n > 0 && (e = relay_from_port(l->port, bytes + at, (size_t)n - at, server_ms(b), &used)) == 1) {
        if (!is_told(l))
            return;
        at += used;
    }
    if (e == 0)
        return;
    l->ending = n > 0;
    if (l->ending)
        send_down(l);
    else
        local_free(l);
}

static void local_ready(void *arg, unsigned events) {
    struct local *l = arg;
    struct broker *b = l->broker;
    bool is_there = (events & LL_WRITE) == 0 || send_down(l);
    if (is_there && (events & LL_READ) != 0 && !l->ending)
        take_from(l);
    settle(b);
}

static void take_client(struct broker *b, ll_socket *socket) {
    struct ll_credentials other;
    struct local *l = calloc(1, sizeof *l);
    if (l == NULL || ll_socket_peer_credentials(socket, &other) != 0 || other.uid != geteuid() ||
        (l->port = relay_port_new(b->relay, l)) == NULL ||
        ll_loop_fd(b->loop, ll_socket_fileno(socket), LL_READ, local_ready, l, &l->watch) != 0) {
        if (l != NULL)
            relay_port_free(l->port);
        ll_socket_free(socket);
        free(l);
        return;
    }
    ll_watch_ask(l->watch, local_wants);
    l->broker = b;
    l->socket = socket;
    l->next = b->locals;
    if (b->locals != NULL)
        b->locals->previous = l;
    b->locals = l;
    b->local_count++;
    take_from(l); /* its first words came with it, as a rule */
}

static void listener_ready(void *arg, unsigned events) {
    struct broker *b = arg;
    ll_socket *socket;
    (void)events;
    while (b->local_count < LIMIT_BROKER_CLIENTS && ll_socket_accept4(b->listener, SOCK_NONBLOCK, &socket, NULL) == 0)
        take_client(b, socket);
    listen_on(b);
    settle(b);
}

static void server_ready(void *arg, unsigned events) {
    struct broker *b = arg;
    if ((events & LL_READ) != 0)
        for (int i = 0; i < READS && receive(b); i++)
            continue;
    settle(b);
}

/* --- time --- */

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t ask_at(const struct broker *b) {
    int64_t from = b->last_received > b->last_asked ? b->last_received : b->last_asked;
    return from + LIMIT_PING_AFTER_MS * MS;
}

/* Idle, or nothing heard: the end. Silence: a question. */
static void timer(void *arg) {
    struct broker *b = arg;
    int64_t now = ll_loop_now(b->loop), dead = b->last_received + LIMIT_DEAD_AFTER_MS * MS;
    if (relay_streams(b->relay) > 0)
        b->idle_since = now;
    if (now >= b->idle_since + b->idle_ns)
        listener_ready(b, LL_READ); /* who came in the last moment still counts */
    b->over = b->over || now >= dead || now >= b->idle_since + b->idle_ns;
    if (now >= ask_at(b)) {
        b->last_asked = now;
        relay_ping(b->relay);
        settle(b);
    }
    ll_timer_set(b->timer, earlier(earlier(dead, ask_at(b)), b->idle_since + b->idle_ns));
}

/* --- the whole --- */

static void address_gone(void *arg) {
    struct broker *b = arg;
    b->over = true;
}

static int open_broker(struct broker *b, const struct broker_start *start) {
    int e = ll_loop_new(&b->loop);
    b->relay = relay_new(start->welcome, start->last_stream);
    if (e == 0 && b->relay == NULL)
        e = -ENOMEM;
    if (e == 0)
        e = ll_loop_fd(b->loop, ll_socket_fileno(b->server), LL_READ, server_ready, b, &b->server_watch);
    if (e == 0)
        e = ll_loop_fd(b->loop, ll_socket_fileno(b->listener), LL_READ, listener_ready, b, &b->listener_watch);
    if (e == 0)
        e = ll_loop_timer(b->loop, LL_NEVER, timer, b, &b->timer);
    if (e == 0) /* now, for in its cell it makes no socket */
        e = moved_new(&b->moved, b->loop, b->server, 0, address_gone, b);
    if (e != 0)
        return e;
    ll_watch_ask(b->server_watch, server_wants);
    b->last_received = b->last_asked = b->idle_since = ll_loop_now(b->loop);
    ll_timer_set(b->timer, 0);
    return 0;
}

static void close_broker(struct broker *b) {
    while (b->locals != NULL)
        local_free(b->locals);
    tls_engine_close(b->tls);
    send_ciphertext(b);
    relay_free(b->relay);
    moved_free(b->moved);
    ll_timer_free(b->timer);
    ll_watch_free(b->listener_watch);
    ll_watch_free(b->server_watch);
    ll_loop_free(b->loop);
    ll_socket_free(b->listener);
    ll_socket_free(b->server);
    tls_engine_free(b->tls);
}

int broker_serve(const struct broker_start *start) {
    struct broker b = {.server = start->server,
                       .listener = start->listener,
                       .tls = start->tls,
                       .welcome_ms = start->welcome->unix_ms,
                       .welcomed_at_ms = start->unix_ms,
                       .idle_ns = (int64_t)(start->idle_s * 1e9)};
    int e = open_broker(&b, start);
    (void)tls_prepare_for_bulk();
    if (e == 0) /* what it holds is all it needs, and it hears from a server that may be anybody's one day */
        e = sandbox_enter(NULL, NULL);
    while (e >= 0 && !b.over)
        e = ll_loop_step(b.loop, LL_NEVER);
    close_broker(&b);
    return e < 0 ? e : 0;
}
