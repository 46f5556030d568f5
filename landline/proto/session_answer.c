/* What only a server says. */
#include "landline/proto/session_state.h"

#include <errno.h>
#include <string.h>

#include "landline/error.h"

static struct slice text_of(const char *text) {
    return (struct slice){(const uint8_t *)text, text != NULL ? strlen(text) : 0};
}

int session_enrolled(struct session *s, uint32_t verbs) {
    if (s->state == MESSAGE_CLOSED)
        return LL_ECLOSED;
    if (s->role != MESSAGE_SERVER || s->state != MESSAGE_ENROLLING || !s->enrol_seen)
        return -EINVAL;
    s->welcome.verbs = verbs;
    int e = session_put_welcome(s);
    if (e == 0) {
        s->state = MESSAGE_OPENED_STATE;
        s->welcomed = true;
    }
    return e;
}

int session_busy(struct session *s, uint32_t retry_after_ms, const char *text) {
    if (s->state == MESSAGE_CLOSED)
        return LL_ECLOSED;
    if (s->role != MESSAGE_SERVER)
        return -EINVAL;
    const struct message_busy busy = {retry_after_ms, text_of(text)};
    size_t mark = message_begin(&s->out, MESSAGE_BUSY, 0, 0);
    message_put_busy(&s->out, &busy);
    int e = session_put_finish(s, mark);
    if (e < 0)
        return e;
    session_set_close(s, CODE_NONE, text, strlen(text), false);
    s->error = LL_EOF;
    return 0;
}

/* Channel 0 of a new request may have got bytes already. */
static void begin_input(struct session *s, struct session_stream *stream, const struct session_start *start) {
    struct session_channel *c = &stream->channels[0];
    uint32_t window = start->window0 < s->window_max ? start->window0 : s->window_max;
    if (stream->resume) {
        session_flow_begin(s, c, start->start0, window, start->flow0);
        return;
    }
    c->flow = (uint8_t)start->flow0;
    c->window = window > LIMIT_WINDOW_INPUT ? window : LIMIT_WINDOW_INPUT;
    c->since = s->now;
    if (c->consumed + c->window > c->limit)
        c->limit = c->consumed + c->window;
}

static int begin_output(struct session *s, struct session_stream *stream, uint8_t channel, uint64_t start) {
    struct session_channel *c = &stream->channels[channel];
    c->limit += start; /* it held the window of OPEN */
    c->offset = c->consumed = start;
    return c->stopped ? session_put_end(s, stream, channel) : 0;
}

int session_opened(struct session *s, uint32_t number, const struct session_start *start, struct slice response) {
    struct session_stream *stream;
    int e = session_stream_for(s, MESSAGE_SERVER, number, &stream);
    if (e < 0)
        return e;
    if (stream->opened || (!stream->resume && start->start0 != 0))
        return -EINVAL;
    if (32 + response.size > LIMIT_SERVICE_PAYLOAD)
        return LL_ELIMIT;
    begin_input(s, stream, start);
    const struct message_opened opened = {
        .start0 = start->start0,
        .limit0 = stream->channels[0].limit,
        .start1 = start->start1,
        .start2 = start->start2,
        .response = response,
    };
    size_t mark = message_begin(&s->out, MESSAGE_OPENED, 0, number);
    message_put_opened(&s->out, &opened);
    e = session_put_finish(s, mark);
    if (e < 0)
        return e;
    stream->opened = true;
    e = begin_output(s, stream, 1, start->start1);
    int e2 = begin_output(s, stream, 2, start->start2);
    return e < 0 ? e : e2;
}

int session_refuse(struct session *s, uint32_t number, uint16_t code, uint32_t error, const char *text) {
    struct session_stream *stream;
    int e = session_stream_for(s, MESSAGE_SERVER, number, &stream);
    if (e < 0)
        return e;
    if (stream->finished)
        return -EINVAL;
    const struct message_refused refused = {code, error, text_of(text)};
    size_t mark = message_begin(&s->out, MESSAGE_REFUSED, 0, number);
    message_put_refused(&s->out, &refused);
    e = session_put_finish(s, mark);
    if (e == 0)
        session_streams_remove(s, stream);
    return e;
}

int session_result(struct session *s, uint32_t number, struct slice result) {
    struct session_stream *stream;
    int e = session_stream_for(s, MESSAGE_SERVER, number, &stream);
    if (e < 0)
        return e;
    if (stream->finished || !stream->channels[1].ended || !stream->channels[2].ended)
        return -EINVAL;
    if (result.size > LIMIT_SERVICE_PAYLOAD)
        return LL_ELIMIT;
    size_t mark = message_begin(&s->out, MESSAGE_RESULT, 0, number);
    buf_add(&s->out, result.data, result.size);
    e = session_put_finish(s, mark);
    if (e == 0) {
        stream->finished = true;
        session_flow_forget(stream);
    }
    return e;
}

int session_notice(struct session *s, uint32_t number, const char *text) {
    struct session_stream *stream;
    int e = session_stream_for(s, MESSAGE_SERVER, number, &stream);
    if (e < 0)
        return e;
    if (!stream->opened || stream->finished)
        return -EINVAL;
    size_t mark = message_begin(&s->out, MESSAGE_NOTICE, 0, number);
    message_put_notice(&s->out, text_of(text));
    return session_put_finish(s, mark);
}
