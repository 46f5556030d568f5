/* A stream whose bytes the gate itself moves between the client and a worker's socket: files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "landline/server/gate.h"

enum { PIECE = 128 << 10, FRAMES = PIECE / MESSAGE_DATA_MAX };

bool direct_is(struct slice service) {
    static const char *const names[] = {"get", "put", "ls"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (service.size == strlen(names[i]) && memcmp(service.data, names[i], service.size) == 0)
            return true;
    return false;
}

/* What it waits for: to read when it was found empty, to write while there is something left. */
static void direct_wait(struct lane *lane) {
    struct direct *d = &lane->direct;
    if (d->watch != NULL)
        ll_watch_set(d->watch,
                     (d->empty && !lane->feed[0].has_total ? LL_READ : 0) | (buf_size(&d->input) > 0 ? LL_WRITE : 0));
}

static void write_input(struct lane *lane) {
    struct direct *d = &lane->direct;
    while (d->fd >= 0 && buf_size(&d->input) > 0) {
        ssize_t n = send(d->fd, buf_front(&d->input), buf_size(&d->input), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n < 0) /* the worker has ended; its result tells */
            n = (ssize_t)buf_size(&d->input);
        buf_consume(&d->input, (size_t)n);
        d->written += (uint64_t)n;
        session_consumed(lane->conn->session, lane->number, 0, d->written);
        conn_touch(lane->conn);
    }
    if (buf_size(&d->input) == 0) {
        buf_free(&d->input);
        if (d->input_ended && d->fd >= 0)
            shutdown(d->fd, SHUT_WR);
    }
    direct_wait(lane);
}

static void on_socket(void *arg, unsigned events) {
    struct lane *lane = arg;
    if ((events & LL_WRITE) != 0)
        write_input(lane);
    if ((events & ~(unsigned)LL_WRITE) != 0) {
        lane->direct.empty = false;
        direct_wait(lane);
        lane_queue(lane);
    }
}

void direct_attach(struct lane *lane, int fd) {
    struct direct *d = &lane->direct;
    d->fd = fd;
    if (ll_loop_fd(lane->conn->gate->loop, fd, 0, on_socket, lane, &d->watch) != 0) {
        session_refuse(lane->conn->session, lane->number, CODE_INTERNAL, 0, "the server is out of memory");
        return;
    }
    write_input(lane);
    lane_queue(lane);
}

void direct_input(struct lane *lane, struct slice bytes) {
    buf_add(&lane->direct.input, bytes.data, bytes.size);
    write_input(lane);
}

void direct_input_ended(struct lane *lane) {
    lane->direct.input_ended = true;
    write_input(lane);
}

bool direct_has_more(const struct lane *lane) {
    return lane->direct.fd >= 0 && !lane->direct.empty && !lane->feed[0].has_total;
}

size_t direct_send(struct lane *lane, size_t budget) {
    struct direct *d = &lane->direct;
    struct conn *conn = lane->conn;
    struct feed *f = &lane->feed[0];
    uint8_t heads[FRAMES][MESSAGE_DATA_HEAD], *piece = conn->gate->piece;
    struct iovec parts[2 * FRAMES];
    uint64_t room = session_room(conn->session, lane->number, 1);
    size_t want = FRAMES * MESSAGE_DATA_MAX, moved = 0;
    int count = 0;
    want = want < budget ? want : budget;
    want = want < room ? want : (size_t)room;
    if (!direct_has_more(lane) || want == 0)
        return 0;
    ssize_t n = recv(d->fd, piece, want, MSG_DONTWAIT);
    d->empty = n < 0 && (errno == EAGAIN || errno == EINTR);
    if (n <= 0 && !d->empty) {
        f->total = f->next;
        f->has_total = true;
    }
    for (size_t left = n > 0 ? (size_t)n : 0; left > 0; count++) {
        size_t part = left < MESSAGE_DATA_MAX ? left : MESSAGE_DATA_MAX;
        if (session_data_head(conn->session, lane->number, 1, part, heads[count]) != 0)
            break;
        parts[2 * count] = (struct iovec){heads[count], MESSAGE_DATA_HEAD};
        parts[2 * count + 1] = (struct iovec){piece + moved, part};
        moved += part;
        left -= part;
    }
    f->next += moved;
    if (count > 0 && tls_engine_write(conn->engine, parts, 2 * count) != 0)
        conn->over = true;
    direct_wait(lane);
    return moved;
}

void direct_stop(struct lane *lane) {
    if (lane->direct.fd >= 0)
        shutdown(lane->direct.fd, SHUT_RDWR);
}

void direct_free(struct lane *lane) {
    ll_watch_free(lane->direct.watch);
    if (lane->direct.fd >= 0)
        close(lane->direct.fd);
    buf_free(&lane->direct.input);
}
