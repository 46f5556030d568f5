#include "landline/proto/tree.h"

#include <string.h>

#include "landline/error.h"

/* ---- records ---- */

size_t tree_begin(struct buf *b, uint8_t kind) {
    size_t mark = buf_size(b);
    buf_add_u32(b, 0);
    buf_add_u8(b, kind);
    return mark;
}

void tree_finish(struct buf *b, size_t mark) {
    if (b->failed == 0)
        tree_head(buf_front(b) + mark, buf_front(b)[mark + 4], (uint32_t)(buf_size(b) - mark - TREE_HEAD));
}

void tree_head(uint8_t out[TREE_HEAD], uint8_t kind, uint32_t length) {
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(length >> (24 - 8 * i));
    out[4] = kind;
}

int tree_head_read(const uint8_t head[TREE_HEAD], uint8_t *kind, uint32_t *length) {
    struct reader r = reader_of(head, TREE_HEAD);
    *length = reader_u32(&r);
    *kind = reader_u8(&r);
    return *length > TREE_RECORD ? LL_ELIMIT : 0;
}

/* ---- names ---- */

bool tree_name_good(struct slice name) {
    if (name.size == 0 || name.size > TREE_NAME || name.data == NULL)
        return false;
    if (memchr(name.data, '/', name.size) != NULL || memchr(name.data, '\0', name.size) != NULL)
        return false;
    return !(name.data[0] == '.' && (name.size == 1 || (name.size == 2 && name.data[1] == '.')));
}

bool tree_name_ours(struct slice name) {
    static const char prefix[] = ".landline-";
    enum { PREFIX = sizeof prefix - 1, HEX = 16 };
    if (name.size < PREFIX + HEX || memcmp(name.data, prefix, PREFIX) != 0)
        return false;
    for (size_t i = PREFIX; i < PREFIX + HEX; i++)
        if (memchr("0123456789abcdef", name.data[i], 16) == NULL)
            return false;
    const uint8_t *tail = name.data + PREFIX + HEX;
    size_t rest = name.size - PREFIX - HEX;
    return (rest == 5 && memcmp(tail, ".part", 5) == 0) || (rest == 8 && memcmp(tail, ".journal", 8) == 0);
}

static struct slice good_name(struct reader *r) {
    struct slice name = reader_str16(r);
    if (!tree_name_good(name))
        reader_fail(r);
    return name;
}

/* ---- entries: each kind is a row of the fields it has, in the order of the wire ---- */

enum field {
    FIELD_MODE = 1,
    FIELD_TIME = 2,
    FIELD_SIZE = 4,
    FIELD_GROUP = 8,
    FIELD_DIGEST = 16,
    FIELD_TARGET = 32,
    FIELD_BYTES = 64,
    FIELD_VERSION = 128,
};

static unsigned fields_of(uint8_t kind) {
    static const struct {
        uint8_t kind;
        unsigned fields;
    } rows[] = {
        {TREE_DIR, FIELD_MODE | FIELD_TIME},
        {TREE_FILE, FIELD_MODE | FIELD_TIME | FIELD_SIZE | FIELD_GROUP | FIELD_DIGEST | FIELD_VERSION},
        {TREE_WHOLE, FIELD_MODE | FIELD_TIME | FIELD_SIZE | FIELD_GROUP | FIELD_DIGEST | FIELD_BYTES},
        {TREE_SYMLINK, FIELD_TIME | FIELD_TARGET},
        {TREE_HARD, FIELD_GROUP},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].kind == kind)
            return rows[i].fields;
    return 0;
}

void tree_put_entry(struct buf *b, uint8_t kind, const struct tree_entry *e) {
    unsigned fields = fields_of(kind);
    size_t mark = tree_begin(b, kind);
    if (fields & FIELD_MODE)
        buf_add_u16(b, e->mode);
    if (fields & FIELD_TIME) {
        buf_add_u64(b, (uint64_t)e->mtime_s);
        buf_add_u32(b, e->mtime_ns);
    }
    if (fields & FIELD_SIZE)
        buf_add_u64(b, e->size);
    if (fields & FIELD_GROUP)
        buf_add_u64(b, e->group);
    if (fields & FIELD_DIGEST)
        buf_add_u64(b, e->digest);
    if (fields & FIELD_VERSION)
        buf_add_u64(b, e->version);
    buf_add_str16(b, e->name.data, e->name.size);
    if (fields & FIELD_TARGET)
        buf_add_str16(b, e->target.data, e->target.size);
    if (fields & FIELD_BYTES)
        buf_add(b, e->bytes.data, e->bytes.size);
    tree_finish(b, mark);
}

static void check_entry(struct reader *r, uint8_t kind, const struct tree_entry *e) {
    bool whole = kind == TREE_WHOLE && (e->size > TREE_SMALL || e->bytes.size != e->size);
    bool file = kind == TREE_FILE && e->size > TREE_SIZE_MAX && e->size != TREE_SIZE_UNKNOWN;
    bool link = kind == TREE_SYMLINK && (e->target.size == 0 || e->target.size > TREE_LINK ||
                                         memchr(e->target.data, '\0', e->target.size) != NULL);
    if (whole || file || link || e->mode > 0777 || e->mtime_ns >= 1000000000 || (kind == TREE_HARD && e->group == 0))
        reader_fail(r);
}

int tree_get_entry(uint8_t kind, struct slice payload, struct tree_entry *e) {
    unsigned fields = fields_of(kind);
    struct reader r = reader_of(payload.data, payload.size);
    *e = (struct tree_entry){0};
    if (fields == 0)
        return LL_EFORMAT;
    if (fields & FIELD_MODE)
        e->mode = reader_u16(&r);
    if (fields & FIELD_TIME) {
        e->mtime_s = (int64_t)reader_u64(&r);
        e->mtime_ns = reader_u32(&r);
    }
    if (fields & FIELD_SIZE)
        e->size = reader_u64(&r);
    if (fields & FIELD_GROUP)
        e->group = reader_u64(&r);
    if (fields & FIELD_DIGEST)
        e->digest = reader_u64(&r);
    if (fields & FIELD_VERSION)
        e->version = reader_u64(&r);
    e->name = good_name(&r);
    if (fields & FIELD_TARGET)
        e->target = reader_str16(&r);
    if (fields & FIELD_BYTES)
        e->bytes = reader_rest(&r);
    if (!r.failed)
        check_entry(&r, kind, e);
    return reader_end(&r);
}

/* ---- the small ones ---- */

void tree_put_empty(struct buf *b, uint8_t kind) {
    tree_finish(b, tree_begin(b, kind));
}

void tree_put_over(struct buf *b, uint64_t failures) {
    size_t mark = tree_begin(b, TREE_OVER);
    buf_add_u64(b, failures);
    tree_finish(b, mark);
}

int tree_get_over(struct slice payload, uint64_t *failures) {
    struct reader r = reader_of(payload.data, payload.size);
    *failures = reader_u64(&r);
    return reader_end(&r);
}

void tree_put_total(struct buf *b, uint64_t files, uint64_t bytes) {
    size_t mark = tree_begin(b, TREE_TOTAL);
    buf_add_u64(b, files);
    buf_add_u64(b, bytes);
    tree_finish(b, mark);
}

int tree_get_total(struct slice payload, uint64_t *files, uint64_t *bytes) {
    struct reader r = reader_of(payload.data, payload.size);
    *files = reader_u64(&r);
    *bytes = reader_u64(&r);
    return reader_end(&r);
}

void tree_put_turn(struct buf *b, uint8_t stream) {
    size_t mark = tree_begin(b, TREE_TURN);
    buf_add_u8(b, stream);
    tree_finish(b, mark);
}

int tree_get_turn(struct slice payload, uint8_t *stream) {
    struct reader r = reader_of(payload.data, payload.size);
    *stream = reader_u8(&r);
    if (*stream >= TREE_STREAMS)
        reader_fail(&r);
    return reader_end(&r);
}

void tree_put_digest(struct buf *b, uint64_t end, uint64_t digest) {
    size_t mark = tree_begin(b, TREE_DIGEST);
    buf_add_u64(b, end);
    buf_add_u64(b, digest);
    tree_finish(b, mark);
}

int tree_get_digest(struct slice payload, uint64_t *end, uint64_t *digest) {
    struct reader r = reader_of(payload.data, payload.size);
    *end = reader_u64(&r);
    *digest = reader_u64(&r);
    return reader_end(&r);
}

void tree_put_close(struct buf *b, const struct tree_close *c) {
    size_t mark = tree_begin(b, TREE_CLOSE);
    buf_add_u8(b, c->state);
    buf_add_u32(b, c->error);
    buf_add_u64(b, c->size);
    tree_finish(b, mark);
}

int tree_get_close(struct slice payload, struct tree_close *c) {
    struct reader r = reader_of(payload.data, payload.size);
    c->state = reader_u8(&r);
    c->error = reader_u32(&r);
    c->size = reader_u64(&r);
    if (c->state > TREE_UNREADABLE)
        reader_fail(&r);
    return reader_end(&r);
}

void tree_put_problem(struct buf *b, uint8_t kind, const struct tree_problem *p) {
    size_t mark = tree_begin(b, kind);
    buf_add_u32(b, p->error);
    buf_add_str32(b, p->path.data, p->path.size);
    buf_add_str16(b, p->text.data, p->text.size);
    tree_finish(b, mark);
}

int tree_get_problem(struct slice payload, struct tree_problem *p) {
    struct reader r = reader_of(payload.data, payload.size);
    p->error = reader_u32(&r);
    p->path = reader_str32(&r);
    p->text = reader_str16(&r);
    if (p->error > 4095)
        reader_fail(&r);
    return reader_end(&r);
}

void tree_put_mode(struct buf *b, bool whole) {
    size_t mark = tree_begin(b, TREE_MODE);
    buf_add_u8(b, whole);
    tree_finish(b, mark);
}

int tree_get_mode(struct slice payload, bool *whole) {
    struct reader r = reader_of(payload.data, payload.size);
    uint8_t v = reader_u8(&r);
    *whole = v == 1;
    if (v > 1)
        reader_fail(&r);
    return reader_end(&r);
}

void tree_put_answer(struct buf *b, uint8_t answer, uint64_t offset) {
    size_t mark = tree_begin(b, TREE_ANSWER);
    buf_add_u8(b, answer);
    buf_add_u64(b, offset);
    tree_finish(b, mark);
}

int tree_get_answer(struct slice payload, uint8_t *answer, uint64_t *offset) {
    struct reader r = reader_of(payload.data, payload.size);
    *answer = reader_u8(&r);
    *offset = reader_u64(&r);
    if (*answer > TREE_WANT || (*answer == TREE_SKIP && *offset != 0))
        reader_fail(&r);
    return reader_end(&r);
}

void tree_put_proved(struct buf *b, bool whole, uint64_t digest) {
    size_t mark = tree_begin(b, TREE_PROVED);
    buf_add_u8(b, whole);
    buf_add_u64(b, digest);
    tree_finish(b, mark);
}

int tree_get_proved(struct slice payload, bool *whole, uint64_t *digest) {
    struct reader r = reader_of(payload.data, payload.size);
    uint8_t v = reader_u8(&r);
    *whole = v == 1;
    *digest = reader_u64(&r);
    if (v > 1 || (v == 0 && *digest != 0))
        reader_fail(&r);
    return reader_end(&r);
}

void tree_put_summary(struct buf *b, const struct tree_summary *s) {
    size_t mark = tree_begin(b, TREE_SUMMARY);
    const uint64_t values[] = {s->files, s->folders, s->links, s->skipped, s->bytes, s->resumed, s->failures};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        buf_add_u64(b, values[i]);
    tree_finish(b, mark);
}

int tree_get_summary(struct slice payload, struct tree_summary *s) {
    struct reader r = reader_of(payload.data, payload.size);
    uint64_t *const values[] = {&s->files, &s->folders, &s->links, &s->skipped, &s->bytes, &s->resumed, &s->failures};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        *values[i] = reader_u64(&r);
    return reader_end(&r);
}

/* ---- requests ---- */

static bool has_nul(struct slice s) {
    return s.size > 0 && memchr(s.data, '\0', s.size) != NULL;
}

void tree_put_get(struct buf *b, const struct tree_get *g) {
    buf_add_u8(b, g->flags);
    buf_add_u8(b, g->compress);
    buf_add_u64(b, g->rate);
    buf_add_u32(b, g->count);
    buf_add(b, g->paths.data, g->paths.size);
}

int tree_get_get(struct slice payload, struct tree_get *g) {
    struct reader r = reader_of(payload.data, payload.size);
    g->flags = reader_u8(&r);
    g->compress = reader_u8(&r);
    g->rate = reader_u64(&r);
    g->count = reader_u32(&r);
    struct reader paths = r;
    g->paths = reader_rest(&r);
    for (uint32_t i = 0; i < g->count && !paths.failed; i++)
        if (has_nul(reader_str32(&paths)))
            reader_fail(&paths);
    if ((g->flags & ~TREE_FLAGS_GET) != 0 || g->compress > TREE_AUTO || g->count == 0)
        return LL_EFORMAT;
    return reader_end(&r) == 0 ? reader_end(&paths) : LL_EFORMAT;
}

void tree_put_put(struct buf *b, const struct tree_put *p) {
    buf_add_u8(b, p->flags);
    buf_add_u8(b, p->overwrite);
    buf_add_str32(b, p->destination.data, p->destination.size);
    if ((p->flags & TREE_NAMED) == 0)
        return;
    buf_add(b, p->id.data, p->id.size);
    buf_add_u32(b, p->attempt);
}

void tree_set_attempt(uint8_t *request, size_t size, uint32_t attempt) {
    for (unsigned i = 1; i <= sizeof attempt && i <= size; i++, attempt >>= 8)
        request[size - i] = (uint8_t)attempt;
}

int tree_get_put(struct slice payload, struct tree_put *p) {
    struct reader r = reader_of(payload.data, payload.size);
    p->flags = reader_u8(&r);
    p->overwrite = reader_u8(&r);
    p->destination = reader_str32(&r);
    p->id = (struct slice){0};
    p->attempt = 0;
    if ((p->flags & TREE_NAMED) != 0) {
        p->id = reader_bytes(&r, TREE_ID);
        p->attempt = reader_u32(&r);
    }
    if ((p->flags & ~TREE_FLAGS_PUT) != 0 || p->overwrite > TREE_NEVER || has_nul(p->destination))
        reader_fail(&r);
    return reader_end(&r);
}

void tree_put_join(struct buf *b, const struct tree_join *j) {
    buf_add(b, j->id, TREE_ID);
    buf_add_u8(b, j->stream);
}

int tree_get_join(struct slice payload, struct tree_join *j) {
    struct reader r = reader_of(payload.data, payload.size);
    struct slice id = reader_bytes(&r, TREE_ID);
    j->stream = reader_u8(&r);
    if (j->stream == 0 || j->stream >= TREE_STREAMS)
        reader_fail(&r);
    int e = reader_end(&r);
    if (e == 0)
        memcpy(j->id, id.data, TREE_ID);
    return e;
}
