#include "landline/server/gate.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    TURN = 128 << 10, /* bytes of one stream before another has its turn */
    FRAMES = TURN / MESSAGE_DATA_MAX,
};

struct lane *lane_open(struct conn *conn, uint32_t number) {
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    lane->conn = conn;
    lane->number = number;
    buf_init(&lane->feed[0].held, LIMIT_IPC_FRAME);
    buf_init(&lane->feed[1].held, LIMIT_IPC_FRAME);
    buf_init(&lane->result, LIMIT_SERVICE_PAYLOAD);
    buf_init(&lane->direct.input, 2 * (size_t)LIMIT_WINDOW);
    lane->direct.fd = -1;
    session_set_tag(conn->session, number, lane);
    return lane;
}

static void unqueue(struct lane *lane) {
    struct conn *conn = lane->conn;
    struct lane *before = NULL;
    for (struct lane *l = conn->ready; l != NULL && l != lane; l = l->next_ready)
        before = l;
    if (before != NULL)
        before->next_ready = lane->next_ready;
    else
        conn->ready = lane->next_ready;
    if (conn->ready_last == lane)
        conn->ready_last = before;
    lane->queued = false;
    lane->next_ready = NULL;
}

void lane_free(struct lane *lane) {
    if (lane->queued)
        unqueue(lane);
    for (int i = 0; i < 2; i++) {
        buf_free(&lane->feed[i].held);
        if (lane->feed[i].ring != NULL)
            munmap((void *)(uintptr_t)lane->feed[i].ring, lane->feed[i].ring_size);
    }
    buf_free(&lane->result);
    direct_free(lane);
    session_set_tag(lane->conn->session, lane->number, NULL);
    free(lane);
}

void lane_queue(struct lane *lane) {
    struct conn *conn = lane->conn;
    conn_touch(conn);
    if (lane->queued)
        return;
    lane->queued = true;
    lane->next_ready = NULL;
    if (conn->ready_last != NULL)
        conn->ready_last->next_ready = lane;
    else
        conn->ready = lane;
    conn->ready_last = lane;
}

/* --- to the client --- */

/* Bytes that came by message: copied into the session's output, so that a small run's answer is one record. */
static size_t send_held(struct lane *lane, int i) {
    struct feed *f = &lane->feed[i];
    int64_t n =
        session_data(lane->conn->session, lane->number, (uint8_t)(i + 1), buf_front(&f->held), buf_size(&f->held));
    if (n <= 0)
        return 0;
    buf_consume(&f->held, (size_t)n);
    if (buf_size(&f->held) == 0)
        buf_free(&f->held);
    f->next += (uint64_t)n;
    return (size_t)n;
}

/* Bytes of the ring: encrypted from where the keeper put them. */
static size_t send_ring(struct lane *lane, int i, size_t budget) {
    struct feed *f = &lane->feed[i];
    struct conn *conn = lane->conn;
    uint8_t heads[FRAMES][MESSAGE_DATA_HEAD];
    struct iovec parts[2 * FRAMES];
    size_t moved = 0;
    int count = 0;
    while (count < FRAMES && moved < budget && f->next < f->produced) {
        uint64_t n = f->produced - f->next, at = f->next % f->ring_size;
        uint64_t room = session_room(conn->session, lane->number, (uint8_t)(i + 1));
        n = n < MESSAGE_DATA_MAX ? n : MESSAGE_DATA_MAX;
        n = n < room ? n : room;
        n = n < f->ring_size - at ? n : f->ring_size - at;
        if (n == 0 || session_data_head(conn->session, lane->number, (uint8_t)(i + 1), n, heads[count]) != 0)
            break;
        parts[2 * count] = (struct iovec){heads[count], MESSAGE_DATA_HEAD};
        parts[2 * count + 1] = (struct iovec){(void *)(uintptr_t)(f->ring + at), n};
        count++;
        f->next += n;
        moved += n;
    }
    if (count > 0 && tls_engine_write(conn->engine, parts, 2 * count) != 0)
        conn->over = true;
    return moved;
}

static size_t send_feed(struct lane *lane, int i, size_t budget) {
    struct feed *f = &lane->feed[i];
    struct conn *conn = lane->conn;
    if (f->stopped)
        return 0;
    if (i == 0 && lane->direct.expected)
        return session_output(conn->session).size == 0 ? direct_send(lane, budget) : 0;
    size_t moved = buf_size(&f->held) > 0 ? send_held(lane, i) : 0;
    if (moved == 0 && buf_size(&f->held) == 0 && f->ring != NULL && session_output(conn->session).size == 0)
        moved = send_ring(lane, i, budget);
    if (lane->paced && f->next > f->said) {
        f->said = f->next;
        ipc_send_u64(&conn->gate->ipc, IPC_SENT, (uint8_t)(i + 1), conn->number, lane->number, f->next);
    }
    return moved;
}

/* END and RESULT, as soon as everything before them has gone. */
static void send_ends(struct lane *lane) {
    struct session *s = lane->conn->session;
    bool all = true;
    for (int i = 0; i < 2; i++) {
        struct feed *f = &lane->feed[i];
        if (f->stopped) /* the session has answered STOP with END */
            continue;
        if (f->has_total && f->next == f->total)
            session_end(s, lane->number, (uint8_t)(i + 1));
        else
            all = false;
    }
    if (all && lane->has_result) {
        session_result(s, lane->number, (struct slice){buf_front(&lane->result), buf_size(&lane->result)});
        lane->has_result = false;
    }
}

static bool has_more(const struct lane *lane) {
    for (int i = 0; i < 2; i++) {
        const struct feed *f = &lane->feed[i];
        bool bytes =
            (i == 0 && direct_has_more(lane)) || buf_size(&f->held) > 0 || (f->ring != NULL && f->next < f->produced);
        if (!f->stopped && bytes && session_room(lane->conn->session, lane->number, (uint8_t)(i + 1)) > 0)
            return true;
    }
    return false;
}

bool lane_pump(struct conn *conn, size_t budget) {
    struct lane *lane = conn->ready;
    if (lane == NULL)
        return false;
    unqueue(lane);
    size_t each = budget < TURN ? budget : TURN;
    size_t moved = send_feed(lane, 1, each);
    moved += send_feed(lane, 0, each);
    send_ends(lane);
    if (has_more(lane))
        lane_queue(lane);
    return moved > 0 || conn->ready != NULL || session_output(conn->session).size > 0;
}

/* --- from the keeper --- */

static void opened(struct lane *lane, struct reader *r) {
    struct session_start start = {.start0 = reader_u64(r)};
    start.start1 = lane->feed[0].next = lane->feed[0].said = reader_u64(r);
    start.start2 = lane->feed[1].next = lane->feed[1].said = reader_u64(r);
    start.window0 = reader_u32(r);
    uint8_t flags = reader_u8(r);
    start.flow0 = (flags & IPC_BULK) != 0 ? SESSION_BULK : SESSION_TERMINAL;
    lane->paced = (flags & IPC_PACED) != 0;
    session_opened(lane->conn->session, lane->number, &start, reader_rest(r));
}

static void refused(struct lane *lane, struct reader *r) {
    struct conn *conn = lane->conn;
    uint16_t code = reader_u16(r);
    uint32_t error = reader_u32(r);
    struct slice text = reader_rest(r);
    char sentence[512];
    size_t n = text.size < sizeof sentence - 1 ? text.size : sizeof sentence - 1;
    memcpy(sentence, text.data, n);
    sentence[n] = '\0';
    session_refuse(conn->session, lane->number, code, error, sentence);
    ipc_send_bytes(&conn->gate->ipc, IPC_DONE, conn->number, lane->number, NULL, 0);
    lane_free(lane);
}

static void output(struct lane *lane, const struct ipc_message *m, struct reader *r) {
    struct feed *f = &lane->feed[m->channel - 1];
    uint64_t offset = reader_u64(r);
    struct slice bytes = reader_rest(r);
    if (f->stopped || f->ring != NULL || offset != f->next + buf_size(&f->held))
        return;
    buf_add(&f->held, bytes.data, bytes.size);
}

static void map_ring(struct lane *lane, const struct ipc_message *m, struct reader *r) {
    struct feed *f = &lane->feed[m->channel - 1];
    uint64_t size = reader_u64(r), from = reader_u64(r);
    if (m->fd < 0 || size == 0)
        return;
    void *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, m->fd, 0);
    if (memory == MAP_FAILED) {
        session_refuse(lane->conn->session, lane->number, CODE_INTERNAL, 0, "the server is out of memory");
        return;
    }
    if (f->ring != NULL)
        munmap((void *)(uintptr_t)f->ring, f->ring_size);
    f->ring = memory;
    f->ring_size = size;
    f->produced = from;
}

static void notice(struct lane *lane, struct reader *r) {
    struct slice text = reader_rest(r);
    char sentence[512];
    size_t n = text.size < sizeof sentence - 1 ? text.size : sizeof sentence - 1;
    memcpy(sentence, text.data, n);
    sentence[n] = '\0';
    session_notice(lane->conn->session, lane->number, sentence);
}

void lane_message(struct lane *lane, struct ipc_message *m) {
    struct session *s = lane->conn->session;
    struct reader r = reader_of(m->payload.data, m->payload.size);
    struct feed *f = m->channel > 0 ? &lane->feed[m->channel - 1] : NULL;
    bool of_output =
        m->type == IPC_OUTPUT || m->type == IPC_RING || m->type == IPC_PRODUCED || m->type == IPC_OUTPUT_END;
    if (of_output != (f != NULL))
        return;
    switch ((enum ipc_type)m->type) {
    case IPC_OPENED:
        opened(lane, &r);
        break;
    case IPC_REFUSED:
        refused(lane, &r);
        return;
    case IPC_OUTPUT:
        output(lane, m, &r);
        break;
    case IPC_RING:
        map_ring(lane, m, &r);
        break;
    case IPC_DIRECT:
        if (m->fd >= 0 && lane->direct.fd < 0) {
            direct_attach(lane, m->fd);
            m->fd = -1;
        }
        break;
    case IPC_PRODUCED:
        f->produced = reader_u64(&r);
        break;
    case IPC_OUTPUT_END:
        f->total = reader_u64(&r);
        f->has_total = true;
        break;
    case IPC_CONSUMED:
        session_consumed(s, lane->number, 0, reader_u64(&r));
        break;
    case IPC_STOP_INPUT:
        session_stop(s, lane->number, 0, reader_u16(&r));
        break;
    case IPC_RESULT:
        buf_add(&lane->result, m->payload.data, m->payload.size);
        lane->has_result = true;
        break;
    case IPC_NOTICE:
        notice(lane, &r);
        break;
    default:
        break;
    }
    lane_queue(lane);
}

/* --- from the client --- */

static void forward_open(struct conn *conn, const struct session_event *event) {
    struct lane *lane = lane_open(conn, event->stream);
    if (lane == NULL) {
        session_refuse(conn->session, event->stream, CODE_INTERNAL, 0, "the server is out of memory");
        return;
    }
    lane->direct.expected = direct_is(event->u.open.service);
    struct ipc *ipc = &conn->gate->ipc;
    size_t mark = ipc_begin(ipc, IPC_OPEN, 0, conn->number, event->stream);
    message_put_open(&ipc->out, &event->u.open);
    ipc_finish(ipc, mark);
}

static void forward_data(struct conn *conn, const struct session_event *event) {
    struct ipc *ipc = &conn->gate->ipc;
    size_t mark = ipc_begin(ipc, IPC_INPUT, 0, conn->number, event->stream);
    buf_add_u64(&ipc->out, event->u.data.offset);
    buf_add(&ipc->out, event->u.data.bytes.data, event->u.data.bytes.size);
    ipc_finish(ipc, mark);
}

static void forward_stop(struct conn *conn, struct lane *lane, const struct session_event *event) {
    struct ipc *ipc = &conn->gate->ipc;
    struct feed *f = &lane->feed[event->channel - 1];
    f->stopped = true;
    direct_stop(lane);
    buf_free(&f->held);
    size_t mark = ipc_begin(ipc, IPC_STOPPED, event->channel, conn->number, event->stream);
    buf_add_u16(&ipc->out, event->u.code);
    ipc_finish(ipc, mark);
    lane_queue(lane);
}

static void forward_control(struct conn *conn, const struct session_event *event) {
    struct ipc *ipc = &conn->gate->ipc;
    size_t mark = ipc_begin(ipc, IPC_CONTROL, 0, conn->number, event->stream);
    buf_add_u8(&ipc->out, event->u.control.kind);
    buf_add(&ipc->out, event->u.control.body.data, event->u.control.body.size);
    ipc_finish(ipc, mark);
}

void lane_event(struct conn *conn, const struct session_event *event) {
    struct lane *lane = event->tag;
    struct ipc *ipc = &conn->gate->ipc;
    if (event->type == MESSAGE_OPEN) {
        forward_open(conn, event);
        return;
    }
    if (lane == NULL) {
        if (event->type == MESSAGE_DATA)
            session_consumed(conn->session, event->stream, 0, event->u.data.offset + event->u.data.bytes.size);
        return;
    }
    switch (event->type) {
    case MESSAGE_DATA:
        if (lane->direct.expected)
            direct_input(lane, event->u.data.bytes);
        else
            forward_data(conn, event);
        break;
    case MESSAGE_CREDIT:
        ipc_send_u64(ipc, IPC_ACKED, event->channel, conn->number, event->stream, event->u.credit.consumed);
        lane_queue(lane);
        break;
    case MESSAGE_END:
        if (lane->direct.expected) {
            direct_input_ended(lane);
            break;
        }
        ipc_send_u64(ipc, IPC_INPUT_END, 0, conn->number, event->stream, event->u.total);
        break;
    case MESSAGE_STOP:
        forward_stop(conn, lane, event);
        break;
    case MESSAGE_CONTROL:
        forward_control(conn, event);
        break;
    case MESSAGE_DONE:
        ipc_send_bytes(ipc, IPC_DONE, conn->number, event->stream, NULL, 0);
        lane_free(lane);
        break;
    default:
        break;
    }
}
