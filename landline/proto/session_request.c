/* What only a client says. */
#include "landline/proto/session_state.h"

#include <errno.h>

#include "landline/error.h"

int session_enrol(struct session *s, const struct message_enrol *enrol) {
    if (s->state == MESSAGE_CLOSED)
        return LL_ECLOSED;
    if (s->role != MESSAGE_CLIENT || !s->enrol_expected || s->enrol_seen || s->welcomed)
        return -EINVAL;
    size_t mark = message_begin(&s->out, MESSAGE_ENROL, 0, 0);
    message_put_enrol(&s->out, enrol);
    int e = session_put_finish(s, mark);
    s->enrol_seen = e == 0;
    return e;
}

static bool may_open(const struct session *s) {
    return s->role == MESSAGE_CLIENT && (s->welcomed || !s->enrol_expected);
}

static int put_open(struct session *s, uint32_t number, const struct message_open *open) {
    size_t mark = message_begin(&s->out, MESSAGE_OPEN, 0, number);
    message_put_open(&s->out, open);
    return session_put_finish(s, mark);
}

int64_t session_open(struct session *s, uint8_t flags, struct slice service, struct slice request,
                     enum session_flow flow) {
    if (s->state == MESSAGE_CLOSED)
        return LL_ECLOSED;
    if (!may_open(s) || (flags & ~MESSAGE_RESUME) != 0)
        return -EINVAL;
    size_t size = 10 + service.size + request.size;
    if (size > LIMIT_OPEN_PAYLOAD || s->stream_count >= s->max_streams || s->highest >= LIMIT_STREAM_NUMBER)
        return LL_ELIMIT;
    uint32_t window = flow == SESSION_TERMINAL ? LIMIT_WINDOW_TERMINAL_MIN : s->window_first;
    window = window < s->window_max ? window : s->window_max;
    const struct message_open open = {flags, window, window, service, request};
    struct session_stream *stream = session_streams_add(s, s->highest + 1);
    if (stream == NULL)
        return -ENOMEM;
    int e = put_open(s, stream->number, &open);
    if (e < 0) {
        session_streams_remove(s, stream);
        s->highest--;
        return e;
    }
    stream->resume = (flags & MESSAGE_RESUME) != 0;
    stream->channels[0].limit = LIMIT_WINDOW_INPUT;
    for (int channel = 1; channel < SESSION_CHANNELS; channel++) {
        stream->channels[channel].flow = (uint8_t)flow;
        stream->channels[channel].window = window;
    }
    return stream->number;
}

int session_control(struct session *s, uint32_t number, uint8_t kind, const void *body, size_t n) {
    struct session_stream *stream;
    int e = session_stream_for(s, MESSAGE_CLIENT, number, &stream);
    if (e < 0)
        return e;
    if (stream->finished)
        return -EINVAL;
    if (n + 1 > LIMIT_SERVICE_PAYLOAD)
        return LL_ELIMIT;
    const struct message_control control = {kind, {body, n}};
    size_t mark = message_begin(&s->out, MESSAGE_CONTROL, 0, number);
    message_put_control(&s->out, &control);
    return session_put_finish(s, mark);
}

int session_done(struct session *s, uint32_t number) {
    struct session_stream *stream;
    int e = session_stream_for(s, MESSAGE_CLIENT, number, &stream);
    if (e < 0)
        return e;
    size_t mark = message_begin(&s->out, MESSAGE_DONE, 0, number);
    e = session_put_finish(s, mark);
    if (e == 0)
        session_streams_remove(s, stream);
    return e;
}
