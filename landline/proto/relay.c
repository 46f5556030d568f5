#include "landline/proto/relay.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"
#include "landline/frame.h"
#include "lib/base/map.h"

/* One stream, by its two numbers. */
struct pass {
    struct relay_port *port;
    uint32_t local, remote;
    struct pass *previous, *next; /* of the port */
};

struct relay_port {
    struct relay *relay;
    void *tag;
    ll_frame_decoder *decoder;
    enum message_state state;
    uint32_t last_local;
    struct map streams; /* local number -> pass */
    struct pass *passes;
    struct buf out;
    bool dirty;
    struct relay_port *next_dirty;
    struct relay_port *previous, *next; /* of the relay */
};

struct relay {
    ll_frame_decoder *decoder;
    struct message_welcome welcome;
    uint8_t *names; /* behind the slices of welcome */
    uint32_t last_remote;
    struct map streams; /* remote number -> pass */
    struct buf up;
    struct relay_port *ports, *dirty;
};

/* --- frames in --- */

/* Whether the frame may come at all, and be so long. */
static int allowed(enum message_role role, enum message_state state, const uint8_t *header, size_t *payload_size) {
    struct message_head h = message_head_read(header);
    const struct message_rule *rule = message_rule(role, state, h.type);
    *payload_size = h.length;
    if (rule == NULL || h.length < rule->least || h.flags != 0)
        return LL_EPROTOCOL;
    return h.length > rule->most ? LL_ELIMIT : 0;
}

static int measure_up(void *arg, const uint8_t *header, size_t *payload_size) {
    const struct relay_port *port = arg;
    return allowed(MESSAGE_SERVER, port->state, header, payload_size);
}

static int measure_down(void *arg, const uint8_t *header, size_t *payload_size) {
    (void)arg;
    return allowed(MESSAGE_CLIENT, MESSAGE_OPENED_STATE, header, payload_size);
}

static int make_decoder(ll_frame_decoder **out, int (*measure)(void *, const uint8_t *, size_t *), void *arg) {
    const struct ll_frame_format format = {
        .header_size = MESSAGE_HEAD, .limit = LIMIT_OPEN_PAYLOAD, .measure = measure, .arg = arg};
    return ll_frame_decoder_new(&format, out);
}

/* --- frames out --- */

static void touch(struct relay_port *port) {
    if (port->dirty)
        return;
    port->dirty = true;
    port->next_dirty = port->relay->dirty;
    port->relay->dirty = port;
}

/* The frame as it is, but for its stream. */
static void put_frame(struct buf *b, struct message_head head, uint32_t stream, const struct ll_frame *frame) {
    uint8_t bytes[MESSAGE_HEAD];
    head.stream = stream;
    message_head_write(bytes, &head);
    buf_add(b, bytes, sizeof bytes);
    buf_add(b, frame->payload, frame->size);
}

static void put_pong(struct buf *b, uint64_t value, uint64_t clock_ms) {
    const struct message_pong pong = {value, clock_ms};
    size_t mark = message_begin(b, MESSAGE_PONG, 0, 0);
    message_put_pong(b, &pong);
    message_finish(b, mark);
}

/* Of a PING, whose payload has exactly these bytes. */
static uint64_t number_of(const struct ll_frame *frame) {
    struct reader r = reader_of(frame->payload, frame->size);
    return reader_u64(&r);
}

static void put_done(struct buf *b, uint32_t stream) {
    message_finish(b, message_begin(b, MESSAGE_DONE, 0, stream));
}

static void put_welcome(struct relay_port *port, uint64_t unix_ms) {
    struct message_welcome welcome = port->relay->welcome;
    welcome.unix_ms = unix_ms;
    size_t mark = message_begin(&port->out, MESSAGE_WELCOME, 0, 0);
    message_put_welcome(&port->out, &welcome);
    message_finish(&port->out, mark);
}

static int end_port(struct relay_port *port, uint16_t code, const char *text) {
    const struct message_close close = {.code = code, .text = {(const uint8_t *)text, strlen(text)}};
    size_t mark = message_begin(&port->out, MESSAGE_CLOSE, 0, 0);
    message_put_close(&port->out, &close);
    message_finish(&port->out, mark);
    port->state = MESSAGE_CLOSED;
    touch(port);
    return LL_EOF;
}

/* --- streams --- */

static void pass_free(struct pass *pass) {
    struct relay_port *port = pass->port;
    map_take(&port->streams, pass->local);
    map_take(&port->relay->streams, pass->remote);
    if (pass->previous != NULL)
        pass->previous->next = pass->next;
    else
        port->passes = pass->next;
    if (pass->next != NULL)
        pass->next->previous = pass->previous;
    free(pass);
}

static int pass_new(struct pass **out, struct relay_port *port, uint32_t local) {
    struct relay *relay = port->relay;
    struct pass *pass = calloc(1, sizeof *pass);
    *out = NULL;
    if (pass == NULL)
        return -ENOMEM;
    *pass = (struct pass){.port = port, .local = local, .remote = relay->last_remote + 1, .next = port->passes};
    if (map_put(&port->streams, local, pass) != 0 || map_put(&relay->streams, pass->remote, pass) != 0) {
        map_take(&port->streams, local);
        free(pass);
        return -ENOMEM;
    }
    if (port->passes != NULL)
        port->passes->previous = pass;
    port->passes = pass;
    port->last_local = local;
    relay->last_remote++;
    *out = pass;
    return 0;
}

/* --- from a client --- */

static int take_hello(struct relay_port *port, const struct ll_frame *frame, uint64_t unix_ms) {
    struct message_hello hello;
    if (message_get_hello((struct slice){frame->payload, frame->size}, &hello) != 0 || hello.flags != 0)
        return end_port(port, CODE_PROTOCOL, "this is a broker: it only takes known clients");
    if (port->relay->streams.count >= port->relay->welcome.max_streams)
        return end_port(port, CODE_LIMIT, "the connection has no stream left");
    if (hello.version_min > port->relay->welcome.version || hello.version_max < port->relay->welcome.version)
        return end_port(port, CODE_VERSION, "the broker is of another version");
    put_welcome(port, unix_ms);
    port->state = MESSAGE_OPENED_STATE;
    touch(port);
    return 0;
}

static int take_open(struct relay_port *port, const struct message_head *head, const struct ll_frame *frame) {
    struct pass *pass;
    if (head->stream <= port->last_local || head->stream > LIMIT_STREAM_NUMBER)
        return end_port(port, CODE_PROTOCOL, "streams have rising numbers");
    if (port->relay->last_remote >= LIMIT_STREAM_NUMBER)
        return end_port(port, CODE_GOING_AWAY, "the connection has no more numbers");
    int e = pass_new(&pass, port, head->stream);
    if (e == 0)
        put_frame(&port->relay->up, *head, pass->remote, frame);
    return e;
}

static int take_from_port(struct relay_port *port, const struct ll_frame *frame, uint64_t unix_ms) {
    struct message_head head = message_head_read(frame->header);
    struct pass *pass;
    switch (head.type) {
    case MESSAGE_HELLO:
        return take_hello(port, frame, unix_ms);
    case MESSAGE_PING:
        put_pong(&port->out, number_of(frame), 0);
        touch(port);
        return 0;
    case MESSAGE_PONG:
        return 0;
    case MESSAGE_CLOSE:
        port->state = MESSAGE_CLOSED;
        return LL_EOF;
    case MESSAGE_OPEN:
        return take_open(port, &head, frame);
    default:
        pass = map_get(&port->streams, head.stream);
        if (pass == NULL) /* gone, and the client did not know yet; one that never was is the same to us */
            return head.stream <= port->last_local ? 0 : end_port(port, CODE_PROTOCOL, "a stream that was not opened");
        put_frame(&port->relay->up, head, pass->remote, frame);
        if (head.type == MESSAGE_DONE)
            pass_free(pass);
        return 0;
    }
}

int relay_from_port(struct relay_port *port, const void *bytes, size_t n, uint64_t unix_ms, size_t *used) {
    const uint8_t *at = bytes;
    size_t left = n;
    struct ll_frame frame;
    int e = port->state == MESSAGE_CLOSED ? LL_EOF : 0;
    while (e == 0) {
        bool greeting = port->state == MESSAGE_GREETING;
        e = ll_frame_next(port->decoder, &at, &left, &frame);
        if (e == 0)
            break;
        if (e > 0)
            e = take_from_port(port, &frame, unix_ms);
        else if (e != -ENOMEM)
            end_port(port, e == LL_ELIMIT ? CODE_LIMIT : CODE_PROTOCOL, "a frame that has no place here");
        if (e == 0 && greeting)
            e = 1;
    }
    *used = n - left;
    if (e >= 0 && port->out.failed != 0)
        e = port->out.failed;
    return e;
}

/* --- from the server --- */

static int take_from_server(struct relay *relay, const struct ll_frame *frame, uint64_t clock_ms) {
    struct message_head head = message_head_read(frame->header);
    struct pass *pass;
    switch (head.type) {
    case MESSAGE_PING:
        put_pong(&relay->up, number_of(frame), clock_ms);
        return 0;
    case MESSAGE_PONG:
        return 0;
    case MESSAGE_BUSY:
    case MESSAGE_CLOSE:
        return LL_EOF;
    default:
        pass = map_get(&relay->streams, head.stream);
        if (pass == NULL) /* it was left, and the server did not know yet */
            return head.stream <= relay->last_remote ? 0 : LL_EPROTOCOL;
        put_frame(&pass->port->out, head, pass->local, frame);
        touch(pass->port);
        if (head.type == MESSAGE_REFUSED)
            pass_free(pass);
        return 0;
    }
}

int relay_from_server(struct relay *relay, const void *bytes, size_t n, uint64_t clock_ms) {
    const uint8_t *at = bytes;
    struct ll_frame frame;
    int e;
    while ((e = ll_frame_next(relay->decoder, &at, &n, &frame)) > 0) {
        e = take_from_server(relay, &frame, clock_ms);
        if (e < 0)
            break;
    }
    return e;
}

/* --- the rest --- */

static bool keep_welcome(struct relay *relay, const struct message_welcome *welcome) {
    size_t agent = welcome->agent.size, name = welcome->name.size;
    relay->welcome = *welcome;
    relay->names = malloc(agent + name + 1);
    if (relay->names == NULL)
        return false;
    if (agent > 0)
        memcpy(relay->names, welcome->agent.data, agent);
    if (name > 0)
        memcpy(relay->names + agent, welcome->name.data, name);
    relay->welcome.agent = (struct slice){relay->names, agent};
    relay->welcome.name = (struct slice){relay->names + agent, name};
    return true;
}

struct relay *relay_new(const struct message_welcome *welcome, uint32_t last_stream) {
    struct relay *relay = calloc(1, sizeof *relay);
    if (relay == NULL)
        return NULL;
    relay->last_remote = last_stream;
    buf_init(&relay->up, LIMIT_SESSION_OUTPUT);
    if (!keep_welcome(relay, welcome) || make_decoder(&relay->decoder, measure_down, relay) != 0) {
        relay_free(relay);
        return NULL;
    }
    return relay;
}

void relay_free(struct relay *relay) {
    if (relay == NULL)
        return;
    while (relay->ports != NULL)
        relay_port_free(relay->ports);
    map_free(&relay->streams);
    ll_frame_decoder_free(relay->decoder);
    buf_free(&relay->up);
    free(relay->names);
    free(relay);
}

struct relay_port *relay_port_new(struct relay *relay, void *tag) {
    struct relay_port *port = calloc(1, sizeof *port);
    if (port == NULL)
        return NULL;
    if (make_decoder(&port->decoder, measure_up, port) != 0) {
        free(port);
        return NULL;
    }
    port->relay = relay;
    port->tag = tag;
    port->state = MESSAGE_GREETING;
    buf_init(&port->out, LIMIT_SESSION_OUTPUT);
    port->next = relay->ports;
    if (relay->ports != NULL)
        relay->ports->previous = port;
    relay->ports = port;
    return port;
}

void relay_port_free(struct relay_port *port) {
    if (port == NULL)
        return;
    struct relay *relay = port->relay;
    while (port->passes != NULL) {
        put_done(&relay->up, port->passes->remote);
        pass_free(port->passes);
    }
    struct relay_port **at = &relay->dirty;
    while (*at != NULL && *at != port)
        at = &(*at)->next_dirty;
    if (*at != NULL)
        *at = port->next_dirty;
    if (port->previous != NULL)
        port->previous->next = port->next;
    else
        relay->ports = port->next;
    if (port->next != NULL)
        port->next->previous = port->previous;
    map_free(&port->streams);
    ll_frame_decoder_free(port->decoder);
    buf_free(&port->out);
    free(port);
}

struct buf *relay_up(struct relay *relay) {
    return &relay->up;
}

struct buf *relay_port_out(struct relay_port *port) {
    return &port->out;
}

void *relay_next_dirty(struct relay *relay) {
    struct relay_port *port = relay->dirty;
    if (port == NULL)
        return NULL;
    relay->dirty = port->next_dirty;
    port->dirty = false;
    return port->tag;
}

void relay_ping(struct relay *relay) {
    size_t mark = message_begin(&relay->up, MESSAGE_PING, 0, 0);
    buf_add_u64(&relay->up, 0);
    message_finish(&relay->up, mark);
}

size_t relay_streams(const struct relay *relay) {
    return relay->streams.count;
}
