/* file: a path comes; the size goes in decimal digits, then that many bytes.
 *
 * There is no mark between the two, and old clients take their first receive for the size. So the size is sent alone,
 * and the data follows once the client's system has acknowledged it and a moment more has passed for the client to take
 * it. Old clients also count 1024 for each receive, however short it was. So the data goes in segments of 1024 bytes:
 * then no receive ends within such a piece. With TCP time stamps (RFC 7323), which take 12 bytes of each segment, the
 * listener's segment size does it; without, each piece is sent as a record of its own (MSG_EOR: the system puts nothing
 * else into its segment), which costs a call for each. All this makes the old clients work as often as can be; ours
 * needs none of it.
 *
 * A file that is not there, is none, or may not be read, closes the connection: the protocol has no word for it. */
#include "landline/classic/service.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/limits.h"
#include "lib/os/fd.h"
#include "lib/os/plain.h"

enum { PIECE = 1024, TIMESTAMPS = 12, MILLISECOND = 1000000 };

enum state {
    LISTENING, /* for a path */
    SIZE,      /* being sent */
    SETTLING,  /* the client is taking it */
    DATA,      /* being sent */
};

struct file_peer {
    struct classic_peer peer;
    enum state state;
    bool is_open, by_piece;
    int file;
    uint64_t size;
    off_t at;
    char digits[24];
    size_t digits_sent;
    ll_timer *timer;
    int polls;
};

static void done(struct file_peer *f) {
    if (f->is_open)
        fd_close(f->file);
    f->is_open = false;
    (void)ll_socket_setsockopt_int(f->peer.socket, IPPROTO_TCP, TCP_CORK, 0); /* lets the last piece go */
    f->state = LISTENING;
    ll_watch_set(f->peer.watch, LL_READ);
}

static void begin_data(struct file_peer *f) {
    struct ll_tcp_info info;
    f->by_piece = ll_socket_tcp_info(f->peer.socket, &info) < 0 || (info.options & TCPI_OPT_TIMESTAMPS) == 0;
    if (!f->by_piece)
        (void)ll_socket_setsockopt_int(f->peer.socket, IPPROTO_TCP, TCP_CORK, 1);
    f->state = DATA;
    ll_watch_set(f->peer.watch, LL_WRITE);
}

static bool acknowledged(struct file_peer *f) {
    struct ll_tcp_info info;
    return ll_socket_tcp_info(f->peer.socket, &info) < 0 || (info.unacked == 0 && info.not_sent_bytes == 0);
}

static void settle(void *arg) {
    struct file_peer *f = arg;
    int64_t pause = LIMIT_CLASSIC_SETTLE_POLL_MS;
    if (f->polls < 0) {
        begin_data(f);
        return;
    }
    if (acknowledged(f) || ++f->polls == LIMIT_CLASSIC_SETTLE_POLLS) {
        f->polls = -1;
        pause = LIMIT_CLASSIC_SETTLE_MS;
    }
    ll_timer_set(f->timer, ll_loop_now(f->peer.server->loop) + pause * MILLISECOND);
}

static void refuse(struct file_peer *f, int code) {
    classic_say(&f->peer, "closed the connection: %.300s: %s", (const char *)f->peer.server->scratch,
                ll_strerror(code));
    classic_close(&f->peer);
}

static void take_path(struct file_peer *f) {
    ssize_t got = classic_receive(&f->peer, LIMIT_CLASSIC_NAME + 1);
    if (got <= 0)
        return;
    unsigned char *name = f->peer.server->scratch;
    name[got] = '\0';
    if (got > LIMIT_CLASSIC_NAME || memchr(name, '\0', (size_t)got) != NULL) {
        refuse(f, got > LIMIT_CLASSIC_NAME ? -ENAMETOOLONG : -EINVAL);
        return;
    }
    f->file = plain_open((const char *)name, &f->size);
    int rc = f->file < 0 ? f->file : 0;
    f->is_open = rc == 0;
    if (rc == 0 && f->timer == NULL)
        rc = ll_loop_timer(f->peer.server->loop, LL_NEVER, settle, f, &f->timer);
    if (rc < 0) {
        refuse(f, rc);
        return;
    }
    f->at = 0;
    f->digits_sent = 0;
    snprintf(f->digits, sizeof f->digits, "%llu", (unsigned long long)f->size);
    f->state = SIZE;
    ll_watch_set(f->peer.watch, LL_WRITE);
}

static void send_size(struct file_peer *f) {
    size_t size = strlen(f->digits);
    ssize_t n = ll_socket_send(f->peer.socket, f->digits + f->digits_sent, size - f->digits_sent, 0);
    if (n == -EAGAIN)
        return;
    if (n < 0) {
        classic_close(&f->peer);
        return;
    }
    f->digits_sent += (size_t)n;
    if (f->digits_sent < size)
        return;
    if (f->size == 0) {
        done(f);
        return;
    }
    f->state = SETTLING;
    f->polls = 0;
    ll_watch_set(f->peer.watch, 0);
    ll_timer_set(f->timer, 0);
}

/* Sends up to `most` bytes piece by piece, and moves f->at on as fd_sendfile() would. */
static ssize_t send_pieces(struct file_peer *f, size_t most) {
    unsigned char *bytes = f->peer.server->scratch;
    off_t from = f->at, begin = f->at;
    size_t room = sizeof f->peer.server->scratch / PIECE * PIECE - (size_t)(f->at % PIECE);
    ssize_t held = fd_read(f->file, bytes, most < room ? most : room, &from);
    if (held <= 0)
        return held;
    while (f->at < from) {
        size_t piece = PIECE - (size_t)(f->at % PIECE);
        if (piece > (size_t)(from - f->at))
            piece = (size_t)(from - f->at);
        ssize_t n = ll_socket_send(f->peer.socket, bytes + (f->at - begin), piece, MSG_EOR);
        if (n < 0 && (n != -EAGAIN || f->at == begin))
            return n;
        if (n < 0)
            break;
        f->at += n;
    }
    return f->at - begin;
}

static void send_data(struct file_peer *f) {
    uint64_t left = f->size - (uint64_t)f->at;
    size_t most = left < LIMIT_CLASSIC_TURN ? (size_t)left : LIMIT_CLASSIC_TURN;
    ssize_t n =
        f->by_piece ? send_pieces(f, most) : fd_sendfile(ll_socket_fileno(f->peer.socket), f->file, &f->at, most);
    if (n == -EAGAIN)
        return;
    if (n == 0)
        classic_say(&f->peer, "closed the connection: the file has become shorter while it was sent");
    if (n <= 0)
        classic_close(&f->peer);
    else if ((uint64_t)f->at == f->size)
        done(f);
}

static void ready(void *arg, unsigned events) {
    struct file_peer *f = arg;
    (void)events;
    static void (*const moves[])(struct file_peer *) = {
        [LISTENING] = take_path,
        [SIZE] = send_size,
        [SETTLING] = NULL,
        [DATA] = send_data,
    };
    if (moves[f->state] != NULL)
        moves[f->state](f);
    else
        classic_close(&f->peer); /* watched for nothing: an error */
}

static void end(void *arg) {
    struct file_peer *f = arg;
    ll_timer_free(f->timer);
    if (f->is_open)
        fd_close(f->file);
}

const struct classic_service classic_service_file = {
    .name = "file",
    .about = "read any file that this user can read",
    .port = 2222,
    .events = LL_READ,
    .segment = PIECE + TIMESTAMPS,
    .peer_size = sizeof(struct file_peer),
    .ready = ready,
    .end = end,
};
