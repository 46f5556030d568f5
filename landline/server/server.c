#include "landline/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "landline/proto/invite.h"
#include "landline/server/keeper.h"
#include "landline/socket.h"
#include "lib/base/error.h"
#include "lib/os/whole.h"
#include "lib/tls/crypto.h"

enum { WINDOW = 64 << 10 };

/* A service of the program's, dressed as one of ours. */
struct adapter {
    struct service service; /* first */
    const struct ll_service *theirs;
    void *arg;
};

struct ll_server {
    struct ll_serve_options options;
    struct store store;
    ll_loop *loop;
    struct keeper *keeper;
    struct adapter *adapters;
    int lock;
    int listeners[LIMIT_LISTENERS];
    char addresses[LIMIT_LISTENERS][LL_ADDRESS_TEXT];
    size_t listener_count;
};

struct ll_request {
    struct exchange *x;
    const struct adapter *adapter;
    void *value;
    uint64_t written[2], received, consumed;
    bool over;
};

/* --- requests --- */

static const struct adapter *adapter_of(const struct exchange *x) {
    return (const struct adapter *)x->service;
}

static void opened(struct exchange *x, uint8_t flags, struct slice bytes) {
    const struct adapter *a = adapter_of(x);
    struct ll_request *r = calloc(1, sizeof *r);
    if (r == NULL || (flags & MESSAGE_RESUME) != 0) {
        free(r);
        x->ops->refused(x, CODE_MALFORMED, 0, "this service cannot be resumed");
        return;
    }
    *r = (struct ll_request){.x = x, .adapter = a};
    x->state = r;
    x->ops->opened(x, &(struct exchange_start){.window0 = WINDOW, .paced = true}, NULL, 0);
    int e = a->theirs->open(a->arg, r, bytes.data, bytes.size);
    if (e != 0)
        ll_request_fail(r, ll_strerror(e));
}

static void input(struct exchange *x, uint64_t offset, struct slice bytes) {
    struct ll_request *r = x->state;
    if (r == NULL || r->over || offset != r->received)
        return;
    r->received += bytes.size;
    if (r->adapter->theirs->input != NULL)
        r->adapter->theirs->input(r->adapter->arg, r, bytes.data, bytes.size);
    else
        ll_request_consumed(r, bytes.size);
}

static void input_ended(struct exchange *x, uint64_t total) {
    struct ll_request *r = x->state;
    if (r != NULL && !r->over && total == r->received && r->adapter->theirs->input_end != NULL)
        r->adapter->theirs->input_end(r->adapter->arg, r);
}

static void sent(struct exchange *x, uint8_t channel, uint64_t to) {
    struct ll_request *r = x->state;
    if (r != NULL && !r->over && r->adapter->theirs->sent != NULL)
        r->adapter->theirs->sent(r->adapter->arg, r, channel, to);
}

static void stopped(struct exchange *x, uint8_t channel) {
    struct ll_request *r = x->state;
    if (r != NULL && !r->over && r->adapter->theirs->stopped != NULL)
        r->adapter->theirs->stopped(r->adapter->arg, r, channel);
}

static void gone(struct exchange *x, enum exchange_leave why) {
    struct ll_request *r = x->state;
    (void)why;
    if (r != NULL && r->adapter->theirs->gone != NULL)
        r->adapter->theirs->gone(r->adapter->arg, r);
    free(r);
}

void ll_request_set(ll_request *r, void *value) {
    r->value = value;
}

void *ll_request_get(const ll_request *r) {
    return r->value;
}

const char *ll_request_label(const ll_request *r) {
    return r->x->peer->label;
}

uint64_t ll_request_written(const ll_request *r, int channel) {
    return channel == 1 || channel == 2 ? r->written[channel - 1] : 0;
}

int ll_request_write(ll_request *r, int channel, const void *bytes, size_t n) {
    if (r->over || channel < 1 || channel > 2)
        return -EINVAL;
    while (n > 0) {
        size_t piece = n < LIMIT_RUN_HEAP ? n : LIMIT_RUN_HEAP;
        r->x->ops->output(r->x, (uint8_t)channel, r->written[channel - 1], bytes, piece);
        r->written[channel - 1] += piece;
        bytes = (const char *)bytes + piece;
        n -= piece;
    }
    return 0;
}

void ll_request_consumed(ll_request *r, size_t n) {
    if (r->over || n > r->received - r->consumed)
        return;
    r->consumed += n;
    r->x->ops->consumed(r->x, r->consumed);
}

int ll_request_finish(ll_request *r, const void *result, size_t n) {
    if (r->over || n > LIMIT_SERVICE_PAYLOAD)
        return -EINVAL;
    r->over = true;
    r->x->ops->ended(r->x, 1, r->written[0]);
    r->x->ops->ended(r->x, 2, r->written[1]);
    r->x->ops->result(r->x, result, n);
    return 0;
}

int ll_request_fail(ll_request *r, const char *reason) {
    if (r->over)
        return -EINVAL;
    r->over = true;
    r->x->ops->refused(r->x, CODE_INTERNAL, 0, reason);
    return 0;
}

/* --- the server --- */

static const struct service *find(void *arg, const void *name, size_t n) {
    const struct ll_server *s = arg;
    for (size_t i = 0; i < s->options.service_count; i++)
        if (strlen(s->adapters[i].service.name) == n && memcmp(s->adapters[i].service.name, name, n) == 0)
            return &s->adapters[i].service;
    return NULL;
}

static void say(void *arg, const char *line) {
    const struct ll_server *s = arg;
    if (s->options.log != NULL)
        s->options.log(s->options.arg, line);
}

static int adapt(struct ll_server *s) {
    s->adapters = calloc(s->options.service_count + 1, sizeof *s->adapters);
    if (s->adapters == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < s->options.service_count; i++)
        s->adapters[i] = (struct adapter){
            .service = {.name = s->options.services[i].name,
                        .verbs = s->options.services[i].verbs,
                        .open = opened,
                        .input = input,
                        .input_ended = input_ended,
                        .sent = sent,
                        .stopped = stopped,
                        .gone = gone},
            .theirs = &s->options.services[i],
            .arg = s->options.arg,
        };
    return 0;
}

static int listen_on(struct ll_server *s, const char *text, struct ll_error_info *info) {
    struct ll_address address;
    ll_socket *socket;
    int e = s->listener_count < LIMIT_LISTENERS ? ll_address_parse(&address, text) : LL_ELIMIT;
    if (e != 0)
        return error_at(info, e, "listen", text);
    e = ll_create_server(&address, NULL, &socket, info);
    if (e != 0)
        return e;
    e = ll_socket_getsockname(socket, &address);
    if (e == 0)
        e = ll_socket_setblocking(socket, false);
    if (e == 0) {
        ll_address_format(&address, s->addresses[s->listener_count], LL_ADDRESS_TEXT);
        s->listeners[s->listener_count++] = ll_socket_detach(socket);
    }
    ll_socket_free(socket);
    return e;
}

static int listen_all(struct ll_server *s, struct ll_error_info *info) {
    char text[LL_ADDRESS_TEXT];
    int e = 0;
    for (const char *at = s->options.listen; e == 0 && *at != '\0';) {
        size_t n = strcspn(at, ",");
        snprintf(text, sizeof text, "%.*s", n < sizeof text ? (int)n : 0, at);
        e = listen_on(s, text, info);
        at += at[n] == ',' ? n + 1 : n;
    }
    return e;
}

static int open_folder(struct ll_server *s, struct ll_error_info *info) {
    char path[PATHS_SIZE];
    int e = store_open_at(&s->store, s->options.folder, info);
    if (e == 0)
        e = paths_join(path, s->store.state, "running");
    if (e == 0) {
        s->lock = whole_try_lock(path, info);
        e = s->lock < 0 ? s->lock : 0;
    }
    return e;
}

static int note_addresses(struct ll_server *s, struct ll_error_info *info) {
    char lines[LIMIT_LISTENERS * (LL_ADDRESS_TEXT + 1)] = "";
    size_t used = 0;
    for (size_t i = 0; i < s->listener_count; i++)
        used += (size_t)snprintf(lines + used, sizeof lines - used, "%s\n", s->addresses[i]);
    return store_write_address(&s->store, lines, info);
}

int ll_server_open(const struct ll_serve_options *options, ll_server **out, struct ll_error_info *info) {
    struct ll_server *s = calloc(1, sizeof *s);
    *out = NULL;
    if (s == NULL)
        return -ENOMEM;
    s->options = *options;
    s->lock = -1;
    int e = adapt(s);
    if (e == 0)
        e = open_folder(s, info);
    if (e == 0)
        e = listen_all(s, info);
    if (e == 0)
        e = note_addresses(s, info);
    if (e == 0)
        e = ll_loop_new(&s->loop);
    if (e == 0) {
        const struct keeper_config config = {.store = &s->store,
                                             .listeners = s->listeners,
                                             .listener_count = s->listener_count,
                                             .log = say,
                                             .find = find,
                                             .arg = s};
        e = keeper_open(&s->keeper, s->loop, &config, info);
        s->listener_count = e == 0 ? s->listener_count : 0; /* it has taken them over */
    }
    if (e != 0)
        ll_server_free(s);
    else
        *out = s;
    return e;
}

void ll_server_free(ll_server *s) {
    if (s == NULL)
        return;
    if (s->keeper == NULL)
        for (size_t i = 0; i < s->listener_count; i++)
            close(s->listeners[i]);
    keeper_close(s->keeper);
    ll_loop_free(s->loop);
    if (s->lock >= 0)
        close(s->lock);
    free(s->adapters);
    free(s);
}

/* A program that stops reading its input would raise SIGPIPE in us: it is held back, and taken away if it came. */
int ll_server_step(ll_server *s, int64_t deadline) {
    sigset_t broken, before, pending;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &broken, &before);
    int e = keeper_settle(s->keeper) ? ll_loop_step(s->loop, keeper_pending(s->keeper) ? 0 : deadline) : LL_ECLOSED;
    if (e >= 0)
        keeper_settle(s->keeper);
    if (!was_pending)
        sigtimedwait(&broken, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e;
}

int ll_server_fileno(const ll_server *s) {
    return ll_loop_fileno(s->loop);
}

int64_t ll_server_deadline(ll_server *s) {
    keeper_settle(s->keeper);
    return keeper_pending(s->keeper) ? 0 : ll_loop_deadline(s->loop);
}

const char *ll_server_address(const ll_server *s, size_t index) {
    return index < s->listener_count ? s->addresses[index] : NULL;
}

static int add_invite(struct store_change *change, struct invite *invite, uint64_t now_ms, unsigned int verbs,
                      const char *as) {
    invites_prune(&change->invites, now_ms); /* those that expired long ago leave their places */
    struct invitation *record = invites_add(&change->invites, invite->token, invite->expiry_ms);
    if (record == NULL)
        return LL_ELIMIT;
    record->terms.verbs = verbs;
    int e = as != NULL ? terms_set_as(&record->terms, as) : 0;
    return e != 0 ? e : store_commit(change, NULL);
}

int ll_server_invite(ll_server *s, const char *address, unsigned int verbs, const char *as, double seconds, char *out,
                     size_t size) {
    const char *dial = address != NULL ? address : ll_server_address(s, 0);
    struct invite invite = {0};
    struct store_change change;
    struct timespec now;
    char line[INVITE_LINE];
    if (dial == NULL || invite_split_address(dial, strlen(dial), 0, invite.host, &invite.port) != 0)
        return LL_EADDRESS;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    invite.expiry_ms = now_ms + (uint64_t)(seconds * 1000);
    memcpy(invite.pin, tls_identity_pin(s->keeper->identity)->bytes, sizeof invite.pin);
    int e = tls_random(invite.token, sizeof invite.token);
    if (e == 0)
        e = invite_print(&invite, line);
    if (e == 0 && strlen(line) >= size)
        e = LL_ELIMIT;
    if (e == 0)
        e = store_begin(&change, &s->store, NULL);
    if (e != 0)
        return e;
    e = add_invite(&change, &invite, now_ms, verbs, as);
    store_end(&change);
    if (e == 0)
        memcpy(out, line, strlen(line) + 1);
    tls_wipe(&invite, sizeof invite);
    return e;
}
