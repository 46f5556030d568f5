/* The fields of each message, docs/PROTOCOL.md section 5. */
#include "landline/proto/message.h"

#include <string.h>

#include "landline/error.h"

/* The most of a text that leaves `fixed` bytes for the other fields; cut before a UTF-8 sequence, never inside one. */
static struct slice fitting(struct slice text, size_t fixed, size_t most) {
    size_t room = LIMIT_TEXT_PAYLOAD - fixed;
    if (room > most)
        room = most;
    if (text.size <= room)
        return text;
    while (room > 0 && (text.data[room] & 0xc0) == 0x80)
        room--;
    return (struct slice){text.data, room};
}

static void add_text8(struct buf *b, struct slice text, size_t fixed) {
    struct slice cut = fitting(text, fixed + 1, UINT8_MAX);
    buf_add_str8(b, cut.data, cut.size);
}

static void add_text16(struct buf *b, struct slice text, size_t fixed) {
    struct slice cut = fitting(text, fixed + 2, UINT16_MAX);
    buf_add_str16(b, cut.data, cut.size);
}

static void get_fixed(struct reader *r, uint8_t *out, size_t n) {
    struct slice s = reader_bytes(r, n);
    if (s.data != NULL)
        memcpy(out, s.data, n);
}

void message_put_hello(struct buf *b, const struct message_hello *m) {
    buf_add_u8(b, m->flags);
    buf_add_u16(b, m->version_min);
    buf_add_u16(b, m->version_max);
    buf_add_u64(b, m->clock_ms);
    add_text8(b, m->agent, 13);
}

int message_get_hello(struct slice payload, struct message_hello *m) {
    struct reader r = reader_of(payload.data, payload.size);
    m->flags = reader_u8(&r);
    m->version_min = reader_u16(&r);
    m->version_max = reader_u16(&r);
    m->clock_ms = reader_u64(&r);
    m->agent = reader_str8(&r);
    if ((m->flags & ~MESSAGE_ENROL_FOLLOWS) != 0 || m->version_min > m->version_max)
        reader_fail(&r);
    return reader_end(&r);
}

void message_put_pong(struct buf *b, const struct message_pong *m) {
    buf_add_u64(b, m->value);
    buf_add_u64(b, m->clock_ms);
}

int message_get_pong(struct slice payload, struct message_pong *m) {
    struct reader r = reader_of(payload.data, payload.size);
    m->value = reader_u64(&r);
    m->clock_ms = reader_u64(&r);
    return reader_end(&r);
}

void message_put_welcome(struct buf *b, const struct message_welcome *m) {
    buf_add_u16(b, m->version);
    buf_add_u64(b, m->unix_ms);
    buf_add(b, m->instance, sizeof m->instance);
    buf_add_u32(b, m->verbs);
    buf_add_u32(b, m->max_streams);
    buf_add_u32(b, m->horizon_s);
    add_text8(b, m->agent, 39);
    add_text8(b, m->name, 39);
}

int message_get_welcome(struct slice payload, struct message_welcome *m) {
    struct reader r = reader_of(payload.data, payload.size);
    m->version = reader_u16(&r);
    m->unix_ms = reader_u64(&r);
    get_fixed(&r, m->instance, sizeof m->instance);
    m->verbs = reader_u32(&r);
    m->max_streams = reader_u32(&r);
    m->horizon_s = reader_u32(&r);
    m->agent = reader_str8(&r);
    m->name = reader_str8(&r);
    return reader_end(&r);
}

void message_put_enrol(struct buf *b, const struct message_enrol *m) {
    buf_add(b, m->token_id, sizeof m->token_id);
    buf_add(b, m->proof, sizeof m->proof);
    add_text8(b, m->name, 40);
}

int message_get_enrol(struct slice payload, struct message_enrol *m) {
    struct reader r = reader_of(payload.data, payload.size);
    get_fixed(&r, m->token_id, sizeof m->token_id);
    get_fixed(&r, m->proof, sizeof m->proof);
    m->name = reader_str8(&r);
    return reader_end(&r);
}

void message_put_busy(struct buf *b, const struct message_busy *m) {
    buf_add_u32(b, m->retry_after_ms);
    add_text16(b, m->text, 4);
}

int message_get_busy(struct slice payload, struct message_busy *m) {
    struct reader r = reader_of(payload.data, payload.size);
    m->retry_after_ms = reader_u32(&r);
    m->text = reader_str16(&r);
    return reader_end(&r);
}

void message_put_close(struct buf *b, const struct message_close *m) {
    buf_add_u16(b, m->code);
    add_text16(b, m->text, 2);
}

int message_get_close(struct slice payload, struct message_close *m) {
    struct reader r = reader_of(payload.data, payload.size);
    m->code = reader_u16(&r);
    m->text = reader_str16(&r);
    return reader_end(&r);
}

void message_put_open(struct buf *b, const struct message_open *m) {
    buf_add_u8(b, m->flags);
    buf_add_u32(b, m->window1);
    buf_add_u32(b, m->window2);
    buf_add_str8(b, m->service.data, m->service.size);
    buf_add(b, m->request.data, m->request.size);
}

int message_get_open(struct slice payload, struct message_open *m) {
    struct reader r = reader_of(payload.data, payload.size);
    m->flags = reader_u8(&r);
    m->window1 = reader_u32(&r);
    m->window2 = reader_u32(&r);
    m->service = reader_str8(&r);
    m->request = reader_rest(&r);
    if ((m->flags & ~MESSAGE_RESUME) != 0)
        reader_fail(&r);
    return reader_end(&r);
}

void message_put_opened(struct buf *b, const struct message_opened *m) {
    buf_add_u64(b, m->start0);
    buf_add_u64(b, m->limit0);
    buf_add_u64(b, m->start1);
    buf_add_u64(b, m->start2);
    buf_add(b, m->response.data, m->response.size);
}

int message_get_opened(struct slice payload, struct message_opened *m) {
    struct reader r = reader_of(payload.data, payload.size);
    m->start0 = reader_u64(&r);
    m->limit0 = reader_u64(&r);
    m->start1 = reader_u64(&r);
    m->start2 = reader_u64(&r);
    m->response = reader_rest(&r);
    return reader_end(&r);
}

void message_put_refused(struct buf *b, const struct message_refused *m) {
    buf_add_u16(b, m->code);
    buf_add_u32(b, m->error);
    add_text16(b, m->text, 6);
}

int message_get_refused(struct slice payload, struct message_refused *m) {
    struct reader r = reader_of(payload.data, payload.size);
    m->code = reader_u16(&r);
    m->error = reader_u32(&r);
    m->text = reader_str16(&r);
    return reader_end(&r);
}

void message_put_credit(struct buf *b, const struct message_credit *m) {
    buf_add_u64(b, m->consumed);
    buf_add_u64(b, m->limit);
}

int message_get_credit(struct slice payload, struct message_credit *m) {
    struct reader r = reader_of(payload.data, payload.size);
    m->consumed = reader_u64(&r);
    m->limit = reader_u64(&r);
    if (m->limit < m->consumed)
        reader_fail(&r);
    return reader_end(&r);
}

void message_put_control(struct buf *b, const struct message_control *m) {
    buf_add_u8(b, m->kind);
    buf_add(b, m->body.data, m->body.size);
}

int message_get_control(struct slice payload, struct message_control *m) {
    struct reader r = reader_of(payload.data, payload.size);
    m->kind = reader_u8(&r);
    m->body = reader_rest(&r);
    return reader_end(&r);
}

void message_put_notice(struct buf *b, struct slice text) {
    add_text16(b, text, 0);
}

int message_get_notice(struct slice payload, struct slice *text) {
    struct reader r = reader_of(payload.data, payload.size);
    *text = reader_str16(&r);
    return reader_end(&r);
}
