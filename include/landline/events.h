/* landline/events.h: what one can wait for. Shared by landline/loop.h and landline/stream.h. */
#ifndef LANDLINE_EVENTS_H
#define LANDLINE_EVENTS_H

#ifdef __cplusplus
extern "C" {
#endif

enum ll_events {
    LL_READ = 1,     /* a read, receive or accept will not block; the end of the stream counts */
    LL_WRITE = 2,    /* a write or send will not block; a connect has finished */
    LL_PRIORITY = 4, /* out-of-band data; see POLLPRI in poll(2) */
    LL_HANGUP = 8,   /* the peer has ended its direction, told also while LL_READ is not asked for; stays true, so
                      * stop asking once it was said */
    LL_EDGE = 16,    /* beside others, in a loop: told when one of them begins, or more arrives, not while it lasts */
};

#ifdef __cplusplus
}
#endif
#endif
