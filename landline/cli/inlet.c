#include "landline/cli/inlet.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "landline/error.h"
#include "lib/os/terminal.h"

enum { PIECE = 64 << 10 };

struct inlet {
    ll_loop *loop;
    int fd;
    bool is_terminal, over, always_ready, in_background;
    ll_watch *watch; /* of descriptors that can be waited for … */
    ll_timer *timer; /* … and for files, which are always ready */
    const struct inlet_owner *owner;
    void *arg;
    uint8_t bytes[PIECE];
};

static void finish(struct inlet *inlet, int error) {
    inlet->over = true;
    ll_watch_free(inlet->watch);
    inlet->watch = NULL;
    ll_timer_set(inlet->timer, LL_NEVER);
    inlet->owner->end(inlet->arg, error);
}

/* Whether read(2) would not wait: another process may have taken the bytes that woke us. */
static bool is_ready(const struct inlet *inlet) {
    struct pollfd ready = {.fd = inlet->fd, .events = POLLIN};
    return inlet->always_ready || poll(&ready, 1, 0) > 0;
}

/* What the end is. A terminal that was hung up ends as a file does, or with an error, as it happens; one on which an end was
 * typed is still there. */
static int end_of(const struct inlet *inlet, ssize_t n) {
    int error = n < 0 ? -errno : 0;
    struct pollfd state = {.fd = inlet->fd};
    bool hung_up = poll(&state, 1, 0) > 0 && (state.revents & POLLHUP) != 0;
    return inlet->is_terminal && (hung_up || error != 0) ? LL_EOF : error;
}

/* One piece: whether more may be there. */
static bool read_piece(struct inlet *inlet) {
    size_t room = inlet->owner->room(inlet->arg);
    if (room == 0 || !is_ready(inlet))
        return false;
    if (inlet->is_terminal && terminal_in_background(inlet->fd)) {
        inlet->in_background = true; /* reading would stop us */
        return false;
    }
    ssize_t n = read(inlet->fd, inlet->bytes, room < PIECE ? room : PIECE);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return false;
    if (n <= 0) {
        finish(inlet, end_of(inlet, n));
        return false;
    }
    inlet->owner->bytes(inlet->arg, inlet->bytes, (size_t)n);
    return !inlet->over;
}

static bool reads(const struct inlet *inlet) {
    return !inlet->in_background && inlet->owner->room(inlet->arg) > 0;
}

/* That the terminal is gone counts at any time, for the signal that should say so may not come. */
static unsigned wants(void *arg) {
    const struct inlet *inlet = arg;
    if (inlet->over)
        return 0;
    return (inlet->is_terminal ? LL_HANGUP : 0) | (reads(inlet) ? LL_READ : 0);
}

static void readable(void *arg, unsigned events) {
    struct inlet *inlet = arg;
    if ((events & LL_HANGUP) != 0 && inlet->is_terminal && !reads(inlet))
        finish(inlet, LL_EOF);
    else
        read_piece(inlet);
}

/* Files: some pieces, then the others have their turn. */
static void timer_due(void *arg) {
    struct inlet *inlet = arg;
    for (int i = 0; i < 4; i++)
        if (!read_piece(inlet))
            return;
    ll_timer_set(inlet->timer, 0);
}

int inlet_new(struct inlet **out, ll_loop *loop, int fd, const struct inlet_owner *owner, void *arg) {
    struct inlet *inlet = malloc(sizeof *inlet);
    *out = NULL;
    if (inlet == NULL)
        return -ENOMEM;
    inlet->loop = loop;
    inlet->fd = fd;
    inlet->is_terminal = terminal_is(fd);
    inlet->over = inlet->always_ready = inlet->in_background = false;
    inlet->owner = owner;
    inlet->arg = arg;
    inlet->watch = NULL;
    int error = ll_loop_timer(loop, LL_NEVER, timer_due, inlet, &inlet->timer);
    if (error == 0)
        error = ll_loop_fd(loop, fd, LL_READ, readable, inlet, &inlet->watch);
    if (error == -EPERM) {
        inlet->always_ready = true;
        timer_due(inlet); /* a short one goes with the request */
        error = 0;
    } else if (error == 0) {
        ll_watch_ask(inlet->watch, wants);
    }
    if (error != 0) {
        inlet_free(inlet);
        return error;
    }
    *out = inlet;
    return 0;
}

void inlet_free(struct inlet *inlet) {
    if (inlet == NULL)
        return;
    ll_watch_free(inlet->watch);
    ll_timer_free(inlet->timer);
    free(inlet);
}

void inlet_touch(struct inlet *inlet) {
    if (inlet == NULL || inlet->over)
        return;
    inlet->in_background = false;
    if (inlet->always_ready)
        ll_timer_set(inlet->timer, 0);
    else
        ll_watch_touch(inlet->watch);
}
