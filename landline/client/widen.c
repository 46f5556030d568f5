#include "landline/client/widen.h"

/* How long a rate is measured, in ns: long against a round trip, in which a connection that begins doubles what it carries. */
static const int64_t ROUND_TRIPS = 20, LONGEST = 1000 * INT64_C(1000000);
/* Below this round trip no window holds a connection up: what one does not carry, the processors do not. */
static const int64_t LEAST_ROUND_TRIP = 10 * INT64_C(1000000);
static const double MORE = 1.25; /* what a doubling must bring, and what a rate that still rises does */

void widen_begin(struct widen *w, unsigned streams, unsigned most, uint64_t bytes, int64_t now) {
    *w = (struct widen){.streams = streams, .most = most, .decided = streams >= most, .since = now, .from = bytes};
}

/* The rate with so many streams is known: is it worth to try more? */
static void decide(struct widen *w, double rate) {
    if (w->streams == w->most || rate < w->best * MORE) {
        w->decided = true;
        return;
    }
    w->best = rate;
    w->last = 0;
    w->streams = 2 * w->streams < w->most ? 2 * w->streams : w->most;
}

static int64_t measure(int64_t round_trip) {
    return round_trip < LONGEST / ROUND_TRIPS ? ROUND_TRIPS * round_trip : LONGEST;
}

unsigned widen_next(struct widen *w, uint64_t bytes, int64_t round_trip, int64_t now) {
    if (!w->decided && w->streams == 1 && round_trip < LEAST_ROUND_TRIP)
        widen_begin(w, 1, w->most, bytes, now);
    if (w->decided || now - w->since < measure(round_trip))
        return w->streams;
    double rate = (double)(bytes - w->from) / (double)(now - w->since);
    bool steady = w->last > 0 && rate < w->last * MORE; /* connections begin slowly, and so do disks */
    w->last = rate;
    w->since = now;
    w->from = bytes;
    if (steady)
        decide(w, rate);
    return w->streams;
}
