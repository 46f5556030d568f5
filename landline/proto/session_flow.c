/* Credit: how much a receiving channel may be sent, docs/PROTOCOL.md section 6.
 *
 * Bulk: the window doubles while half of it is used up within one and a half round trips: a sender that has to wait for
 * credit gets half a window a round trip. It ends between three and six times rate × delay.
 * Terminal: the window follows the rate of the present burst, half a second of it, so that what is typed during a flood
 * is not far behind what is shown, on a slow line too. */
#include "landline/proto/session_state.h"

enum {
    BURST_GAP_MS = 250,   /* silence that ends a burst */
    BURST_LEAST_MS = 100, /* a rate is believed after this time … */
    BURST_LEAST = 2 << 10 /* … and so many bytes */
};

void session_flow_begin(struct session *s, struct session_channel *c, uint64_t start, uint32_t window,
                        enum session_flow flow) {
    c->offset = c->consumed = c->told = start;
    c->flow = (uint8_t)flow;
    c->window = window;
    c->since = s->now;
    if (start + window > c->limit)
        c->limit = start + window;
}

static uint32_t between(uint64_t v, uint32_t least, uint32_t most) {
    return v < least ? least : v > most ? most : (uint32_t)v;
}

/* A terminal's burst: its first piece starts the clock, those that follow are measured against it. */
static void measure_burst(struct session *s, struct session_channel *c, size_t n) {
    int64_t length = s->now - c->since, gap = BURST_GAP_MS * SESSION_MS;
    if (gap < 2 * s->rtt)
        gap = 2 * s->rtt;
    if (c->measured == 0 || s->now - c->last > gap) {
        c->since = s->now;
        c->measured = 1;
        return;
    }
    c->measured += n;
    if (length < BURST_LEAST_MS * SESSION_MS || c->measured < BURST_LEAST)
        return;
    uint64_t per_half_second = c->measured * (uint64_t)(500 * SESSION_MS) / (uint64_t)length;
    c->window = between(per_half_second, LIMIT_WINDOW_TERMINAL_MIN, LIMIT_WINDOW_TERMINAL);
    c->since = s->now;
    c->measured = 1;
}

void session_flow_received(struct session *s, struct session_channel *c, size_t n) {
    c->offset += n;
    if (c->flow == SESSION_TERMINAL) {
        measure_burst(s, c, n);
        c->last = s->now;
    }
}

/* Whether enough has been consumed to say so at once. */
static bool is_plenty(const struct session_channel *c) {
    return c->limit - c->consumed <= c->window / 2 || c->consumed - c->told >= LIMIT_ACKNOWLEDGE;
}

static void grow_bulk(struct session *s, struct session_channel *c) {
    bool waited = s->rtt > 0 && s->now - c->since < s->rtt + s->rtt / 2;
    if (waited && c->window < s->window_max)
        c->window = c->window > s->window_max / 2 ? s->window_max : c->window * 2;
    if (c->window < s->window_max && s->now - s->last_asked > 50 * SESSION_MS)
        session_put_ping(s);
}

/* An acknowledgement goes out; one that few bytes waited for tells of a pause, and the half begins anew. */
static void measure_half(struct session *s, struct session_channel *c) {
    bool plenty = is_plenty(c);
    c->measured += c->consumed - c->told;
    if (plenty && c->measured < c->window / 2)
        return;
    if (plenty)
        grow_bulk(s, c);
    c->since = s->now;
    c->measured = 0;
}

/* --- when CREDIT goes out --- */

static void link_to(struct session_stream **list, struct session_stream *stream) {
    stream->link_next = *list;
    if (*list != NULL)
        (*list)->link_own = &stream->link_next;
    stream->link_own = list;
    *list = stream;
}

void session_flow_forget(struct session_stream *stream) {
    if (stream->link_own == NULL)
        return;
    *stream->link_own = stream->link_next;
    if (stream->link_next != NULL)
        stream->link_next->link_own = stream->link_own;
    stream->link_own = NULL;
    stream->due = false;
}

static void make_due(struct session *s, struct session_stream *stream) {
    session_flow_forget(stream);
    stream->due = true;
    link_to(&s->due, stream);
}

void session_consumed(struct session *s, uint32_t number, uint8_t channel, uint64_t offset) {
    struct session_stream *stream = session_streams_find(s, number);
    if (stream == NULL || channel >= SESSION_CHANNELS || session_sends(s, channel) || stream->finished)
        return;
    struct session_channel *c = &stream->channels[channel];
    if (offset <= c->consumed || offset > c->offset)
        return;
    c->consumed = offset;
    if (c->ended || c->stopped || stream->due || !stream->opened)
        return;
    if (is_plenty(c)) {
        make_due(s, stream);
    } else if (stream->link_own == NULL) {
        if (s->waiting == NULL)
            s->acknowledge_at = s->now + LIMIT_ACKNOWLEDGE_MS * SESSION_MS;
        link_to(&s->waiting, stream);
    }
}

int64_t session_flow_deadline(const struct session *s) {
    return s->waiting != NULL ? s->acknowledge_at : INT64_MAX;
}

void session_flow_tick(struct session *s) {
    if (s->now < session_flow_deadline(s))
        return;
    while (s->waiting != NULL)
        make_due(s, s->waiting);
}

static void put_one(struct session *s, struct session_stream *stream, uint8_t channel) {
    struct session_channel *c = &stream->channels[channel];
    if (c->flow == SESSION_BULK)
        measure_half(s, c);
    if (c->consumed + c->window > c->limit)
        c->limit = c->consumed + c->window;
    c->told = c->consumed;
    const struct message_credit credit = {.consumed = c->consumed, .limit = c->limit};
    size_t mark = message_begin(&s->out, MESSAGE_CREDIT, channel, stream->number);
    message_put_credit(&s->out, &credit);
    message_finish(&s->out, mark);
}

void session_flow_put(struct session *s) {
    while (s->due != NULL) {
        struct session_stream *stream = s->due;
        for (uint8_t channel = 0; channel < SESSION_CHANNELS; channel++) {
            const struct session_channel *c = &stream->channels[channel];
            if (!session_sends(s, channel) && c->consumed > c->told && !c->ended && !c->stopped)
                put_one(s, stream, channel);
        }
        session_flow_forget(stream);
    }
}
