/* The records of a file transfer: the first byte chooses a kind, the rest is a payload. What is accepted is written again
 * as the same bytes, and obeys the limits. */
#include "landline/proto/tree.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct buf *b, size_t head, struct slice payload) {
    if (b->failed != 0 || buf_size(b) - head != payload.size ||
        (payload.size > 0 && memcmp(buf_front(b) + head, payload.data, payload.size) != 0))
        abort();
}

static void entry(struct buf *b, uint8_t kind, struct slice payload) {
    struct tree_entry e;
    if (tree_get_entry(kind, payload, &e) != 0)
        return;
    if (!tree_name_good(e.name) || e.mode > 0777 || e.mtime_ns >= 1000000000 || e.target.size > TREE_LINK)
        abort();
    if (kind == TREE_WHOLE && (e.size > TREE_SMALL || e.bytes.size != e.size))
        abort();
    tree_put_entry(b, kind, &e);
    same(b, TREE_HEAD, payload);
}

static void of_the_source(struct buf *b, uint8_t kind, struct slice payload) {
    uint64_t x, y;
    uint8_t stream;
    struct tree_close c;
    struct tree_problem p;
    if (kind == TREE_OVER && tree_get_over(payload, &x) == 0)
        tree_put_over(b, x);
    else if (kind == TREE_TOTAL && tree_get_total(payload, &x, &y) == 0)
        tree_put_total(b, x, y);
    else if (kind == TREE_TURN && tree_get_turn(payload, &stream) == 0)
        tree_put_turn(b, stream);
    else if (kind == TREE_DIGEST && tree_get_digest(payload, &x, &y) == 0)
        tree_put_digest(b, x, y);
    else if (kind == TREE_CLOSE && tree_get_close(payload, &c) == 0)
        tree_put_close(b, &c);
    else if ((kind == TREE_FAIL || kind == TREE_PROBLEM) && tree_get_problem(payload, &p) == 0)
        tree_put_problem(b, kind, &p);
    else
        return;
    same(b, TREE_HEAD, payload);
}

static void of_the_sink(struct buf *b, uint8_t kind, struct slice payload) {
    uint8_t answer;
    uint64_t offset, digest;
    bool whole;
    struct tree_summary s;
    if (kind == TREE_MODE && tree_get_mode(payload, &whole) == 0)
        tree_put_mode(b, whole);
    else if (kind == TREE_ANSWER && tree_get_answer(payload, &answer, &offset) == 0)
        tree_put_answer(b, answer, offset);
    else if (kind == TREE_PROVED && tree_get_proved(payload, &whole, &digest) == 0)
        tree_put_proved(b, whole, digest);
    else if (kind == TREE_SUMMARY && tree_get_summary(payload, &s) == 0)
        tree_put_summary(b, &s);
    else
        return;
    same(b, TREE_HEAD, payload);
}

static void requests(struct buf *b, uint8_t kind, struct slice payload) {
    struct tree_get g;
    struct tree_put p;
    struct tree_join j;
    if (kind == 64 && tree_get_get(payload, &g) == 0)
        tree_put_get(b, &g);
    else if (kind == 65 && tree_get_put(payload, &p) == 0)
        tree_put_put(b, &p);
    else if (kind == 66 && tree_get_join(payload, &j) == 0)
        tree_put_join(b, &j);
    else
        return;
    same(b, 0, payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buf b;
    if (size == 0)
        return 0;
    const struct slice payload = {data + 1, size - 1};
    buf_init(&b, 1 << 22);
    entry(&b, data[0], payload);
    of_the_source(&b, data[0], payload);
    of_the_sink(&b, data[0], payload);
    requests(&b, data[0], payload);
    tree_name_ours(payload);
    buf_free(&b);
    return 0;
}
