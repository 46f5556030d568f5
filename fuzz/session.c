/* A session of either role against a peer that says anything, and a caller that does what the input tells it to.
 *
 * The first byte chooses role, access and limits. Then steps: a byte below 160 is the size of a piece of raw bytes from the
 * peer; 160 to 223 make a frame with the right length (type, channel, stream, size, payload), so that the fuzzer gets far;
 * the others are calls. Whatever comes: no crash, memory within bounds, and only frames that a peer may accept go out. */
#include "landline/proto/session.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECOND INT64_C(1000000000)

struct run {
    struct session *s;
    enum message_role role;
    struct reader in;
    int64_t now;
    bool over;
};

static struct slice text_slice(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void begin(struct run *r, uint8_t flags) {
    r->role = flags & 1 ? MESSAGE_SERVER : MESSAGE_CLIENT;
    if (r->role == MESSAGE_SERVER) {
        const struct session_server_config config = {.access = (enum session_access)((flags >> 1 & 3) % 3),
                                                     .max_streams = flags & 8 ? 2 : 100,
                                                     .agent = text_slice("a"),
                                                     .name = text_slice("n"),
                                                     .greeting_deadline = 10 * SECOND};
        r->s = session_new_server(&config, 0);
    } else {
        const struct session_client_config config = {.enrol = flags & 2, .greeting_deadline = 10 * SECOND};
        r->s = session_new_client(&config, 0);
    }
    if (r->s == NULL)
        abort();
}

/* What goes out must be frames that the other role accepts in some state. */
static void drain(struct run *r) {
    struct slice out = session_output(r->s);
    enum message_role peer = r->role == MESSAGE_SERVER ? MESSAGE_CLIENT : MESSAGE_SERVER;
    for (size_t at = 0; at < out.size;) {
        if (out.size - at < MESSAGE_HEAD)
            abort();
        struct message_head h = message_head_read(out.data + at);
        const struct message_rule *rule = NULL;
        for (int state = 0; state < MESSAGE_STATES && rule == NULL; state++)
            rule = message_rule(peer, (enum message_state)state, h.type);
        if (rule == NULL || h.length > rule->most || h.length < rule->least || h.flags != 0)
            abort();
        if (h.length > out.size - at - MESSAGE_HEAD)
            abort();
        at += MESSAGE_HEAD + h.length;
    }
    session_sent(r->s, out.size);
}

static void answer(struct run *r, const struct session_event *event) {
    uint8_t how = reader_u8(&r->in);
    if (event->type == MESSAGE_OPEN) {
        const struct session_start start = {.start0 = event->u.open.flags ? how : 0, .start1 = how, .window0 = 70000};
        if (how % 4 == 0)
            session_refuse(r->s, event->stream, CODE_NO_GRANT, 1, "no");
        else if (how % 4 != 1)
            session_opened(r->s, event->stream, &start, text_slice("response"));
    }
    if (event->type == MESSAGE_DATA && how % 4 != 0)
        session_consumed(r->s, event->stream, event->channel, event->u.data.offset + event->u.data.bytes.size);
    if (event->type == MESSAGE_ENROL && how % 2 == 0)
        session_enrolled(r->s, 1);
    if (event->type == MESSAGE_RESULT && how % 4 != 0)
        session_done(r->s, event->stream);
}

static void feed(struct run *r, const uint8_t *bytes, size_t n) {
    size_t used;
    for (int e = 1; n > 0 && e == 1; bytes += used, n -= used) {
        struct session_event event;
        e = session_next(r->s, bytes, n, r->now, &used, &event);
        if (used > n || (e == 0 && used != n))
            abort();
        if (e == 1)
            answer(r, &event);
        r->over = e < 0;
        if (r->over && session_state(r->s) != MESSAGE_CLOSED)
            abort();
    }
}

static void feed_frame(struct run *r) {
    uint8_t type = reader_u8(&r->in), channel = reader_u8(&r->in), stream = reader_u8(&r->in);
    struct slice payload = reader_str8(&r->in);
    struct buf b;
    buf_init(&b, 1000);
    size_t mark = message_begin(&b, type, channel, stream);
    buf_add(&b, payload.data, payload.size);
    message_finish(&b, mark);
    feed(r, buf_front(&b), buf_size(&b));
    buf_free(&b);
}

static void send_data(struct run *r, uint32_t stream, uint8_t channel, size_t n) {
    uint8_t head[MESSAGE_DATA_HEAD];
    uint64_t room = session_room(r->s, stream, channel);
    int e = session_data_head(r->s, stream, channel, n, head);
    if (e == 0 && n > room)
        abort();
    session_data(r->s, stream, channel, "bytes", n % 6);
}

static void act(struct run *r, uint8_t what) {
    uint32_t stream = reader_u8(&r->in);
    uint8_t arg = reader_u8(&r->in);
    static const struct message_enrol enrol;
    switch (what % 16) {
    case 0:
        session_open(r->s, arg & 1, text_slice("run"), text_slice("r"), arg & 2 ? SESSION_TERMINAL : SESSION_BULK);
        break;
    case 1:
        send_data(r, stream, arg & 3, (size_t)arg * 16);
        break;
    case 2:
        session_end(r->s, stream, arg & 3);
        break;
    case 3:
        session_stop(r->s, stream, arg & 3, CODE_ENDED);
        break;
    case 4:
        session_result(r->s, stream, text_slice("result"));
        break;
    case 5:
        session_control(r->s, stream, arg, "xy", 2);
        break;
    case 6:
        session_done(r->s, stream);
        break;
    case 7:
        session_notice(r->s, stream, "mind");
        break;
    case 8:
        session_refuse(r->s, stream, CODE_BEHIND, 0, "late");
        break;
    case 9:
        r->now += arg * SECOND / 4;
        session_set_clock(r->s, (uint64_t)r->now / 1000000);
        session_tick(r->s, r->now);
        break;
    case 10:
        session_ping(r->s, r->now);
        break;
    case 11:
        session_close(r->s, arg, "bye");
        break;
    case 12:
        session_enrol(r->s, &enrol);
        break;
    case 13:
        session_busy(r->s, arg, "busy");
        break;
    case 14:
        session_set_tag(r->s, stream, r);
        break;
    default:
        for (uint32_t at = 0, n = 0; (at = session_each(r->s, at)) != 0;)
            if (++n > session_streams(r->s))
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct run r = {.in = reader_of(data, size)};
    begin(&r, reader_u8(&r.in));
    while (reader_left(&r.in) > 0 && !r.in.failed) {
        uint8_t step = reader_u8(&r.in);
        if (step < 160) {
            size_t n = step < reader_left(&r.in) ? step : reader_left(&r.in);
            struct slice bytes = reader_bytes(&r.in, n);
            feed(&r, bytes.data, n);
        } else if (step < 224) {
            feed_frame(&r);
        } else {
            act(&r, step);
        }
        if (step % 3 == 0)
            drain(&r);
        if (session_memory(r.s) > 200000 + size * 64)
            abort();
        session_deadline(r.s);
    }
    drain(&r);
    session_free(r.s);
    return 0;
}
