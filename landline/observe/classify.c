#include "landline/observe/judge.h"

enum { ICMP4_EXPIRED = 11, ICMP6_EXPIRED = 3 };

static enum flow_event classify_icmp(const struct step *s) {
    return s->icmp_type == (s->complainer.family == 4 ? ICMP4_EXPIRED : ICMP6_EXPIRED) ? EVENT_EXPIRED
                                                                                       : EVENT_UNREACHABLE;
}

/* A reset carries ACK when its sender has the connection and gives it up; a bare one, numbered with the ACK it answers,
 * comes from a machine that knows no such connection (RFC 9293, 3.5.2 group 1). */
static enum flow_event classify_reset(const struct judge *j, const struct step *s) {
    const struct track *me = &j->side[s->from], *other = &j->side[1 - s->from];
    if (other->syn_sent && !me->syn_sent && !other->has_acked)
        return EVENT_REFUSED;
    if ((s->flags & TCP_ACK) != 0)
        return me->fin_sent && other->fin_sent ? EVENT_RESET_LATE : EVENT_RESET;
    return me->fin_sent || me->reset || other->reset ? EVENT_RESET_LATE : EVENT_RESET_UNKNOWN;
}

static enum flow_event classify_syn(const struct judge *j, const struct step *s) {
    const struct track *me = &j->side[s->from], *other = &j->side[1 - s->from];
    bool answers = (s->flags & TCP_ACK) != 0;
    if (answers)
        return me->syn_sent && j->last != EVENT_SYN_CROSSED && me->has_acked ? EVENT_SYN_ACK_AGAIN : EVENT_SYN_ACK;
    if (me->syn_sent)
        return EVENT_SYN_AGAIN;
    return other->syn_sent ? EVENT_SYN_CROSSED : EVENT_SYN;
}

static enum flow_event classify_fin(const struct judge *j, const struct step *s) {
    const struct track *me = &j->side[s->from], *other = &j->side[1 - s->from];
    if (me->fin_sent)
        return EVENT_FIN_AGAIN;
    if (!other->fin_sent)
        return EVENT_FIN_ACTIVE;
    return seq_before(s->ack, other->fin_end) ? EVENT_FIN_CROSSED : EVENT_FIN_PASSIVE;
}

/* A segment one byte back, empty or of one byte, when everything was acknowledged: it only wants an answer. */
static bool asks_for_answer(const struct judge *j, const struct step *s) {
    const struct track *me = &j->side[s->from], *other = &j->side[1 - s->from];
    return me->has_next && s->length <= 1 && s->seq == me->next - 1 && other->has_acked &&
           !seq_before(other->acked, me->next - (other->window_zero ? 1 : 0));
}

static bool fills_hole(struct track *t, const struct step *s) {
    for (int i = 0; i < t->holes; i++) {
        if (seq_before(s->seq, t->hole[i].from) || !seq_before(s->seq, t->hole[i].to))
            continue;
        t->hole[i].from = s->seq + s->length;
        if (!seq_before(t->hole[i].from, t->hole[i].to))
            t->hole[i] = t->hole[--t->holes];
        return true;
    }
    return false;
}

static enum flow_event classify_data(struct judge *j, const struct step *s) {
    struct track *me = &j->side[s->from], *other = &j->side[1 - s->from];
    if (!me->has_next || s->seq == me->next)
        return EVENT_DATA;
    if (seq_before(me->next, s->seq)) {
        if (me->holes < JUDGE_HOLES) {
            me->hole[me->holes].from = me->next;
            me->hole[me->holes++].to = s->seq;
        }
        return EVENT_GAP;
    }
    if (asks_for_answer(j, s))
        return other->window_zero ? EVENT_WINDOW_PROBE : EVENT_KEEPALIVE;
    if (fills_hole(me, s))
        return EVENT_LATE;
    return other->has_acked && !seq_before(other->acked, s->seq + s->length) ? EVENT_DATA_NEEDLESS : EVENT_DATA_AGAIN;
}

/* An ACK that covers the other side's FIN for the first time. */
static enum flow_event classify_fin_ack(const struct judge *j, const struct step *s) {
    const struct track *me = &j->side[s->from];
    if (!me->fin_sent)
        return EVENT_FIN_ACKED;
    return j->crossed ? EVENT_LAST_ACKED : EVENT_TIME_WAITED;
}

static bool covers_new(const struct track *me, const struct step *s, uint32_t end) {
    return !seq_before(s->ack, end) && (!me->has_acked || seq_before(me->acked, end));
}

static enum flow_event classify_ack(struct judge *j, const struct step *s) {
    const struct track *me = &j->side[s->from], *other = &j->side[1 - s->from];
    if (asks_for_answer(j, s))
        return other->window_zero ? EVENT_WINDOW_PROBE : EVENT_KEEPALIVE;
    if (other->fin_sent && covers_new(me, s, other->fin_end))
        return classify_fin_ack(j, s);
    if (other->syn_sent && covers_new(me, s, j->flow->side[1 - s->from].first + 1))
        return EVENT_HANDSHAKE;
    if (s->window == 0 && !me->window_zero)
        return EVENT_WINDOW_ZERO;
    if (me->window_zero && s->window != 0)
        return EVENT_WINDOW_UPDATE;
    if (!me->has_acked || seq_before(me->acked, s->ack))
        return EVENT_ACK;
    if (j->last == EVENT_KEEPALIVE)
        return EVENT_KEEPALIVE_ACK;
    return s->window != me->window && s->options.sacks == 0 ? EVENT_WINDOW_UPDATE : EVENT_ACK_AGAIN;
}

enum flow_event classify_step(struct judge *j, const struct step *s) {
    if (s->icmp)
        return classify_icmp(s);
    if ((s->flags & TCP_RST) != 0)
        return classify_reset(j, s);
    if (j->side[0].reset || j->side[1].reset)
        return EVENT_AFTERWARDS;
    if ((s->flags & TCP_SYN) != 0)
        return classify_syn(j, s);
    if ((s->flags & TCP_FIN) != 0)
        return classify_fin(j, s);
    return s->length > 0 ? classify_data(j, s) : classify_ack(j, s);
}
