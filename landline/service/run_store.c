/* A finished run as a record of the results' log, and back. */
#include "landline/service/run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/limits.h"

enum {
    IN_RECORD = 0,
    IN_FILE = 1,
};

static void put_output(struct buf *b, const struct output *o) {
    bool file = o->path != NULL;
    uint64_t held = o->ring >= 0 && !file ? o->spool.end - o->spool.base : o->spool.end;
    uint64_t base = o->ring >= 0 ? o->spool.base : 0;
    buf_add_u8(b, file ? IN_FILE : IN_RECORD);
    buf_add_u64(b, base);
    buf_add_u64(b, o->spool.end);
    buf_add_u64(b, o->spool.dropped);
    buf_add_u64(b, o->size);
    buf_add_u32(b, file ? 0 : (uint32_t)held);
    for (uint64_t at = base; !file && at < o->spool.end;) {
        struct slice piece = output_at(o, at, o->spool.end - at);
        buf_add(b, piece.data, piece.size);
        at += piece.size;
    }
}

bool run_store(struct run *run, struct results *results) {
    struct buf b, result;
    buf_init(&b, LIMIT_BUFFER);
    buf_init(&result, LIMIT_SERVICE_PAYLOAD);
    run_result_put(&result, &run->result);
    buf_add(&b, run->id.bytes, RUN_ID_SIZE);
    buf_add_u8(&b, run->flags);
    buf_add(&b, run->key, PEER_KEY);
    buf_add_str8(&b, run->owner, strlen(run->owner));
    buf_add_str8(&b, run->name, strlen(run->name));
    buf_add_str32(&b, buf_front(&run->argv), buf_size(&run->argv));
    buf_add_str32(&b, buf_front(&result), buf_size(&result));
    put_output(&b, &run->out[0]);
    put_output(&b, &run->out[1]);
    uint64_t extra =
        (run->out[0].path != NULL ? run->out[0].reserved : 0) + (run->out[1].path != NULL ? run->out[1].reserved : 0);
    int e = results_put(results, &b, extra, run->result.ended);
    buf_free(&result);
    buf_free(&b);
    return e == 0;
}

static void copy_text(char *to, size_t size, struct slice text) {
    size_t n = text.size < size ? text.size : size - 1;
    if (n > 0) /* an empty text may be nowhere */
        memcpy(to, text.data, n);
    to[n] = '\0';
}

static int get_output(struct reader *r, struct run *run, int i) {
    uint8_t where = reader_u8(r);
    struct spool_state {
        uint64_t base, end, dropped, size;
    } s = {.base = reader_u64(r)};
    s.end = reader_u64(r);
    s.dropped = reader_u64(r);
    s.size = reader_u64(r);
    struct slice bytes = reader_str32(r);
    char path[4200];
    runs_path(run, i, path, sizeof path);
    if (r->failed || where > IN_FILE || s.base > s.end || s.end - s.base > LIMIT_RUN_RING ||
        (where == IN_RECORD && bytes.size != s.end - s.base))
        return LL_EFORMAT;
    return output_restore(&run->out[i], s.base, s.end, s.dropped, s.size, bytes, where == IN_FILE ? path : NULL);
}

struct run *run_restore(struct runs *runs, struct slice record) {
    struct reader r = reader_of(record.data, record.size);
    struct slice id = reader_bytes(&r, RUN_ID_SIZE);
    uint8_t flags = reader_u8(&r);
    struct slice key = reader_bytes(&r, PEER_KEY), owner = reader_str8(&r), name = reader_str8(&r);
    struct slice argv = reader_str32(&r), result = reader_str32(&r);
    struct run *run = r.failed ? NULL : run_blank(runs);
    if (run == NULL)
        return NULL;
    memcpy(run->id.bytes, id.data, RUN_ID_SIZE);
    memcpy(run->key, key.data, PEER_KEY);
    run->flags = flags;
    copy_text(run->owner, sizeof run->owner, owner);
    copy_text(run->name, sizeof run->name, name);
    buf_add(&run->argv, argv.data, argv.size);
    run->finished = run->stored = true;
    int e = run_result_get(result, &run->result);
    copy_text(run->text, sizeof run->text, run->result.text);
    run->result.text = (struct slice){(const uint8_t *)run->text, strlen(run->text)};
    for (int i = 0; e == 0 && i < 2; i++)
        e = get_output(&r, run, i);
    if (e != 0 || reader_end(&r) != 0) {
        run_free(run);
        return NULL;
    }
    return run;
}

/* The server was stopped while it ran: that is all that can be said. */
struct run *run_lost(struct runs *runs, const struct ledger_entry *entry) {
    struct run *run = run_blank(runs);
    if (run == NULL)
        return NULL;
    run->id = entry->id;
    memcpy(run->key, entry->key, PEER_KEY);
    buf_add_u32(&run->argv, 0);
    run->finished = run->stored = run->lost = true;
    run->result.kind = RUN_LOST;
    return run;
}
