#include "landline/observe/judge.h"

#include <string.h>

enum { LOOK_AHEAD = 512, LOOK_AROUND = 64, SILENT_AFTER = 2 };

static bool covers(const struct step *answer, uint32_t end) {
    return (answer->flags & TCP_ACK) != 0 && !seq_before(answer->ack, end);
}

static bool is_again(enum flow_event e) {
    return e == EVENT_SYN_AGAIN || e == EVENT_SYN_ACK_AGAIN || e == EVENT_DATA_AGAIN || e == EVENT_FIN_AGAIN ||
           e == EVENT_DATA_NEEDLESS;
}

static bool is_question(enum flow_event e) {
    return e == EVENT_KEEPALIVE || e == EVENT_WINDOW_PROBE;
}

/* `later` carries the beginning of `s` once more. */
static bool repeats(const struct step *later, const struct step *s) {
    return flow_space(later) > 0 && !later->icmp && !seq_before(s->seq, later->seq) &&
           seq_before(s->seq, later->seq + flow_space(later));
}

/* Sent again before any answer covered it; or it is of the kind that must be answered, and nothing ever came. */
static bool is_lost(const struct flow *f, size_t i) {
    const struct step *s = &f->steps[i];
    if (flow_space(s) == 0 || s->icmp || (s->flags & TCP_RST) != 0 || is_question(s->event))
        return false;
    uint32_t end = s->seq + flow_space(s);
    for (size_t k = i + 1; k < f->count && k - i < LOOK_AHEAD; k++) {
        const struct step *later = &f->steps[k];
        if (later->icmp)
            continue;
        if (later->from != s->from && (covers(later, end) || (later->flags & TCP_RST) != 0))
            return false;
        if (later->from == s->from && repeats(later, s))
            return true;
    }
    return (s->flags & TCP_SYN) != 0 || is_again(s->event);
}

/* A bare ACK was lost when what it acknowledged comes once more. Only SYN and FIN matter to the states. */
static bool is_lost_ack(const struct flow *f, size_t i) {
    const struct step *s = &f->steps[i];
    if (flow_space(s) != 0 || s->icmp || (s->flags & (TCP_RST | TCP_ACK)) != TCP_ACK)
        return false;
    for (size_t k = i + 1; k < f->count && k - i < LOOK_AROUND; k++) {
        const struct step *later = &f->steps[k];
        if (later->from == s->from || later->icmp || (later->flags & (TCP_SYN | TCP_FIN)) == 0)
            continue;
        for (size_t before = i < LOOK_AROUND ? 0 : i - LOOK_AROUND; before < i; before++) {
            const struct step *first = &f->steps[before];
            if (first->from == later->from && first->seq == later->seq && flow_space(first) > 0 &&
                covers(s, later->seq + flow_space(later)) && (first->flags & later->flags & (TCP_SYN | TCP_FIN)) != 0)
                return true;
        }
    }
    return false;
}

/* The other side's next segment does not know of this SYN or FIN yet: the two were on the way at the same time. */
static bool is_crossing(const struct flow *f, size_t i) {
    const struct step *s = &f->steps[i];
    if ((s->flags & (TCP_SYN | TCP_FIN)) == 0 || (s->flags & TCP_RST) != 0)
        return false;
    for (size_t k = i + 1; k < f->count; k++) {
        const struct step *later = &f->steps[k];
        if (later->from == s->from || later->icmp)
            continue;
        return (later->flags & TCP_RST) == 0 && !covers(later, s->seq + flow_space(s));
    }
    return false;
}

static void send_changes_sender(struct judge *j, const struct step *s) {
    enum flow_state *state = &j->state[s->from];
    if ((s->flags & TCP_RST) != 0) {
        *state = FLOW_CLOSED;
    } else if ((s->flags & TCP_SYN) != 0) {
        *state = (s->flags & TCP_ACK) != 0 ? FLOW_SYN_RECV : FLOW_SYN_SENT;
    } else if ((s->flags & TCP_FIN) != 0) {
        if (*state == FLOW_CLOSE_WAIT)
            *state = FLOW_LAST_ACK;
        else if (*state == FLOW_ESTABLISHED || *state == FLOW_SYN_RECV || *state == FLOW_UNKNOWN)
            *state = FLOW_FIN_WAIT_1;
    } else if (*state == FLOW_SYN_SENT && (s->flags & TCP_ACK) != 0) {
        *state = FLOW_ESTABLISHED; /* it must have had the SYN+ACK that was not seen here */
    }
}

/* What an acknowledgement does to the end it reaches. */
static void ack_arrives(struct judge *j, const struct step *s) {
    int to = 1 - s->from;
    enum flow_state *state = &j->state[to];
    const struct track *t = &j->side[to];
    if ((s->flags & TCP_ACK) == 0)
        return;
    if (*state == FLOW_SYN_RECV && covers(s, j->flow->side[to].first + 1))
        *state = FLOW_ESTABLISHED;
    if (!t->fin_sent || !covers(s, t->fin_end))
        return;
    if (*state == FLOW_FIN_WAIT_1)
        *state = FLOW_FIN_WAIT_2;
    else if (*state == FLOW_CLOSING)
        *state = FLOW_TIME_WAIT;
    else if (*state == FLOW_LAST_ACK)
        *state = FLOW_CLOSED;
}

/* What a SYN or FIN does to the end it reaches. */
static void flag_arrives(struct judge *j, const struct step *s) {
    enum flow_state *state = &j->state[1 - s->from];
    if ((s->flags & TCP_SYN) != 0) {
        if (*state == FLOW_SYN_SENT)
            *state = (s->flags & TCP_ACK) != 0 ? FLOW_ESTABLISHED : FLOW_SYN_RECV;
        return;
    }
    if ((s->flags & TCP_FIN) == 0)
        return;
    if (*state == FLOW_ESTABLISHED || *state == FLOW_SYN_RECV)
        *state = FLOW_CLOSE_WAIT;
    else if (*state == FLOW_FIN_WAIT_1)
        *state = FLOW_CLOSING;
    else if (*state == FLOW_FIN_WAIT_2)
        *state = FLOW_TIME_WAIT;
}

static void arrive(struct judge *j, const struct step *s, bool crossing) {
    int to = 1 - s->from;
    if ((s->flags & TCP_RST) != 0) {
        if (j->state[to] != FLOW_TIME_WAIT && j->state[to] != FLOW_LISTEN)
            j->state[to] = FLOW_CLOSED;
        return;
    }
    ack_arrives(j, s);
    if (crossing)
        j->side[to].crossing = s;
    else
        flag_arrives(j, s);
}

/* The next segment of that end after step i knows of `crossing`, or there is none: it arrived between the two. */
static bool knows_next(const struct flow *f, size_t i, const struct step *crossing) {
    for (size_t k = i + 1; k < f->count; k++) {
        const struct step *later = &f->steps[k];
        if (later->from == f->steps[i].from && !later->icmp)
            return covers(later, crossing->seq + flow_space(crossing));
    }
    return true;
}

/* Brings in what crossed, once the sender of step i has sent the last segment that does not know of it. */
static void catch_up(struct judge *j, size_t i) {
    struct track *me = &j->side[j->flow->steps[i].from];
    if (me->crossing == NULL || !knows_next(j->flow, i, me->crossing))
        return;
    flag_arrives(j, me->crossing);
    me->crossing = NULL;
}

/* Payload that was not there before. */
static uint32_t fresh_bytes(const struct track *me, const struct step *s) {
    if (is_question(s->event))
        return 0;
    uint32_t end = s->seq + s->length;
    if (s->event == EVENT_LATE || !me->has_next || !seq_before(s->seq, me->next))
        return s->length;
    return seq_before(me->next, end) ? end - me->next : 0;
}

static void remember(struct judge *j, struct step *s) {
    struct track *me = &j->side[s->from], *other = &j->side[1 - s->from];
    struct flow_side *side = &j->flow->side[s->from];
    s->waited_ns = is_question(s->event) ? s->time_ns - j->last_ns : s->time_ns - me->last_ns;
    side->packets++;
    side->again += is_again(s->event);
    side->bytes += (s->flags & TCP_RST) != 0 ? 0 : fresh_bytes(me, s);
    if ((s->flags & TCP_RST) != 0) {
        me->reset = true;
        return;
    }
    uint32_t end = s->seq + flow_space(s);
    if (!me->has_next || seq_before(me->next, end))
        me->next = end;
    me->has_next = true;
    me->syn_sent = me->syn_sent || (s->flags & TCP_SYN) != 0;
    if ((s->flags & TCP_FIN) != 0) {
        me->fin_sent = true;
        me->fin_end = end;
    }
    if ((s->flags & TCP_ACK) != 0) {
        if (!me->has_acked || seq_before(me->acked, s->ack))
            me->acked = s->ack;
        me->has_acked = true;
        if (other->fin_sent && covers(s, other->fin_end))
            other->fin_acked = true;
    }
    me->window = s->window;
    me->window_zero = s->window == 0;
    me->last_ns = s->time_ns;
}

static bool from_server(const struct step *s, int wanted, int unwanted) {
    return s->from == FLOW_SERVER && !s->icmp && (s->flags & wanted) == wanted && (s->flags & unwanted) == 0;
}

/* Where both ends stood before the first step, as far as the rest tells. */
static void find_start(struct flow *f) {
    bool accepted = false, simultaneous = false, refused = false;
    for (size_t i = 0; i < f->count && i < LOOK_AHEAD; i++) {
        const struct step *s = &f->steps[i];
        accepted = accepted || from_server(s, TCP_SYN | TCP_ACK, 0);
        simultaneous = simultaneous || from_server(s, TCP_SYN, TCP_ACK);
        refused = refused || from_server(s, TCP_RST, 0);
    }
    if (!f->whole) {
        bool syn = accepted && (f->steps[0].flags & TCP_SYN) != 0;
        f->start[FLOW_CLIENT] = syn ? FLOW_SYN_SENT : FLOW_ESTABLISHED;
        f->start[FLOW_SERVER] = syn ? FLOW_LISTEN : FLOW_ESTABLISHED;
        return;
    }
    f->start[FLOW_CLIENT] = FLOW_CLOSED;
    f->start[FLOW_SERVER] = simultaneous ? FLOW_CLOSED : accepted ? FLOW_LISTEN : refused ? FLOW_CLOSED : FLOW_UNKNOWN;
}

/* One side went on asking at the end and heard nothing. */
static bool ends_in_silence(const struct flow *f) {
    int asked = 0;
    for (size_t i = f->count; i-- > 0;) {
        const struct step *s = &f->steps[i];
        if (s->icmp)
            continue;
        if (s->from != f->steps[f->count - 1].from || (!is_again(s->event) && !is_question(s->event)))
            break;
        asked++;
    }
    return asked >= SILENT_AFTER;
}

static bool finished(const struct judge *j) {
    for (int i = 0; i < 2; i++) {
        if (j->state[i] != FLOW_CLOSED && j->state[i] != FLOW_TIME_WAIT)
            return false;
    }
    return true;
}

/* The verdict that the kind of the steps gives by itself, the last one first; OPEN where none does. */
static enum flow_verdict telling_step(const struct flow *f) {
    static const struct {
        enum flow_event event;
        enum flow_verdict verdict;
    } table[] = {
        {EVENT_REFUSED, VERDICT_REFUSED},
        {EVENT_RESET, VERDICT_RESET},
        {EVENT_RESET_UNKNOWN, VERDICT_HALF_OPEN},
    };
    for (size_t i = f->count; i-- > 0;) {
        for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
            if (f->steps[i].event == table[k].event)
                return table[k].verdict;
        }
    }
    return VERDICT_OPEN;
}

static bool has_event(const struct flow *f, enum flow_event event) {
    for (size_t i = 0; i < f->count; i++) {
        if (f->steps[i].event == event)
            return true;
    }
    return false;
}

static enum flow_verdict find_verdict(const struct judge *j) {
    const struct flow *f = j->flow;
    enum flow_verdict told = telling_step(f);
    bool heard = f->side[FLOW_SERVER].packets > 0;
    if (told != VERDICT_OPEN)
        return told;
    if (!heard && (has_event(f, EVENT_UNREACHABLE) || has_event(f, EVENT_EXPIRED)))
        return VERDICT_UNREACHABLE;
    if (!heard && f->whole)
        return VERDICT_NO_ANSWER;
    const struct track *a = &j->side[0], *b = &j->side[1];
    if (a->fin_sent && b->fin_sent && finished(j))
        return j->crossed ? VERDICT_CROSSED : VERDICT_CLOSED;
    if (ends_in_silence(f))
        return VERDICT_SILENT;
    return a->fin_sent || b->fin_sent ? VERDICT_HALF_CLOSED : VERDICT_OPEN;
}

static void note_step(struct judge *j, const struct step *s) {
    struct flow *f = j->flow;
    if (s->event == EVENT_FIN_CROSSED)
        j->crossed = true;
    bool aborts = s->event == EVENT_RESET || s->event == EVENT_RESET_UNKNOWN;
    if (aborts || (f->closer < 0 && (s->flags & (TCP_FIN | TCP_RST)) != 0))
        f->closer = (int8_t)s->from;
    if (s->event == EVENT_SYN_ACK && f->handshake_ns < 0 && f->whole)
        f->handshake_ns = s->time_ns - f->steps[0].time_ns;
}

static void judge_step(struct judge *j, size_t i) {
    struct flow *f = j->flow;
    struct step *s = &f->steps[i];
    s->event = classify_step(j, s);
    s->lost = is_lost(f, i) || is_lost_ack(f, i);
    if (!s->icmp) {
        note_step(j, s);
        send_changes_sender(j, s);
        remember(j, s);
        catch_up(j, i);
        if (!s->lost)
            arrive(j, s, is_crossing(f, i));
    }
    s->state[0] = j->state[0];
    s->state[1] = j->state[1];
    j->last = s->event;
    j->last_ns = s->time_ns;
}

void flow_judge(struct flow *f) {
    struct judge j = {.flow = f, .last = EVENT_COUNT};
    if (f->count == 0)
        return;
    for (int i = 0; i < 2; i++)
        f->side[i].bytes = f->side[i].packets = f->side[i].again = 0;
    f->closer = -1;
    f->handshake_ns = -1;
    find_start(f);
    memcpy(j.state, f->start, sizeof j.state);
    for (size_t i = 0; i < f->count; i++)
        judge_step(&j, i);
    f->verdict = find_verdict(&j);
}

bool flow_ended(const struct flow *f) {
    if (f->count == 0)
        return false;
    const struct step *last = &f->steps[f->count - 1];
    bool done = true;
    for (int i = 0; i < 2; i++)
        done = done && (last->state[i] == FLOW_CLOSED || last->state[i] == FLOW_TIME_WAIT);
    return done;
}
