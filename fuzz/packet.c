/* Any bytes as captured packets: parsed, gathered into connections, judged and drawn in every way. The input is a row
 * of packets, each behind a link type and a length of two bytes, so that the fuzzer can also build connections. */
#include "landline/observe/packet.h"

#include <stdlib.h>

#include "landline/observe/draw.h"
#include "landline/observe/flow.h"
#include "lib/base/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void draw(const struct flow_table *t) {
    struct buf out;
    buf_init(&out, 16 << 20);
    for (int language = 0; language < WORDS_LANGUAGES; language++) {
        struct draw_style style = {.language = (enum words_language)language, .columns = 60, .explain = language == 0};
        for (size_t i = 0; i < t->count; i++)
            draw_terminal(&out, t->flows[i], &style);
        draw_svg(&out, t, &style);
        draw_json(&out, t, style.language, NULL);
    }
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader r = reader_of(data, size);
    struct flow_table table;
    flow_table_init(&table);
    for (int64_t time = 0; reader_left(&r) > 3 && table.count < 8; time += 1000000) {
        enum packet_link link = (enum packet_link)(reader_u8(&r) % (PACKET_LINK_SLL2 + 1));
        size_t length = reader_u16(&r);
        struct slice bytes = reader_bytes(&r, length < reader_left(&r) ? length : reader_left(&r));
        struct packet p;
        struct flow *which = NULL;
        if (packet_parse(&p, link, bytes.data, bytes.size, bytes.size) != 0)
            continue;
        if (p.held > bytes.size || p.held > p.length)
            abort();
        p.time_ns = time;
        flow_table_add(&table, &p, &which);
    }
    for (size_t i = 0; i < table.count; i++)
        flow_judge(table.flows[i]);
    draw(&table);
    flow_table_free(&table);
    return 0;
}
