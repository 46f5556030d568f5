/* The service join: one more stream for a get or put that the same key has under way (docs/PROTOCOL.md section 7.7). The
 * worker gets one end of a new ring, the gate the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "landline/proto/invite.h"
#include "landline/proto/run.h"
#include "landline/service/file_worker.h"
#include "landline/service/run.h"
#include "landline/transfer/lines.h"
#include "lib/base/limits.h"
#include "lib/os/ring.h"

struct joined {
    struct joined *next;
    struct exchange *x;
    struct file_worker *worker; /* NULL: it has ended */
    int gate_end;               /* until the gate has it */
};

/* Of that id, of the same key, and of a verb that its grant still covers. */
static struct file_worker *find(const struct exchange *x, const uint8_t id[TREE_ID]) {
    struct file_worker *w = x->host->workers;
    while (w != NULL && !(w->split && w->x != NULL && memcmp(w->id, id, TREE_ID) == 0 &&
                          memcmp(w->x->peer->key, x->peer->key, PEER_KEY) == 0 &&
                          (w->x->service->verbs & x->peer->terms.verbs) != 0))
        w = w->next;
    return w;
}

static int start(struct joined *j, uint8_t number) {
    int pair[2] = {-1, -1}, memory = ring_memory(LINES_RING), e = memory < 0 ? memory : 0;
    if (e == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        e = -errno;
    if (e == 0)
        e = ring_send(pair[1], memory); /* to the gate, before anything else */
    if (e == 0)
        e = ring_send_end(j->worker->control, number, pair[1], memory);
    j->gate_end = pair[0];
    if (pair[1] >= 0)
        close(pair[1]);
    if (memory >= 0)
        close(memory);
    return e;
}

static void writable(struct exchange *x) {
    struct joined *j = x->state;
    if (j != NULL && j->worker != NULL)
        file_worker_hand(x, &j->gate_end);
}

static void opened(struct exchange *x, uint8_t flags, struct slice request) {
    struct tree_join join;
    if ((flags & MESSAGE_RESUME) != 0 || tree_get_join(request, &join) != 0) {
        x->ops->refused(x, CODE_MALFORMED, 0, "the request cannot be understood");
        return;
    }
    struct file_worker *w = find(x, join.id);
    if (w == NULL) {
        x->ops->refused(x, CODE_UNKNOWN_RUN, 0, "this key has no such transfer under way");
        return;
    }
    if ((w->numbers >> join.stream & 1) != 0) {
        x->ops->refused(x, CODE_CONFLICT, 0, "a stream of that number has joined already");
        return;
    }
    struct joined *j = calloc(1, sizeof *j);
    int e = -ENOMEM;
    if (j != NULL) {
        *j = (struct joined){.x = x, .worker = w, .gate_end = -1};
        e = start(j, join.stream);
    }
    if (e != 0) {
        if (j != NULL && j->gate_end >= 0)
            close(j->gate_end);
        free(j);
        x->ops->refused(x, CODE_SYSTEM, e > -4096 ? (uint32_t)-e : 0, "the stream cannot be started");
        return;
    }
    w->numbers |= 1u << join.stream;
    j->next = w->joined;
    w->joined = j;
    x->state = j;
    writable(x);
}

/* The gate closes its end, and the worker finds that. */
static void gone(struct exchange *x, enum exchange_leave why) {
    struct joined *j = x->state;
    (void)why;
    if (j == NULL)
        return;
    if (j->worker != NULL) {
        struct joined **at = &j->worker->joined;
        while (*at != j)
            at = &(*at)->next;
        *at = j->next;
    }
    if (j->gate_end >= 0)
        close(j->gate_end);
    free(j);
}

void join_end(struct file_worker *w) {
    const struct run_result result = {.kind = RUN_EXITED, .started = w->began, .ended = run_unix_ms()};
    struct buf b;
    buf_init(&b, LIMIT_SERVICE_PAYLOAD);
    run_result_put(&b, &result);
    for (struct joined *j = w->joined; j != NULL; j = j->next) {
        j->worker = NULL;
        if (j->gate_end >= 0) {
            j->x->ops->refused(j->x, CODE_UNKNOWN_RUN, 0, "the transfer is over");
            continue;
        }
        j->x->ops->ended(j->x, 2, 0);
        j->x->ops->result(j->x, buf_front(&b), buf_size(&b));
    }
    w->joined = NULL;
    buf_free(&b);
}

const struct service service_join = {
    .name = "join", .verbs = VERB_GET | VERB_PUT, .open = opened, .writable = writable, .gone = gone};
