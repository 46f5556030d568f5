/* What flow_judge() remembers of each end while it walks over the steps. Shared by judge.c (states, losses, the
 * verdict) and classify.c (what each step was). */
#ifndef LANDLINE_OBSERVE_JUDGE_H
#define LANDLINE_OBSERVE_JUDGE_H

#include "landline/observe/flow.h"

enum { JUDGE_HOLES = 8 };

struct track {
    bool has_next, has_acked, syn_sent, fin_sent, fin_acked, reset, window_zero;
    uint32_t next;    /* behind the highest byte it sent */
    uint32_t acked;   /* the highest number it acknowledged */
    uint32_t fin_end; /* behind its FIN */
    uint16_t window;  /* as it stood in its last segment */
    int64_t last_ns;  /* when it last sent */
    struct {
        uint32_t from, to;
    } hole[JUDGE_HOLES]; /* stretches of its bytes that were not seen when later ones were */
    int holes;
    const struct step *crossing; /* a SYN or FIN towards it that it has not answered yet */
};

struct judge {
    struct flow *flow;
    struct track side[2];
    enum flow_state state[2];
    enum flow_event last; /* of the step before */
    int64_t last_ns;
    bool crossed, established;
};

/* Whether `a` is before `b` in sequence space (RFC 9293, 3.4). */
static inline bool seq_before(uint32_t a, uint32_t b) {
    return (int32_t)(a - b) < 0;
}

/* What the step is; reads the tracks as they were before it. */
enum flow_event classify_step(struct judge *j, const struct step *s);

#endif
