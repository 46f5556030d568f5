/* Messages with parts and ancillary data, one or many at a time; descriptors over AF_UNIX. */
#include "lib/net/socket.h"

#include <limits.h>

#include "lib/net/control.h"

enum { BATCH = 32 };

static int message_is_sound(const struct ll_message *m, int receiving) {
    if (m == NULL || (m->parts == NULL && m->part_count > 0))
        return 0;
    if (receiving) /* what is there before does not count */
        return control_usable(&(struct ll_message){.control = m->control, .control_capacity = m->control_capacity}) &&
               (m->control != NULL || m->control_capacity == 0);
    return control_usable(m) && m->address.length <= sizeof m->address.as;
}

static struct msghdr outgoing(const struct ll_message *m) {
    struct msghdr h = {.msg_iov = m->parts,
                       .msg_iovlen = m->part_count,
                       .msg_control = m->control_length > 0 ? m->control : NULL,
                       .msg_controllen = m->control_length};
    if (m->address.length > 0) {
        h.msg_name = (void *)&m->address.as;
        h.msg_namelen = m->address.length;
    }
    return h;
}

static struct msghdr incoming(struct ll_message *m) {
    return (struct msghdr){.msg_iov = m->parts,
                           .msg_iovlen = m->part_count,
                           .msg_control = m->control,
                           .msg_controllen = m->control_capacity,
                           .msg_name = &m->address.as,
                           .msg_namelen = sizeof m->address.as};
}

static void take_in(struct ll_message *m, const struct msghdr *h, size_t length) {
    m->address.length = h->msg_namelen;
    m->control_length = h->msg_controllen;
    m->flags = h->msg_flags & ~MSG_CMSG_CLOEXEC;
    m->length = length;
    control_received(m);
}

static void take_in_nothing(struct ll_message *m) {
    m->address.length = 0;
    m->control_length = m->length = 0;
    m->flags = 0;
}

static ssize_t attempt_sendmsg(int fd, int flags, void *arguments) {
    struct msghdr h = outgoing(arguments);
    return os_sendmsg(fd, &h, flags);
}

static ssize_t attempt_recvmsg(int fd, int flags, void *arguments) {
    struct ll_message *m = arguments;
    struct msghdr h = incoming(m);
    ssize_t r = os_recvmsg(fd, &h, flags);
    if (r >= 0)
        take_in(m, &h, (size_t)r);
    else
        take_in_nothing(m);
    return r;
}

ssize_t ll_socket_sendmsg(ll_socket *s, const struct ll_message *m, int flags) {
    if (!message_is_sound(m, 0))
        return -EINVAL;
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    struct socket_call call = {.name = "sendmsg",
                               .about = m->address.length > 0 ? &m->address : NULL,
                               .events = POLLOUT,
                               .flags = flags | MSG_NOSIGNAL};
    ssize_t r = socket_perform(s, &call, attempt_sendmsg, (void *)m);
    socket_leave(s);
    return r;
}

ssize_t ll_socket_recvmsg(ll_socket *s, struct ll_message *m, int flags) {
    if (!message_is_sound(m, 1))
        return -EINVAL;
    take_in_nothing(m);
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    struct socket_call call = {.name = "recvmsg", .events = (flags & MSG_OOB) != 0 ? POLLPRI : POLLIN, .flags = flags};
    ssize_t r = socket_perform(s, &call, attempt_recvmsg, m);
    socket_leave(s);
    return r;
}

/* ---- Many at once ---- */

struct batch {
    struct ll_message *messages;
    size_t count; /* at most BATCH */
};

static ssize_t attempt_sendmmsg(int fd, int flags, void *arguments) {
    const struct batch *b = arguments;
    struct mmsghdr h[BATCH];
    for (size_t i = 0; i < b->count; i++)
        h[i] = (struct mmsghdr){.msg_hdr = outgoing(&b->messages[i])};
    ssize_t r = os_sendmmsg(fd, h, (unsigned int)b->count, flags);
    for (ssize_t i = 0; i < r; i++)
        b->messages[i].length = h[i].msg_len;
    return r;
}

static ssize_t attempt_recvmmsg(int fd, int flags, void *arguments) {
    const struct batch *b = arguments;
    struct mmsghdr h[BATCH];
    for (size_t i = 0; i < b->count; i++)
        h[i] = (struct mmsghdr){.msg_hdr = incoming(&b->messages[i])};
    ssize_t r = os_recvmmsg(fd, h, (unsigned int)b->count, flags | MSG_WAITFORONE);
    for (ssize_t i = 0; i < r; i++)
        take_in(&b->messages[i], &h[i].msg_hdr, h[i].msg_len);
    return r;
}

/* Batch by batch; after the first, without waiting, and an error there waits for the next call. */
static ssize_t perform_batches(ll_socket *s, struct socket_call *call, socket_attempt *attempt,
                               struct ll_message *messages, size_t count) {
    size_t done = 0;
    ssize_t r;
    do {
        size_t left = count - done;
        struct batch b = {messages + done, left < BATCH ? left : BATCH};
        if (done == 0)
            r = socket_perform(s, call, attempt, &b);
        else
            r = attempt(s->fd, call->flags | MSG_DONTWAIT, &b);
        if (r > 0)
            done += (size_t)r;
    } while (r == BATCH && done < count);
    return done > 0 ? (ssize_t)done : r;
}

static ssize_t many(ll_socket *s, struct socket_call *call, socket_attempt *attempt, struct ll_message *messages,
                    size_t count) {
    int receiving = call->events == POLLIN;
    if (messages == NULL || count == 0)
        return -EINVAL;
    for (size_t i = 0; i < count; i++)
        if (!message_is_sound(&messages[i], receiving))
            return -EINVAL;
    int fd = socket_enter(s);
    if (fd < 0)
        return fd;
    for (size_t i = 0; i < count; i++) {
        messages[i].length = 0;
        if (receiving)
            take_in_nothing(&messages[i]);
    }
    ssize_t r = perform_batches(s, call, attempt, messages, count);
    socket_leave(s);
    return r;
}

ssize_t ll_socket_sendmmsg(ll_socket *s, struct ll_message *messages, size_t count, int flags) {
    struct socket_call call = {.name = "sendmmsg", .events = POLLOUT, .flags = flags | MSG_NOSIGNAL};
    return many(s, &call, attempt_sendmmsg, messages, count);
}

ssize_t ll_socket_recvmmsg(ll_socket *s, struct ll_message *messages, size_t count, int flags) {
    struct socket_call call = {.name = "recvmmsg", .events = POLLIN, .flags = flags};
    return many(s, &call, attempt_recvmmsg, messages, count);
}

/* ---- Descriptors ---- */

ssize_t ll_socket_send_fds(ll_socket *s, const void *buffer, size_t size, const int *fds, size_t count, int flags) {
    LL_CONTROL_BUFFER(control, CMSG_SPACE(LL_FDS_MAX * sizeof(int)));
    struct iovec part = {(void *)buffer, size};
    struct ll_message m = {.parts = &part, .part_count = 1, .control = control, .control_capacity = sizeof control};
    int r = ll_control_add_fds(&m, fds, count);
    return r < 0 ? r : ll_socket_sendmsg(s, &m, flags);
}

ssize_t ll_socket_recv_fds(ll_socket *s, void *buffer, size_t size, int *fds, size_t max, size_t *count, int flags,
                           int *message_flags) {
    /* Room for all that one message can carry, beside credentials and what else the socket may have asked for. */
    LL_CONTROL_BUFFER(control, CMSG_SPACE(LL_FDS_MAX * sizeof(int)) + LL_CONTROL_USUAL);
    struct iovec part = {buffer, size};
    struct ll_message m = {.parts = &part, .part_count = 1, .control = control, .control_capacity = sizeof control};
    if (count == NULL || (fds == NULL && max > 0))
        return -EINVAL;
    *count = 0;
    ssize_t r = ll_socket_recvmsg(s, &m, flags);
    int taken = r < 0 ? 0 : ll_control_take_fds(&m, fds, max);
    if (taken > 0)
        *count = (size_t)taken;
    if (message_flags != NULL)
        *message_flags = m.flags;
    return r;
}
