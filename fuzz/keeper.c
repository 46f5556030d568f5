/* A keeper whose gate was taken over. It is a whole one, in this process, with files of its own; its gate is us, at the other end
 * of the socket, and says what the input has. Programs are started, but always one of three harmless ones, and never before
 * somebody has looked whether a grant covers what was asked for.
 *
 * Whatever comes: nothing starts that no grant covers, and no id twice, also over a restart; what waits in memory has its
 * limits; the log has lines only; nobody is let in without an invite's proof. And when that gate is gone, the next one
 * is served.
 *
 * The input is a row of acts: u8 what, u8 channel, u8 connection, u8 stream, u16 size, then `size` bytes. `what` is the type
 * of an IPC message, or one of enum act. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "landline/proto/invite.h"
#include "landline/server/keeper.h"
#include "landline/service/file_worker.h"
#include "landline/service/run.h"
#include "lib/os/account.h"
#include "lib/os/spawn.h"
#include "lib/tls/crypto.h"
#include "lib/tls/sha256.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __real_spawn_start(const struct spawn_request *request, struct spawn_child *child, struct ll_error_info *info);
int __wrap_spawn_start(const struct spawn_request *request, struct spawn_child *child, struct ll_error_info *info);
int __wrap_groups_open(struct groups *groups, const uint8_t server[8]);

enum act {
    ACT_RAW,    /* the bytes, as they are */
    ACT_FDS,    /* `channel` descriptors go with the next act */
    ACT_REPEAT, /* the next act so many times (u16): with the next connection each time, or (channel 1) the next stream */
    ACT_PASS,   /* the keeper does what is to do, up to `channel` times */
    ACT_DEAF,   /* we do not read what it says, from now on; or (channel 1) we do */
    ACT_GATE,   /* this gate has gone; the next one is ours too */
    ACT_KEEPER, /* the keeper ends, and starts again on the same files */
    ACT_LONGER, /* the next act has so many (u16) times 64 zero bytes more */
    ACT_PROOF,  /* ENROL with the right proof for the key that is made of the byte `channel` */
};

enum {
    HEAD = 6,
    STARTS = 8, /* of programs, for one input; then the system is out of processes */
    MOST_FDS = 20,
    LINE = 1024,
};

static const uint8_t token[INVITE_TOKEN] = "sixteen bytes...";

static char home[] = "/tmp/landline-fuzz-XXXXXX";
static struct store store;
static char user[LIMIT_USER_NAME + 1]; /* whom the grants name; empty where we are not root */

static ll_loop *loop;
static struct keeper *keeper;
static struct ipc gate; /* our end */
static bool deaf;
static unsigned fds_next, longer_next, repeat_next, repeat_streams;
static struct run_id started[STARTS];
static unsigned start_count;
static int proved; /* the byte of the key for which a proof was made, -1: none */

static void broken(const char *rule, int line) {
    fprintf(stderr, "%d: %s\n", line, rule);
    abort();
}

#define must(rule) ((rule) ? (void)0 : broken(#rule, __LINE__))

/* --- the programs --- */

/* Nobody may cause what no grant covers. This is the rule once more, for the grants that there are. Which program it is
 * to be instead: the id says. */
static unsigned judge_run(const struct spawn_request *request) {
    const struct run *run = keeper->host.runs->list; /* the newest */
    const char *name = request->file == NULL ? request->argv[0] : "";
    must(run != NULL && !run->finished && run->pid == 0);
    must(run->key[0] == 'b' || (run->key[0] == 'a' && strcmp(name, "alpha") == 0) ||
         (run->key[0] == proved && strcmp(name, "beta") == 0));
    for (unsigned i = 0; i < start_count; i++)
        must(!run_id_equal(&started[i], &run->id));
    started[start_count++] = run->id;
    return run->id.bytes[RUN_ID_SIZE - 1] % 3;
}

/* It may be any of them: one can wait for another to end. */
static void judge_worker(void) {
    must(keeper->host.workers != NULL);
    for (const struct file_worker *w = keeper->host.workers; w != NULL; w = w->next)
        must(w->key[0] == 'b');
    start_count++;
}

/* The gate: a process that waits to be killed, and whose socket is ours. */
static int start_gate(const struct spawn_request *request, struct spawn_child *child, struct ll_error_info *info) {
    static const char *const argv[] = {"sleep", "1000", NULL};
    const struct spawn_request harmless = {.argv = argv, .family = SPAWN_NEW_SESSION, .death_signal = SIGKILL};
    int e = __real_spawn_start(&harmless, child, info);
    must(e == 0);
    ipc_free(&gate); /* of one that was killed */
    ipc_init(&gate, fcntl(request->fds[3], F_DUPFD_CLOEXEC, 3), IPC_FROM_GATE);
    return e;
}

int __wrap_spawn_start(const struct spawn_request *request, struct spawn_child *child, struct ll_error_info *info) {
    /* One that ends, one that reads and writes, one that does neither. */
    static const char *const programs[][3] = {{"true"}, {"cat"}, {"sleep", "1000"}};
    struct spawn_request harmless = *request;
    if (strcmp(request->argv[0], "landline: gate") == 0)
        return start_gate(request, child, info);
    if (start_count == STARTS) {
        *child = (struct spawn_child){.pid = -1, .pidfd = -1, .exit_code = 125};
        *info = (struct ll_error_info){.code = -EAGAIN, .call = "clone"};
        return -EAGAIN;
    }
    unsigned which = 1;
    if (request->file != NULL && strcmp(request->file, "/proc/self/exe") == 0)
        judge_worker();
    else
        which = judge_run(request);
    harmless.argv = programs[which];
    harmless.file = NULL;
    harmless.set_user = false;
    harmless.death_signal = SIGKILL; /* nothing is left when a rule is broken */
    return __real_spawn_start(&harmless, child, info);
}

/* None: they cost more than all the rest. */
int __wrap_groups_open(struct groups *groups, const uint8_t server[8]) {
    (void)groups;
    (void)server;
    return -ENOTSUP;
}

/* --- its files --- */

static void remove_below(const char *folder, const char *only) {
    char path[PATHS_SIZE];
    DIR *list = opendir(folder);
    for (const struct dirent *e; list != NULL && (e = readdir(list)) != NULL;) {
        if (e->d_name[0] == '.' || (only != NULL && strcmp(e->d_name, only) != 0) ||
            paths_join(path, folder, e->d_name) != 0)
            continue;
        if (unlink(path) != 0) {
            remove_below(path, NULL);
            rmdir(path);
        }
    }
    if (list != NULL)
        closedir(list);
}

static void remove_home(void) {
    remove_below(home, NULL);
    rmdir(home);
}

static void grant(struct store_change *change, char key, uint32_t verbs, const char *argv, bool revoked) {
    struct tls_pin pin;
    memset(pin.bytes, key, sizeof pin.bytes);
    struct grant *g = grants_add(&change->grants, &pin, &key, 1);
    must(g != NULL && (argv == NULL || terms_add_argv(&g->terms, argv) == 0));
    must(user[0] == '\0' || terms_text(&g->terms.as, user) == 0);
    g->terms.verbs = verbs;
    g->revoked = revoked;
}

/* Four keys that are known, and an invite for one more. */
static void write_grants(void) {
    struct store_change change;
    must(store_begin(&change, &store, NULL) == 0);
    grants_free(&change.grants);
    invites_free(&change.invites);
    grant(&change, 'a', VERB_RUN | VERB_SHELL, "alpha ...", false);
    grant(&change, 'b', VERB_ALL, NULL, false);
    grant(&change, 'c', VERB_UPPER, NULL, false);
    grant(&change, 'd', VERB_ALL, NULL, true);
    struct invitation *invite = invites_add(&change.invites, token, UINT64_C(1) << 47);
    must(invite != NULL && terms_add_argv(&invite->terms, "beta ...") == 0);
    must(user[0] == '\0' || terms_text(&invite->terms.as, user) == 0);
    invite->terms.verbs = VERB_RUN;
    must(store_commit(&change, NULL) == 0);
    store_end(&change);
}

static void make_home(void) {
    static bool made;
    if (made)
        return;
    made = true;
    struct account self;
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    must(mkdtemp(home) != NULL && atexit(remove_home) == 0);
    must(store_open_at(&store, home, NULL) == 0 && account_find(&self, NULL) == 0);
    if (geteuid() == 0)
        snprintf(user, sizeof user, "%s", self.name);
    account_free(&self);
    write_grants();
}

/* --- what must hold --- */

static void check_log(void *arg, const char *text) {
    (void)arg;
    for (; *text != '\0'; text++)
        must((unsigned char)*text >= ' ' && *text != 127);
}

static void check_limits(void) {
    must(keeper->links.count <= LIMIT_LINKS && keeper->errands.count <= LIMIT_ERRANDS);
    for (const struct run *run = keeper->host.runs->list; run != NULL; run = run->next)
        must(buf_size(&run->input) <= LIMIT_RUN_WAITING);
}

/* Each line of the audit log is whole, and no name in it ends one early. */
static void check_audit(void) {
    char path[PATHS_SIZE], line[1 << 16];
    must(paths_join(path, store.state, "audit.log") == 0);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        size_t n = strlen(line);
        must(n == sizeof line - 1 || (n > 2 && line[n - 1] == '\n'));
        for (size_t i = 0; i + 1 < n; i++)
            must((unsigned char)line[i] >= ' ');
    }
    if (file != NULL)
        fclose(file);
}

static void check_grants(void) {
    struct grants now;
    must(store_grants(&store, &now, NULL) == 0 && now.count <= 5);
    for (size_t i = 0; i < now.count; i++) {
        int key = now.list[i].pin.bytes[0];
        must(now.list[i].revoked == (key == 'd') || key == proved);
        must((key >= 'a' && key <= 'd') || key == proved);
        if (key != proved)
            must(now.list[i].terms.verbs == (key == 'a' ? VERB_RUN | VERB_SHELL : key == 'c' ? VERB_UPPER : VERB_ALL));
    }
    grants_free(&now);
    if (proved >= 0) {
        write_grants();
        proved = -1;
    }
}

static size_t descriptors(void) {
    size_t count = 0;
    DIR *list = opendir("/proc/self/fd");
    while (list != NULL && readdir(list) != NULL)
        count++;
    if (list != NULL)
        closedir(list);
    return count;
}

/* --- the keeper's life --- */

static void pass(int64_t deadline) {
    struct ipc_message m;
    must(keeper_settle(keeper) && ll_loop_step(loop, deadline) >= 0);
    check_limits();
    if (gate.fd < 0 || deaf)
        return;
    ipc_fill(&gate);
    while (ipc_next(&gate, &m) == 1)
        if (m.fd >= 0)
            close(m.fd);
}

/* A point by which everything has long happened, unless it never does. */
static int64_t patience(void) {
    return ll_loop_now(loop) + INT64_C(60000000000);
}

/* Until there is a gate. One that died at once is not waited for. */
static void wait_for_gate(void) {
    for (int64_t limit = patience(); gate.fd < 0;) {
        must(ll_loop_now(loop) < limit);
        if (keeper->ipc.fd < 0)
            ll_timer_set(keeper->gate_timer, 0);
        pass(keeper->ipc.fd < 0 ? 0 : ll_loop_now(loop) + 10000000);
    }
}

static void open_keeper(void) {
    static const int none[1];
    const struct keeper_config config = {
        .listeners = none, .store = &store, .program = "/bin/sh", .gate_user = "nobody", .log = check_log};
    must(ll_loop_new(&loop) == 0);
    must(keeper_open(&keeper, loop, &config, NULL) == 0);
    wait_for_gate();
}

static void close_keeper(void) {
    keeper_close(keeper);
    ipc_free(&gate);
    ll_loop_free(loop);
}

/* The old gate's process has been killed and collected, and its clients are forgotten, when there is another. */
static void lose_gate(void) {
    pid_t old = keeper->gate_pid;
    ipc_free(&gate);
    for (int64_t limit = patience(); keeper->gate_pid == old && keeper->ipc.fd >= 0;) {
        must(ll_loop_now(loop) < limit);
        pass(ll_loop_now(loop) + 10000000);
    }
    must(keeper->links.count == 0 && keeper->errands.count == 0 && keeper->waiting == NULL);
    deaf = false;
    wait_for_gate();
}

/* --- what the gate says --- */

static void send_bytes(const uint8_t *bytes, size_t n, unsigned fds) {
    int list[MOST_FDS];
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof list)];
    } control = {0};
    for (unsigned i = 0; i < fds; i++)
        list[i] = STDERR_FILENO;
    for (int tries = 0; n > 0 && tries < 100 && keeper->ipc.fd >= 0 && !keeper->ipc.ended; tries++) {
        struct iovec part = {(void *)(uintptr_t)bytes, n};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        if (fds > 0) {
            message.msg_control = control.space;
            message.msg_controllen = CMSG_SPACE(fds * sizeof *list);
            control.head = (struct cmsghdr){
                .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(fds * sizeof *list)};
            memcpy(CMSG_DATA(&control.head), list, fds * sizeof *list);
        }
        ssize_t sent = sendmsg(gate.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            fds = 0;
            bytes += sent;
            n -= (size_t)sent;
        }
        if (n > 0)
            pass(0);
    }
}

static void send_message(uint8_t type, uint8_t channel, uint32_t connection, uint32_t stream, struct slice payload) {
    struct buf frame;
    buf_init(&frame, LIMIT_IPC_FRAME + LINE);
    size_t mark = message_begin(&frame, type, channel, stream);
    buf_add_u32(&frame, connection);
    buf_add(&frame, payload.data, payload.size);
    for (size_t i = 0; i < longer_next; i++)
        buf_add(&frame, (const uint8_t[64]){0}, 64);
    message_finish(&frame, mark);
    for (unsigned i = 0; i <= repeat_next; i++) {
        send_bytes(buf_front(&frame), buf_size(&frame), fds_next);
        uint32_t *number = repeat_streams ? &stream : &connection;
        uint8_t *at = frame.data + frame.start + (repeat_streams ? 8 : MESSAGE_HEAD);
        ++*number;
        for (int byte = 0; byte < 4; byte++)
            at[byte] = (uint8_t)(*number >> (24 - 8 * byte));
    }
    buf_free(&frame);
    fds_next = longer_next = repeat_next = repeat_streams = 0;
}

/* The proof of PROTOCOL 5.1 ties the token to one key: another connection that shows it is not let in. */
static void enrol(uint8_t key, uint32_t connection) {
    static const char label[] = INVITE_PROOF_LABEL;
    struct store_change change;
    uint8_t text[sizeof label - 1 + 2 * TLS_PIN_SIZE], payload[INVITE_TOKEN_ID + TLS_SHA256_SIZE + 2];
    must(store_begin(&change, &store, NULL) == 0 && change.invites.count == 1);
    memcpy(text, label, sizeof label - 1);
    memcpy(text + sizeof label - 1, tls_identity_pin(keeper->identity), TLS_PIN_SIZE);
    memset(text + sizeof label - 1 + TLS_PIN_SIZE, key, TLS_PIN_SIZE);
    memcpy(payload, change.invites.list[0].id, INVITE_TOKEN_ID);
    tls_mac(payload + INVITE_TOKEN_ID, change.invites.list[0].key, INVITATION_KEY, text, sizeof text);
    memcpy(payload + INVITE_TOKEN_ID + TLS_SHA256_SIZE, "\1e", 2);
    if (!change.invites.list[0].used)
        proved = key;
    store_end(&change);
    send_message(IPC_ENROL, 0, connection, 0, (struct slice){payload, sizeof payload});
}

static void act(const uint8_t head[HEAD], struct slice payload) {
    uint16_t number = (uint16_t)(payload.size >= 2 ? payload.data[0] << 8 | payload.data[1] : 0);
    switch (head[0]) {
    case ACT_RAW:
        send_bytes(payload.data, payload.size, fds_next);
        fds_next = 0;
        break;
    case ACT_FDS:
        fds_next = head[1] % (MOST_FDS + 1);
        break;
    case ACT_REPEAT:
        repeat_next = number;
        repeat_streams = head[1] % 2;
        break;
    case ACT_PASS:
        for (int i = 0; i < head[1]; i++)
            pass(0);
        break;
    case ACT_DEAF:
        deaf = head[1] % 2 == 0;
        break;
    case ACT_GATE:
        lose_gate();
        break;
    case ACT_KEEPER:
        close_keeper();
        open_keeper();
        break;
    case ACT_LONGER:
        longer_next = number;
        break;
    case ACT_PROOF:
        if (proved < 0)
            enrol(head[1], head[2]);
        break;
    default:
        send_message(head[0], head[1], head[2], head[3], payload);
    }
}

/* --- afterwards --- */

/* A gate that keeps to the rules, with a client that may do everything: it is answered. */
static void be_served(void) {
    struct ipc_message m = {0};
    uint8_t known[PEER_KEY + 18] = {0};
    bool opened = false;
    fds_next = longer_next = repeat_next = repeat_streams = 0;
    lose_gate();
    memset(known, 'b', PEER_KEY);
    send_message(IPC_CONNECTED, 0, 7, 0, (struct slice){known, sizeof known});
    send_message(IPC_OPEN, 0, 7, 9, (struct slice){(const uint8_t *)"\0\0\0\1\0\0\0\1\0\4runs", 14});
    for (int64_t limit = patience(); m.type != IPC_RESULT;) {
        must(ll_loop_now(loop) < limit && keeper_settle(keeper) &&
             ll_loop_step(loop, ll_loop_now(loop) + 10000000) >= 0);
        ipc_fill(&gate);
        while (m.type != IPC_RESULT && ipc_next(&gate, &m) == 1) {
            must(m.fd < 0 && (m.type < IPC_OPENED || (m.connection == 7 && m.stream == 9)));
            opened = opened || m.type == IPC_OPENED;
        }
        must(!gate.ended);
    }
    must(opened);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    make_home();
    size_t before = descriptors();
    deaf = false;
    proved = -1;
    gate.fd = -1;
    start_count = fds_next = longer_next = repeat_next = repeat_streams = 0;
    open_keeper();
    for (size_t at = 0; size - at >= HEAD;) {
        const uint8_t *head = data + at;
        size_t n = (size_t)(head[4] << 8 | head[5]);
        at += HEAD;
        if (n > size - at)
            n = size - at;
        act(head, (struct slice){data + at, n});
        at += n;
        if (gate.fd < 0 || gate.ended || keeper->ipc.fd < 0 || keeper->ipc.ended)
            lose_gate();
        else
            pass(0);
    }
    be_served();
    close_keeper();
    check_audit();
    check_grants();
    must(descriptors() == before);
    remove_below(store.state, "audit.log");
    char runs[PATHS_SIZE];
    must(paths_join(runs, store.state, "runs") == 0);
    remove_below(runs, NULL);
    return 0;
}
