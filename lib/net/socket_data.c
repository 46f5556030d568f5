/* Receiving and sending bytes. The common way through each is one check, one system call and one check. */
#include "lib/net/socket.h"

struct data_arguments {
    void *buffer;
    size_t size;
    struct ll_address *from;
    const struct ll_address *to;
};

static ssize_t attempt_recv(int fd, int flags, void *arguments) {
    struct data_arguments *a = arguments;
    return os_recv(fd, a->buffer, a->size, flags);
}

static ssize_t attempt_recvfrom(int fd, int flags, void *arguments) {
    struct data_arguments *a = arguments;
    a->from->length = sizeof a->from->as;
    ssize_t r = os_recvfrom(fd, a->buffer, a->size, flags, &a->from->as.any, &a->from->length);
    if (r < 0)
        a->from->length = 0;
    return r;
}

static ssize_t attempt_send(int fd, int flags, void *arguments) {
    struct data_arguments *a = arguments;
    return os_send(fd, a->buffer, a->size, flags);
}

static ssize_t attempt_sendto(int fd, int flags, void *arguments) {
    struct data_arguments *a = arguments;
    return os_sendto(fd, a->buffer, a->size, flags, &a->to->as.any, a->to->length);
}

/* Urgent data is announced by POLLPRI. */
static short readable(int flags) {
    return (flags & MSG_OOB) != 0 ? POLLPRI : POLLIN;
}

/* What a first attempt did not settle. Out of line, so that the common way sets up nothing for it. */
static __attribute__((noinline, cold)) ssize_t recv_on(ssize_t first, ll_socket *s, void *buffer, size_t size,
                                                       int flags) {
    struct socket_call call = {.name = "recv", .events = readable(flags), .flags = flags};
    struct data_arguments arguments = {.buffer = buffer, .size = size};
    return socket_perform_after(first, s, &call, attempt_recv, &arguments);
}

static __attribute__((noinline, cold)) ssize_t send_on(ssize_t first, ll_socket *s, const void *buffer, size_t size,
                                                       int flags) {
    struct socket_call call = {.name = "send", .events = POLLOUT, .flags = flags};
    struct data_arguments arguments = {.buffer = (void *)buffer, .size = size};
    return socket_perform_after(first, s, &call, attempt_send, &arguments);
}

ssize_t ll_socket_recv(ll_socket *s, void *buffer, size_t size, int flags) {
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    ssize_t r = 0;
    if (__builtin_expect(size > 0 || (flags & MSG_TRUNC) != 0, 1)) /* TCP would wait before it gives nothing */
        r = os_recv(fd, buffer, size, flags | atomic_load_explicit(&s->dontwait, memory_order_relaxed));
    if (__builtin_expect(r <= 0, 0))
        r = recv_on(r, s, buffer, size, flags);
    socket_leave(s);
    return r;
}

ssize_t ll_socket_send(ll_socket *s, const void *buffer, size_t size, int flags) {
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    flags |= MSG_NOSIGNAL;
    ssize_t r = os_send(fd, buffer, size, flags | atomic_load_explicit(&s->dontwait, memory_order_relaxed));
    if (__builtin_expect(r <= 0, 0))
        r = send_on(r, s, buffer, size, flags);
    socket_leave(s);
    return r;
}

ssize_t ll_socket_recvfrom(ll_socket *s, void *buffer, size_t size, int flags, struct ll_address *from) {
    struct ll_address nobody;
    if (from == NULL)
        from = &nobody;
    from->length = 0;
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    struct socket_call call = {.name = "recvfrom", .events = readable(flags), .flags = flags};
    struct data_arguments arguments = {.buffer = buffer, .size = size, .from = from};
    ssize_t r = socket_perform(s, &call, attempt_recvfrom, &arguments);
    socket_leave(s);
    return r;
}

ssize_t ll_socket_sendto(ll_socket *s, const void *buffer, size_t size, int flags, const struct ll_address *to) {
    if (to == NULL || to->length > sizeof to->as)
        return -EINVAL;
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    struct socket_call call = {.name = "sendto", .about = to, .events = POLLOUT, .flags = flags | MSG_NOSIGNAL};
    struct data_arguments arguments = {.buffer = (void *)buffer, .size = size, .to = to};
    ssize_t r = socket_perform(s, &call, attempt_sendto, &arguments);
    socket_leave(s);
    return r;
}

/* ---- All of it ---- */

/* Between two parts of a whole: the time-out counts from the first part on, and a part may have ended early because of
 * a signal that the system did not report. */
static int between(ll_socket *s, struct socket_call *call) {
    if (socket_ask(s) < 0)
        return LL_EINTERRUPTED;
    if (atomic_load(&s->timeout_ns) <= 0)
        return 0;
    socket_start_clock(s, call);
    return clock_now() >= call->deadline ? LL_ETIMEOUT : 0;
}

/* Moves all bytes, part by part; `done` counts them. */
static ssize_t move_all(ll_socket *s, struct socket_call *call, socket_attempt *attempt, struct data_arguments *a,
                        size_t *done) {
    size_t size = a->size;
    char *bytes = a->buffer;
    for (;;) {
        ssize_t r = socket_perform(s, call, attempt, a);
        if (r < 0)
            return r;
        *done += (size_t)r;
        if (*done == size)
            return 0;
        if (r == 0)
            r = LL_EOF;
        else
            r = between(s, call);
        if (r < 0)
            return socket_result(s, r, call->name, NULL);
        a->buffer = bytes + *done;
        a->size = size - *done;
    }
}

int ll_socket_sendall(ll_socket *s, const void *buffer, size_t size, int flags, size_t *sent) {
    size_t done = 0;
    int r = socket_enter(s);
    if (r >= 0) {
        struct socket_call call = {.name = "sendall", .events = POLLOUT, .flags = flags | MSG_NOSIGNAL};
        struct data_arguments arguments = {.buffer = (void *)buffer, .size = size};
        r = (int)move_all(s, &call, attempt_send, &arguments, &done);
        socket_leave(s);
    }
    if (sent != NULL)
        *sent = done;
    return r;
}

int ll_socket_recvall(ll_socket *s, void *buffer, size_t size, int flags, size_t *received) {
    size_t done = 0;
    int r = (flags & MSG_PEEK) != 0 ? -EINVAL : socket_enter(s);
    if (r >= 0) {
        struct socket_call call = {.name = "recvall", .events = readable(flags), .flags = flags};
        struct data_arguments arguments = {.buffer = buffer, .size = size};
        r = size == 0 ? 0 : (int)move_all(s, &call, attempt_recv, &arguments, &done);
        socket_leave(s);
    }
    if (received != NULL)
        *received = done;
    return r;
}
