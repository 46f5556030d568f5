/* What stands in a segment, as lines of text: the second half of words.h. */
#include "landline/observe/words.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/escape.h"

static void put(struct buf *out, const char *text) {
    buf_add(out, text, strlen(text));
}

void words_flags(struct buf *out, const struct step *s) {
    static const struct {
        uint16_t flag;
        const char *name;
    } names[] = {{TCP_SYN, "SYN"}, {TCP_FIN, "FIN"}, {TCP_RST, "RST"}, {TCP_PSH, "PSH"},
                 {TCP_ACK, "ACK"}, {TCP_URG, "URG"}, {TCP_ECE, "ECE"}, {TCP_CWR, "CWR"}};
    if (s->icmp) {
        put(out, "ICMP");
        return;
    }
    const char *between = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if ((s->flags & names[i].flag) == 0)
            continue;
        put(out, between);
        put(out, names[i].name);
        between = " ";
    }
    if (*between == '\0')
        put(out, "(no flag)");
}

void words_numbers(struct buf *out, const struct flow *f, const struct step *s) {
    if (s->icmp) {
        words_format(out, "type %u code %u, about seq %u", s->icmp_type, s->icmp_code,
                     flow_relative(f, s->from, s->seq));
        return;
    }
    words_format(out, "seq %u (%u)", flow_relative(f, s->from, s->seq), s->seq);
    if ((s->flags & TCP_ACK) != 0)
        words_format(out, " ack %u (%u)", flow_relative(f, 1 - s->from, s->ack), s->ack);
    words_format(out, " len %u win %u", s->length, words_window(f, s));
}

void words_options(struct buf *out, const struct flow *f, const struct step *s) {
    const struct packet_options *o = &s->options;
    size_t before = buf_size(out);
    if (o->has_mss)
        words_format(out, "mss %u, ", o->mss);
    if (o->has_scale)
        words_format(out, "wscale %u, ", o->scale);
    if (o->sack_allowed)
        put(out, "sackOK, ");
    for (int i = 0; i < o->sacks; i++)
        words_format(out, "sack %u-%u, ", flow_relative(f, 1 - s->from, o->sack[i].from),
                     flow_relative(f, 1 - s->from, o->sack[i].to));
    if (o->has_stamp)
        words_format(out, "ts %u echo %u, ", o->stamp, o->stamp_echo);
    if (o->fast_open)
        put(out, "fast open, ");
    if (o->cut)
        put(out, "options broken off, ");
    if (buf_size(out) > before)
        out->end -= 2;
}

void words_payload(struct buf *out, const struct step *s) {
    char text[4 * FLOW_SAMPLE + 1];
    if (s->sampled == 0)
        return;
    escape_bytes(text, sizeof text, s->sample, s->sampled);
    words_format(out, "\"%s\"%s", text, s->length > s->sampled ? " ..." : "");
}
