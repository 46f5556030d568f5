/* Inside a socket: who is in a call on it, its mode, and the way every call that may wait goes.
 *
 * `uses` counts the calls that are under way and has CLOSED set once the socket is closed; whoever brings it down to
 * CLOSED alone closes the descriptor. So a descriptor is never closed under a call, and its number cannot come to mean
 * something else while a thread is about to use it. (The idea is that of Go's fdMutex.) */
#ifndef LIB_NET_SOCKET_H
#define LIB_NET_SOCKET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "landline/socket.h"
#include "lib/os/socket.h"

#define SOCKET_CLOSED (1u << 31)
enum { SOCKET_FOREVER = -1 }; /* as timeout_ns: blocking mode */

struct ll_socket {
    atomic_uint uses;
    atomic_flag ended; /* the descriptor was closed: who is turned away later must not do it again */
    int fd;
    int wake;                /* an event that close sets, for families that shutdown(2) does not wake; else -1 */
    atomic_int dontwait;     /* MSG_DONTWAIT where the data calls must not wait in the kernel, else 0 */
    atomic_llong timeout_ns; /* SOCKET_FOREVER, 0 (non-blocking), or the time-out */
    int family, type, protocol;
    pthread_mutex_t lock; /* of what follows */
    ll_interrupt_hook *hook;
    void *hook_argument;
    struct ll_address peer;
    struct socket_failure {
        int code;
        const char *call;
        struct ll_address about;
        char host[sizeof((struct ll_error_info *)0)->subject]; /* instead of the address: a name that was looked up */
    } last;
};

/* For a socket found closed on entering: leaves, and gives LL_ECLOSED. */
int socket_turned_away(ll_socket *s);

/* Enters a call: the descriptor, or LL_ECLOSED, or -EINVAL for NULL. */
static inline int socket_enter(ll_socket *s) {
    if (__builtin_expect(s == NULL, 0))
        return -EINVAL;
    if (__builtin_expect((atomic_fetch_add_explicit(&s->uses, 1, memory_order_acquire) & SOCKET_CLOSED) == 0, 1))
        return s->fd;
    return socket_turned_away(s);
}

/* Leaves it; the last one out of a closed socket closes the descriptor. */
int socket_end(ll_socket *s);
static inline void socket_leave(ll_socket *s) {
    if (__builtin_expect(atomic_fetch_sub_explicit(&s->uses, 1, memory_order_acq_rel) == (SOCKET_CLOSED | 1), 0))
        socket_end(s);
}

static inline int socket_is_closed(const ll_socket *s) {
    return (atomic_load_explicit(&s->uses, memory_order_acquire) & SOCKET_CLOSED) != 0;
}

/* Makes the object; the descriptor is its own from then on, and stays the caller's on failure. */
int socket_new(int fd, int family, int type, int protocol, ll_socket **out);

/* ---- Calls that may wait ---- */

/* One such call. `deadline` is 0 until the first wait sets it from the time-out; who calls several times for one
 * operation keeps it. */
struct socket_call {
    const char *name;
    const struct ll_address *about; /* NULL: the peer */
    short events;                   /* what to poll for */
    int flags;                      /* the caller's MSG_… */
    int64_t deadline;
    int false_alarms; /* times the descriptor was called ready and was not */
};

/* Tries until it is done: `attempt` is one system call on `fd`, with `flags` for it, and returns its result. Records a
 * failure. To be called between enter and leave. */
typedef ssize_t socket_attempt(int fd, int flags, void *arguments);
ssize_t socket_perform(ll_socket *s, struct socket_call *call, socket_attempt *attempt, void *arguments);

/* The same after a first attempt that gave `first` (not a success). */
ssize_t socket_perform_after(ssize_t first, ll_socket *s, struct socket_call *call, socket_attempt *attempt,
                             void *arguments);

/* Waits until the descriptor is ready for call->events: 0, LL_ETIMEOUT, LL_ECLOSED, LL_EINTERRUPTED, -errno. */
int socket_wait(ll_socket *s, struct socket_call *call);
/* The same after a false alarm: not before a pause. */
int socket_wait_again(ll_socket *s, struct socket_call *call);

/* Sets call->deadline from the time-out, once. */
void socket_start_clock(const ll_socket *s, struct socket_call *call);

/* Asks the hooks after a signal: 0 goes on, else LL_EINTERRUPTED. NULL asks the thread's only. */
int socket_ask(ll_socket *s);

/* Records a failure and hands the code back; a success or a "not now" of non-blocking mode passes through. */
ssize_t socket_result(ll_socket *s, ssize_t code, const char *call, const struct ll_address *about);

/* The same for a host by name that could not be looked up. */
int socket_lookup_failed(ll_socket *s, int code, const char *host);

/* Connects within the call's time; see ll_socket_connect. To be called between enter and leave. */
int socket_connect(ll_socket *s, const struct ll_address *address, struct socket_call *call);

/* Remembers whom the socket talks to, for ll_socket_error(). */
void socket_set_peer(ll_socket *s, const struct ll_address *peer);

/* Seconds to nanoseconds, rounded up; LL_FOREVER gives SOCKET_FOREVER. -EINVAL, -EOVERFLOW. */
int socket_nanoseconds(double seconds, int64_t *nanoseconds);

#endif
