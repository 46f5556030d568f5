/* How long the ring of an output is.
 *
 * 64 MiB are kept of an output, so that one who comes later gets all of it, and so much fits that nobody reads yet. But a ring that
 * long has left every cache by the time it comes round, and whoever touches a byte of it waits for memory. So once an output is
 * longer than can be kept anyway, and those who watch keep up, it goes on in a short ring. Program, keeper and gate do not run at
 * the same moment: that somebody keeps up shows only when the program is held for a moment. When a short ring has been full for
 * such a moment, the long one is back. */
#include "landline/service/run.h"

#include "lib/base/limits.h"

enum { MOMENT_MS = 100 };

static const int64_t MS = 1000000;

static void resize(struct run *run, int channel, uint64_t size) {
    struct output *o = &run->out[channel];
    char path[4200];
    runs_path(run, channel + 2, path, sizeof path); /* no output's: its name until it has the right one */
    run->ring[channel].short_from = run->ring[channel].hold_from = o->spool.end + LIMIT_RUN_RING;
    run->ring[channel].until = LL_NEVER;
    if (output_resize(o, size, path) != 0) {
        run->ring[channel].not_before = ll_loop_now(run->runs->host->loop) + RUN_DISK_RETRY_MS * MS;
        if (size == LIMIT_RUN_RING) /* somebody waits for it */
            run->ring[channel].until = run->ring[channel].not_before;
        run_set_timer(run);
        return;
    }
    for (struct watcher *w = run->watchers; w != NULL; w = w->next) {
        w->out[channel].replaced = w->out[channel].replaced || w->out[channel].ring;
        w->out[channel].ring = false;
    }
    run_tell(run, channel);
}

/* Somebody was cut off who comes back for this output: as much as can be is kept for him. */
static bool awaits(const struct run *run, int channel) {
    for (int i = 0; i < RUN_AWAY; i++)
        if (run->away[i].wants[channel])
            return true;
    return false;
}

bool run_ring_holds(const struct run *run, int channel) {
    return run->ring[channel].until != LL_NEVER && run->out[channel].size == LIMIT_RUN_RING;
}

void run_ring_fit(struct run *run, int channel, uint64_t unread) {
    struct output *o = &run->out[channel];
    if (o->path == NULL || o->spool.overflow != RUN_BLOCK || run_is_terminal(run))
        return;
    bool is_short = o->size == LIMIT_RUN_SHORT, awaited = awaits(run, channel);
    bool full = is_short && (spool_room(&o->spool) == 0 || (unread != UINT64_MAX && unread >= LIMIT_RUN_SHORT));
    bool watched = !is_short && !awaited && unread != UINT64_MAX;
    bool held = watched && o->spool.end >= run->ring[channel].hold_from;
    int64_t now = ll_loop_now(run->runs->host->loop), *until = &run->ring[channel].until;
    if (now < run->ring[channel].not_before)
        return;
    if (is_short && awaited) {
        resize(run, channel, LIMIT_RUN_RING);
    } else if (watched && o->spool.end >= run->ring[channel].short_from && unread <= LIMIT_RUN_SHORT / 2) {
        resize(run, channel, LIMIT_RUN_SHORT);
    } else if (!full && !held) {
        *until = LL_NEVER;
    } else if (*until == LL_NEVER) {
        *until = now + MOMENT_MS * MS;
        run_set_timer(run);
    } else if (*until <= now && full) {
        resize(run, channel, LIMIT_RUN_RING);
    } else if (*until <= now) {
        run->ring[channel].hold_from = o->spool.end + LIMIT_RUN_RING;
        *until = LL_NEVER;
    }
}
