#include "landline/proto/spool.h"

#include "landline/error.h"

struct spool spool_make(uint64_t cap, enum run_overflow overflow) {
    return (struct spool){.cap = cap, .overflow = (uint8_t)overflow};
}

uint64_t spool_room(const struct spool *s) {
    if (s->overflow == RUN_DROP)
        return s->cap;
    uint64_t held = s->end - s->acknowledged;
    return held < s->cap ? s->cap - held : 0;
}

void spool_add(struct spool *s, uint64_t n) {
    s->end += n;
    if (s->end - s->base <= s->cap)
        return;
    uint64_t base = s->end - s->cap;
    uint64_t lost_from = s->acknowledged > s->base ? s->acknowledged : s->base;
    if (base > lost_from)
        s->dropped += base - lost_from;
    s->base = base;
}

void spool_acknowledge(struct spool *s, uint64_t offset) {
    if (offset > s->acknowledged && offset <= s->end)
        s->acknowledged = offset;
}

void spool_set_cap(struct spool *s, uint64_t cap) {
    s->cap = cap;
    if (s->end - s->base > cap)
        s->base = s->end - cap;
}

int spool_start(const struct spool *s, uint64_t have, uint64_t *start, uint64_t *missed) {
    if (have > s->end)
        return LL_EFORMAT;
    *start = have > s->base ? have : s->base;
    *missed = *start - have;
    return 0;
}

uint64_t spool_kept(const struct spool *s) {
    return s->end - s->base;
}
