/* One end of one connection of the landline protocol: bytes in, events out, frames out. No descriptor, no clock, no
 * wait, no callback (docs/PROTOCOL.md sections 4 to 6 and 9).
 *
 *      plaintext in  -> session_next()  -> events
 *      plaintext out <- session_output()/session_sent()            HELLO, OPEN, CREDIT, PONG, …: always first
 *                    <- session_data_head() + the payload          DATA: when the output is empty
 *
 * Every rule of the protocol that one connection can check is checked here. A peer that breaks one makes session_next()
 * return LL_EPROTOCOL (LL_ELIMIT for a limit); CLOSE with the reason is then in the output: send it, then end the connection.
 *
 * The session answers PING, and on the server HELLO with WELCOME, by itself; it decides when CREDIT goes out, and answers STOP
 * with END. The caller decides everything else.
 *
 * `now` is any monotonic clock in nanoseconds. Times in the other direction are points of that clock.
 * Thread rule: one session, one thread at a time. */
#ifndef LANDLINE_PROTO_SESSION_H
#define LANDLINE_PROTO_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/proto/clocks.h"
#include "landline/proto/message.h"

struct session;

struct session_client_config {
    struct slice agent;
    int64_t greeting_deadline; /* WELCOME must have come by then */
    bool enrol;                /* session_enrol() follows: tell the server so */
    uint32_t window_max;       /* the most that one receiving channel may have under way; 0: LIMIT_WINDOW */
    uint32_t window_first;     /* … of a bulk channel from the start; 0: LIMIT_WINDOW_BULK */
    uint32_t dead_after_ms;    /* silence after which it is dead, asked for after a third; 0: LIMIT_DEAD_AFTER_MS */
};

/* HELLO is in the output at once, and the caller may add session_open() or session_enrol() without waiting. Slices are copied.
 * NULL when memory runs out. */
struct session *session_new_client(const struct session_client_config *config, int64_t now);

enum session_access {
    SESSION_ENROLLED,
    SESSION_NOT_ENROLLED,
    SESSION_REVOKED,
};

struct session_server_config {
    enum session_access access; /* what the grants say of the peer's key */
    uint32_t verbs;             /* of an enrolled one */
    uint64_t unix_ms;
    uint8_t instance[16];
    uint32_t max_streams; /* 0: LIMIT_STREAMS */
    uint32_t horizon_s;
    struct slice agent, name;  /* copied */
    int64_t greeting_deadline; /* HELLO (and the answer to ENROL) must have come by then */
    uint32_t window_max;
    uint32_t busy_ms; /* not 0: no room for an enrolled key now, which is told to come back after so long */
};
struct session *session_new_server(const struct session_server_config *config, int64_t now);

/* Ends it; NULL is fine. */
void session_free(struct session *s);

/* The time of a clock in ms that nobody sets and that goes on while the machine sleeps (CLOCK_BOOTTIME), for section 7.3. A client
 * tells it whenever bytes have come, before it hands them over, and before the first of the output goes: it is in HELLO and in
 * PONG, and must not be older than what they answer. A server tells it before session_tick(): it must not be newer than the PING
 * that may go out. */
void session_set_clock(struct session *s, uint64_t clock_ms);

/* --- in --- */

struct session_event {
    enum message_type type; /* what came; which member of `u` counts is in brackets below */
    uint8_t channel;
    uint32_t stream;
    void *tag; /* of the stream: session_set_tag() */
    union {
        struct message_hello hello;     /* HELLO (server): WELCOME is already in the output, or ENROL is awaited */
        struct message_welcome welcome; /* WELCOME (client) */
        struct message_enrol enrol;     /* ENROL (server): answer with session_enrolled() or session_close() */
        struct message_busy busy;       /* BUSY (client): the server closes now */
        struct message_close close;     /* CLOSE: nothing more will come, no deadline either: end the connection now */
        struct message_open open;       /* OPEN (server): answer with session_opened() or session_refuse() */
        struct message_opened opened;   /* OPENED (client) */
        struct message_refused refused; /* REFUSED (client): the stream is gone */
        struct {
            uint64_t offset; /* of the first byte */
            struct slice bytes;
        } data; /* DATA: to be followed by session_consumed() once they are where they go */
        struct message_credit
            credit;          /* CREDIT: bytes below `consumed` may be forgotten, session_room() may have grown */
        uint64_t total;      /* END */
        uint16_t code;       /* STOP: the session has answered END already; session_room() is 0 for ever */
        struct slice result; /* RESULT (client): session_done() is due */
        struct message_control control; /* CONTROL (server) */
        struct slice notice;            /* NOTICE (client) */
        struct {
            uint64_t rtt_ns;
            struct clocks clocks;
        } pong; /* PONG: to a session_ping(); to the server's own PINGs too */
    } u;        /* DONE (server): nothing; the stream is gone */
};

/* Takes bytes from the peer. 1: *event is one; 0: all n bytes were taken and more are needed; negative: the session is over:
 * LL_EPROTOCOL, LL_ELIMIT, LL_EVERSION, LL_ENOTENROLLED, LL_EREVOKED (the peer broke a rule or was turned away: CLOSE
 * is in the output), LL_EOF (after CLOSE, in either direction), -ENOMEM. *used says how many bytes were taken: call again with
 * the rest. Slices of the event point into `bytes` or into the session, and are valid until the next call on the session or
 * until `bytes` go. Nothing is delivered twice, and every way to cut a stream of bytes gives the same events. */
int session_next(struct session *s, const void *bytes, size_t n, int64_t now, size_t *used,
                 struct session_event *event);

/* Contents of a DATA frame that lie apart from its head, so that who knows where they go can have them put there at once.
 * session_expects(): the tag of the stream, if `head` begins a frame on `channel` with n bytes of contents, and the session is not in the
 * midst of one; else NULL. Changes nothing. session_next_apart() is then session_next() for all of that frame. */
void *session_expects(const struct session *s, const uint8_t head[MESSAGE_DATA_HEAD], size_t n, uint8_t *channel);
int session_next_apart(struct session *s, const uint8_t head[MESSAGE_DATA_HEAD], const void *bytes, size_t n,
                       int64_t now, struct session_event *event);

/* The bytes up to `offset` of a receiving channel have reached where they were going, or are not wanted: the memory is free
 * again. Raises only; CREDIT goes out when due. Must not go beyond what was received. No effect on a stream that is gone. */
void session_consumed(struct session *s, uint32_t stream, uint8_t channel, uint64_t offset);

/* --- out --- */

/* Frames that wait to be sent, in one piece: valid until the next call on the session. 0 bytes when there are none. */
struct slice session_output(struct session *s);
/* The first n bytes of them were handed to the transport. */
void session_sent(struct session *s, size_t n);

/* How many bytes may be sent on a channel now: 0 without credit, after END or STOP, before OPENED where it must be waited for,
 * on a stream that is gone. */
uint64_t session_room(const struct session *s, uint32_t stream, uint8_t channel);
/* The offset of the next byte to be sent. 0 on a stream that is gone. */
uint64_t session_offset(const struct session *s, uint32_t stream, uint8_t channel);

/* Makes head and offset of a DATA frame of n bytes (1 … MESSAGE_DATA_MAX, at most session_room()) and counts them as sent: the
 * caller hands {head, payload} to the transport next, after session_output() was drained. 0, or -EINVAL where the rules above
 * are broken. */
int session_data_head(struct session *s, uint32_t stream, uint8_t channel, size_t n, uint8_t head[MESSAGE_DATA_HEAD]);
/* The same with a copy into the output, in as many frames as needed; takes what there is room for and returns how much, or
 * -ENOMEM. */
int64_t session_data(struct session *s, uint32_t stream, uint8_t channel, const void *bytes, size_t n);

/* All of these put one message into the output. They return 0 or more; -ENOENT for a stream that is gone; -EINVAL for a message
 * that has no place now; LL_ELIMIT for one too long (or an output nobody drains); LL_ECLOSED after the end; -ENOMEM. */

/* Client. */
int session_enrol(struct session *s, const struct message_enrol *enrol);

enum session_flow {
    SESSION_BULK,     /* windows grow from 256 KiB with the rate × delay of the link */
    SESSION_TERMINAL, /* about half a second of what the link carries, 4 to 64 KiB, so that a flood does not delay a key */
};
/* Starts a request and returns its stream (positive). `request` is copied. With MESSAGE_RESUME nothing can be sent on channel
 * 0 before OPENED. */
int64_t session_open(struct session *s, uint8_t flags, struct slice service, struct slice request,
                     enum session_flow flow);
int session_control(struct session *s, uint32_t stream, uint8_t kind, const void *body, size_t n);
/* Ends the stream, after RESULT or before (then it detaches). Its number is not known any more. */
int session_done(struct session *s, uint32_t stream);

/* Server. */
int session_enrolled(struct session *s, uint32_t verbs);
/* No room now: come back after so long. The last of the output, in the place of WELCOME. */
int session_busy(struct session *s, uint32_t retry_after_ms, const char *text);
struct session_start {
    uint64_t start0, start1, start2;
    uint32_t window0; /* the first window of channel 0; grows with SESSION_BULK up to window_max */
    enum session_flow flow0;
};
int session_opened(struct session *s, uint32_t stream, const struct session_start *start, struct slice response);
/* Instead of OPENED, or at any time before RESULT. The stream is gone. */
int session_refuse(struct session *s, uint32_t stream, uint16_t code, uint32_t error, const char *text);
/* After session_end() of channels 1 and 2. The stream is gone when DONE has come. */
int session_result(struct session *s, uint32_t stream, struct slice result);
int session_notice(struct session *s, uint32_t stream, const char *text);

/* Both. */
/* No more bytes on this channel: END at the offset reached. Nothing happens when it was said before. */
int session_end(struct session *s, uint32_t stream, uint8_t channel);
/* Send me no more: DATA that still comes is dropped, END will come. */
int session_stop(struct session *s, uint32_t stream, uint8_t channel, uint16_t code);
/* A PING of the caller's, for a measurement: its PONG becomes an event. One at a time. */
int session_ping(struct session *s, int64_t now);
/* From now on: as the configuration's. */
void session_set_window(struct session *s, uint32_t window_max);
/* Ends the session: CLOSE is the last of the output. */
int session_close(struct session *s, uint16_t code, const char *text);

/* --- what it is --- */

enum message_state session_state(const struct session *s);
/* Why it ended: the code of the CLOSE that was sent or received and its text; "" before. For logs: print it escaped. */
uint16_t session_close_code(const struct session *s);
const char *session_close_text(const struct session *s);
bool session_close_by_peer(const struct session *s);

/* Whether what was put into the output certainly had no effect at the peer: nothing of it was handed to the transport, or CLOSE or
 * BUSY came in the place of WELCOME. */
bool session_untouched(const struct session *s);
/* The caller knows that nothing of the output has had an effect or will have one, though some was handed to the transport. Only
 * before WELCOME. */
void session_not_taken(struct session *s);

uint32_t session_streams(const struct session *s);     /* open now */
uint32_t session_last_stream(const struct session *s); /* the highest number opened, 0 for none */
/* Whether the bytes taken so far end with a frame. */
bool session_is_between_frames(const struct session *s);
uint32_t session_max_streams(const struct session *s); /* what WELCOME said or says */
/* Something of the caller's for a stream, NULL at first, handed back in every event of it. */
void session_set_tag(struct session *s, uint32_t stream, void *tag);
void *session_tag(const struct session *s, uint32_t stream);
/* Visits the open streams: the one after `stream` in no particular order, 0 at the end; begin with 0. */
uint32_t session_each(const struct session *s, uint32_t stream);
/* The smallest round trip seen, in ns; 0 when none was measured. */
int64_t session_rtt(const struct session *s);
int64_t session_last_received(const struct session *s);
size_t session_memory(const struct session *s); /* bytes of heap it holds */

/* When session_tick() is to be called at the latest. Changes with every call on the session. */
int64_t session_deadline(const struct session *s);
/* Keepalive, acknowledgements that have waited, and the greeting's deadline: puts PING or CREDIT into the output, or ends the session with LL_ETIMEOUT (CLOSE is in the
 * output). 0 otherwise. */
int session_tick(struct session *s, int64_t now);

#endif
