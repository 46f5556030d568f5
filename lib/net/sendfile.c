/* A file onto a stream: in the kernel where that is possible, through a buffer where it is not. */
#include "lib/net/socket.h"

#include "lib/os/fd.h"

enum { PART = 1 << 30, BUFFER = 64 << 10 };

struct file_part {
    int file;
    off_t offset;
    size_t size;
    const char *bytes; /* when it goes through a buffer */
};

static ssize_t attempt_sendfile(int fd, int flags, void *arguments) {
    (void)flags; /* O_NONBLOCK says it */
    struct file_part *part = arguments;
    return fd_sendfile(fd, part->file, &part->offset, part->size);
}

static ssize_t attempt_send(int fd, int flags, void *arguments) {
    const struct file_part *part = arguments;
    return os_send(fd, part->bytes, part->size, flags);
}

static struct socket_call new_call(void) {
    return (struct socket_call){.name = "sendfile", .events = POLLOUT, .flags = MSG_NOSIGNAL};
}

/* How much of what is left goes in one part; `count` 0 is "to the end". */
static size_t part_size(uint64_t count, uint64_t sent, size_t most) {
    return count == 0 || count - sent > most ? most : (size_t)(count - sent);
}

static int more(uint64_t count, uint64_t sent) {
    return count == 0 || sent < count;
}

static int through_kernel(ll_socket *s, struct file_part *part, uint64_t count, uint64_t *sent) {
    ssize_t r = 1;
    while (r > 0 && more(count, *sent)) {
        struct socket_call call = new_call();
        part->size = part_size(count, *sent, PART);
        r = socket_perform(s, &call, attempt_sendfile, part);
        if (r > 0) {
            *sent += (uint64_t)r;
            if (socket_ask(s) < 0)
                r = socket_result(s, LL_EINTERRUPTED, call.name, NULL);
        }
    }
    return r < 0 ? (int)r : 0;
}

static int send_part(ll_socket *s, struct file_part *part, uint64_t *sent) {
    while (part->size > 0) {
        struct socket_call call = new_call();
        ssize_t r = socket_perform(s, &call, attempt_send, part);
        if (r < 0)
            return (int)r;
        *sent += (uint64_t)r;
        part->bytes += r;
        part->size -= (size_t)r;
        if (socket_ask(s) < 0)
            return (int)socket_result(s, LL_EINTERRUPTED, call.name, NULL);
    }
    return 0;
}

/* Reads the next part into the buffer: the bytes read. */
static ssize_t read_part(ll_socket *s, struct file_part *part, char *buffer, int *has_position) {
    for (;;) {
        ssize_t n = fd_read(part->file, buffer, part->size, *has_position ? &part->offset : NULL);
        if (n == -ESPIPE && part->offset == 0 && *has_position) {
            *has_position = 0;
            continue;
        }
        if (n != -EINTR)
            return n;
        if (socket_ask(s) < 0)
            return LL_EINTERRUPTED;
        if (socket_is_closed(s))
            return LL_ECLOSED;
    }
}

static int through_buffer(ll_socket *s, struct file_part *part, uint64_t count, uint64_t *sent) {
    char buffer[BUFFER];
    int has_position = 1;
    while (more(count, *sent)) {
        part->size = part_size(count, *sent, BUFFER);
        ssize_t n = read_part(s, part, buffer, &has_position);
        if (n <= 0)
            return (int)socket_result(s, n, "read", NULL);
        part->bytes = buffer;
        part->size = (size_t)n;
        int r = send_part(s, part, sent);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What sendfile(2) says of a file that it cannot read; nothing was sent then. */
static int cannot(int code) {
    return code == -EINVAL || code == -ENOSYS || code == -ESPIPE || code == -EOPNOTSUPP;
}

static int send_file(ll_socket *s, int file, off_t offset, uint64_t count, uint64_t *sent) {
    struct file_part part = {.file = file, .offset = offset};
    if (offset < 0 || s->type != SOCK_STREAM || atomic_load(&s->timeout_ns) == 0)
        return -EINVAL;
    int r = through_kernel(s, &part, count, sent);
    if (cannot(r) && *sent == 0)
        r = through_buffer(s, &part, count, sent);
    if (*sent > 0)
        fd_seek(file, offset + (off_t)*sent); /* fails for a pipe, which has no position */
    return r;
}

int ll_socket_sendfile(ll_socket *s, int file, off_t offset, uint64_t count, uint64_t *sent) {
    uint64_t done = 0;
    int r = socket_enter(s);
    if (r >= 0) {
        r = send_file(s, file, offset, count, &done);
        socket_leave(s);
    }
    if (sent != NULL)
        *sent = done;
    return r;
}
