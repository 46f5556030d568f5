#include "landline/server/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/service/audit.h"
#include "landline/service/file_worker.h"
#include "landline/service/run.h"
#include "lib/base/error.h"
#include "lib/os/clock.h"
#include "lib/os/folder.h"
#include "lib/os/process.h"
#include "lib/os/socket.h"
#include "lib/os/spawn.h"
#include "lib/tls/crypto.h"

enum {
    STOP_GRACE_S = 5,
    GOODBYE_MS = 1000,   /* for the clients to take the last results; and then for the gate to end */
    DYING_MS = 1000,     /* of a gate that was killed */
    FIRST_PAUSE_MS = 50, /* before a gate that died at once is started again; doubles … */
    LAST_PAUSE_MS = 5000,
    QUICK_DEATH_MS = 1000,
};

static const int64_t MS = 1000000;

/* --- the gate --- */

static void gate_gone(struct keeper *keeper);

static void from_gate(void *arg, unsigned events) {
    struct keeper *keeper = arg;
    if (events & LL_READ)
        ipc_fill(&keeper->ipc);
    peer_messages(keeper);
}

static void gate_ended(void *arg, const struct ll_child_end *end) {
    struct keeper *keeper = arg;
    if (!keeper->retired)
        keeper_log(keeper, LINE_GATE_END,
                   end->signal != 0 ? "the gate was killed by signal %d" : "the gate ended with status %d",
                   end->signal != 0 ? end->signal : end->status);
    gate_gone(keeper);
}

static void greet(struct keeper *keeper) {
    struct ipc *ipc = &keeper->ipc;
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    size_t mark = ipc_begin(ipc, IPC_SETTINGS, 0, 0, 0);
    buf_add(&ipc->out, runs_instance(keeper->host.runs), LEDGER_INSTANCE);
    buf_add_u32(&ipc->out, runs_horizon_s(keeper->host.runs));
    buf_add_u64(&ipc->out, run_unix_ms());
    buf_add_u32(&ipc->out, keeper->config.clients);
    buf_add_str8(&ipc->out, name, strlen(name));
    ipc_finish(ipc, mark);
    peer_send_grants(keeper);
}

static int spawn_gate(struct keeper *keeper, int theirs) {
    char count[16], key[PATHS_SIZE];
    int fds[4 + LIMIT_LISTENERS] = {-1, -1, -1, theirs};
    struct spawn_child child;
    struct ll_error_info info = {0};
    snprintf(count, sizeof count, "%zu", keeper->listener_count);
    int e = paths_join(key, keeper->store.config, "key");
    if (e == 0)
        e = fds[2] = keeper_hear_gate(keeper);
    if (e < 0)
        return e;
    memcpy(fds + 4, keeper->listeners, keeper->listener_count * sizeof *fds);
    const char *const argv[] = {"landline: gate", "serve", count, key, keeper->config.gate_user, NULL};
    const struct spawn_request request = {
        .argv = argv,
        .file = access(keeper->config.program, X_OK) == 0 ? keeper->config.program : "/proc/self/exe",
        .fds = fds,
        .fd_count = 4 + keeper->listener_count,
        .family = SPAWN_NEW_SESSION,
    };
    e = spawn_start(&request, &child, &info);
    close(fds[2]);
    if (e != 0)
        return e;
    keeper->gate_pid = child.pid;
    keeper->gate_pidfd = child.pidfd;
    keeper->host.gate = child.pid;
    return ll_loop_child_fd(keeper->loop, child.pidfd, gate_ended, keeper, &keeper->gate_child);
}

static int open_inside(struct keeper *keeper, int theirs) {
    int copies[LIMIT_LISTENERS];
    for (size_t i = 0; i < keeper->listener_count; i++)
        copies[i] = fcntl(keeper->listeners[i], F_DUPFD_CLOEXEC, 3);
    int e = gate_open(&keeper->inside, keeper->loop, theirs, copies, keeper->listener_count, keeper->identity);
    if (e == 0)
        ipc_send_bytes(&keeper->inside->ipc, IPC_READY, 0, 0, "inside", 6);
    return e;
}

static int start_gate(struct keeper *keeper) {
    int ends[2];
    int e = os_socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
    if (e != 0)
        return e;
    for (int i = 0; i < 2; i++)
        os_setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &(int){1 << 20}, sizeof(int));
    ipc_init(&keeper->ipc, ends[0], IPC_FROM_KEEPER);
    keeper->gate_ready = false;
    e = ll_loop_fd(keeper->loop, ends[0], LL_READ, from_gate, keeper, &keeper->ipc_watch);
    if (e == 0)
        greet(keeper);
    if (e == 0 && keeper->config.program == NULL)
        return open_inside(keeper, ends[1]);
    if (e == 0)
        e = spawn_gate(keeper, ends[1]);
    close(ends[1]);
    keeper->gate_started = ll_loop_now(keeper->loop);
    return e;
}

static void forget_gate(struct keeper *keeper) {
    peer_gate_lost(keeper);
    ll_watch_free(keeper->ipc_watch);
    keeper->ipc_watch = NULL;
    ipc_free(&keeper->ipc);
    gate_close(keeper->inside);
    keeper->inside = NULL;
    ll_child_free(keeper->gate_child);
    keeper->gate_child = NULL;
    if (keeper->gate_pidfd >= 0)
        close(keeper->gate_pidfd);
    keeper->gate_pidfd = -1;
    keeper_unhear_gate(keeper);
    keeper->gate_pid = keeper->host.gate = 0;
}

/* The next one is started at once, unless gates die one after another. */
static void gate_gone(struct keeper *keeper) {
    int64_t now = ll_loop_now(keeper->loop);
    forget_gate(keeper);
    if (keeper->end_at != LL_NEVER)
        return;
    bool quick = now - keeper->gate_started < QUICK_DEATH_MS * MS;
    keeper->gate_pause = !quick ? 0 : keeper->gate_pause == 0 ? FIRST_PAUSE_MS * MS : 2 * keeper->gate_pause;
    if (keeper->gate_pause > LAST_PAUSE_MS * MS)
        keeper->gate_pause = LAST_PAUSE_MS * MS;
    ll_timer_set(keeper->gate_timer, now + keeper->gate_pause);
}

static void gate_due(void *arg) {
    struct keeper *keeper = arg;
    if (keeper->end_at != LL_NEVER || keeper->ipc.fd >= 0)
        return;
    int e = start_gate(keeper);
    if (e != 0) {
        keeper_log(keeper, LINE_OWN, "cannot start the gate: %s", ll_strerror(e));
        if (keeper->gate_pid > 0)
            kill(keeper->gate_pid, SIGKILL);
        gate_gone(keeper);
    }
}

void keeper_replace_gate(struct keeper *keeper) {
    if (keeper->ipc.fd < 0)
        return;
    /* The old one sends its clients away by itself and ends; what they were doing is the new one's as soon as they come. */
    ipc_send_bytes(&keeper->ipc, IPC_RETIRE, 0, 0, NULL, 0);
    ipc_flush(&keeper->ipc);
    ll_child_free(keeper->gate_child);
    keeper->gate_child = NULL;
    keeper->gate_started = 0;
    peer_gate_lost(keeper);
    gate_gone(keeper);
}

/* --- the grants' file --- */

static void folder_ready(void *arg, unsigned events) {
    struct keeper *keeper = arg;
    (void)events;
    if (folder_changed(keeper->folder, "grants"))
        peer_grants_changed(keeper);
}

static int watch_folder(struct keeper *keeper) {
    keeper->folder = folder_watch(keeper->store.config);
    return keeper->folder < 0
               ? keeper->folder
               : ll_loop_fd(keeper->loop, keeper->folder, LL_READ, folder_ready, keeper, &keeper->folder_watch);
}

/* --- life --- */

static int open_parts(struct keeper *keeper, struct ll_error_info *info) {
    char audit[PATHS_SIZE];
    int e = ll_loop_timer(keeper->loop, LL_NEVER, keeper_log_rest, keeper, &keeper->log_timer);
    if (e == 0)
        e = store_identity(&keeper->store, &keeper->identity, &keeper->host.new_key, info);
    if (e == 0 && (e = tls_random(&keeper->salt, sizeof keeper->salt)) != 0)
        error_at(info, e, "make", "random numbers");
    if (e == 0)
        e = store_grants(&keeper->store, &keeper->grants, info);
    if (e == 0 && (e = paths_join(audit, keeper->store.state, "audit.log")) == 0) {
        keeper->host.audit = audit_open(audit);
        if (keeper->host.audit < 0)
            e = error_at(info, keeper->host.audit, "open", audit);
    }
    if (e == 0)
        e = runs_open(&keeper->host.runs, &keeper->host, info);
    if (e == 0 && (e = watch_folder(keeper)) != 0)
        error_at(info, e, "watch", keeper->store.config);
    if (e == 0)
        e = ll_loop_timer(keeper->loop, ll_loop_now(keeper->loop), gate_due, keeper, &keeper->gate_timer);
    return e;
}

int keeper_open(struct keeper **out, ll_loop *loop, const struct keeper_config *config, struct ll_error_info *info) {
    struct keeper *keeper = calloc(1, sizeof *keeper);
    *out = NULL;
    if (keeper == NULL) {
        for (size_t i = 0; i < config->listener_count; i++)
            close(config->listeners[i]);
        return -ENOMEM;
    }
    *keeper = (struct keeper){
        .loop = loop,
        .config = *config,
        .store = *config->store,
        .listener_count = config->listener_count,
        .ipc = {.fd = -1},
        .gate_pidfd = -1,
        .gate_said = -1,
        .folder = -1,
        .end_at = LL_NEVER,
        .retire_at = LL_NEVER,
    };
    memcpy(keeper->listeners, config->listeners, config->listener_count * sizeof(int));
    keeper->host = (struct service_host){
        .loop = loop, .folder = keeper->store.state, .audit = -1, .alone = config->program != NULL};
    process_raise_descriptors();
    int e = open_parts(keeper, info);
    if (e != 0)
        keeper_close(keeper);
    else
        *out = keeper;
    return e;
}

void keeper_close(struct keeper *keeper) {
    if (keeper == NULL)
        return;
    /* Only when it has ended is the port free for the next server. */
    if (keeper->gate_pid > 0) {
        kill(keeper->gate_pid, SIGKILL);
        spawn_collect(keeper->gate_pidfd, clock_after(clock_now(), DYING_MS * MS));
    }
    if (keeper->ipc.fd >= 0)
        forget_gate(keeper);
    file_workers_close(&keeper->host);
    runs_close(keeper->host.runs);
    ll_timer_free(keeper->gate_timer);
    if (keeper->log_timer != NULL)
        keeper_log_rest(keeper);
    ll_timer_free(keeper->log_timer);
    ll_watch_free(keeper->folder_watch);
    if (keeper->folder >= 0)
        close(keeper->folder);
    if (keeper->host.audit >= 0)
        close(keeper->host.audit);
    for (size_t i = 0; i < keeper->listener_count; i++)
        close(keeper->listeners[i]);
    grants_free(&keeper->grants);
    tls_identity_close(keeper->identity);
    map_free(&keeper->links);
    map_free(&keeper->errands);
    free(keeper);
}

void keeper_stop(struct keeper *keeper) {
    if (keeper->end_at != LL_NEVER) {
        keeper->ended = true;
        return;
    }
    keeper->end_at = ll_loop_now(keeper->loop) + STOP_GRACE_S * 1000 * MS;
    ll_timer_set(keeper->gate_timer, keeper->end_at);
    struct runs *runs = keeper->host.runs;
    for (struct run *run = runs->list; run != NULL; run = run->next)
        if (!run->finished)
            run_end(run, 0, (STOP_GRACE_S - 1) * 1000 * MS);
}

/* Never later than the whole may take. */
static int64_t stop_within(const struct keeper *keeper, int64_t ms) {
    int64_t at = ll_loop_now(keeper->loop) + ms * MS;
    return at < keeper->end_at ? at : keeper->end_at;
}

/* When the last run has ended, the clients take its result; then they are sent away, and then the gate ends. */
static void go_on_stopping(struct keeper *keeper) {
    int64_t now = ll_loop_now(keeper->loop);
    bool at_rest = keeper->host.runs->running == 0, has_gate = keeper->ipc.fd >= 0 && !keeper->ipc.ended;
    if (at_rest && keeper->retire_at == LL_NEVER) {
        keeper->retire_at = stop_within(keeper, GOODBYE_MS);
        ll_timer_set(keeper->gate_timer, keeper->retire_at);
    }
    if (!keeper->retired && has_gate && (now >= keeper->retire_at || (at_rest && keeper->errands.count == 0))) {
        keeper->retired = true;
        ipc_send_bytes(&keeper->ipc, IPC_RETIRE, 0, 0, NULL, 0);
        ipc_flush(&keeper->ipc);
        keeper->end_at = stop_within(keeper, GOODBYE_MS);
        ll_timer_set(keeper->gate_timer, keeper->end_at);
    }
    if (now >= keeper->end_at || keeper->ipc.fd < 0)
        keeper->ended = true;
}

bool keeper_settle(struct keeper *keeper) {
    runs_settle(keeper->host.runs);
    if (keeper->end_at != LL_NEVER)
        go_on_stopping(keeper);
    if (keeper->inside != NULL && !gate_settle(keeper->inside))
        gate_gone(keeper);
    if (keeper->ipc.fd >= 0) {
        bool full = ipc_flush(&keeper->ipc);
        if (!full && keeper->waiting != NULL) {
            peer_writable(keeper);
            full = ipc_flush(&keeper->ipc);
        }
        ll_watch_set(keeper->ipc_watch, LL_READ | (full || keeper->waiting != NULL ? LL_WRITE : 0));
    }
    if (keeper->ipc.fd >= 0 && keeper->ipc.ended) {
        if (keeper->gate_pid > 0)
            kill(keeper->gate_pid, SIGKILL);
        if (keeper->gate_child == NULL)
            gate_gone(keeper); /* else its end is told by the loop */
        else
            ll_watch_set(keeper->ipc_watch, 0);
    }
    return !keeper->ended;
}

bool keeper_pending(const struct keeper *keeper) {
    return keeper->inside != NULL && keeper->inside->dirty != NULL;
}
