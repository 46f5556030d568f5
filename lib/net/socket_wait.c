/* The way of every call that may wait: try, ask the hooks after a signal, wait for the rest of the time, try again. */
#include "lib/net/socket.h"

enum { NS_PER_MS = 1000 * 1000, LONGEST_PAUSE_MS = 16 };

void socket_start_clock(const ll_socket *s, struct socket_call *call) {
    if (call->deadline != 0)
        return;
    int64_t timeout = atomic_load(&s->timeout_ns);
    call->deadline = timeout == SOCKET_FOREVER ? CLOCK_NEVER : clock_after(clock_now(), timeout);
}

/* One wait of at most until `deadline`, for `events` or the closing of the socket: what poll(2) gave. */
static int wait_once(ll_socket *s, short events, int64_t deadline) {
    struct pollfd fds[] = {{.fd = s->fd, .events = events}, {.fd = s->wake, .events = POLLIN}};
    return os_poll(fds, 2, deadline);
}

/* A few descriptors are always called ready (an unconnected AF_UNIX datagram socket whose receiver is full, one that
 * other threads drain): do not spin on them. */
static int pause_after_alarm(ll_socket *s, struct socket_call *call) {
    int ms = 1 << call->false_alarms;
    if (ms < LONGEST_PAUSE_MS)
        call->false_alarms++;
    int64_t until = clock_after(clock_now(), (int64_t)ms * NS_PER_MS);
    struct pollfd closing = {.fd = s->wake, .events = POLLIN};
    int r = os_poll(&closing, 1, until < call->deadline ? until : call->deadline);
    return r == 0 && until < call->deadline ? 1 : r;
}

static int wait_until_ready(ll_socket *s, struct socket_call *call, int paused) {
    socket_start_clock(s, call);
    for (;;) {
        int r = paused ? pause_after_alarm(s, call) : wait_once(s, call->events, call->deadline);
        if (socket_is_closed(s))
            return LL_ECLOSED;
        if (r == 0)
            return LL_ETIMEOUT;
        if (r > 0)
            return 0;
        if (r == -EINTR)
            r = socket_ask(s);
        if (r < 0)
            return socket_is_closed(s) ? LL_ECLOSED : r;
    }
}

int socket_wait(ll_socket *s, struct socket_call *call) {
    return wait_until_ready(s, call, 0);
}

int socket_wait_again(ll_socket *s, struct socket_call *call) {
    int r = wait_until_ready(s, call, 1);
    return r < 0 ? r : wait_until_ready(s, call, 0);
}

/* Whether "not now" is a reason to wait. */
static int may_wait(const ll_socket *s, const struct socket_call *call) {
    if ((call->flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) != 0)
        return 0;
    int64_t timeout = atomic_load(&s->timeout_ns);
    return timeout > 0 || (timeout == SOCKET_FOREVER && s->wake >= 0);
}

ssize_t socket_perform_after(ssize_t first, ll_socket *s, struct socket_call *call, socket_attempt *attempt,
                             void *arguments) {
    ssize_t r = first;
    for (int waits = 0;; waits++) {
        while (r == -EINTR && !socket_is_closed(s)) {
            int stop = socket_ask(s);
            r = stop < 0 ? stop : attempt(s->fd, call->flags | atomic_load(&s->dontwait), arguments);
        }
        if (r <= 0 && socket_is_closed(s))
            r = LL_ECLOSED;
        if (r != -EAGAIN || !may_wait(s, call))
            break;
        int waited = wait_until_ready(s, call, waits % 2 == 1);
        r = waited < 0 ? waited : attempt(s->fd, call->flags | atomic_load(&s->dontwait), arguments);
    }
    return socket_result(s, r, call->name, call->about);
}

ssize_t socket_perform(ll_socket *s, struct socket_call *call, socket_attempt *attempt, void *arguments) {
    ssize_t r = attempt(s->fd, call->flags | atomic_load(&s->dontwait), arguments);
    return r > 0 ? r : socket_perform_after(r, s, call, attempt, arguments);
}
