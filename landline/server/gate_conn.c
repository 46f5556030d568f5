#include "landline/server/gate.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "landline/error.h"
#include "lib/os/clock.h"
#include "lib/os/socket.h"

enum {
    SEND_MARK = 256 << 10, /* ciphertext that is gathered for one send() */
    ROUNDS = 4,            /* sends and receives of one connection in one pass */
    IPC_MARK = 16 << 20,   /* bytes for the keeper above which nobody is read from */
    ACCEPTS = 64,          /* of one listener in one pass */
    HOLD_MS = 50,          /* conn_hold() */
    NUMBER_MASK = 0x7fffffff,
};

static const int64_t MS = 1000000;

static uint64_t unix_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void conn_touch(struct conn *conn) {
    if (conn->dirty)
        return;
    conn->dirty = true;
    conn->next_dirty = conn->gate->dirty;
    conn->gate->dirty = conn;
}

/* --- strangers --- */

/* What counts as one source: an IPv4 address, or the first half of an IPv6 one. */
static uint64_t source_of(const struct ll_address *address) {
    uint64_t key = 1;
    if (ll_address_family(address) == AF_INET)
        key = (1ULL << 32) | address->as.ipv4.sin_addr.s_addr;
    else if (ll_address_family(address) == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->as.ipv6.sin6_addr))
        memcpy(&key, address->as.ipv6.sin6_addr.s6_addr + 12, 4);
    else if (ll_address_family(address) == AF_INET6)
        memcpy(&key, address->as.ipv6.sin6_addr.s6_addr, 8);
    return key;
}

static size_t strangers_of(const struct gate *gate, uint64_t source) {
    return (size_t)(uintptr_t)map_get(&gate->sources, source);
}

static void count_stranger(struct gate *gate, uint64_t source, size_t count) {
    if (count == 0)
        map_take(&gate->sources, source);
    else
        map_put(&gate->sources, source, (void *)(uintptr_t)count);
}

void conn_known(struct conn *conn) {
    struct gate *gate = conn->gate;
    if (!conn->stranger)
        return;
    conn->stranger = false;
    gate->strangers--;
    count_stranger(gate, conn->source, strangers_of(gate, conn->source) - 1);
    if (conn->older != NULL)
        conn->older->newer = conn->newer;
    else
        gate->oldest = conn->newer;
    if (conn->newer != NULL)
        conn->newer->older = conn->older;
    else
        gate->newest = conn->older;
    conn->older = conn->newer = NULL;
}

static void add_stranger(struct conn *conn) {
    struct gate *gate = conn->gate;
    conn->stranger = true;
    gate->strangers++;
    count_stranger(gate, conn->source, strangers_of(gate, conn->source) + 1);
    conn->older = gate->newest;
    if (gate->newest != NULL)
        gate->newest->newer = conn;
    else
        gate->oldest = conn;
    gate->newest = conn;
}

/* A place for one more: whoever has waited longest without proving itself makes it, among those of the same source if
 * that has its share. */
static void make_place(struct gate *gate, uint64_t source) {
    bool share = strangers_of(gate, source) >= LIMIT_STRANGERS_SOURCE;
    if (!share && gate->strangers < LIMIT_STRANGERS)
        return;
    struct conn *conn = gate->oldest;
    while (share && conn != NULL && conn->source != source)
        conn = conn->newer;
    if (conn != NULL)
        conn_free(conn);
}

/* --- life --- */

void conn_free(struct conn *conn) {
    struct gate *gate = conn->gate;
    conn_known(conn);
    if (conn->dirty) {
        struct conn **at = &gate->dirty;
        while (*at != conn)
            at = &(*at)->next_dirty;
        *at = conn->next_dirty;
    }
    if (conn->session != NULL)
        for (uint32_t n = session_each(conn->session, 0), next; n != 0; n = next) {
            next = session_each(conn->session, n);
            if (session_tag(conn->session, n) != NULL)
                lane_free(session_tag(conn->session, n));
        }
    if (conn->announced)
        ipc_send_bytes(&gate->ipc, IPC_GONE, conn->number, 0, NULL, 0);
    map_take(&gate->conns, conn->number);
    session_free(conn->session);
    tls_engine_free(conn->engine);
    ll_timer_free(conn->timer);
    ll_watch_free(conn->watch);
    if (conn->fd >= 0)
        close(conn->fd);
    free(conn);
}

void conn_dismiss(struct conn *conn, uint16_t code, const char *text) {
    if (conn->session != NULL)
        session_close(conn->session, code, text);
    else
        conn->over = true;
    conn_touch(conn);
}

void conn_enrolled(struct conn *conn, uint16_t code, uint32_t verbs) {
    if (conn->session == NULL)
        return;
    if (code != CODE_NONE) {
        conn_dismiss(conn, code, message_code_text(code));
        return;
    }
    uint32_t busy_ms = gate_busy_ms(conn->gate);
    if (busy_ms > 0) {
        session_busy(conn->session, busy_ms, "it has no room for another client");
    } else {
        session_enrolled(conn->session, verbs);
        conn_known(conn);
    }
    conn_touch(conn);
}

static void add_clocks(struct buf *b, const struct clocks *clocks) {
    buf_add_u64(b, clocks->ours_ms);
    buf_add_u64(b, clocks->theirs_ms);
}

static void announce(struct conn *conn, const struct message_hello *hello) {
    struct ipc *ipc = &conn->gate->ipc;
    size_t mark = ipc_begin(ipc, IPC_CONNECTED, 0, conn->number, 0);
    buf_add(&ipc->out, tls_engine_peer(conn->engine)->bytes, TLS_PIN_SIZE);
    add_clocks(&ipc->out, &(struct clocks){conn->accepted_ms, hello->clock_ms});
    buf_add_str8(&ipc->out, conn->address, strlen(conn->address));
    buf_add_str8(&ipc->out, hello->agent.data, hello->agent.size);
    ipc_finish(ipc, mark);
    conn->announced = true;
}

/* TLS stands: who is it? */
static void begin_session(struct conn *conn) {
    struct gate *gate = conn->gate;
    static const char agent[] = "landline";
    const struct gate_grant *grant = gate_find(gate, tls_engine_peer(conn->engine));
    struct session_server_config config = {
        .access = grant == NULL    ? SESSION_NOT_ENROLLED
                  : grant->revoked ? SESSION_REVOKED
                                   : SESSION_ENROLLED,
        .verbs = grant != NULL ? grant->verbs : 0,
        .unix_ms = unix_ms(),
        .horizon_s = gate->horizon_s,
        .agent = {(const uint8_t *)agent, sizeof agent - 1},
        .name = {(const uint8_t *)gate->name, strlen(gate->name)},
        .greeting_deadline = ll_timer_deadline(conn->timer),
        .window_max = LIMIT_GATE_WINDOW,
    };
    if (config.access == SESSION_ENROLLED)
        config.busy_ms = gate_busy_ms(gate);
    memcpy(config.instance, gate->instance, sizeof config.instance);
    conn->session = session_new_server(&config, ll_loop_now(gate->loop));
    if (conn->session == NULL)
        conn->over = true;
}

/* --- in --- */

static void handle(struct conn *conn, const struct session_event *event) {
    struct ipc *ipc = &conn->gate->ipc;
    switch (event->type) {
    case MESSAGE_HELLO:
        if (session_state(conn->session) == MESSAGE_CLOSED)
            break; /* it was told to come back */
        announce(conn, &event->u.hello);
        if (session_state(conn->session) == MESSAGE_OPENED_STATE)
            conn_known(conn);
        if (conn->gate->retire_at != LL_NEVER)
            session_close(conn->session, CODE_GOING_AWAY, "the server restarts");
        break;
    case MESSAGE_ENROL: {
        size_t mark = ipc_begin(ipc, IPC_ENROL, 0, conn->number, 0);
        message_put_enrol(&ipc->out, &event->u.enrol);
        ipc_finish(ipc, mark);
        break;
    }
    case MESSAGE_PONG: {
        size_t mark = ipc_begin(ipc, IPC_CLOCKS, 0, conn->number, 0);
        add_clocks(&ipc->out, &event->u.pong.clocks);
        ipc_finish(ipc, mark);
        break;
    }
    case MESSAGE_CLOSE:
        break;
    default:
        if (event->stream != 0)
            lane_event(conn, event);
    }
}

/* Feeds the session with one piece of plaintext. */
static int take_piece(struct conn *conn, const uint8_t *bytes, size_t n) {
    struct session_event event;
    size_t rest, used = 0;
    int64_t now = ll_loop_now(conn->gate->loop);
    const uint8_t *apart = tls_engine_apart(conn->engine, &rest);
    if (apart != NULL) {
        int e = session_next_apart(conn->session, bytes, apart, rest, now, &event);
        if (e == 1)
            handle(conn, &event);
        return e;
    }
    for (size_t at = 0; at <= n; at += used) {
        int e = session_next(conn->session, bytes + at, n - at, now, &used, &event);
        if (e != 1)
            return e;
        handle(conn, &event);
    }
    return 0;
}

/* And with all that has been decrypted. */
static void take_plain(struct conn *conn) {
    const uint8_t *bytes;
    size_t n;
    while (!conn->over && (tls_engine_plain(conn->engine, &bytes, &n), n > 0)) {
        if (conn->session == NULL)
            begin_session(conn);
        if (conn->over)
            return;
        if (take_piece(conn, bytes, n) < 0)
            conn->over = true;
        tls_engine_consume(conn->engine, n);
    }
}

/* Reads and decrypts; the end of the connection is seen by the engine. */
static void receive(struct conn *conn) {
    for (int i = 0; i < ROUNDS && !conn->over && conn->held_until == 0; i++) {
        size_t room;
        uint8_t *to = tls_engine_reserve(conn->engine, conn->bulk ? conn->most : TLS_READ, &room);
        if (to == NULL) {
            conn->over = true;
            return;
        }
        ssize_t n = os_recv(conn->fd, to, room, MSG_DONTWAIT);
        if (n == -EAGAIN || n == -EINTR)
            return;
        if (n > 0)
            tls_engine_commit(conn->engine, (size_t)n);
        conn->bulk = n > TLS_READ / 2;
        take_plain(conn);
        if (n <= 0) {
            conn->over = true;
            return;
        }
        if ((size_t)n < room)
            return;
    }
}

void conn_hold(struct conn *conn) {
    if (conn->held_until == 0)
        conn->held_until = ll_loop_now(conn->gate->loop) + HOLD_MS * MS;
    conn_touch(conn);
}

void conn_go_on(struct conn *conn) {
    if (conn->held_until != 0)
        conn_touch(conn);
    conn->held_until = 0;
}

static void ready(void *arg, unsigned events) {
    struct conn *conn = arg;
    if (events & LL_WRITE)
        conn->blocked = false;
    if (events & LL_READ)
        receive(conn);
    conn_touch(conn);
}

static void timed(void *arg) {
    struct conn *conn = arg;
    if (conn->held_until <= ll_loop_now(conn->gate->loop))
        conn->held_until = 0;
    /* Before a session there is one deadline, for all of the handshake; the session has its own. */
    if (conn->session != NULL)
        session_set_clock(conn->session, clock_boot_ms());
    if (conn->session == NULL || session_tick(conn->session, ll_loop_now(conn->gate->loop)) != 0)
        conn->over = true;
    conn_touch(conn);
}

/* --- out --- */

/* Moves frames into the engine until there is enough for one send. */
static bool gather(struct conn *conn) {
    bool moved = false;
    conn->passed = 0;
    while (conn->session != NULL && tls_engine_pending_size(conn->engine) + conn->passed < SEND_MARK &&
           tls_engine_state(conn->engine) == TLS_ESTABLISHED) {
        struct slice out = session_output(conn->session);
        if (out.size > 0) {
            const struct iovec part = {(void *)(uintptr_t)out.data, out.size};
            if (tls_engine_write(conn->engine, &part, 1) != 0) {
                conn->over = true;
                return moved;
            }
            session_sent(conn->session, out.size);
            moved = true;
        } else if (conn->over || !lane_pump(conn, SEND_MARK)) {
            return moved;
        } else {
            moved = true;
        }
    }
    return moved;
}

static void send_pending(struct conn *conn) {
    ssize_t done = 1;
    while (!conn->blocked && done > 0) {
        done = seal_send(&conn->seal, conn->engine, conn->fd);
        if (done == -EAGAIN)
            conn->blocked = true;
        else if (done < 0)
            conn->over = true;
    }
}

/* What goes out last: the session's CLOSE or the engine's alert, if the socket takes them now. */
static void farewell(struct conn *conn) {
    gather(conn);
    send_pending(conn);
    if (tls_engine_state(conn->engine) == TLS_ESTABLISHED || tls_engine_state(conn->engine) == TLS_CLOSED)
        tls_engine_close(conn->engine);
    send_pending(conn);
    conn_free(conn);
}

void conn_settle(struct conn *conn) {
    struct gate *gate = conn->gate;
    bool more = true;
    for (int i = 0; i < ROUNDS && more && !conn->blocked && !conn->over; i++) {
        more = gather(conn);
        send_pending(conn);
    }
    if (conn->session != NULL && session_state(conn->session) == MESSAGE_CLOSED &&
        tls_engine_pending_size(conn->engine) == 0 && session_output(conn->session).size == 0)
        conn->over = true;
    if (tls_engine_state(conn->engine) == TLS_FAILED)
        conn->over = true;
    if (conn->over) {
        farewell(conn);
        return;
    }
    if (more && !conn->blocked)
        conn_touch(conn);
    int64_t deadline = conn->session != NULL ? session_deadline(conn->session) : LL_NEVER;
    bool held = conn->held_until != 0;
    if (conn->session != NULL)
        ll_timer_set(conn->timer, held && conn->held_until < deadline ? conn->held_until : deadline);
    conn->paused = buf_size(&gate->ipc.out) > IPC_MARK;
    ll_watch_set(conn->watch, (conn->paused || held ? 0 : LL_READ) | (conn->blocked ? LL_WRITE : 0));
}

/* --- new ones --- */

static struct conn *make(struct gate *gate, int fd, const struct ll_address *peer) {
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        close(fd);
        return NULL;
    }
    *conn = (struct conn){
        .gate = gate, .fd = fd, .source = source_of(peer), .accepted_ms = clock_boot_ms(), .most = TLS_READ_BULK};
    do
        conn->number = gate->last_number = (gate->last_number + 1) & NUMBER_MASK;
    while (conn->number == 0 || map_get(&gate->conns, conn->number) != NULL);
    char text[LL_ADDRESS_TEXT];
    ll_address_format(peer, text, sizeof text);
    snprintf(conn->address, sizeof conn->address, "%.63s", text);
    return conn;
}

static void begin(struct gate *gate, int fd, const struct ll_address *peer) {
    struct conn *conn = make(gate, fd, peer);
    if (conn == NULL)
        return;
    int one = 1;
    os_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int64_t deadline = ll_loop_now(gate->loop) + LIMIT_GREETING_MS * MS;
    int e = map_put(&gate->conns, conn->number, conn);
    add_stranger(conn);
    if (e == 0)
        e = tls_engine_new_server(&conn->engine, gate->policy, unix_ms() / 1000);
    if (e == 0)
        e = ll_loop_timer(gate->loop, deadline, timed, conn, &conn->timer);
    if (e == 0)
        e = ll_loop_fd(gate->loop, fd, LL_READ, ready, conn, &conn->watch);
    if (e != 0) {
        gate_log(gate, "cannot take a connection: %s", ll_strerror(e));
        conn_free(conn);
        return;
    }
    /* The ClientHello is there already in most cases. */
    receive(conn);
    conn_touch(conn);
}

void conn_accept(struct gate *gate, int listener) {
    for (int i = 0; i < ACCEPTS; i++) {
        struct ll_address peer = {.length = sizeof peer.as};
        int fd = os_accept(listener, &peer.as.any, &peer.length, SOCK_NONBLOCK);
        if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
            /* Out of descriptors: a stranger's is taken, or one waits until some are free. */
            if (gate->oldest != NULL)
                conn_free(gate->oldest);
            ll_timer_set(gate->accept_timer, ll_loop_now(gate->loop) + 100 * MS);
            return;
        }
        if (fd < 0)
            return;
        make_place(gate, source_of(&peer));
        begin(gate, fd, &peer);
    }
}
