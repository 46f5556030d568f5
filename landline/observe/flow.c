#include "landline/observe/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/limits.h"

const char *flow_state_name(enum flow_state state) {
    static const char *const names[] = {
#define FLOW_STATE_NAME(name, text) text,
        FLOW_STATES(FLOW_STATE_NAME)
#undef FLOW_STATE_NAME
    };
    return names[state];
}

const char *flow_event_name(enum flow_event event) {
    static const char *const names[] = {
#define FLOW_EVENT_NAME(name, text) text,
        FLOW_EVENTS(FLOW_EVENT_NAME)
#undef FLOW_EVENT_NAME
    };
    return names[event];
}

const char *flow_verdict_name(enum flow_verdict verdict) {
    static const char *const names[] = {
#define FLOW_VERDICT_NAME(name, text) text,
        FLOW_VERDICTS(FLOW_VERDICT_NAME)
#undef FLOW_VERDICT_NAME
    };
    return names[verdict];
}

void flow_table_init(struct flow_table *t) {
    memset(t, 0, sizeof *t);
}

static void flow_free(struct flow *f) {
    if (f == NULL)
        return;
    free(f->steps);
    free(f);
}

void flow_table_free(struct flow_table *t) {
    for (size_t i = 0; i < t->count; i++)
        flow_free(t->flows[i]);
    free(t->flows);
    flow_table_init(t);
}

/* Room for one more of `size` bytes in a list that doubles; 0 or -ENOMEM. */
static int grow(void **list, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity)
        return 0;
    size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    void *bigger = reallocarray(*list, wanted, size);
    if (bigger == NULL)
        return -ENOMEM;
    *list = bigger;
    *capacity = wanted;
    return 0;
}

uint32_t flow_space(const struct step *s) {
    return s->length + ((s->flags & TCP_SYN) != 0) + ((s->flags & TCP_FIN) != 0);
}

uint32_t flow_relative(const struct flow *f, int side, uint32_t number) {
    return number - f->side[side].first;
}

static bool opens(const struct packet *p) {
    return p->kind == PACKET_TCP && (p->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

/* A SYN on the pair of addresses of an earlier connection begins a new one, unless it is that one's SYN again or the
 * other half of a simultaneous open. */
static bool is_reborn(const struct flow *f, const struct packet *p, int from) {
    if (!opens(p) || f->count == 0)
        return false;
    bool only_syns = true;
    for (size_t i = 0; i < f->count; i++) {
        const struct step *s = &f->steps[i];
        if ((s->flags & TCP_SYN) != 0 && s->from == from)
            return s->seq != p->seq;
        only_syns = only_syns && (s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
    }
    return !only_syns;
}

static struct flow *find(const struct flow_table *t, const struct packet *p, int *from) {
    for (size_t i = t->count; i-- > 0;) {
        struct flow *f = t->flows[i];
        for (int side = 0; side < 2; side++) {
            if (packet_end_same(&f->side[side].end, &p->from) && packet_end_same(&f->side[1 - side].end, &p->to)) {
                *from = side;
                return is_reborn(f, p, side) ? NULL : f;
            }
        }
    }
    return NULL;
}

/* A new connection for its first packet; who sent that is the client, unless it is plainly an answer. */
static int begin(struct flow_table *t, const struct packet *p, struct flow **which, int *from) {
    void *list = t->flows;
    int code = grow(&list, t->count, &t->capacity, sizeof(struct flow *));
    t->flows = list;
    struct flow *f = code == 0 ? calloc(1, sizeof *f) : NULL;
    if (f == NULL)
        return -ENOMEM;
    bool answer = (p->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
    *from = answer ? FLOW_SERVER : FLOW_CLIENT;
    f->side[*from].end = p->from;
    f->side[1 - *from].end = p->to;
    f->side[FLOW_CLIENT].scale = f->side[FLOW_SERVER].scale = -1;
    f->whole = opens(p);
    f->closer = -1;
    t->flows[t->count++] = f;
    *which = f;
    return 0;
}

/* Learns from the packet what relative numbers and windows are counted from. */
static void learn(struct flow *f, const struct packet *p, int from) {
    struct flow_side *mine = &f->side[from], *other = &f->side[1 - from];
    if (!mine->seen || (!mine->has_first && (p->flags & TCP_SYN) != 0)) {
        mine->has_first = (p->flags & TCP_SYN) != 0;
        mine->first = p->seq;
    }
    if (!other->seen && !other->has_first && (p->flags & TCP_ACK) != 0)
        other->first = p->ack;
    if ((p->flags & TCP_SYN) != 0)
        mine->scale = p->options.has_scale ? (int8_t)p->options.scale : 0;
    if (!mine->seen)
        mine->interface = p->interface;
    mine->seen = true;
}

static int append(struct flow *f, const struct packet *p, int from) {
    if (f->count >= LIMIT_FLOW_STEPS) {
        f->cut = true;
        return 0;
    }
    void *list = f->steps;
    int code = grow(&list, f->count, &f->capacity, sizeof *f->steps);
    f->steps = list;
    if (code != 0)
        return code;
    struct step *s = &f->steps[f->count++];
    *s = (struct step){.time_ns = p->time_ns,
                       .from = (uint8_t)from,
                       .icmp = p->kind == PACKET_ICMP,
                       .icmp_type = p->icmp_type,
                       .icmp_code = p->icmp_code,
                       .complainer = p->complainer,
                       .flags = p->flags,
                       .window = p->window,
                       .seq = p->seq,
                       .ack = p->ack,
                       .length = p->length,
                       .options = p->options};
    s->sampled = (uint8_t)(p->held < FLOW_SAMPLE ? p->held : FLOW_SAMPLE);
    if (s->sampled > 0)
        memcpy(s->sample, p->payload, s->sampled);
    return 0;
}

int flow_table_add(struct flow_table *t, const struct packet *p, struct flow **which) {
    *which = NULL;
    int from = FLOW_CLIENT;
    struct flow *f = find(t, p, &from);
    if (f == NULL) {
        if (p->kind == PACKET_ICMP)
            return 0;
        if (t->count >= LIMIT_FLOWS) {
            t->refused++;
            return 0;
        }
        int code = begin(t, p, &f, &from);
        if (code != 0)
            return code;
    }
    if (p->kind == PACKET_TCP) {
        if (f->side[from].seen && f->side[from].interface != p->interface)
            return 0;
        learn(f, p, from);
    }
    *which = f;
    return append(f, p, from);
}
