/* The services get, put and ls: the keeper starts a file worker (files.h) with the rights of the grant's user, hands the
 * gate one end of its socket, and waits for it. No file data passes the keeper. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "landline/proto/invite.h"
#include "landline/proto/run.h"
#include "landline/proto/tree.h"
#include "landline/service/audit.h"
#include "landline/service/file_worker.h"
#include "landline/service/files.h"
#include "landline/service/run.h"
#include "landline/transfer/lines.h"
#include "lib/os/account.h"
#include "lib/os/ring.h"

enum { SAID = 1024 };

static void worker_free(struct file_worker *w) {
    struct file_worker **at = &w->host->workers;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    ll_child_free(w->watch);
    buf_free(&w->request);
    const int fds[] = {w->gate_end, w->near, w->said, w->control, w->child.pidfd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(w);
}

/* ---- the job ---- */

/* The beginning of the worker's lines in the audit log. */
static void describe(struct buf *b, const struct peer *peer, const char *verb) {
    char key[2 * PEER_KEY + 1];
    struct buf members;
    buf_init(&members, 4096);
    for (size_t i = 0; i < PEER_KEY; i++)
        snprintf(key + 2 * i, 3, "%02x", peer->key[i]);
    audit_text(&members, "who", peer->label, strlen(peer->label));
    audit_text(&members, "key", key, strlen(key));
    audit_text(&members, "from", peer->address, strlen(peer->address));
    audit_text(&members, "verb", verb, strlen(verb));
    audit_time(&members, "time", run_unix_ms());
    buf_add_u8(b, '{');
    buf_add(b, buf_front(&members), buf_size(&members));
    buf_free(&members);
}

/* A descriptor from which the worker reads its job. */
static int write_job(const struct exchange *x, struct slice request) {
    const char *root = x->peer->terms.root;
    bool put = strcmp(x->service->name, "put") == 0;
    struct buf audit, job;
    buf_init(&audit, 8192);
    buf_init(&job, LIMIT_OPEN_PAYLOAD + 16384);
    if (x->host->audit >= 0)
        describe(&audit, x->peer, x->service->name);
    files_job_put(&job, &(struct files_job){
                            .kind = put ? FILES_PUT : FILES_GET,
                            .root = {(const uint8_t *)root, root != NULL ? strlen(root) : 0},
                            .audit = {buf_front(&audit), buf_size(&audit)},
                            .request = request,
                        });
    int fd = job.failed != 0 ? job.failed : memfd_create("job", MFD_CLOEXEC);
    size_t n = buf_size(&job);
    if (fd < 0 && job.failed == 0)
        fd = -errno;
    if (fd >= 0 && (write(fd, buf_front(&job), n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        fd = -EIO;
    }
    buf_free(&audit);
    buf_free(&job);
    return fd;
}

/* The request's flags, or -1 where it cannot be understood; put: what it says, where it is one. */
static int flags_of(const struct exchange *x, struct slice request, struct tree_put *put) {
    struct tree_get get;
    if (strcmp(x->service->name, "put") == 0)
        return tree_get_put(request, put) == 0 ? put->flags : -1;
    return tree_get_get(request, &get) == 0 ? get.flags : -1;
}

/* ---- the process ---- */

static int spawn(struct file_worker *w, const struct account *as, bool change, const int fds[7]) {
    static const char *const argv[] = {"landline: files", "file_worker", "ring", NULL};
    char home[4200];
    snprintf(home, sizeof home, "HOME=%s", as->home);
    const char *const env[] = {home, "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", NULL};
    const struct spawn_request request = {
        .argv = argv,
        .file = "/proc/self/exe", /* landline, where the process is the server's */
        .env = env,
        .fds = fds,
        .fd_count = 7,
        .cwd = "/",
        .family = SPAWN_NEW_SESSION,
        .no_new_privileges = true,
        .set_user = change,
        .uid = as->uid,
        .gid = as->gid,
        .groups = as->groups,
        .group_count = as->group_count,
        .set_umask = true,
        .umask = 022,
    };
    struct ll_error_info info;
    return spawn_start(&request, &w->child, &info);
}

static int start(struct file_worker *w, struct exchange *x, struct slice request) {
    int pair[2] = {-1, -1}, said[2] = {-1, -1}, control[2] = {-1, -1}, job = -1, memory = -1;
    struct account account = {0};
    const char *as = x->peer->terms.as;
    int e = account_find(&account, as);
    if (e == 0)
        e = job = write_job(x, request);
    if (e >= 0)
        e = memory = ring_memory(w->splits ? LINES_RING : RING_SIZE);
    if (e >= 0)
        e = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
                    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0 ||
                    pipe2(said, O_CLOEXEC | O_NONBLOCK) != 0
                ? -errno
                : 0;
    if (e == 0)
        e = ring_send(pair[1], memory); /* to the gate, before anything else */
    if (e == 0)
        e = spawn(w, &account, as != NULL && geteuid() == 0,
                  (const int[]){pair[1], pair[1], said[1], job, x->host->audit, memory, control[1]});
    w->gate_end = pair[0];
    if (e == 0 && w->named)
        w->near = fcntl(pair[0], F_DUPFD_CLOEXEC, 0); /* -1: the end of the connection ends it, sooner or later */
    w->said = said[0];
    w->control = control[0];
    const int ours[] = {pair[1], said[1], control[1], job, memory};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (ours[i] >= 0)
            close(ours[i]);
    account_free(&account);
    return e;
}

/* ---- its end ---- */

static void tell_end(struct file_worker *w, const struct ll_child_end *end) {
    struct exchange *x = w->x;
    struct run_result result = {
        .kind = end->signal == 0 ? RUN_EXITED : RUN_SIGNALLED,
        .code = (uint32_t)(end->signal == 0 ? end->status : end->signal),
        .started = w->began,
        .ended = run_unix_ms(),
    };
    char said[SAID];
    struct buf b;
    ssize_t n = read(w->said, said, sizeof said);
    uint64_t total = n > 0 ? (uint64_t)n : 0;
    if (total > 0)
        x->ops->output(x, 2, 0, said, total);
    result.total2 = total;
    buf_init(&b, LIMIT_SERVICE_PAYLOAD);
    run_result_put(&b, &result);
    x->ops->ended(x, 2, total);
    x->ops->result(x, buf_front(&b), buf_size(&b));
    buf_free(&b);
}

static void go_on(struct service_host *host);

static void child_ended(void *arg, const struct ll_child_end *end) {
    struct file_worker *w = arg;
    struct service_host *host = w->host;
    join_end(w);
    if (w->x != NULL) {
        tell_end(w, end);
        w->x->state = NULL;
    }
    worker_free(w);
    go_on(host);
}

void file_workers_close(struct service_host *host) {
    while (host->workers != NULL)
        worker_free(host->workers);
}

/* ---- the service ---- */

void file_worker_hand(struct exchange *x, int *gate_end) {
    if (*gate_end < 0 || x->ops->direct(x, *gate_end) != 0)
        return;
    close(*gate_end);
    *gate_end = -1;
    x->ops->opened(x, &(struct exchange_start){.window0 = LIMIT_WINDOW_SPLIT, .bulk = true}, NULL, 0);
}

static void hand_over(struct exchange *x) {
    struct file_worker *w = x->state;
    if (w != NULL)
        file_worker_hand(x, &w->gate_end);
}

static struct file_worker *worker_new(struct exchange *x) {
    struct file_worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    *w = (struct file_worker){.host = x->host,
                              .next = x->host->workers,
                              .x = x,
                              .gate_end = -1,
                              .near = -1,
                              .said = -1,
                              .control = -1,
                              .began = run_unix_ms(),
                              .child = {.pidfd = -1}};
    memcpy(w->key, x->peer->key, PEER_KEY);
    buf_init(&w->request, LIMIT_OPEN_PAYLOAD);
    x->host->workers = w;
    return w;
}

static void refuse(struct file_worker *w, uint16_t code, uint32_t error, const char *why) {
    w->x->state = NULL;
    w->x->ops->refused(w->x, code, error, why);
    worker_free(w);
}

static void begin(struct file_worker *w, struct slice request) {
    struct exchange *x = w->x;
    int e = start(w, x, request);
    if (e == 0)
        e = ll_loop_child(x->host->loop, w->child.pid, child_ended, w, &w->watch);
    if (e == 0)
        hand_over(x);
    else
        refuse(w, CODE_SYSTEM, e > -4096 ? (uint32_t)-e : 0, "the file worker cannot be started");
}

/* ---- one attempt after the other ---- */

/* The next one after `w` (NULL: the first) that is an attempt at the same put. */
static struct file_worker *attempt_after(struct file_worker *w, const struct file_worker *at) {
    w = w == NULL ? at->host->workers : w->next;
    while (w != NULL &&
           !(w != at && w->named && memcmp(w->put, at->put, TREE_ID) == 0 && memcmp(w->key, at->key, PEER_KEY) == 0))
        w = w->next;
    return w;
}

/* The client has begun again, and the connection of an older attempt may be dead without our knowing it: its worker finds it lost now.
 * Until it has ended it holds the files, so this one waits. False: it is this one that is the older. */
static bool replace(struct file_worker *w) {
    struct file_worker *next;
    for (struct file_worker *o = attempt_after(NULL, w); o != NULL; o = attempt_after(o, w))
        if (o->attempt >= w->attempt)
            return false;
    for (struct file_worker *o = attempt_after(NULL, w); o != NULL; o = next) {
        next = attempt_after(o, w);
        if (o->waits) {
            refuse(o, CODE_CONFLICT, 0, "a later attempt has begun"); /* and with that it is gone */
            continue;
        }
        w->waits = true;
        if (o->near >= 0)
            shutdown(o->near, SHUT_RDWR);
    }
    return true;
}

static void keep_request(struct file_worker *w, struct slice request) {
    buf_add(&w->request, request.data, request.size);
    if (w->request.failed != 0)
        refuse(w, CODE_SYSTEM, ENOMEM, "the request cannot be kept");
}

/* Begins what waited, when nothing before it is left. */
static void go_on(struct service_host *host) {
    struct file_worker *next;
    for (struct file_worker *w = host->workers; w != NULL; w = next) {
        next = w->next;
        if (!w->waits || attempt_after(NULL, w) != NULL)
            continue;
        w->waits = false;
        begin(w, (struct slice){buf_front(&w->request), buf_size(&w->request)});
    }
}

/* Why no worker may be started for this one. What waits has none yet, and will have that of the attempt before it. */
static const char *full(const struct file_worker *w) {
    size_t all = 0, of_key = 0;
    for (const struct file_worker *o = w->host->workers; o != NULL; o = o->next) {
        if (o == w || o->waits)
            continue;
        all++;
        of_key += memcmp(o->key, w->key, PEER_KEY) == 0;
    }
    return all >= LIMIT_TRANSFERS          ? "the server has as many transfers under way as it may"
           : of_key >= LIMIT_TRANSFERS_KEY ? "this key has as many transfers under way as it may"
                                           : NULL;
}

static void opened(struct exchange *x, uint8_t flags, struct slice request) {
    if (!x->host->alone) {
        x->ops->refused(x, CODE_UNKNOWN_SERVICE, 0, "a server inside a program serves no files");
        return;
    }
    const char *why = run_forbidden_account(&x->peer->terms);
    if (why != NULL) {
        x->ops->refused(x, CODE_NO_GRANT, 0, why);
        return;
    }
    struct tree_put put = {0};
    int what = flags_of(x, request, &put);
    if ((flags & MESSAGE_RESUME) != 0 || what < 0) {
        x->ops->refused(x, CODE_MALFORMED, 0, "the request cannot be understood");
        return;
    }
    struct file_worker *w = worker_new(x);
    if (w == NULL) {
        x->ops->refused(x, CODE_SYSTEM, ENOMEM, "the file worker cannot be started");
        return;
    }
    x->state = w;
    w->splits = (what & TREE_SPLITS) != 0;
    w->named = put.id.size == TREE_ID;
    w->attempt = put.attempt;
    if (w->named)
        memcpy(w->put, put.id.data, TREE_ID);
    if (w->named && (!attempts_come(&x->host->attempts, w->key, w->put, w->attempt) || !replace(w)))
        refuse(w, CODE_CONFLICT, 0, "a later attempt has begun");
    else if (w->waits)
        keep_request(w, request);
    else if ((why = full(w)) != NULL)
        refuse(w, CODE_FULL, 0, why);
    else
        begin(w, request);
}

/* SPLIT: others may join. The first id holds. */
static void control(struct exchange *x, uint8_t kind, struct slice body) {
    struct file_worker *w = x->state;
    if (w == NULL || kind != TREE_SPLIT || body.size != TREE_ID || w->split || !w->splits)
        return;
    memcpy(w->id, body.data, TREE_ID);
    w->split = true;
}

/* The gate closes its end, and the worker finds that: it ends when it has made safe what it has. */
static void gone(struct exchange *x, enum exchange_leave why) {
    struct file_worker *w = x->state;
    (void)why;
    if (w == NULL)
        return;
    w->x = NULL;
    if (w->gate_end >= 0)
        close(w->gate_end);
    if (w->near >= 0)
        close(w->near);
    w->gate_end = w->near = -1;
    if (w->waits)
        worker_free(w);
}

#define TRANSFER_SERVICE(word, verb)                                                                                   \
    const struct service service_##word = {                                                                            \
        .name = #word, .verbs = verb, .open = opened, .control = control, .writable = hand_over, .gone = gone}

TRANSFER_SERVICE(get, VERB_GET);
TRANSFER_SERVICE(ls, VERB_GET);
TRANSFER_SERVICE(put, VERB_PUT);
