/* draw.h: a trace for programs. */
#include "landline/observe/draw.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/limits.h"

static void put(struct buf *out, const char *text) {
    buf_add(out, text, strlen(text));
}

/* The length of the UTF-8 sequence at s (RFC 3629), 0 where there is none. */
static size_t sequence(const uint8_t *s, size_t n) {
    size_t need = s[0] < 0x80 ? 1 : s[0] >= 0xf5 ? 0 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
    if (need > n)
        return 0;
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90);
    return overlong || surrogate ? 0 : need;
}

void draw_json_string(struct buf *out, const void *bytes, size_t n) {
    const uint8_t *s = bytes;
    put(out, "\"");
    while (n > 0) {
        size_t used = sequence(s, n);
        if (used == 0)
            put(out, "\\ufffd");
        else if (used == 1 && (*s < 0x20 || *s == 0x7f))
            words_format(out, "\\u%04x", *s);
        else if (*s == '"' || *s == '\\')
            words_format(out, "\\%c", *s);
        else
            buf_add(out, s, used);
        s += used == 0 ? 1 : used;
        n -= used == 0 ? 1 : used;
    }
    put(out, "\"");
}

static void put_key(struct buf *out, const char *key, const char *value) {
    words_format(out, "\"%s\":", key);
    draw_json_string(out, value, strlen(value));
    put(out, ",");
}

/* A member whose value one of the words_ functions writes into a scratch buffer. */
static void put_scratch(struct buf *out, const char *key, struct buf *scratch) {
    words_format(out, "\"%s\":", key);
    draw_json_string(out, buf_front(scratch), buf_size(scratch));
    put(out, ",");
    buf_clear(scratch);
}

static void put_options(struct buf *out, const struct packet_options *o) {
    put(out, "\"options\":{");
    size_t before = buf_size(out);
    if (o->has_mss)
        words_format(out, "\"mss\":%u,", o->mss);
    if (o->has_scale)
        words_format(out, "\"window_scale\":%u,", o->scale);
    if (o->sack_allowed)
        put(out, "\"sack_permitted\":true,");
    if (o->has_stamp)
        words_format(out, "\"timestamp\":[%u,%u],", o->stamp, o->stamp_echo);
    if (o->fast_open)
        put(out, "\"fast_open\":true,");
    if (o->cut)
        put(out, "\"broken\":true,");
    if (o->sacks > 0)
        put(out, "\"sack\":[");
    for (int i = 0; i < o->sacks; i++)
        words_format(out, "%s[%u,%u]", i > 0 ? "," : "", o->sack[i].from, o->sack[i].to);
    if (o->sacks > 0)
        put(out, "],");
    if (buf_size(out) > before)
        out->end--;
    put(out, "}");
}

static void put_step(struct buf *out, const struct flow *f, size_t i, enum words_language language) {
    const struct step *s = &f->steps[i];
    struct buf scratch;
    buf_init(&scratch, LIMIT_TRACE_TEXT);
    words_format(out, "{\"time\":%.9f,", (double)(s->time_ns - f->steps[0].time_ns) / 1e9);
    put_key(out, "from", s->from == FLOW_CLIENT ? "client" : "server");
    put_key(out, "event", flow_event_name(s->event));
    words_flags(&scratch, s);
    put_scratch(out, "flags", &scratch);
    words_format(out, "\"seq\":%u,\"seq_relative\":%u,", s->seq, flow_relative(f, s->from, s->seq));
    if ((s->flags & TCP_ACK) != 0)
        words_format(out, "\"ack\":%u,\"ack_relative\":%u,", s->ack, flow_relative(f, 1 - s->from, s->ack));
    words_format(out, "\"length\":%u,\"window\":%u,\"lost\":%s,", s->length, words_window(f, s),
                 s->lost ? "true" : "false");
    if (s->icmp)
        words_format(out, "\"icmp\":[%u,%u],", s->icmp_type, s->icmp_code);
    put_key(out, "client_state", flow_state_name(s->state[FLOW_CLIENT]));
    put_key(out, "server_state", flow_state_name(s->state[FLOW_SERVER]));
    words_step(&scratch, f, i, language, true);
    put_scratch(out, "text", &scratch);
    put_options(out, &s->options);
    put(out, "}");
    buf_free(&scratch);
}

static void put_flow(struct buf *out, const struct flow *f, enum words_language language) {
    static const char *const sides[] = {"client", "server"};
    struct buf scratch;
    buf_init(&scratch, LIMIT_TRACE_TEXT);
    put(out, "{");
    for (int i = 0; i < 2; i++) {
        char end[PACKET_END_TEXT];
        packet_end_text(&f->side[i].end, end);
        put_key(out, sides[i], end);
        words_format(out, "\"%s_bytes\":%llu,\"%s_packets\":%llu,\"%s_retransmissions\":%llu,", sides[i],
                     (unsigned long long)f->side[i].bytes, sides[i], (unsigned long long)f->side[i].packets, sides[i],
                     (unsigned long long)f->side[i].again);
    }
    put_key(out, "verdict", flow_verdict_name(f->verdict));
    if (f->closer >= 0)
        put_key(out, "closer", sides[f->closer]);
    if (f->handshake_ns >= 0)
        words_format(out, "\"handshake\":%.9f,", (double)f->handshake_ns / 1e9);
    words_format(out, "\"whole\":%s,\"cut\":%s,", f->whole ? "true" : "false", f->cut ? "true" : "false");
    words_verdict(&scratch, f, language);
    put_scratch(out, "text", &scratch);
    put(out, "\"steps\":[");
    for (size_t i = 0; i < f->count; i++) {
        put(out, i > 0 ? ",\n" : "\n");
        put_step(out, f, i, language);
    }
    put(out, "]}");
    buf_free(&scratch);
}

void draw_json(struct buf *out, const struct flow_table *t, enum words_language language, const char *facts) {
    put(out, "{\"connections\":[");
    for (size_t i = 0; i < t->count; i++) {
        put(out, i > 0 ? ",\n" : "\n");
        put_flow(out, t->flows[i], language);
    }
    put(out, "]");
    if (facts != NULL) {
        put(out, ",");
        put(out, facts);
    }
    put(out, "}\n");
}
