#include "landline/client/pause.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "landline/client/moved.h"
#include "lib/os/clock.h"
#include "lib/os/random.h"

enum {
    SHORTEST_MS = 100,
    LONGEST_MS = 15 * 1000,
    AFTER_NEWS = 4, /* failures that still count after news: what the network needs beside it may come a little later */
};

static const int64_t MS = 1000000;
/* From one try to one that news brings: an interface that flaps must not make a storm. And to one in the place of a try that still waits
 * for its answer, so that a long way gets its time. */
static const int64_t NEWS_AFTER = 1000 * MS, NEWS_AFTER_UNANSWERED = 3000 * MS;

struct pause {
    ll_loop *loop;
    ll_timer *timer;
    struct moved *moved; /* while there is no link */
    unsigned failures;   /* in a row */
    bool waits;          /* false: a try goes on */
    bool obeys;          /* the server has said when */
    int64_t tried_at, over_at;
    void (*over)(void *arg);
    void *arg;
};

static void timer(void *arg) {
    struct pause *p = arg;
    p->waits = false;
    p->tried_at = clock_now();
    p->over_at = CLOCK_NEVER;
    p->over(p->arg);
}

static void came(void *arg) {
    struct pause *p = arg;
    if (p->obeys)
        return;
    int64_t now = clock_now(), at = p->tried_at + (p->waits ? NEWS_AFTER : NEWS_AFTER_UNANSWERED);
    at = at > now ? at : now;
    p->failures = p->failures < AFTER_NEWS ? p->failures : AFTER_NEWS;
    if (at >= p->over_at)
        return;
    p->over_at = at;
    ll_timer_set(p->timer, at);
}

int pause_new(struct pause **out, ll_loop *loop, void (*over)(void *arg), void *arg) {
    struct pause *p = calloc(1, sizeof *p);
    *out = NULL;
    if (p == NULL)
        return -ENOMEM;
    *p = (struct pause){.loop = loop, .over_at = CLOCK_NEVER, .over = over, .arg = arg};
    int e = ll_loop_timer(loop, LL_NEVER, timer, p, &p->timer);
    if (e != 0) {
        free(p);
        return e;
    }
    *out = p;
    return 0;
}

void pause_free(struct pause *p) {
    if (p == NULL)
        return;
    moved_free(p->moved);
    ll_timer_free(p->timer);
    free(p);
}

void pause_skip(struct pause *p) {
    p->waits = true;
    p->obeys = false;
    p->over_at = 0;
    ll_timer_set(p->timer, 0);
}

/* Growing pauses, between half of it and all of it, so that many clients do not come at once. */
static int64_t wait_after(unsigned failures) {
    int64_t ms = SHORTEST_MS;
    for (unsigned i = 0; i < failures && ms < LONGEST_MS; i++)
        ms *= 2;
    if (ms > LONGEST_MS)
        ms = LONGEST_MS;
    return (ms / 2 + (int64_t)random_below((uint64_t)ms / 2 + 1)) * MS;
}

void pause_begin(struct pause *p, uint32_t retry_after_ms, int64_t give_up_at) {
    int64_t wait = wait_after(p->failures++);
    p->obeys = retry_after_ms > 0;
    if (p->obeys)
        wait = retry_after_ms * MS + (int64_t)random_below((uint64_t)retry_after_ms * 250000 + 1);
    int64_t until = clock_after(clock_now(), wait);
    p->waits = true;
    p->over_at = until < give_up_at ? until : give_up_at;
    ll_timer_set(p->timer, p->over_at);
    if (p->moved == NULL) /* without it the pauses are what they are */
        moved_hear(&p->moved, p->loop, came, p);
}

void pause_end(struct pause *p) {
    moved_free(p->moved);
    p->moved = NULL;
    p->failures = 0;
    p->waits = p->obeys = false;
    p->over_at = CLOCK_NEVER;
    ll_timer_set(p->timer, LL_NEVER);
}
