/* The service "upper" (PROTOCOL 7.1), the worked example: what comes in goes out with the ASCII letters in upper case.
 *
 * It keeps one number. Input is answered as it comes, and is acknowledged to the client (`consumed`) only when the answer to
 * it has left: so what is under way never exceeds the window, and nothing is stored or bounded here. */
#include <stdlib.h>

#include "landline/proto/invite.h"
#include "landline/service/service.h"

enum { WINDOW = 64 << 10 };

struct upper {
    uint64_t sent;
    bool input_ended, stopped;
};

static void opened(struct exchange *x, uint8_t flags, struct slice request) {
    if ((flags & MESSAGE_RESUME) != 0 || request.size != 0) {
        x->ops->refused(x, CODE_MALFORMED, 0, "upper takes no request and cannot be resumed");
        return;
    }
    x->state = calloc(1, sizeof(struct upper));
    if (x->state == NULL) {
        x->ops->refused(x, CODE_INTERNAL, 0, "out of memory");
        return;
    }
    x->ops->opened(x, &(struct exchange_start){.window0 = WINDOW, .paced = true}, NULL, 0);
}

static void input(struct exchange *x, uint64_t offset, struct slice bytes) {
    struct upper *u = x->state;
    if (u == NULL || u->input_ended || offset != u->sent)
        return;
    if (u->stopped) {
        u->sent += bytes.size;
        x->ops->consumed(x, u->sent);
        return;
    }
    uint8_t piece[4096];
    while (bytes.size > 0) {
        size_t n = bytes.size < sizeof piece ? bytes.size : sizeof piece;
        for (size_t i = 0; i < n; i++) {
            uint8_t c = bytes.data[i];
            piece[i] = c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c;
        }
        x->ops->output(x, 1, u->sent, piece, n);
        u->sent += n;
        bytes.data += n;
        bytes.size -= n;
    }
}

static void sent(struct exchange *x, uint8_t channel, uint64_t to) {
    struct upper *u = x->state;
    if (u != NULL && channel == 1 && to <= u->sent)
        x->ops->consumed(x, to);
}

static void finish(struct exchange *x, struct upper *u) {
    u->input_ended = true;
    x->ops->ended(x, 1, u->sent);
    x->ops->ended(x, 2, 0);
    x->ops->result(x, NULL, 0);
}

static void input_ended(struct exchange *x, uint64_t total) {
    struct upper *u = x->state;
    if (u != NULL && !u->input_ended && total == u->sent)
        finish(x, u);
}

static void stopped(struct exchange *x, uint8_t channel) {
    struct upper *u = x->state;
    if (u == NULL || channel != 1 || u->input_ended)
        return;
    u->stopped = true;
    x->ops->consumed(x, u->sent);
}

static void gone(struct exchange *x, enum exchange_leave why) {
    (void)why;
    free(x->state);
}

const struct service service_upper = {
    .name = "upper",
    .verbs = VERB_UPPER,
    .open = opened,
    .input = input,
    .input_ended = input_ended,
    .sent = sent,
    .stopped = stopped,
    .gone = gone,
};
