/* What a session says. */
#include "landline/proto/session_state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "landline/error.h"

enum { KEEP = 1 << 10 }; /* storage above this is given back once the output was drained */

static struct slice text_of(const char *text) {
    return (struct slice){(const uint8_t *)text, text != NULL ? strlen(text) : 0};
}

/* Ends a frame; takes all of it back where it did not fit. */
int session_put_finish(struct session *s, size_t mark) {
    message_finish(&s->out, mark);
    int e = s->out.failed;
    if (e < 0) {
        s->out.end = s->out.start + mark;
        s->out.failed = 0;
    }
    return e;
}

int session_put_hello(struct session *s, const struct session_client_config *config) {
    const struct message_hello hello = {
        .flags = config->enrol ? MESSAGE_ENROL_FOLLOWS : 0,
        .version_min = MESSAGE_VERSION,
        .version_max = MESSAGE_VERSION,
        .agent = config->agent,
    };
    size_t mark = message_begin(&s->out, MESSAGE_HELLO, 0, 0);
    message_put_hello(&s->out, &hello);
    return session_put_finish(s, mark);
}

void session_put_clock(struct session *s) {
    uint8_t *clock = buf_front(&s->out) + MESSAGE_HEAD + 5; /* behind flags and versions */
    for (int i = 0; i < 8; i++)
        clock[i] = (uint8_t)(s->clock_ms >> (56 - 8 * i));
}

int session_put_welcome(struct session *s) {
    size_t mark = message_begin(&s->out, MESSAGE_WELCOME, 0, 0);
    message_put_welcome(&s->out, &s->welcome);
    return session_put_finish(s, mark);
}

int session_put_end(struct session *s, struct session_stream *stream, uint8_t channel) {
    struct session_channel *c = &stream->channels[channel];
    size_t mark = message_begin(&s->out, MESSAGE_END, channel, stream->number);
    buf_add_u64(&s->out, c->offset);
    int e = session_put_finish(s, mark);
    c->ended = e == 0;
    return e;
}

int session_put_ping(struct session *s) {
    size_t mark = message_begin(&s->out, MESSAGE_PING, 0, 0);
    buf_add_u64(&s->out, s->ping_value + 1);
    int e = session_put_finish(s, mark);
    if (e < 0)
        return e;
    s->ping_value++;
    s->ping_clock_ms = s->clock_ms;
    s->ping_at = s->last_asked = s->now;
    return 0;
}

static int put_pong(struct session *s) {
    const struct message_pong pong = {s->pong_value, s->clock_ms};
    size_t mark = message_begin(&s->out, MESSAGE_PONG, 0, 0);
    message_put_pong(&s->out, &pong);
    s->pong_due = false;
    return session_put_finish(s, mark);
}

static int put_close(struct session *s, uint16_t code, struct slice text) {
    const struct message_close close = {.code = code, .text = text};
    size_t mark = message_begin(&s->out, MESSAGE_CLOSE, 0, 0);
    message_put_close(&s->out, &close);
    return session_put_finish(s, mark);
}

int session_fail(struct session *s, int error, uint16_t code, const char *format, ...) {
    if (s->error < 0)
        return s->error;
    char text[sizeof s->close_text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    session_set_close(s, code, text, strlen(text), false);
    s->error = error;
    put_close(s, code, text_of(text));
    return error;
}

struct slice session_output(struct session *s) {
    if (s->state != MESSAGE_CLOSED) {
        if (s->pong_due && s->out.failed == 0)
            put_pong(s);
        session_flow_put(s);
        if (s->out.failed < 0)
            session_fail(s, s->out.failed, CODE_INTERNAL, "no memory for output");
    }
    return (struct slice){buf_size(&s->out) > 0 ? buf_front(&s->out) : NULL, buf_size(&s->out)};
}

void session_sent(struct session *s, size_t n) {
    if (n > 0)
        s->out_touched = true;
    buf_consume(&s->out, n);
    if (buf_size(&s->out) == 0 && s->out.capacity > KEEP)
        buf_free(&s->out);
}

/* --- data --- */

static struct session_channel *sending(const struct session *s, uint32_t number, uint8_t channel,
                                       struct session_stream **stream) {
    if (channel >= SESSION_CHANNELS || !session_sends(s, channel))
        return NULL;
    *stream = session_streams_find(s, number);
    return *stream != NULL ? &(*stream)->channels[channel] : NULL;
}

uint64_t session_room(const struct session *s, uint32_t number, uint8_t channel) {
    struct session_stream *stream;
    const struct session_channel *c = sending(s, number, channel, &stream);
    bool open = c != NULL && !c->ended && !stream->finished && s->state != MESSAGE_CLOSED;
    if (!open || (!stream->opened && (s->role == MESSAGE_SERVER || stream->resume)))
        return 0;
    return c->limit - c->offset;
}

uint64_t session_offset(const struct session *s, uint32_t number, uint8_t channel) {
    struct session_stream *stream;
    const struct session_channel *c = sending(s, number, channel, &stream);
    return c != NULL ? c->offset : 0;
}

int session_data_head(struct session *s, uint32_t number, uint8_t channel, size_t n, uint8_t head[MESSAGE_DATA_HEAD]) {
    if (n == 0 || n > MESSAGE_DATA_MAX || n > session_room(s, number, channel))
        return -EINVAL;
    struct session_stream *stream;
    struct session_channel *c = sending(s, number, channel, &stream);
    message_data_head(head, channel, number, c->offset, n);
    c->offset += n;
    return 0;
}

int64_t session_data(struct session *s, uint32_t number, uint8_t channel, const void *bytes, size_t n) {
    const uint8_t *at = bytes;
    uint64_t room = session_room(s, number, channel);
    size_t left = n < room ? n : (size_t)room, taken = left;
    while (left > 0) {
        size_t piece = left < MESSAGE_DATA_MAX ? left : MESSAGE_DATA_MAX;
        uint8_t *to = buf_reserve(&s->out, MESSAGE_DATA_HEAD + piece);
        if (to == NULL) {
            int e = s->out.failed;
            s->out.failed = 0;
            return taken > left ? (int64_t)(taken - left) : e;
        }
        session_data_head(s, number, channel, piece, to);
        memcpy(to + MESSAGE_DATA_HEAD, at, piece);
        buf_commit(&s->out, MESSAGE_DATA_HEAD + piece);
        at += piece;
        left -= piece;
    }
    return (int64_t)taken;
}

/* --- messages of both sides --- */

/* The stream a caller means, for a message that only `role` sends. */
int session_stream_for(struct session *s, enum message_role role, uint32_t number, struct session_stream **stream) {
    if (s->state == MESSAGE_CLOSED)
        return LL_ECLOSED;
    if (s->role != role)
        return -EINVAL;
    *stream = session_streams_find(s, number);
    return *stream != NULL ? 0 : -ENOENT;
}

int session_end(struct session *s, uint32_t number, uint8_t channel) {
    struct session_stream *stream;
    int e = session_stream_for(s, s->role, number, &stream);
    if (e < 0)
        return e;
    if (channel >= SESSION_CHANNELS || !session_sends(s, channel) || stream->finished)
        return -EINVAL;
    if (!stream->opened && (s->role == MESSAGE_SERVER || stream->resume))
        return -EINVAL;
    return stream->channels[channel].ended ? 0 : session_put_end(s, stream, channel);
}

int session_stop(struct session *s, uint32_t number, uint8_t channel, uint16_t code) {
    struct session_stream *stream;
    int e = session_stream_for(s, s->role, number, &stream);
    if (e < 0)
        return e;
    if (channel >= SESSION_CHANNELS || session_sends(s, channel) || stream->finished)
        return -EINVAL;
    if (s->role == MESSAGE_SERVER && !stream->opened)
        return -EINVAL;
    struct session_channel *c = &stream->channels[channel];
    if (c->ended || c->stopped)
        return 0;
    size_t mark = message_begin(&s->out, MESSAGE_STOP, channel, number);
    buf_add_u16(&s->out, code);
    e = session_put_finish(s, mark);
    c->stopped = e == 0;
    return e;
}

int session_ping(struct session *s, int64_t now) {
    if (s->state == MESSAGE_CLOSED)
        return LL_ECLOSED;
    if (s->ping_wanted || (s->role == MESSAGE_SERVER && s->state == MESSAGE_GREETING))
        return -EINVAL;
    s->now = now;
    int e = session_put_ping(s);
    s->ping_wanted = e == 0;
    return e;
}

int session_close(struct session *s, uint16_t code, const char *text) {
    if (s->state == MESSAGE_CLOSED)
        return LL_ECLOSED;
    session_fail(s, LL_EOF, code, "%s", text);
    return 0;
}
