/* The three modes, the hooks, what is remembered of failures, and plain questions. */
#include "lib/net/socket.h"

#include <math.h>
#include <stdio.h>

#include "lib/base/error.h"

enum { NS_PER_S = 1000000000 };

int socket_nanoseconds(double seconds, int64_t *nanoseconds) {
    if (isnan(seconds) || seconds < 0)
        return -EINVAL;
    *nanoseconds = SOCKET_FOREVER;
    if (isinf(seconds))
        return 0;
    double rounded = ceil(seconds * NS_PER_S);
    if (rounded >= (double)INT64_MAX)
        return -EOVERFLOW;
    *nanoseconds = (int64_t)rounded;
    return 0;
}

int ll_socket_settimeout(ll_socket *s, double seconds) {
    int64_t timeout;
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    int r = socket_nanoseconds(seconds, &timeout);
    if (r == 0)
        r = os_set_nonblocking(fd, timeout != SOCKET_FOREVER);
    if (r == 0) {
        atomic_store(&s->dontwait, timeout != SOCKET_FOREVER || s->wake >= 0 ? MSG_DONTWAIT : 0);
        atomic_store(&s->timeout_ns, timeout);
    }
    socket_leave(s);
    return r;
}

int ll_socket_setblocking(ll_socket *s, bool blocking) {
    return ll_socket_settimeout(s, blocking ? LL_FOREVER : 0);
}

int ll_socket_gettimeout(const ll_socket *s, double *seconds) {
    if (s == NULL || seconds == NULL)
        return -EINVAL;
    int64_t timeout = atomic_load(&s->timeout_ns);
    *seconds = timeout == SOCKET_FOREVER ? LL_FOREVER : (double)timeout / NS_PER_S;
    return 0;
}

int ll_socket_getblocking(const ll_socket *s) {
    return s == NULL ? -EINVAL : atomic_load(&s->timeout_ns) != 0;
}

int ll_socket_fileno(const ll_socket *s) {
    if (s == NULL)
        return -EINVAL;
    return socket_is_closed(s) ? LL_ECLOSED : s->fd;
}

int ll_socket_family(const ll_socket *s) {
    return s == NULL ? -EINVAL : s->family;
}

int ll_socket_type(const ll_socket *s) {
    return s == NULL ? -EINVAL : s->type;
}

int ll_socket_protocol(const ll_socket *s) {
    return s == NULL ? -EINVAL : s->protocol;
}

/* ---- Hooks ---- */

static _Thread_local struct {
    ll_interrupt_hook *hook;
    void *argument;
} thread;

void ll_thread_set_interrupt(ll_interrupt_hook *hook, void *argument) {
    thread.hook = hook;
    thread.argument = argument;
}

int ll_socket_set_interrupt(ll_socket *s, ll_interrupt_hook *hook, void *argument) {
    if (s == NULL)
        return -EINVAL;
    pthread_mutex_lock(&s->lock);
    s->hook = hook;
    s->hook_argument = argument;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

int socket_ask(ll_socket *s) {
    ll_interrupt_hook *hook = NULL;
    void *argument = NULL;
    if (s != NULL) {
        pthread_mutex_lock(&s->lock);
        hook = s->hook;
        argument = s->hook_argument;
        pthread_mutex_unlock(&s->lock);
    }
    if ((hook != NULL && hook(argument) != 0) || (thread.hook != NULL && thread.hook(thread.argument) != 0))
        return LL_EINTERRUPTED;
    return 0;
}

/* ---- Failures ---- */

void socket_set_peer(ll_socket *s, const struct ll_address *peer) {
    pthread_mutex_lock(&s->lock);
    s->peer = *peer;
    pthread_mutex_unlock(&s->lock);
}

ssize_t socket_result(ll_socket *s, ssize_t code, const char *call, const struct ll_address *about) {
    if (code >= 0 || ((code == -EAGAIN || code == -EINPROGRESS) && atomic_load(&s->timeout_ns) == 0))
        return code;
    pthread_mutex_lock(&s->lock);
    s->last = (struct socket_failure){.code = (int)code, .call = call, .about = about != NULL ? *about : s->peer};
    pthread_mutex_unlock(&s->lock);
    return code;
}

int socket_lookup_failed(ll_socket *s, int code, const char *host) {
    pthread_mutex_lock(&s->lock);
    s->last = (struct socket_failure){.code = code, .call = "getaddrinfo"};
    snprintf(s->last.host, sizeof s->last.host, "%s", host);
    pthread_mutex_unlock(&s->lock);
    return code;
}

int ll_socket_error(ll_socket *s, struct ll_error_info *info) {
    if (s == NULL || info == NULL)
        return -EINVAL;
    pthread_mutex_lock(&s->lock);
    struct socket_failure last = s->last;
    pthread_mutex_unlock(&s->lock);
    char address[LL_ADDRESS_TEXT], *subject = last.host;
    if (last.about.length > 0)
        ll_address_format(&last.about, subject = address, sizeof address);
    error_at(info, last.code, last.call != NULL ? last.call : "socket", subject);
    return 0;
}
