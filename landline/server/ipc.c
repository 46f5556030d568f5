#include "landline/server/ipc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "landline/proto/message.h"

enum {
    FDS_AT_ONCE = 16,
    FDS_HELD = 256,
    READ_AT_ONCE = 256 << 10,
    NEEDS_CONNECTION = 1,
    NEEDS_STREAM = 2,
    NEEDS_FD = 4,
};

struct rule {
    uint8_t side;
    uint32_t least, most;
};

static const struct rule rules[256] = {
#define IPC_ROW(name, number, from, least, most) [number] = {IPC_##from, least, most},
    IPC_LIST(IPC_ROW)
#undef IPC_ROW
};

void ipc_init(struct ipc *ipc, int fd, enum ipc_side self) {
    *ipc = (struct ipc){.fd = fd, .self = self};
    buf_init(&ipc->in, LIMIT_IPC_FRAME + 2 * READ_AT_ONCE);
    buf_init(&ipc->out, LIMIT_IPC_OUTPUT);
}

void ipc_free(struct ipc *ipc) {
    for (size_t i = 0; i < ipc->held_count; i++)
        close(ipc->held[i]);
    free(ipc->held);
    buf_free(&ipc->in);
    buf_free(&ipc->out);
    if (ipc->fd >= 0)
        close(ipc->fd);
    *ipc = (struct ipc){.fd = -1};
}

size_t ipc_begin(struct ipc *ipc, enum ipc_type type, uint8_t channel, uint32_t connection, uint32_t stream) {
    size_t mark = message_begin(&ipc->out, (uint8_t)type, channel, stream);
    buf_add_u32(&ipc->out, connection);
    return mark;
}

/* message_finish() counts everything behind the head of 12 bytes; the connection's number is part of ours. */
void ipc_finish(struct ipc *ipc, size_t mark) {
    message_finish(&ipc->out, mark);
    if (ipc->out.failed != 0)
        ipc->ended = true;
}

void ipc_send_u64(struct ipc *ipc, enum ipc_type type, uint8_t channel, uint32_t connection, uint32_t stream,
                  uint64_t v) {
    size_t mark = ipc_begin(ipc, type, channel, connection, stream);
    buf_add_u64(&ipc->out, v);
    ipc_finish(ipc, mark);
}

void ipc_send_bytes(struct ipc *ipc, enum ipc_type type, uint32_t connection, uint32_t stream, const void *bytes,
                    size_t n) {
    size_t mark = ipc_begin(ipc, type, 0, connection, stream);
    buf_add(&ipc->out, bytes, n);
    ipc_finish(ipc, mark);
}

bool ipc_flush(struct ipc *ipc) {
    while (buf_size(&ipc->out) > 0 && !ipc->ended) {
        ssize_t n = send(ipc->fd, buf_front(&ipc->out), buf_size(&ipc->out), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            buf_consume(&ipc->out, (size_t)n);
        } else if (errno == EAGAIN) {
            return true;
        } else if (errno != EINTR) {
            ipc->ended = true;
        }
    }
    return false;
}

int ipc_finish_with_fd(struct ipc *ipc, size_t mark, int fd) {
    ipc_finish(ipc, mark);
    if (ipc->ended)
        return -EPIPE;
    /* What stands before goes first, so that the descriptor arrives with the first byte of its message. */
    uint8_t frame[256];
    size_t size = buf_size(&ipc->out) - mark;
    if (size > sizeof frame)
        return -EINVAL;
    memcpy(frame, buf_front(&ipc->out) + mark, size);
    ipc->out.end -= size;
    if (ipc_flush(ipc))
        return -EAGAIN;
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof fd)];
    } control = {0};
    struct iovec part = {frame, size};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    ssize_t n;
    do
        n = sendmsg(ipc->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    buf_add(&ipc->out, frame + n, size - (size_t)n);
    return 0;
}

static void hold(struct ipc *ipc, const int *fds, size_t count) {
    int *grown =
        ipc->held_count + count <= FDS_HELD ? realloc(ipc->held, (ipc->held_count + count) * sizeof *grown) : NULL;
    if (grown == NULL) {
        for (size_t i = 0; i < count; i++)
            close(fds[i]);
        ipc->ended = true;
        return;
    }
    ipc->held = grown;
    memcpy(grown + ipc->held_count, fds, count * sizeof *fds);
    ipc->held_count += count;
}

static void take_fds(struct ipc *ipc, struct msghdr *message) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        int fds[FDS_AT_ONCE];
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), count * sizeof(int));
        hold(ipc, fds, count);
    }
    if ((message->msg_flags & MSG_CTRUNC) != 0)
        ipc->ended = true;
}

void ipc_fill(struct ipc *ipc) {
    uint8_t *to = buf_reserve(&ipc->in, READ_AT_ONCE);
    if (to == NULL) {
        ipc->ended = true;
        return;
    }
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int) * FDS_AT_ONCE)];
    } control;
    struct iovec part = {to, READ_AT_ONCE};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space};
    ssize_t n = recvmsg(ipc->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n > 0) {
        buf_commit(&ipc->in, (size_t)n);
        take_fds(ipc, &message);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        ipc->ended = true;
    }
}

/* What the type of a message needs beside its length. */
static unsigned needs(uint8_t type) {
    unsigned n = type >= IPC_ENROLLED && type < IPC_READY ? NEEDS_CONNECTION : 0;
    if (type >= IPC_CONNECTED)
        n |= NEEDS_CONNECTION;
    if ((type >= IPC_OPENED && type < IPC_READY) || type >= IPC_OPEN)
        n |= NEEDS_STREAM;
    return type == IPC_RING || type == IPC_DIRECT ? n | NEEDS_FD : n;
}

static bool fits(const struct ipc *ipc, const struct message_head *head, uint32_t connection) {
    const struct rule *rule = &rules[head->type];
    unsigned need = needs(head->type);
    if (rule->side == 0 || rule->side == ipc->self || head->flags != 0 || head->channel > 2)
        return false;
    if (head->length < rule->least + 4 || head->length > rule->most + 4)
        return false;
    if ((need & NEEDS_CONNECTION) != 0 && connection == 0)
        return false;
    return ((need & NEEDS_STREAM) != 0) == (head->stream != 0);
}

static int take_held(struct ipc *ipc) {
    if (ipc->held_count == 0)
        return -1;
    int fd = ipc->held[0];
    ipc->held_count--;
    memmove(ipc->held, ipc->held + 1, ipc->held_count * sizeof *ipc->held);
    return fd;
}

int ipc_next(struct ipc *ipc, struct ipc_message *message) {
    size_t held = buf_size(&ipc->in);
    if (held < IPC_HEAD || ipc->ended)
        return 0;
    const uint8_t *at = buf_front(&ipc->in);
    struct message_head head = message_head_read(at);
    struct reader r = reader_of(at + MESSAGE_HEAD, 4);
    uint32_t connection = reader_u32(&r);
    if (!fits(ipc, &head, connection)) {
        ipc->ended = true;
        return 0;
    }
    if (held - MESSAGE_HEAD < head.length)
        return 0;
    *message = (struct ipc_message){
        .type = head.type,
        .channel = head.channel,
        .connection = connection,
        .stream = head.stream,
        .payload = {at + IPC_HEAD, head.length - 4},
        .fd = (needs(head.type) & NEEDS_FD) != 0 ? take_held(ipc) : -1,
    };
    /* The bytes stay where they are until the buffer is filled again. */
    buf_consume(&ipc->in, MESSAGE_HEAD + head.length);
    return 1;
}
