/* A stream whose bytes the gate itself moves between the client and a worker's ring: files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "landline/server/gate.h"

enum {
    PIECE = 128 << 10,
    FRAMES = PIECE / MESSAGE_DATA_MAX,
    AHEAD = TLS_READ_BULK + (64 << 10), /* room in the ring for what one receive may bring */
};

bool direct_is(struct slice service) {
    static const char *const names[] = {"get", "put", "ls", "join"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (service.size == strlen(names[i]) && memcmp(service.data, names[i], service.size) == 0)
            return true;
    return false;
}

static bool direct_open(const struct direct *d) {
    return d->ring.map != NULL && !d->gone;
}

/* Where contents of a frame may be decrypted to: straight into the ring that they are for, while it has room. */
static uint8_t *choose(void *arg, const uint8_t *head, size_t n) {
    const struct conn *conn = arg;
    uint8_t channel;
    const struct lane *lane = session_expects(conn->session, head, n, &channel);
    bool direct = lane != NULL && direct_open(&lane->direct) && buf_size(&lane->direct.input) == 0;
    return direct && ring_room(&lane->direct.ring) >= (int64_t)n ? ring_back(&lane->direct.ring) : NULL;
}

/* Copies into the ring what it has room for, if it does not lie there already. */
static size_t put_input(struct direct *d, const uint8_t *bytes, size_t n) {
    int64_t room = ring_room(&d->ring);
    n = room < (int64_t)n ? (size_t)(room > 0 ? room : 0) : n;
    if (n == 0)
        return 0;
    if (bytes != ring_back(&d->ring))
        memcpy(ring_back(&d->ring), bytes, n);
    ring_put(&d->ring, n);
    return n;
}

static void write_input(struct lane *lane) {
    struct direct *d = &lane->direct;
    size_t all = 0, n;
    if (d->ring.map == NULL)
        return;
    do {
        while (buf_size(&d->input) > 0) {
            n = d->gone ? buf_size(&d->input) : put_input(d, buf_front(&d->input), buf_size(&d->input));
            if (n == 0)
                break;
            buf_consume(&d->input, n);
            all += n;
        }
    } while (buf_size(&d->input) > 0 && !ring_want_room(&d->ring, 1));
    d->written += all;
    if (all > 0) {
        session_consumed(lane->conn->session, lane->number, 0, d->written);
        conn_touch(lane->conn);
    }
    if (buf_size(&d->input) == 0) {
        buf_free(&d->input);
        if (d->input_ended)
            ring_end(&d->ring);
    }
    ring_tell(&d->ring);
}

static void map_ring(struct lane *lane) {
    struct direct *d = &lane->direct;
    int memory = ring_receive(d->fd);
    if (memory == -EAGAIN)
        return;
    int e = memory < 0 ? memory : ring_open(&d->ring, memory, d->fd, true);
    if (memory >= 0)
        close(memory);
    if (e != 0)
        session_refuse(lane->conn->session, lane->number, CODE_INTERNAL, 0, "the server is out of memory");
    else if (d->ring.size / 3 < lane->conn->most)
        lane->conn->most = d->ring.size / 3; /* so that one receive finds room in the ring */
}

/* The bell: the worker has something, or room, or has ended. */
static void on_bell(void *arg, unsigned events) {
    struct lane *lane = arg;
    struct direct *d = &lane->direct;
    (void)events;
    if (d->ring.map == NULL)
        map_ring(lane);
    if (d->ring.map == NULL)
        return;
    if (!d->gone && !ring_hear(&d->ring)) {
        d->gone = true; /* what it left is still to be sent, and its result tells the rest */
        ll_watch_set(d->watch, 0);
    }
    d->empty = false;
    conn_go_on(lane->conn);
    write_input(lane);
    lane_queue(lane);
}

void direct_attach(struct lane *lane, int fd) {
    struct direct *d = &lane->direct;
    d->fd = fd;
    if (ll_loop_fd(lane->conn->gate->loop, fd, LL_READ, on_bell, lane, &d->watch) != 0) {
        session_refuse(lane->conn->session, lane->number, CODE_INTERNAL, 0, "the server is out of memory");
        return;
    }
    session_set_window(lane->conn->session, LIMIT_WINDOW_SPLIT);
    tls_engine_place(lane->conn->engine, MESSAGE_DATA_HEAD, choose, lane->conn);
    on_bell(lane, LL_READ);
}

/* Whether one receive more is too much; then the bell rings when it is not any more. */
static bool is_full(struct direct *d) {
    if (!direct_open(d) || buf_size(&d->input) > 0)
        return direct_open(d);
    return ring_room(&d->ring) < AHEAD && ring_want_room(&d->ring, d->ring.size / 2);
}

/* The worker hears of many pieces at once: when the connection settles, or when there are many. */
void direct_input(struct lane *lane, struct slice bytes) {
    struct direct *d = &lane->direct;
    size_t done = 0;
    if (buf_size(&d->input) == 0 && direct_open(d)) {
        done = put_input(d, bytes.data, bytes.size);
        d->written += done;
        session_consumed(lane->conn->session, lane->number, 0, d->written);
        ring_tell_of_much(&d->ring);
        lane_queue(lane);
    }
    if (done < bytes.size) {
        buf_add(&d->input, bytes.data + done, bytes.size - done);
        write_input(lane);
    }
    (is_full(d) ? conn_hold : conn_go_on)(lane->conn);
}

void direct_input_ended(struct lane *lane) {
    lane->direct.input_ended = true;
    write_input(lane);
}

bool direct_has_more(const struct lane *lane) {
    return lane->direct.ring.map != NULL && !lane->direct.empty && !lane->feed[0].has_total;
}

/* How much there is to send; none means that the bell will ring, or that nothing will come any more. */
static size_t direct_readable(struct lane *lane) {
    struct direct *d = &lane->direct;
    bool gone = d->gone; /* before the look: what it left behind counts */
    int64_t n = ring_readable(&d->ring);
    if (n == 0 && !gone && !ring_want_bytes(&d->ring, 0))
        n = ring_readable(&d->ring);
    d->empty = n == 0 && !gone;
    if (n < 0 || (n == 0 && gone)) {
        lane->feed[0].total = lane->feed[0].next;
        lane->feed[0].has_total = true;
    }
    return n > 0 ? (size_t)n : 0;
}

size_t direct_send(struct lane *lane, size_t budget) {
    struct direct *d = &lane->direct;
    struct conn *conn = lane->conn;
    struct feed *f = &lane->feed[0];
    uint8_t heads[FRAMES][MESSAGE_DATA_HEAD];
    struct iovec parts[2 * FRAMES];
    size_t room = session_room(conn->session, lane->number, 1), moved = 0;
    int count = 0;
    if (d->ring.map == NULL)
        return 0;
    ring_tell(&d->ring); /* of input that came */
    if (!direct_has_more(lane) || room == 0 || budget == 0)
        return 0;
    size_t left = direct_readable(lane);
    left = left < FRAMES * MESSAGE_DATA_MAX ? left : FRAMES * MESSAGE_DATA_MAX;
    left = left < budget ? left : budget;
    left = left < room ? left : room;
    for (; left > 0; count++) {
        size_t part = left < MESSAGE_DATA_MAX ? left : MESSAGE_DATA_MAX;
        if (session_data_head(conn->session, lane->number, 1, part, heads[count]) != 0)
            break;
        parts[2 * count] = (struct iovec){heads[count], MESSAGE_DATA_HEAD};
        parts[2 * count + 1] = (struct iovec){(void *)(uintptr_t)(ring_front(&d->ring) + moved), part};
        moved += part;
        left -= part;
    }
    f->next += moved;
    size_t passed = 0;
    if (count > 0 && seal_write(conn->engine, conn->fd, parts, 2 * count, &passed) != 0)
        conn->over = true;
    conn->passed += passed;
    ring_take(&d->ring, moved);
    return moved;
}

void direct_stop(struct lane *lane) {
    if (lane->direct.fd >= 0)
        shutdown(lane->direct.fd, SHUT_RDWR);
}

void direct_free(struct lane *lane) {
    ll_watch_free(lane->direct.watch);
    ring_close(&lane->direct.ring);
    if (lane->direct.fd >= 0)
        close(lane->direct.fd);
    buf_free(&lane->direct.input);
}
