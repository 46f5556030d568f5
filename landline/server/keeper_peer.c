#include "landline/server/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/escape.h"

/* Both numbers are the gate's choice: without the salt it could have all of them fall on one place of the map. */
static uint64_t key_of(const struct keeper *keeper, uint32_t connection, uint32_t stream) {
    return ((uint64_t)connection << 32 | stream) ^ keeper->salt;
}

/* --- what services say --- */

static struct errand *errand_of(struct exchange *x) {
    return (struct errand *)x;
}

static size_t begin(struct exchange *x, enum ipc_type type, uint8_t channel) {
    struct errand *e = errand_of(x);
    return ipc_begin(&e->keeper->ipc, type, channel, e->link->number, e->stream);
}

static void say_opened(struct exchange *x, const struct exchange_start *start, const void *response, size_t n) {
    struct ipc *ipc = &errand_of(x)->keeper->ipc;
    size_t mark = begin(x, IPC_OPENED, 0);
    buf_add_u64(&ipc->out, start->start0);
    buf_add_u64(&ipc->out, start->start1);
    buf_add_u64(&ipc->out, start->start2);
    buf_add_u32(&ipc->out, start->window0);
    buf_add_u8(&ipc->out, (uint8_t)((start->bulk ? IPC_BULK : 0) | (start->terminal ? IPC_TERMINAL : 0) |
                                    (start->paced ? IPC_PACED : 0)));
    buf_add(&ipc->out, response, n);
    ipc_finish(ipc, mark);
}

static void refuse(struct ipc *ipc, uint32_t connection, uint32_t stream, uint16_t code, uint32_t error,
                   const char *text) {
    size_t n = strlen(text), mark = ipc_begin(ipc, IPC_REFUSED, 0, connection, stream);
    buf_add_u16(&ipc->out, code);
    buf_add_u32(&ipc->out, error);
    buf_add(&ipc->out, text, n < 500 ? n : 500);
    ipc_finish(ipc, mark);
}

static void say_refused(struct exchange *x, uint16_t code, uint32_t error, const char *text) {
    struct errand *e = errand_of(x);
    e->refused = true;
    refuse(&e->keeper->ipc, e->link->number, e->stream, code, error, text);
}

static void say_output(struct exchange *x, uint8_t channel, uint64_t offset, const void *bytes, size_t n) {
    struct ipc *ipc = &errand_of(x)->keeper->ipc;
    size_t mark = begin(x, IPC_OUTPUT, channel);
    buf_add_u64(&ipc->out, offset);
    buf_add(&ipc->out, bytes, n);
    ipc_finish(ipc, mark);
}

static void wait_for_room(struct errand *e) {
    if (e->waiting)
        return;
    e->waiting = true;
    e->next_waiting = e->keeper->waiting;
    e->keeper->waiting = e;
}

static bool say_full(struct exchange *x) {
    struct errand *e = errand_of(x);
    if (buf_size(&e->keeper->ipc.out) < LIMIT_IPC_AHEAD)
        return false;
    wait_for_room(e);
    return true;
}

static int say_ring(struct exchange *x, uint8_t channel, int fd, uint64_t size, uint64_t from) {
    struct errand *e = errand_of(x);
    struct ipc *ipc = &e->keeper->ipc;
    if (ipc->fd < 0 || ipc->ended)
        return -EAGAIN; /* the gate has just gone: so will this exchange */
    size_t mark = begin(x, IPC_RING, channel);
    buf_add_u64(&ipc->out, size);
    buf_add_u64(&ipc->out, from);
    int result = ipc_finish_with_fd(ipc, mark, fd);
    if (result != 0)
        wait_for_room(e);
    return result;
}

static int say_direct(struct exchange *x, int fd) {
    struct errand *e = errand_of(x);
    struct ipc *ipc = &e->keeper->ipc;
    if (ipc->fd < 0 || ipc->ended)
        return -EAGAIN;
    int result = ipc_finish_with_fd(ipc, begin(x, IPC_DIRECT, 0), fd);
    if (result != 0)
        wait_for_room(e);
    return result;
}

static void say_u64(struct exchange *x, enum ipc_type type, uint8_t channel, uint64_t v) {
    struct errand *e = errand_of(x);
    ipc_send_u64(&e->keeper->ipc, type, channel, e->link->number, e->stream, v);
}

static void say_produced(struct exchange *x, uint8_t channel, uint64_t to) {
    say_u64(x, IPC_PRODUCED, channel, to);
}

static void say_ended(struct exchange *x, uint8_t channel, uint64_t total) {
    say_u64(x, IPC_OUTPUT_END, channel, total);
}

static void say_consumed(struct exchange *x, uint64_t to) {
    say_u64(x, IPC_CONSUMED, 0, to);
}

static void say_stop_input(struct exchange *x, uint16_t code) {
    struct ipc *ipc = &errand_of(x)->keeper->ipc;
    size_t mark = begin(x, IPC_STOP_INPUT, 0);
    buf_add_u16(&ipc->out, code);
    ipc_finish(ipc, mark);
}

static void say_bytes(struct exchange *x, enum ipc_type type, const void *bytes, size_t n) {
    struct errand *e = errand_of(x);
    ipc_send_bytes(&e->keeper->ipc, type, e->link->number, e->stream, bytes, n);
}

static void say_result(struct exchange *x, const void *bytes, size_t n) {
    say_bytes(x, IPC_RESULT, bytes, n);
}

static void say_notice(struct exchange *x, const char *text) {
    size_t n = strlen(text);
    say_bytes(x, IPC_NOTICE, text, n < 500 ? n : 500);
}

static const struct exchange_ops ops = {
    .opened = say_opened,
    .refused = say_refused,
    .output = say_output,
    .full = say_full,
    .ring = say_ring,
    .direct = say_direct,
    .produced = say_produced,
    .ended = say_ended,
    .consumed = say_consumed,
    .stop_input = say_stop_input,
    .result = say_result,
    .notice = say_notice,
};

/* --- exchanges --- */

static void errand_free(struct errand *e, enum exchange_leave why) {
    struct keeper *keeper = e->keeper;
    if (e->x.service != NULL)
        e->x.service->gone(&e->x, why);
    if (e->previous != NULL)
        e->previous->next = e->next;
    else
        e->link->errands = e->next;
    if (e->next != NULL)
        e->next->previous = e->previous;
    if (e->waiting) {
        struct errand **at = &keeper->waiting;
        while (*at != e)
            at = &(*at)->next_waiting;
        *at = e->next_waiting;
    }
    map_take(&keeper->errands, key_of(keeper, e->link->number, e->stream));
    free(e);
}

void peer_writable(struct keeper *keeper) {
    struct errand *list = keeper->waiting;
    keeper->waiting = NULL;
    while (list != NULL) {
        struct errand *e = list;
        list = e->next_waiting;
        e->waiting = false;
        if (!e->refused && e->x.service->writable != NULL)
            e->x.service->writable(&e->x);
    }
}

static struct errand *errand_new(struct keeper *keeper, struct link *link, uint32_t stream) {
    struct errand *e = keeper->errands.count < LIMIT_ERRANDS ? calloc(1, sizeof *e) : NULL;
    if (e == NULL || map_put(&keeper->errands, key_of(keeper, link->number, stream), e) != 0) {
        free(e);
        return NULL;
    }
    e->x = (struct exchange){.ops = &ops, .host = &keeper->host, .peer = &link->peer};
    e->keeper = keeper;
    e->link = link;
    e->stream = stream;
    e->next = link->errands;
    if (e->next != NULL)
        e->next->previous = e;
    link->errands = e;
    return e;
}

static const struct service *find_service(struct keeper *keeper, struct slice name) {
    const struct service *service = NULL;
    if (keeper->config.find != NULL)
        service = keeper->config.find(keeper->config.arg, name.data, name.size);
    return service != NULL ? service : service_find(name.data, name.size);
}

static void take_open(struct keeper *keeper, struct link *link, const struct ipc_message *m) {
    struct message_open open;
    if (map_get(&keeper->errands, key_of(keeper, link->number, m->stream)) != NULL)
        return;
    struct errand *e = errand_new(keeper, link, m->stream);
    if (e == NULL) {
        refuse(&keeper->ipc, link->number, m->stream, CODE_FULL, 0,
               "the server has as many requests as it has room for");
        return;
    }
    bool understood = message_get_open(m->payload, &open) == 0;
    const struct service *service = understood ? find_service(keeper, open.service) : NULL;
    if (!understood)
        say_refused(&e->x, CODE_MALFORMED, 0, "the request cannot be understood");
    else if (service == NULL)
        say_refused(&e->x, CODE_UNKNOWN_SERVICE, 0, "the server has no such service");
    else if (link->starved)
        say_refused(&e->x, CODE_FULL, 0, "the server is out of memory");
    else if (!link->granted || (service->verbs & link->peer.terms.verbs) == 0)
        say_refused(&e->x, CODE_NO_GRANT, 0, "the grant of this key does not cover this service");
    else if (keeper->end_at != LL_NEVER)
        say_refused(&e->x, CODE_INTERNAL, 0, "the server is being stopped");
    if (e->refused)
        return;
    e->x.service = service;
    service->open(&e->x, open.flags, open.request);
}

static void take_errand(struct errand *e, const struct ipc_message *m) {
    const struct service *s = e->x.service;
    struct reader r = reader_of(m->payload.data, m->payload.size);
    if (m->type == IPC_DONE) {
        errand_free(e, EXCHANGE_DONE);
        return;
    }
    if (e->refused || s == NULL)
        return;
    switch ((enum ipc_type)m->type) {
    case IPC_INPUT: {
        uint64_t offset = reader_u64(&r);
        if (s->input != NULL)
            s->input(&e->x, offset, reader_rest(&r));
        break;
    }
    case IPC_INPUT_END:
        if (s->input_ended != NULL)
            s->input_ended(&e->x, reader_u64(&r));
        break;
    case IPC_ACKED:
        if (s->acked != NULL)
            s->acked(&e->x, m->channel, reader_u64(&r));
        break;
    case IPC_SENT:
        if (s->sent != NULL)
            s->sent(&e->x, m->channel, reader_u64(&r));
        break;
    case IPC_STOPPED:
        if (s->stopped != NULL)
            s->stopped(&e->x, m->channel);
        break;
    case IPC_CONTROL: {
        uint8_t kind = reader_u8(&r);
        if (s->control != NULL)
            s->control(&e->x, kind, reader_rest(&r));
        break;
    }
    default:
        break;
    }
}

/* --- connections --- */

/* The caller takes it out of the map. */
static void link_free(struct link *link, enum exchange_leave why) {
    while (link->errands != NULL)
        errand_free(link->errands, why);
    terms_free(&link->peer.terms);
    free(link);
}

static void look_up(struct keeper *keeper, struct link *link) {
    struct tls_pin pin;
    memcpy(pin.bytes, link->peer.key, sizeof pin.bytes);
    const struct grant *grant = grants_find(&keeper->grants, &pin);
    terms_free(&link->peer.terms);
    bool may = grant != NULL && !grant->revoked;
    link->granted = may && terms_copy(&link->peer.terms, &grant->terms) == 0;
    link->starved = may && !link->granted;
    if (link->granted)
        memcpy(link->peer.label, grant->label, sizeof link->peer.label);
}

static struct clocks get_clocks(struct reader *r) {
    struct clocks clocks = {.ours_ms = reader_u64(r)};
    clocks.theirs_ms = reader_u64(r);
    return clocks;
}

/* A gate that speaks of more connections than it can have lies, and is replaced. */
static void connected(struct keeper *keeper, const struct ipc_message *m) {
    if (keeper->links.count == LIMIT_LINKS) {
        keeper_log(keeper, LINE_GATE, "the gate speaks of more connections than it can have");
        keeper->ipc.ended = true;
        return;
    }
    struct reader r = reader_of(m->payload.data, m->payload.size);
    struct slice pin = reader_bytes(&r, PEER_KEY);
    struct clocks clocks = get_clocks(&r);
    struct slice address = reader_str8(&r);
    struct link *link = map_get(&keeper->links, m->connection) == NULL ? calloc(1, sizeof *link) : NULL;
    reader_str8(&r);
    if (link == NULL || reader_end(&r) != 0 || map_put(&keeper->links, m->connection, link) != 0) {
        free(link);
        return;
    }
    link->number = m->connection;
    memcpy(link->peer.key, pin.data, PEER_KEY);
    link->peer.clocks = clocks;
    escape_bytes(link->peer.address, sizeof link->peer.address, address.data, address.size);
    look_up(keeper, link);
}

static void enrol(struct keeper *keeper, struct link *link, const struct ipc_message *m) {
    struct message_enrol request;
    struct ll_error_info info = {0};
    struct timespec now;
    struct tls_pin pin;
    char text[512], name[TLS_PIN_TEXT];
    clock_gettime(CLOCK_REALTIME, &now);
    memcpy(pin.bytes, link->peer.key, sizeof pin.bytes);
    tls_pin_format(&pin, name);
    int e = message_get_enrol(m->payload, &request) != 0
                ? LL_EINVITE
                : store_enrol(&keeper->store, &request, tls_identity_pin(keeper->identity), &pin,
                              (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, &info);
    uint16_t code = e == 0                   ? CODE_NONE
                    : e == LL_EINVITE        ? CODE_BAD_INVITE
                    : e == LL_EINVITEEXPIRED ? CODE_INVITE_EXPIRED
                    : e == LL_EINVITEUSED    ? CODE_INVITE_USED
                                             : CODE_INTERNAL;
    if (e != 0) {
        ll_error_format(&info, text, sizeof text);
        keeper_log(keeper, LINE_ENROL, "%s at %s was not enrolled: %s", name, link->peer.address,
                   code == CODE_INTERNAL ? text : ll_strerror(e));
    } else {
        peer_grants_changed(keeper);
        keeper_log(keeper, LINE_OWN, "enrolled %s as '%s' from %s", name, link->peer.label, link->peer.address);
    }
    struct ipc *ipc = &keeper->ipc;
    size_t mark = ipc_begin(ipc, IPC_ENROLLED, 0, link->number, 0);
    buf_add_u16(&ipc->out, code);
    buf_add_u32(&ipc->out, link->peer.terms.verbs);
    ipc_finish(ipc, mark);
}

void peer_send_grants(struct keeper *keeper) {
    struct ipc *ipc = &keeper->ipc;
    if (ipc->fd < 0)
        return;
    size_t mark = ipc_begin(ipc, IPC_GRANTS, 0, 0, 0);
    for (size_t i = 0; i < keeper->grants.count; i++) {
        const struct grant *grant = &keeper->grants.list[i];
        buf_add(&ipc->out, grant->pin.bytes, TLS_PIN_SIZE);
        buf_add_u32(&ipc->out, grant->terms.verbs);
        buf_add_u8(&ipc->out, grant->revoked);
    }
    ipc_finish(ipc, mark);
}

/* A file that cannot be understood changes nothing: who was let in stays in, and the log says so. */
void peer_grants_changed(struct keeper *keeper) {
    struct grants fresh;
    struct ll_error_info info = {0};
    char text[512];
    if (store_grants(&keeper->store, &fresh, &info) != 0) {
        ll_error_format(&info, text, sizeof text);
        keeper_log(keeper, LINE_OWN, "the grants were not read, those before hold: %s", text);
        grants_free(&fresh);
        return;
    }
    grants_free(&keeper->grants);
    keeper->grants = fresh;
    size_t at = 0;
    struct link *link;
    while ((link = map_each(&keeper->links, &at)) != NULL)
        look_up(keeper, link);
    peer_send_grants(keeper);
}

void peer_gate_lost(struct keeper *keeper) {
    struct link *link;
    size_t at = 0;
    while ((link = map_each(&keeper->links, &at)) != NULL)
        link_free(link, EXCHANGE_GATE_LOST);
    map_free(&keeper->links);
}

static void gate_ready(struct keeper *keeper) {
    if (keeper->gate_ready)
        return;
    keeper->gate_ready = true;
    if (keeper->config.ready != NULL)
        keeper->config.ready(keeper->config.arg);
    keeper->gate_pause = 0;
}

static void from_gate(struct keeper *keeper, struct slice payload) {
    char text[1024];
    escape_sentence(text, sizeof text, payload.data, payload.size);
    keeper_log(keeper, LINE_GATE, "gate: %s", text);
}

static void set_clocks(struct link *link, struct slice payload) {
    struct reader r = reader_of(payload.data, payload.size);
    link->peer.clocks = get_clocks(&r);
}

static void take_message(struct keeper *keeper, const struct ipc_message *m) {
    struct link *link = m->connection != 0 ? map_get(&keeper->links, m->connection) : NULL;
    if (m->type == IPC_READY)
        gate_ready(keeper);
    else if (m->type == IPC_LOG)
        from_gate(keeper, m->payload);
    else if (m->type == IPC_CONNECTED)
        connected(keeper, m);
    else if (link == NULL)
        return;
    else if (m->type == IPC_ENROL)
        enrol(keeper, link, m);
    else if (m->type == IPC_CLOCKS)
        set_clocks(link, m->payload);
    else if (m->type == IPC_GONE)
        link_free(map_take(&keeper->links, m->connection), EXCHANGE_CUT);
    else if (m->type == IPC_OPEN)
        take_open(keeper, link, m);
    else {
        struct errand *e = map_get(&keeper->errands, key_of(keeper, m->connection, m->stream));
        if (e != NULL)
            take_errand(e, m);
    }
}

void peer_messages(struct keeper *keeper) {
    struct ipc_message m;
    while (ipc_next(&keeper->ipc, &m) == 1) {
        take_message(keeper, &m);
        if (m.fd >= 0)
            close(m.fd);
    }
}
