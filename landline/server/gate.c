#include "landline/server/gate.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/error.h"
#include "lib/os/account.h"
#include "lib/os/clock.h"
#include "lib/os/process.h"
#include "lib/os/sandbox.h"

enum {
    FIRST_FD = 3, /* the keeper; the listeners follow */
    RETIRE_S = 5, /* for the clients to be sent away */
    MESSAGES = 4096,
    GRANT_SIZE = TLS_PIN_SIZE + 5,
};

static const int64_t SECOND = 1000000000;

void gate_log(struct gate *gate, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ipc_send_bytes(&gate->ipc, IPC_LOG, 0, 0, text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* --- what the keeper says --- */

static int compare(const void *a, const void *b) {
    return memcmp(((const struct gate_grant *)a)->pin, ((const struct gate_grant *)b)->pin, TLS_PIN_SIZE);
}

const struct gate_grant *gate_find(const struct gate *gate, const struct tls_pin *pin) {
    struct gate_grant key = {0};
    memcpy(key.pin, pin->bytes, TLS_PIN_SIZE);
    return gate->grant_count == 0 ? NULL
                                  : bsearch(&key, gate->grants, gate->grant_count, sizeof *gate->grants, compare);
}

/* Connections of keys that may not come in any more end. */
static void expel(struct gate *gate) {
    size_t at = 0;
    struct conn *conn;
    while ((conn = map_each(&gate->conns, &at)) != NULL) {
        if (conn->session == NULL || conn->stranger)
            continue;
        const struct gate_grant *grant = gate_find(gate, tls_engine_peer(conn->engine));
        if (grant == NULL || grant->revoked)
            conn_dismiss(conn, CODE_REVOKED, "the grant of this key was revoked");
    }
}

static void take_grants(struct gate *gate, struct slice payload) {
    size_t count = payload.size / GRANT_SIZE;
    struct gate_grant *grants = calloc(count + 1, sizeof *grants);
    if (grants == NULL) {
        gate->ended = true;
        return;
    }
    struct reader r = reader_of(payload.data, payload.size);
    for (size_t i = 0; i < count; i++) {
        struct slice pin = reader_bytes(&r, TLS_PIN_SIZE);
        memcpy(grants[i].pin, pin.data, TLS_PIN_SIZE);
        grants[i].verbs = reader_u32(&r);
        grants[i].revoked = reader_u8(&r) != 0;
    }
    qsort(grants, count, sizeof *grants, compare);
    free(gate->grants);
    gate->grants = grants;
    gate->grant_count = count;
    expel(gate);
}

static void take_settings(struct gate *gate, struct slice payload) {
    struct reader r = reader_of(payload.data, payload.size);
    struct slice instance = reader_bytes(&r, sizeof gate->instance);
    gate->horizon_s = reader_u32(&r);
    reader_u64(&r);
    uint32_t most = reader_u32(&r);
    struct slice name = reader_str8(&r);
    if (reader_end(&r) != 0)
        return;
    if (most != 0)
        gate->capacity = most < gate->room ? most : gate->room;
    memcpy(gate->instance, instance.data, instance.size);
    memcpy(gate->name, name.data, name.size);
    gate->name[name.size] = '\0';
    gate->ready = true;
    for (size_t i = 0; i < gate->listener_count && gate->retire_at == LL_NEVER; i++)
        ll_watch_set(gate->listener_watches[i], LL_READ);
}

static void stop_listening(struct gate *gate) {
    for (size_t i = 0; i < gate->listener_count; i++) {
        ll_watch_free(gate->listener_watches[i]);
        gate->listener_watches[i] = NULL;
    }
}

static void retire(struct gate *gate) {
    gate->retire_at = ll_loop_now(gate->loop) + RETIRE_S * SECOND;
    stop_listening(gate);
    size_t at = 0;
    struct conn *conn;
    while ((conn = map_each(&gate->conns, &at)) != NULL)
        conn_dismiss(conn, CODE_GOING_AWAY, "the server restarts");
    ll_timer_set(gate->accept_timer, gate->retire_at);
}

/* --- who may be in --- */

/* One descriptor is a client's; a quarter is kept for strangers, rings and workers. */
static size_t descriptors_for_clients(void) {
    size_t most = process_descriptors() / 4 * 3;
    return most < LIMIT_CONNECTIONS ? most : LIMIT_CONNECTIONS;
}

uint32_t gate_busy_ms(struct gate *gate) {
    const int64_t ms = SECOND / 1000;
    int64_t now = ll_loop_now(gate->loop), turn = gate->next_turn + LIMIT_BUSY_TURN_MS * ms;
    if (gate->conns.count - gate->strangers < gate->capacity)
        return 0;
    if (turn < now + LIMIT_BUSY_MS * ms)
        turn = now + LIMIT_BUSY_MS * ms;
    if (turn > now + LIMIT_BUSY_MOST_MS * ms)
        turn = now + LIMIT_BUSY_MOST_MS * ms;
    gate->next_turn = turn;
    return (uint32_t)((turn - now) / ms);
}

static void for_connection(struct gate *gate, struct ipc_message *m) {
    struct conn *conn = map_get(&gate->conns, m->connection);
    if (conn == NULL)
        return;
    struct reader r = reader_of(m->payload.data, m->payload.size);
    uint16_t code = m->stream == 0 ? reader_u16(&r) : 0;
    if (m->type == IPC_ENROLLED) {
        conn_enrolled(conn, code, reader_u32(&r));
    } else if (m->type == IPC_DISMISS) {
        conn_dismiss(conn, code, message_code_text(code));
    } else if (conn->session != NULL && m->stream != 0) {
        struct lane *lane = session_tag(conn->session, m->stream);
        if (lane != NULL)
            lane_message(lane, m);
        conn_touch(conn);
    }
}

static void from_keeper(void *arg, unsigned events) {
    struct gate *gate = arg;
    struct ipc_message m;
    if (events & LL_READ)
        ipc_fill(&gate->ipc);
    for (int i = 0; ipc_next(&gate->ipc, &m) == 1; i++) {
        if (m.type == IPC_SETTINGS)
            take_settings(gate, m.payload);
        else if (m.type == IPC_GRANTS)
            take_grants(gate, m.payload);
        else if (m.type == IPC_RETIRE)
            retire(gate);
        else
            for_connection(gate, &m);
        if (m.fd >= 0)
            close(m.fd);
    }
}

/* --- the loop --- */

static void listener_ready(void *arg, unsigned events) {
    struct gate *gate = arg;
    (void)events;
    for (size_t i = 0; i < gate->listener_count; i++)
        conn_accept(gate, gate->listeners[i]);
}

static void accept_again(void *arg) {
    struct gate *gate = arg;
    if (gate->retire_at == LL_NEVER)
        listener_ready(gate, 0);
    else
        gate->ended = true;
}

bool gate_settle(struct gate *gate) {
    /* Settling may make others dirty: two rounds, then the next pass. */
    for (int i = 0; i < 2 && gate->dirty != NULL; i++) {
        struct conn *list = gate->dirty;
        gate->dirty = NULL;
        while (list != NULL) {
            struct conn *conn = list;
            list = conn->next_dirty;
            conn->dirty = false;
            conn_settle(conn);
        }
    }
    bool was_full = buf_size(&gate->ipc.out) > 0;
    bool full = ipc_flush(&gate->ipc);
    ll_watch_set(gate->ipc_watch, LL_READ | (full ? LL_WRITE : 0));
    if (was_full && !full) {
        size_t at = 0;
        struct conn *conn;
        while ((conn = map_each(&gate->conns, &at)) != NULL)
            if (conn->paused)
                conn_touch(conn);
    }
    if (gate->retire_at != LL_NEVER && gate->conns.count == 0)
        gate->ended = true;
    return !gate->ended && !gate->ipc.ended;
}

static int watch_listeners(struct gate *gate) {
    int e = ll_loop_timer(gate->loop, LL_NEVER, accept_again, gate, &gate->accept_timer);
    for (size_t i = 0; e == 0 && i < gate->listener_count; i++)
        e = ll_loop_fd(gate->loop, gate->listeners[i], 0, listener_ready, gate, &gate->listener_watches[i]);
    return e;
}

int gate_open(struct gate **out, ll_loop *loop, int ipc_fd, const int *listeners, size_t count,
              const struct tls_identity *identity) {
    struct gate *gate = calloc(1, sizeof *gate);
    *out = NULL;
    if (gate == NULL) {
        close(ipc_fd);
        return -ENOMEM;
    }
    gate->loop = loop;
    gate->retire_at = LL_NEVER;
    gate->room = gate->capacity = descriptors_for_clients();
    gate->listener_count = count < LIMIT_LISTENERS ? count : LIMIT_LISTENERS;
    memcpy(gate->listeners, listeners, gate->listener_count * sizeof *listeners);
    ipc_init(&gate->ipc, ipc_fd, IPC_FROM_GATE);
    int e = tls_policy_new(&gate->policy, TLS_SERVER, identity);
    if (e == 0)
        e = ll_loop_fd(loop, ipc_fd, LL_READ, from_keeper, gate, &gate->ipc_watch);
    if (e == 0)
        e = watch_listeners(gate);
    if (e != 0)
        gate_close(gate);
    else
        *out = gate;
    return e;
}

void gate_close(struct gate *gate) {
    if (gate == NULL)
        return;
    size_t at = 0;
    struct conn *conn;
    while (at = 0, (conn = map_each(&gate->conns, &at)) != NULL)
        conn_free(conn);
    stop_listening(gate);
    for (size_t i = 0; i < gate->listener_count; i++)
        close(gate->listeners[i]);
    ll_timer_free(gate->accept_timer);
    ll_watch_free(gate->ipc_watch);
    ipc_free(&gate->ipc);
    tls_policy_free(gate->policy);
    map_free(&gate->conns);
    map_free(&gate->sources);
    free(gate->grants);
    free(gate);
}

/* --- the process --- */

/* A gate of root's becomes nobody in particular before it hears from anybody. */
static int drop_root(const char *user) {
    struct account account;
    if (geteuid() != 0)
        return 0;
    int e = account_find(&account, user);
    if (e != 0)
        return e;
    if (setgroups(0, NULL) < 0 || setresgid(account.gid, account.gid, account.gid) < 0 ||
        setresuid(account.uid, account.uid, account.uid) < 0)
        e = -errno;
    account_free(&account);
    return e;
}

static void report(struct gate *gate, const struct sandbox_level *level) {
    char text[128];
    int n = snprintf(text, sizeof text, "seccomp, Landlock %d, uid %u", level->landlock, (unsigned)geteuid());
    ipc_send_bytes(&gate->ipc, IPC_READY, 0, 0, text, n > 0 ? (size_t)n : 0);
}

int gate_main(const char *key_path, size_t listeners, const char *user) {
    struct tls_identity *identity = NULL;
    struct gate *gate = NULL;
    ll_loop *loop = NULL;
    struct sandbox_level level = {0};
    int fds[LIMIT_LISTENERS];
    if (listeners > LIMIT_LISTENERS)
        return 2;
    for (size_t i = 0; i < listeners; i++)
        fds[i] = FIRST_FD + 1 + (int)i;
    process_set_name("landline: gate");
    int e = tls_identity_load(&identity, key_path, NULL);
    if (e == 0)
        e = ll_loop_new(&loop);
    if (e == 0)
        e = gate_open(&gate, loop, FIRST_FD, fds, listeners, identity);
    tls_identity_close(identity);
    if (e == 0)
        (void)tls_prepare_for_bulk();
    if (e == 0)
        e = drop_root(user);
    if (e == 0)
        e = sandbox_enter(&level, NULL);
    if (e == 0) {
        report(gate, &level);
        while (gate_settle(gate) && e >= 0)
            e = ll_loop_step(loop, gate->dirty != NULL ? 0 : LL_NEVER);
    }
    gate_close(gate);
    ll_loop_free(loop);
    return e < 0 ? 1 : 0;
}
