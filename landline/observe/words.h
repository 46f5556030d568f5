/* What trace says in words: for every kind of step a short line and a full sentence, for every verdict a sentence, in
 * English and Chinese. */
#ifndef LANDLINE_OBSERVE_WORDS_H
#define LANDLINE_OBSERVE_WORDS_H

#include "landline/observe/flow.h"
#include "lib/base/buf.h"

enum words_language { WORDS_EN, WORDS_ZH, WORDS_LANGUAGES };

/* "en" or "zh" (also with a territory, "zh_CN.UTF-8"); -1 for anything else. */
int words_language(const char *name);

/* The sentence about step `i` at the end of `out`: the short one, or with `full` the whole one. */
void words_step(struct buf *out, const struct flow *f, size_t i, enum words_language language, bool full);
/* The sentences about the connection as a whole: how it ended, who closed, what was sent and how often again. */
void words_verdict(struct buf *out, const struct flow *f, enum words_language language);

/* A label of the pictures: "client", "server", … */
enum words_label { WORDS_CLIENT, WORDS_SERVER, WORDS_CUT, WORDS_LATE_START, WORDS_KERNEL, WORDS_LABELS };
const char *words_label(enum words_label label, enum words_language language);

/* The receive window of a step in bytes, with the scale that both ends agreed on. */
uint32_t words_window(const struct flow *f, const struct step *s);

/* What stands in the segment, each as one line: flags ("SYN ACK"), numbers ("seq 0 (1234) ack 1 (99) len 5 win 65535"),
 * options ("mss 1460, sackOK, …"; may be empty), and the first bytes of the payload, escaped and quoted (may be
 * empty). */
void words_flags(struct buf *out, const struct step *s);
void words_numbers(struct buf *out, const struct flow *f, const struct step *s);
void words_options(struct buf *out, const struct flow *f, const struct step *s);
void words_payload(struct buf *out, const struct step *s);

/* A time span with a unit that suits it: "12.3 us", "4.56 ms", "1.02 s". */
void words_span(struct buf *out, int64_t ns);
/* printf at the end of a buffer; no more than 512 bytes. */
void words_format(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
