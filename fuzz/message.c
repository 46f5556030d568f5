/* Every message of the protocol: what can be read can be written again, and gives the same bytes. The first byte chooses
 * which. */
#include "landline/proto/message.h"

#include <stdlib.h>
#include <string.h>

#include "landline/proto/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define AGAIN(kind)                                                                                                    \
    static bool again_##kind(struct slice payload, struct buf *b) {                                                    \
        struct message_##kind m;                                                                                       \
        if (message_get_##kind(payload, &m) < 0)                                                                       \
            return false;                                                                                              \
        message_put_##kind(b, &m);                                                                                     \
        return true;                                                                                                   \
    }
AGAIN(hello)
AGAIN(welcome)
AGAIN(enrol)
AGAIN(busy)
AGAIN(close)
AGAIN(open)
AGAIN(opened)
AGAIN(refused)
AGAIN(credit)
AGAIN(control)

static bool again_notice(struct slice payload, struct buf *b) {
    struct slice text;
    if (message_get_notice(payload, &text) < 0)
        return false;
    message_put_notice(b, text);
    return true;
}

static bool again_response(struct slice payload, struct buf *b) {
    struct run_response r;
    if (run_response_get(payload, &r) < 0)
        return false;
    run_response_put(b, &r);
    return true;
}

static bool again_result(struct slice payload, struct buf *b) {
    struct run_result r;
    if (run_result_get(payload, &r) < 0 || r.text.size > LIMIT_TEXT_PAYLOAD)
        return false;
    run_result_put(b, &r);
    return true;
}

static bool again_attach(struct slice payload, struct buf *b) {
    struct run_attach a;
    if (run_attach_get(payload, &a) < 0)
        return false;
    run_attach_put(b, &a);
    return true;
}

static bool again_kill(struct slice payload, struct buf *b) {
    struct run_kill k;
    if (run_kill_get(payload, &k) < 0)
        return false;
    run_kill_put(b, &k);
    return true;
}

static bool again_size(struct slice payload, struct buf *b) {
    struct run_window_size s;
    if (run_window_size_get(payload, &s) < 0)
        return false;
    run_window_size_put(b, &s);
    return true;
}

/* Only read: argv may be cut when it is written. */
static bool again_record(struct slice payload, struct buf *b) {
    struct run_record r;
    if (run_record_get(payload, &r) == 0)
        run_record_put(b, &r);
    run_record_free(&r);
    return false;
}

static bool (*const kinds[])(struct slice, struct buf *) = {
    again_hello,  again_welcome, again_enrol,  again_busy,    again_close,  again_open,
    again_opened, again_refused, again_credit, again_control, again_notice, again_response,
    again_result, again_attach,  again_kill,   again_size,    again_record,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || data[0] >= sizeof kinds / sizeof kinds[0])
        return 0;
    struct slice payload = {data + 1, size - 1};
    struct buf b;
    buf_init(&b, 16 << 20);
    bool same = kinds[data[0]](payload, &b);
    bool texts = data[0] <= 4 || data[0] == 7 || data[0] == 10; /* cut to what a payload may have */
    if (same && !(texts && payload.size > LIMIT_TEXT_PAYLOAD)) {
        if (b.failed < 0 || buf_size(&b) != payload.size)
            abort();
        if (payload.size > 0 && memcmp(buf_front(&b), payload.data, payload.size) != 0)
            abort();
    }
    buf_free(&b);
    return 0;
}
