/* The request of run and shell, docs/PROTOCOL.md section 7.2. */
#include "landline/proto/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* the hash's state on the stack */
#include <xxhash.h>

#include "landline/error.h"
#include "landline/proto/run_fields.h"
#include "lib/base/limits.h"

/* Where run_request_again() finds what it changes. */
enum {
    AT_AGE = 17,
    AT_SENT = 25,
    AT_HAVE1 = 39,
    AT_HAVE2 = 47,
};

struct run_request run_request_default(void) {
    return (struct run_request){
        .on_loss = RUN_KEEP,
        .keep_s = 600,
        .overflow = RUN_BLOCK,
        .grace_ms = 5000,
        .umask = RUN_UMASK_DEFAULT,
        .nice = RUN_NICE_SAME,
    };
}

void run_request_put(struct buf *b, const struct run_request *r) {
    run_id_put(b, &r->id);
    buf_add_u8(b, r->flags);
    buf_add_u64(b, r->age_ms);
    buf_add_u64(b, r->sent_ms);
    buf_add_u8(b, r->on_loss);
    buf_add_u32(b, r->keep_s);
    buf_add_u8(b, r->overflow);
    buf_add_u64(b, r->have1);
    buf_add_u64(b, r->have2);
    buf_add_u64(b, r->timeout_ms);
    buf_add_u32(b, r->grace_ms);
    buf_add_u16(b, r->umask);
    buf_add_u8(b, r->nice);
    buf_add_str16(b, r->cwd.data, r->cwd.size);
    buf_add_u32(b, r->argc);
    for (uint32_t i = 0; i < r->argc; i++)
        buf_add_str32(b, r->argv[i].data, r->argv[i].size);
    buf_add_u16(b, r->variable_count);
    for (uint32_t i = 0; i < r->variable_count; i++) {
        buf_add_str16(b, r->variables[i].name.data, r->variables[i].name.size);
        buf_add_str32(b, r->variables[i].value.data, r->variables[i].value.size);
    }
    buf_add_u8(b, r->limit_count);
    for (uint32_t i = 0; i < r->limit_count; i++) {
        buf_add_u8(b, r->limits[i].resource);
        buf_add_u64(b, r->limits[i].soft);
        buf_add_u64(b, r->limits[i].hard);
    }
    buf_add_str8(b, r->name.data, r->name.size);
    run_fields_put_size(b, &r->size);
    buf_add_str8(b, r->term.data, r->term.size);
}

/* The arrays of a request; all NULL to count only. */
struct arrays {
    struct slice *argv;
    struct run_variable *variables;
    struct run_limit *limits;
    bool too_large;
};

static void get_argv(struct reader *r, struct run_request *q, struct arrays *to) {
    q->argc = reader_u32(r);
    if (q->argc > LIMIT_ARGUMENTS)
        to->too_large = true;
    for (uint32_t i = 0; i < q->argc && !r->failed && !to->too_large; i++) {
        struct slice arg = reader_str32(r);
        if (arg.size > LIMIT_ARGUMENT)
            to->too_large = true;
        if (run_fields_has_nul(arg))
            reader_fail(r);
        if (to->argv != NULL)
            to->argv[i] = arg;
    }
}

static void get_variables(struct reader *r, struct run_request *q, struct arrays *to) {
    q->variable_count = reader_u16(r);
    for (uint32_t i = 0; i < q->variable_count && !r->failed; i++) {
        struct run_variable v = {.name = reader_str16(r)};
        v.value = reader_str32(r);
        if (v.name.size + v.value.size > LIMIT_ARGUMENT)
            to->too_large = true;
        bool bad = v.name.size == 0 || memchr(v.name.data, '=', v.name.size) != NULL;
        if (bad || run_fields_has_nul(v.name) || run_fields_has_nul(v.value))
            reader_fail(r);
        if (to->variables != NULL)
            to->variables[i] = v;
    }
}

static void get_limits(struct reader *r, struct run_request *q, struct arrays *to) {
    q->limit_count = reader_u8(r);
    for (uint32_t i = 0; i < q->limit_count && !r->failed; i++) {
        struct run_limit limit = {.resource = reader_u8(r)};
        limit.soft = reader_u64(r);
        limit.hard = reader_u64(r);
        if (limit.soft > limit.hard)
            reader_fail(r);
        if (to->limits != NULL)
            to->limits[i] = limit;
    }
}

static int get_fields(struct slice payload, struct run_request *q, struct arrays *to) {
    struct reader r = reader_of(payload.data, payload.size);
    q->id = run_fields_get_id(&r);
    q->flags = reader_u8(&r);
    q->age_ms = reader_u64(&r);
    q->sent_ms = reader_u64(&r);
    q->on_loss = reader_u8(&r);
    q->keep_s = reader_u32(&r);
    q->overflow = reader_u8(&r);
    q->have1 = reader_u64(&r);
    q->have2 = reader_u64(&r);
    q->timeout_ms = reader_u64(&r);
    q->grace_ms = reader_u32(&r);
    q->umask = reader_u16(&r);
    q->nice = reader_u8(&r);
    q->cwd = reader_str16(&r);
    get_argv(&r, q, to);
    if (to->too_large)
        return LL_ELIMIT;
    get_variables(&r, q, to);
    get_limits(&r, q, to);
    q->name = reader_str8(&r);
    q->size = run_fields_get_size(&r);
    q->term = reader_str8(&r);
    int e = reader_end(&r);
    return e == 0 && to->too_large ? LL_ELIMIT : e;
}

static bool argv_fits_flags(const struct run_request *q) {
    switch (q->flags & (RUN_SHELL | RUN_LOGIN)) {
    case RUN_SHELL:
        return q->argc == 1;
    case RUN_LOGIN:
        return q->argc == 0;
    case 0:
        return q->argc > 0;
    default:
        return false;
    }
}

static bool terminal_fits_flags(const struct run_request *q) {
    const struct run_window_size *s = &q->size;
    bool none = (s->rows | s->columns | s->xpixel | s->ypixel) == 0 && q->term.size == 0;
    return (q->flags & RUN_TTY) != 0 || none;
}

static bool valid(const struct run_request *q) {
    return (q->flags & ~RUN_FLAGS) == 0 && q->on_loss <= RUN_KILL && q->overflow <= RUN_DROP &&
           (q->umask <= 0777 || q->umask == RUN_UMASK_DEFAULT) && (q->nice <= 39 || q->nice == RUN_NICE_SAME) &&
           !run_fields_has_nul(q->cwd) && !run_fields_has_nul(q->name) && !run_fields_has_nul(q->term) &&
           argv_fits_flags(q) && terminal_fits_flags(q);
}

int run_request_get(struct slice payload, struct run_request *q) {
    *q = (struct run_request){0};
    struct arrays to = {0};
    int e = get_fields(payload, q, &to);
    if (e < 0)
        return e;
    if (!valid(q))
        return LL_EFORMAT;
    size_t variables = q->variable_count * sizeof *to.variables, limits = q->limit_count * sizeof *to.limits;
    size_t size = q->argc * sizeof *to.argv + variables + limits;
    if (size == 0)
        return 0;
    q->memory = malloc(size);
    if (q->memory == NULL)
        return -ENOMEM;
    to.variables = q->memory;
    to.limits = (struct run_limit *)(void *)((char *)q->memory + variables);
    to.argv = (struct slice *)(void *)((char *)q->memory + variables + limits);
    get_fields(payload, q, &to);
    q->argv = to.argv;
    q->variables = to.variables;
    q->limits = to.limits;
    return 0;
}

void run_request_free(struct run_request *q) {
    free(q->memory);
    q->memory = NULL;
    q->argv = NULL;
    q->variables = NULL;
    q->limits = NULL;
    q->argc = q->variable_count = q->limit_count = 0;
}

static void hash_string(XXH3_state_t *h, struct slice s) {
    uint8_t size[8];
    run_fields_write_u64(size, s.size);
    XXH3_128bits_update(h, size, sizeof size);
    if (s.size > 0)
        XXH3_128bits_update(h, s.data, s.size);
}

void run_request_fingerprint(const struct run_request *q, uint8_t out[RUN_PRINT_SIZE]) {
    XXH3_state_t h;
    XXH3_INITSTATE(&h);
    XXH3_128bits_reset(&h);
    uint8_t fixed[17] = {(uint8_t)(q->flags & ~RUN_DETACH)};
    run_fields_write_u64(fixed + 1, q->argc);
    run_fields_write_u64(fixed + 9, q->variable_count);
    XXH3_128bits_update(&h, fixed, sizeof fixed);
    hash_string(&h, q->cwd);
    for (uint32_t i = 0; i < q->argc; i++)
        hash_string(&h, q->argv[i]);
    for (uint32_t i = 0; i < q->variable_count; i++) {
        hash_string(&h, q->variables[i].name);
        hash_string(&h, q->variables[i].value);
    }
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&h));
    memcpy(out, canonical.digest, RUN_PRINT_SIZE);
}

void run_request_again(uint8_t *bytes, uint64_t age_ms, uint64_t sent_ms, uint64_t have1, uint64_t have2) {
    run_fields_write_u64(bytes + AT_AGE, age_ms);
    run_fields_write_u64(bytes + AT_SENT, sent_ms);
    run_fields_write_u64(bytes + AT_HAVE1, have1);
    run_fields_write_u64(bytes + AT_HAVE2, have2);
}
