/* What a session hears: bytes to frames, frames to events, every rule checked on the way. */
#include "landline/proto/session_state.h"

#include <errno.h>
#include <string.h>

#include "landline/error.h"

/* Offsets have room above them, so that adding a window cannot overflow. */
#define START_MAX (UINT64_C(1) << 62)

/* --- heads --- */

static bool scope_fits(const struct session *s, enum message_scope scope, const struct message_head *h) {
    bool of_stream = h->stream > 0 && h->stream <= LIMIT_STREAM_NUMBER;
    bool from_client = s->role == MESSAGE_SERVER;
    switch (scope) {
    case MESSAGE_OF_SESSION:
        return h->stream == 0 && h->channel == 0;
    case MESSAGE_OF_STREAM:
        return of_stream && h->channel == 0;
    case MESSAGE_OF_SENDER:
        return of_stream && h->channel < SESSION_CHANNELS && (h->channel == 0) == from_client;
    case MESSAGE_OF_RECEIVER:
        return of_stream && h->channel < SESSION_CHANNELS && (h->channel == 0) != from_client;
    default:
        return true;
    }
}

/* Called by the decoder once a frame's head is there, before its payload takes memory. */
int session_input_measure(void *arg, const uint8_t *header, size_t *payload_size) {
    struct session *s = arg;
    struct message_head h = message_head_read(header);
    const struct message_rule *rule = message_rule(s->role, s->state, h.type);
    *payload_size = h.length;
    if (rule == NULL)
        return session_fail(s, LL_EPROTOCOL, CODE_PROTOCOL, "message 0x%02x (%s) has no place here", h.type,
                            message_name(h.type));
    if (h.length > rule->most)
        return session_fail(s, LL_ELIMIT, CODE_LIMIT, "%s of %u bytes, the limit is %u", rule->name, h.length,
                            rule->most);
    if (h.length < rule->least)
        return session_fail(s, LL_EPROTOCOL, CODE_PROTOCOL, "%s of %u bytes is too short", rule->name, h.length);
    if (h.flags != 0)
        return session_fail(s, LL_EPROTOCOL, CODE_PROTOCOL, "%s has unknown flags", rule->name);
    if (!scope_fits(s, rule->scope, &h))
        return session_fail(s, LL_EPROTOCOL, CODE_PROTOCOL, "%s on stream %u, channel %u", rule->name, h.stream,
                            h.channel);
    return 0;
}

/* --- messages. 1: an event; 0: seen to; negative: the session has failed --- */

struct incoming {
    struct message_head head;
    struct slice payload;
    const uint8_t *apart; /* what DATA has behind its offset, where that does not follow it */
    struct session_stream *stream;
    struct session_event *event;
};

static int malformed(struct session *s, const struct incoming *in) {
    return session_fail(s, LL_EPROTOCOL, CODE_PROTOCOL, "malformed %s", message_name(in->head.type));
}

static int broken(struct session *s, const struct incoming *in, const char *what) {
    return session_fail(s, LL_EPROTOCOL, CODE_PROTOCOL, "%s on stream %u: %s", message_name(in->head.type),
                        in->head.stream, what);
}

static uint64_t number_of(struct slice payload) {
    struct reader r = reader_of(payload.data, payload.size);
    return reader_u64(&r);
}

static int turn_away(struct session *s) {
    if (s->access == SESSION_REVOKED)
        return session_fail(s, LL_EREVOKED, CODE_REVOKED, "the grant of this key was revoked");
    return session_fail(s, LL_ENOTENROLLED, CODE_NOT_ENROLLED, "this key has no grant here");
}

static int on_hello(struct session *s, struct incoming *in) {
    struct message_hello *hello = &in->event->u.hello;
    if (message_get_hello(in->payload, hello) < 0)
        return malformed(s, in);
    if (hello->version_min > MESSAGE_VERSION || hello->version_max < MESSAGE_VERSION)
        return session_fail(s, LL_EVERSION, CODE_VERSION, "this server speaks version %d to %d", MESSAGE_VERSION,
                            MESSAGE_VERSION);
    if ((hello->flags & MESSAGE_ENROL_FOLLOWS) != 0) {
        s->enrol_expected = true;
        s->state = MESSAGE_ENROLLING;
        return 1;
    }
    if (s->access != SESSION_ENROLLED)
        return turn_away(s);
    int e = s->busy_ms > 0 ? session_busy(s, s->busy_ms, "it has no room for another client") : session_put_welcome(s);
    if (e < 0)
        return session_fail(s, e, CODE_INTERNAL, "no memory for output");
    if (s->busy_ms > 0)
        return 1;
    s->state = MESSAGE_OPENED_STATE;
    s->welcomed = true;
    return 1;
}

static void measured(struct session *s, int64_t rtt) {
    if (rtt <= 0)
        rtt = 1;
    if (s->rtt == 0 || rtt < s->rtt) /* the smallest: what is queued on the way is no reason for a larger window */
        s->rtt = rtt;
}

static int on_welcome(struct session *s, struct incoming *in) {
    struct message_welcome *w = &in->event->u.welcome;
    if (message_get_welcome(in->payload, w) < 0 || w->version != MESSAGE_VERSION || w->max_streams == 0)
        return malformed(s, in);
    if (s->enrol_expected && !s->enrol_seen)
        return session_fail(s, LL_EPROTOCOL, CODE_PROTOCOL, "WELCOME before ENROL");
    s->state = MESSAGE_OPENED_STATE;
    s->welcomed = true;
    s->max_streams = w->max_streams;
    s->last_asked = s->now;
    return 1;
}

static int on_enrol(struct session *s, struct incoming *in) {
    if (s->enrol_seen)
        return session_fail(s, LL_EPROTOCOL, CODE_PROTOCOL, "a second ENROL");
    if (message_get_enrol(in->payload, &in->event->u.enrol) < 0)
        return malformed(s, in);
    s->enrol_seen = true;
    return 1;
}

static int on_ping(struct session *s, struct incoming *in) {
    s->pong_due = true;
    s->pong_value = number_of(in->payload);
    return 0;
}

static int on_pong(struct session *s, struct incoming *in) {
    struct message_pong pong;
    if (message_get_pong(in->payload, &pong) < 0)
        return malformed(s, in);
    if (s->ping_at == 0 || pong.value != s->ping_value)
        return 0;
    int64_t rtt = s->now - s->ping_at;
    bool wanted = s->ping_wanted || s->role == MESSAGE_SERVER;
    measured(s, rtt);
    s->ping_at = 0;
    s->ping_wanted = false;
    in->event->u.pong.rtt_ns = (uint64_t)(rtt > 0 ? rtt : 0);
    in->event->u.pong.clocks = (struct clocks){s->ping_clock_ms, pong.clock_ms};
    return wanted ? 1 : 0;
}

static void ended(struct session *s, uint16_t code, struct slice text) {
    session_set_close(s, code, text.size > 0 ? (const char *)text.data : "", text.size, true);
    s->error = LL_EOF;
}

static int on_busy(struct session *s, struct incoming *in) {
    if (message_get_busy(in->payload, &in->event->u.busy) < 0)
        return malformed(s, in);
    ended(s, CODE_NONE, in->event->u.busy.text);
    return 1;
}

static int on_close(struct session *s, struct incoming *in) {
    if (message_get_close(in->payload, &in->event->u.close) < 0)
        return malformed(s, in);
    ended(s, in->event->u.close.code, in->event->u.close.text);
    return 1;
}

static int refuse_for_limit(struct session *s, uint32_t number) {
    static const char text[] = "too many streams are open";
    const struct message_refused refused = {CODE_LIMIT, 0, {(const uint8_t *)text, sizeof text - 1}};
    s->highest = number;
    size_t mark = message_begin(&s->out, MESSAGE_REFUSED, 0, number);
    message_put_refused(&s->out, &refused);
    int e = session_put_finish(s, mark);
    return e < 0 ? session_fail(s, e, CODE_LIMIT, "too many streams") : 0;
}

static int on_open(struct session *s, struct incoming *in) {
    struct message_open *open = &in->event->u.open;
    if (message_get_open(in->payload, open) < 0)
        return malformed(s, in);
    if (in->head.stream <= s->highest)
        return broken(s, in, "the number was used before");
    if (s->stream_count >= s->max_streams)
        return refuse_for_limit(s, in->head.stream);
    struct session_stream *stream = session_streams_add(s, in->head.stream);
    if (stream == NULL)
        return session_fail(s, -ENOMEM, CODE_INTERNAL, "no memory for a stream");
    stream->resume = (open->flags & MESSAGE_RESUME) != 0;
    session_flow_begin(s, &stream->channels[0], 0, stream->resume ? 0 : LIMIT_WINDOW_INPUT, SESSION_BULK);
    stream->channels[1].limit = open->window1;
    stream->channels[2].limit = open->window2;
    return 1;
}

static int on_opened(struct session *s, struct incoming *in) {
    struct message_opened *opened = &in->event->u.opened;
    struct session_stream *stream = in->stream;
    if (message_get_opened(in->payload, opened) < 0)
        return malformed(s, in);
    if (stream->opened)
        return broken(s, in, "a second one");
    if (opened->start0 > START_MAX || opened->start1 > START_MAX || opened->start2 > START_MAX)
        return broken(s, in, "an offset beyond reason");
    struct session_channel *c = &stream->channels[0];
    if (stream->resume) {
        c->offset = c->consumed = opened->start0;
        c->limit = opened->start0;
    } else if (opened->start0 != 0) {
        return broken(s, in, "a new request does not start in the middle");
    }
    if (opened->limit0 < c->limit)
        return broken(s, in, "less credit than before");
    c->limit = opened->limit0;
    const uint64_t starts[SESSION_CHANNELS] = {0, opened->start1, opened->start2};
    for (int i = 1; i < SESSION_CHANNELS; i++)
        session_flow_begin(s, &stream->channels[i], starts[i], stream->channels[i].window, stream->channels[i].flow);
    stream->opened = true;
    return 1;
}

static int on_refused(struct session *s, struct incoming *in) {
    if (message_get_refused(in->payload, &in->event->u.refused) < 0)
        return malformed(s, in);
    session_streams_remove(s, in->stream);
    return 1;
}

static int on_data(struct session *s, struct incoming *in) {
    struct session_channel *c = &in->stream->channels[in->head.channel];
    uint64_t offset = number_of(in->payload);
    size_t n = in->payload.size - 8;
    if (c->ended)
        return broken(s, in, "after END");
    if (offset != c->offset)
        return broken(s, in, "not the offset that follows");
    if (n > c->limit - c->offset)
        return broken(s, in, "more than the credit allows");
    session_flow_received(s, c, n);
    in->event->u.data.offset = offset;
    in->event->u.data.bytes = (struct slice){in->apart != NULL ? in->apart : in->payload.data + 8, n};
    return c->stopped ? 0 : 1;
}

static int on_credit(struct session *s, struct incoming *in) {
    struct message_credit *credit = &in->event->u.credit;
    struct session_channel *c = &in->stream->channels[in->head.channel];
    if (message_get_credit(in->payload, credit) < 0)
        return malformed(s, in);
    if (!in->stream->opened)
        return broken(s, in, "before OPENED");
    if (credit->limit < c->limit)
        return broken(s, in, "less credit than before");
    if (credit->consumed < c->consumed || credit->consumed > c->offset)
        return broken(s, in, "acknowledges what was not sent, or takes back");
    c->limit = credit->limit;
    c->consumed = credit->consumed;
    return 1;
}

static int on_end(struct session *s, struct incoming *in) {
    struct session_channel *c = &in->stream->channels[in->head.channel];
    uint64_t total = number_of(in->payload);
    if (c->ended)
        return broken(s, in, "a second one");
    if (total != c->offset)
        return broken(s, in, "not the offset reached");
    if (s->role == MESSAGE_SERVER && in->stream->resume && !in->stream->opened)
        return broken(s, in, "before OPENED");
    c->ended = true;
    in->event->u.total = total;
    return 1;
}

static int on_stop(struct session *s, struct incoming *in) {
    struct session_channel *c = &in->stream->channels[in->head.channel];
    struct reader r = reader_of(in->payload.data, in->payload.size);
    in->event->u.code = reader_u16(&r);
    if (c->stopped || c->ended)
        return 0;
    c->stopped = true;
    if (in->stream->opened) {
        int e = session_put_end(s, in->stream, in->head.channel);
        if (e < 0)
            return session_fail(s, e, CODE_INTERNAL, "no memory for output");
    }
    return 1;
}

static int on_result(struct session *s, struct incoming *in) {
    if (!in->stream->channels[1].ended || !in->stream->channels[2].ended)
        return broken(s, in, "before the outputs have ended");
    in->stream->finished = true;
    session_flow_forget(in->stream);
    in->event->u.result = in->payload;
    return 1;
}

static int on_control(struct session *s, struct incoming *in) {
    return message_get_control(in->payload, &in->event->u.control) < 0 ? malformed(s, in) : 1;
}

static int on_done(struct session *s, struct incoming *in) {
    session_streams_remove(s, in->stream);
    return 1;
}

static int on_notice(struct session *s, struct incoming *in) {
    return message_get_notice(in->payload, &in->event->u.notice) < 0 ? malformed(s, in) : 1;
}

static int (*const handlers[256])(struct session *, struct incoming *) = {
    [MESSAGE_HELLO] = on_hello,     [MESSAGE_WELCOME] = on_welcome, [MESSAGE_ENROL] = on_enrol,
    [MESSAGE_PING] = on_ping,       [MESSAGE_PONG] = on_pong,       [MESSAGE_BUSY] = on_busy,
    [MESSAGE_CLOSE] = on_close,     [MESSAGE_OPEN] = on_open,       [MESSAGE_OPENED] = on_opened,
    [MESSAGE_REFUSED] = on_refused, [MESSAGE_DATA] = on_data,       [MESSAGE_CREDIT] = on_credit,
    [MESSAGE_END] = on_end,         [MESSAGE_STOP] = on_stop,       [MESSAGE_RESULT] = on_result,
    [MESSAGE_CONTROL] = on_control, [MESSAGE_DONE] = on_done,       [MESSAGE_NOTICE] = on_notice,
};

/* Finds the stream of a message. 1: go on; 0: the message is for a stream that has gone, or is over: ignore it. */
static int find_stream(struct session *s, struct incoming *in) {
    uint8_t type = in->head.type;
    in->stream = session_streams_find(s, in->head.stream);
    if (in->stream == NULL)
        return in->head.stream > s->highest ? broken(s, in, "it was never opened") : 0;
    if (s->role == MESSAGE_SERVER)
        return !in->stream->finished || type == MESSAGE_DONE;
    if (in->stream->finished)
        return broken(s, in, "after RESULT");
    if (!in->stream->opened && type != MESSAGE_OPENED && type != MESSAGE_REFUSED)
        return broken(s, in, "before OPENED");
    return 1;
}

static int handle(struct session *s, const struct ll_frame *frame, const uint8_t *apart, struct session_event *event) {
    struct incoming in = {.head = message_head_read(frame->header),
                          .payload = {frame->payload, frame->size},
                          .apart = apart,
                          .event = event};
    if (handlers[in.head.type] == NULL)
        return 0; /* optional and not known */
    memset(event, 0, sizeof *event);
    event->type = in.head.type;
    event->stream = in.head.stream;
    event->channel = in.head.channel;
    if (in.head.stream > 0 && in.head.type != MESSAGE_OPEN) {
        int e = find_stream(s, &in);
        if (e <= 0)
            return e;
        event->tag = in.stream->tag;
    }
    return handlers[in.head.type](s, &in);
}

int session_next(struct session *s, const void *bytes, size_t n, int64_t now, size_t *used,
                 struct session_event *event) {
    const uint8_t *at = bytes;
    size_t left = n;
    s->now = now;
    *used = n;
    if (n > 0)
        s->last_received = now;
    while (s->error == 0) {
        struct ll_frame frame;
        int e = ll_frame_next(s->decoder, &at, &left, &frame);
        *used = n - left;
        if (e == 0)
            return 0;
        if (e > 0)
            e = handle(s, &frame, NULL, event);
        if (e == 1)
            return 1;
        if (e < 0 && s->error == 0)
            session_fail(s, e, CODE_INTERNAL, "no memory for a message");
    }
    *used = n;
    return s->error;
}

void *session_expects(const struct session *s, const uint8_t head[MESSAGE_DATA_HEAD], size_t n, uint8_t *channel) {
    const struct message_head h = message_head_read(head);
    *channel = h.channel;
    if (s->error != 0 || h.type != MESSAGE_DATA || h.length != n + 8 || !session_is_between_frames(s))
        return NULL;
    const struct session_stream *stream = session_streams_find(s, h.stream);
    return stream != NULL ? stream->tag : NULL;
}

int session_next_apart(struct session *s, const uint8_t head[MESSAGE_DATA_HEAD], const void *bytes, size_t n,
                       int64_t now, struct session_event *event) {
    size_t size;
    s->now = s->last_received = now;
    int e = s->error != 0 ? s->error : session_input_measure(s, head, &size);
    if (e == 0 && (size != n + 8 || head[4] != MESSAGE_DATA))
        e = session_fail(s, LL_EPROTOCOL, CODE_PROTOCOL, "contents without a head of DATA");
    if (e == 0)
        e = handle(s, &(struct ll_frame){.header = head, .payload = head + MESSAGE_HEAD, .size = size}, bytes, event);
    return e;
}
