/* Making and ending sockets. */
#include "lib/net/socket.h"

#include <stdlib.h>

#include "lib/os/fd.h"

/* Families whose waiting calls shutdown(2) wakes. Calls on the others wait in poll(2), with an event beside them. */
static int shutdown_wakes(int family) {
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_VSOCK, AF_TIPC};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (families[i] == family)
            return 1;
    return 0;
}

int socket_new(int fd, int family, int type, int protocol, ll_socket **out) {
    ll_socket *s = malloc(sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    s->fd = fd;
    s->wake = -1;
    s->family = family;
    s->type = type;
    s->protocol = protocol;
    s->hook = NULL;
    s->hook_argument = NULL;
    s->peer.length = 0; /* which says that the rest of an address is nothing; it is large, and stays as it is */
    s->last.code = 0;
    s->last.call = NULL;
    s->last.about.length = 0;
    s->last.host[0] = '\0';
    atomic_init(&s->uses, 0);
    atomic_flag_clear(&s->ended);
    atomic_init(&s->dontwait, 0);
    atomic_init(&s->timeout_ns, SOCKET_FOREVER);
    if (!shutdown_wakes(family)) {
        s->wake = fd_event();
        if (s->wake < 0) {
            int r = s->wake;
            free(s);
            return r;
        }
        atomic_init(&s->dontwait, MSG_DONTWAIT);
    }
    pthread_mutex_init(&s->lock, NULL);
    *out = s;
    return 0;
}

/* Wraps a new descriptor, in the mode it was made in; closes it on failure. */
static int wrap(int fd, int family, int type, int protocol, ll_socket **out) {
    int r = socket_new(fd, family, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), protocol, out);
    if (r < 0)
        fd_close(fd);
    else if ((type & SOCK_NONBLOCK) != 0)
        atomic_store(&(*out)->timeout_ns, 0);
    return r;
}

static int option(int fd, int name, int *value) {
    socklen_t size = sizeof *value;
    return os_getsockopt(fd, SOL_SOCKET, name, value, &size);
}

/* The protocol that a new socket has. Of the usual kinds it is known; only of the others the system is asked. */
static int protocol_of(int fd, int family, int type, int protocol) {
    if (family == AF_UNIX)
        return 0;
    int internet = family == AF_INET || family == AF_INET6;
    type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (internet && protocol == 0 && type == SOCK_STREAM)
        return IPPROTO_TCP;
    if (internet && protocol == 0 && type == SOCK_DGRAM)
        return IPPROTO_UDP;
    option(fd, SO_PROTOCOL, &protocol);
    return protocol;
}

int ll_socket_open(int family, int type, int protocol, ll_socket **out) {
    if (out == NULL)
        return -EINVAL;
    *out = NULL;
    int fd = os_socket(family, type, protocol);
    if (fd == -EAFNOSUPPORT || fd == -ESOCKTNOSUPPORT)
        return LL_ENOTSUP;
    if (fd < 0)
        return fd;
    return wrap(fd, family, type, protocol_of(fd, family, type, protocol), out);
}

int ll_socket_pair(int family, int type, int protocol, ll_socket *out[2]) {
    int fds[2];
    if (out == NULL)
        return -EINVAL;
    out[0] = out[1] = NULL;
    int r = os_socketpair(family, type, protocol, fds);
    if (r == -EAFNOSUPPORT || r == -ESOCKTNOSUPPORT || r == -EOPNOTSUPP)
        return LL_ENOTSUP;
    if (r < 0)
        return r;
    r = wrap(fds[0], family, type, protocol, &out[0]);
    if (r < 0) {
        fd_close(fds[1]);
        return r;
    }
    r = wrap(fds[1], family, type, protocol, &out[1]);
    if (r < 0) {
        ll_socket_free(out[0]);
        out[0] = NULL;
    }
    return r;
}

int ll_socket_adopt(int fd, ll_socket **out) {
    if (out == NULL)
        return -EINVAL;
    *out = NULL;
    int family = 0, type = 0, protocol = 0, nonblocking = 0;
    int r = option(fd, SO_TYPE, &type);
    if (r == 0)
        r = option(fd, SO_DOMAIN, &family);
    if (r == 0)
        r = option(fd, SO_PROTOCOL, &protocol);
    if (r == 0)
        r = fd_set_cloexec(fd);
    if (r == 0)
        r = nonblocking = fd_is_nonblocking(fd);
    if (r >= 0)
        r = socket_new(fd, family, type, protocol, out);
    if (r == 0 && nonblocking)
        atomic_store(&(*out)->timeout_ns, 0);
    return r;
}

int ll_socket_dup(ll_socket *s, ll_socket **out) {
    if (out == NULL)
        return -EINVAL;
    *out = NULL;
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    int copy = fd_duplicate(fd);
    int r = copy < 0 ? copy : wrap(copy, s->family, s->type, s->protocol, out);
    if (r == 0) {
        atomic_store(&(*out)->dontwait, atomic_load(&s->dontwait));
        atomic_store(&(*out)->timeout_ns, atomic_load(&s->timeout_ns));
    }
    socket_leave(s);
    return r;
}

int socket_turned_away(ll_socket *s) {
    socket_leave(s);
    return LL_ECLOSED;
}

int socket_end(ll_socket *s) {
    if (atomic_flag_test_and_set(&s->ended))
        return 0;
    if (s->wake >= 0)
        fd_close(s->wake);
    return s->fd >= 0 ? fd_close(s->fd) : 0;
}

/* Marks the socket closed and enters it, unless it is closed already or `alone` is wanted and others are in it. */
static int enter_to_close(ll_socket *s, int alone) {
    unsigned int uses = atomic_load(&s->uses);
    do {
        if ((uses & SOCKET_CLOSED) != 0)
            return LL_ECLOSED;
        if (alone && uses != 0)
            return -EBUSY;
    } while (!atomic_compare_exchange_weak(&s->uses, &uses, (uses + 1) | SOCKET_CLOSED));
    return uses == 0 ? 0 : 1;
}

int ll_socket_close(ll_socket *s) {
    if (s == NULL)
        return -EINVAL;
    int others = enter_to_close(s, 0);
    if (others < 0)
        return others;
    if (others > 0) {
        /* Both leave their mark on the open file, so a call that is only about to wait is woken too. */
        os_shutdown(s->fd, SHUT_RDWR);
        if (s->wake >= 0)
            fd_event_set(s->wake);
    }
    if (atomic_fetch_sub(&s->uses, 1) == (SOCKET_CLOSED | 1))
        return socket_end(s);
    return 0;
}

int ll_socket_detach(ll_socket *s) {
    if (s == NULL)
        return -EINVAL;
    int r = enter_to_close(s, 1);
    if (r < 0)
        return r;
    /* Nobody reads fd any more: who enters now is turned away. */
    int fd = s->fd;
    s->fd = -1;
    socket_leave(s);
    return fd;
}

void ll_socket_free(ll_socket *s) {
    if (s == NULL)
        return;
    ll_socket_close(s);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
