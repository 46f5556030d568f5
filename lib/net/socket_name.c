/* Binding, listening, accepting, connecting, and the addresses of both ends. */
#include "lib/net/socket.h"

#include "lib/net/resolve.h"
#include "lib/os/fd.h"

/* An address that the system calls may take: the length does not run past it. */
static int sound(const struct ll_address *address) {
    return address != NULL && address->length <= sizeof address->as;
}

int ll_socket_bind(ll_socket *s, const struct ll_address *address) {
    if (!sound(address))
        return -EINVAL;
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    ssize_t r = socket_result(s, os_bind(fd, &address->as.any, address->length), "bind", address);
    socket_leave(s);
    return (int)r;
}

int ll_socket_listen(ll_socket *s, int backlog) {
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    ssize_t r = socket_result(s, os_listen(fd, backlog > 0 ? backlog : 0), "listen", NULL);
    socket_leave(s);
    return (int)r;
}

/* ---- Accepting ---- */

struct accept_arguments {
    int flags;
    struct ll_address *peer;
};

static ssize_t attempt_accept(int fd, int flags, void *arguments) {
    (void)flags; /* accept has no MSG_DONTWAIT: O_NONBLOCK says it */
    struct accept_arguments *a = arguments;
    a->peer->length = sizeof a->peer->as;
    return os_accept(fd, &a->peer->as.any, &a->peer->length, a->flags);
}

int ll_socket_accept4(ll_socket *listener, int flags, ll_socket **out, struct ll_address *peer) {
    if (out == NULL || (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0)
        return -EINVAL;
    *out = NULL;
    int fd = socket_enter(listener);
    if (fd < 0)
        return fd;
    struct ll_address from = {0};
    struct accept_arguments arguments = {flags, &from};
    struct socket_call call = {.name = "accept", .events = POLLIN};
    int r = (int)socket_perform(listener, &call, attempt_accept, &arguments);
    if (r >= 0) {
        int accepted = r;
        r = socket_new(accepted, listener->family, listener->type, listener->protocol, out);
        if (r < 0)
            fd_close(accepted);
    }
    if (r == 0) {
        atomic_store(&(*out)->timeout_ns, (flags & SOCK_NONBLOCK) != 0 ? 0 : SOCKET_FOREVER);
        (*out)->peer = from;
    }
    socket_leave(listener);
    if (peer != NULL)
        *peer = r == 0 ? from : (struct ll_address){0};
    return r;
}

int ll_socket_accept(ll_socket *listener, ll_socket **out, struct ll_address *peer) {
    return ll_socket_accept4(listener, 0, out, peer);
}

/* ---- Connecting ---- */

/* How an attempt that was waited for has ended. Asked with connect(2), which says -EALREADY where it goes on after all: an error that
 * the system takes for a passing one (ICMP host unreachable) can wake who waits, and SO_ERROR says 0 then, as it does of success. */
static int outcome(ll_socket *s, const struct ll_address *address, struct socket_call *call) {
    for (;;) {
        int r = os_connect(s->fd, &address->as.any, address->length);
        if (r != -EALREADY && r != -EINTR)
            return r == -EISCONN ? 0 : r;
        r = socket_wait_again(s, call);
        if (r < 0)
            return r;
    }
}

static int connect_and_wait(ll_socket *s, const struct ll_address *address, struct socket_call *call) {
    int r = os_connect(s->fd, &address->as.any, address->length);
    /* An interrupted connect goes on by itself; what is left is to wait for it (POSIX; bpo-23618). */
    int interrupted = r == -EINTR;
    int64_t timeout = atomic_load(&s->timeout_ns);
    if (interrupted)
        r = socket_ask(s) < 0 ? LL_EINTERRUPTED : -EINPROGRESS;
    if (r == -EINPROGRESS && (timeout > 0 || (timeout == SOCKET_FOREVER && interrupted))) {
        r = socket_wait(s, call);
        if (r == 0)
            r = outcome(s, address, call);
    }
    return socket_is_closed(s) ? LL_ECLOSED : r;
}

int socket_connect(ll_socket *s, const struct ll_address *address, struct socket_call *call) {
    int r = connect_and_wait(s, address, call);
    if (r == 0)
        socket_set_peer(s, address);
    return (int)socket_result(s, r, "connect", address);
}

int ll_socket_connect(ll_socket *s, const struct ll_address *address) {
    if (!sound(address))
        return -EINVAL;
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    struct socket_call call = {.events = POLLOUT};
    int r = socket_connect(s, address, &call);
    socket_leave(s);
    return r;
}

int ll_socket_connect_ex(ll_socket *s, const struct ll_address *address) {
    if (s == NULL || !sound(address))
        return -EINVAL;
    int r = ll_socket_connect(s, address);
    switch (r) {
    case LL_ECLOSED:
        return EBADF;
    case LL_ETIMEOUT:
        return EAGAIN;
    default:
        return r == LL_EINTERRUPTED ? r : -r;
    }
}

/* ---- By the name of a host ---- */

/* The first address of the socket's family, within the call's time. Records a failure. */
static int look_up(ll_socket *s, const char *host, int port, int flags, struct socket_call *call,
                   struct ll_address *address) {
    if (s->family != AF_INET && s->family != AF_INET6)
        return LL_EADDRESS;
    int64_t timeout = atomic_load(&s->timeout_ns);
    struct resolve_request request = {.host = host, .flags = flags, .family = s->family, .type = s->type, .port = port};
    if (timeout != 0)
        socket_start_clock(s, call);
    else
        call->deadline = CLOCK_NEVER;
    request.deadline = call->deadline;
    request.numeric_only = timeout == 0;
    request.socket = s;
    int r = resolve_one(&request, address);
    return r < 0 ? socket_lookup_failed(s, r, host) : r;
}

int ll_socket_bind_host(ll_socket *s, const char *host, int port) {
    if (host == NULL)
        return -EINVAL;
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    struct ll_address address = {0};
    struct socket_call call = {0};
    int r = look_up(s, host, port, AI_PASSIVE, &call, &address);
    if (r == 0)
        r = (int)socket_result(s, os_bind(fd, &address.as.any, address.length), "bind", &address);
    socket_leave(s);
    return r;
}

int ll_socket_connect_host(ll_socket *s, const char *host, int port) {
    if (host == NULL)
        return -EINVAL;
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    struct ll_address address = {0};
    struct socket_call call = {.events = POLLOUT};
    int r = look_up(s, host, port, 0, &call, &address);
    if (r == 0)
        r = socket_connect(s, &address, &call);
    socket_leave(s);
    return r;
}

/* ---- Both ends ---- */

typedef int name_of(int fd, struct sockaddr *address, socklen_t *length);

static int ask_name(ll_socket *s, struct ll_address *out, name_of *ask, const char *call) {
    if (out == NULL)
        return -EINVAL;
    *out = (struct ll_address){0};
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    socklen_t length = sizeof out->as;
    int r = (int)socket_result(s, ask(fd, &out->as.any, &length), call, NULL);
    if (r == 0)
        out->length = length;
    socket_leave(s);
    return r;
}

int ll_socket_getpeername(ll_socket *s, struct ll_address *out) {
    return ask_name(s, out, os_getpeername, "getpeername");
}

int ll_socket_getsockname(ll_socket *s, struct ll_address *out) {
    return ask_name(s, out, os_getsockname, "getsockname");
}

int ll_socket_shutdown(ll_socket *s, int how) {
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    int r = (int)socket_result(s, os_shutdown(fd, how), "shutdown", NULL);
    socket_leave(s);
    return r;
}
