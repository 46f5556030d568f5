/* upper: what one receive gave is answered with its ASCII letters in upper case.
 *
 * TCP keeps no boundaries, so how many bytes one receive takes does not show to the client; it is more than the 1024 of
 * the old programs because fewer calls are faster. In the usual case a message costs one receive and one send, and
 * nothing is stored. What a slow client does not take is kept, and nothing more is received from it until it has gone:
 * at most one scratch buffer per connection. */
#include "landline/classic/service.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ascii.h"
#include "lib/base/limits.h"

/* Edge-triggered: a receive of less than it asked for took all there was, which spares the kernel a look to see that. */
enum { QUESTION = LL_READ | LL_HANGUP | LL_PRIORITY | LL_EDGE };

struct upper_peer {
    struct classic_peer peer;
    unsigned char *rest; /* answered but not yet taken: rest[start … end - 1]; NULL: nothing */
    size_t start, end;
};

static bool keep_rest(struct upper_peer *u, const unsigned char *bytes, size_t n) {
    u->rest = malloc(n);
    if (u->rest == NULL)
        return false;
    memcpy(u->rest, bytes, n);
    u->start = 0;
    u->end = n;
    return true;
}

static void flush(struct upper_peer *u) {
    ssize_t sent = ll_socket_send(u->peer.socket, u->rest + u->start, u->end - u->start, 0);
    if (sent == -EAGAIN)
        return;
    if (sent < 0) {
        classic_close(&u->peer);
        return;
    }
    u->start += (size_t)sent;
    if (u->start < u->end)
        return;
    free(u->rest);
    u->rest = NULL;
    ll_watch_set(u->peer.watch, QUESTION);
}

static void ready(void *arg, unsigned events) {
    struct upper_peer *u = arg;
    if (u->rest != NULL) {
        flush(u);
        return;
    }
    ssize_t got = classic_receive(&u->peer, LIMIT_CLASSIC_UPPER);
    if (got <= 0)
        return;
    unsigned char *bytes = u->peer.server->scratch;
    ascii_upper(bytes, (size_t)got);
    ssize_t sent = ll_socket_send(u->peer.socket, bytes, (size_t)got, 0);
    if (sent == got) {
        /* Full, or the end or urgent data stands behind it. */
        if (got == LIMIT_CLASSIC_UPPER || events != LL_READ)
            ll_watch_again(u->peer.watch);
        return;
    }
    if (sent == -EAGAIN)
        sent = 0;
    if (sent < 0 || !keep_rest(u, bytes + sent, (size_t)(got - sent)))
        classic_close(&u->peer);
    else
        ll_watch_set(u->peer.watch, LL_WRITE);
}

static void end(void *arg) {
    struct upper_peer *u = arg;
    free(u->rest);
}

const struct classic_service classic_service_upper = {
    .name = "upper",
    .about = "have text upper-cased",
    .port = 6969,
    .events = QUESTION,
    .peer_size = sizeof(struct upper_peer),
    .ready = ready,
    .end = end,
};
