/* What a session is made of. Internal to session_*.c. */
#ifndef LANDLINE_PROTO_SESSION_STATE_H
#define LANDLINE_PROTO_SESSION_STATE_H

#include "landline/frame.h"
#include "landline/proto/session.h"
#include "lib/base/buf.h"

enum { SESSION_CHANNELS = 3 };

/* One direction of a stream. On a sending channel `offset` is the next byte to send and `limit` the peer's credit; on a
 * receiving one they are the next byte to come and the credit given. */
struct session_channel {
    uint64_t offset, limit;
    uint64_t consumed; /* acknowledged by the peer, or by our caller */
    uint64_t told;     /* receiving: of these, what the peer knows */
    bool ended;        /* END went out, or came */
    bool stopped;      /* STOP came, or went out */
    uint8_t flow;      /* receiving: enum session_flow */
    uint32_t window;   /* receiving */
    int64_t since;     /* receiving: when the present half of the window, or the present burst, began */
    int64_t last;      /* receiving, terminal: when bytes came last */
    uint64_t measured; /* receiving: bytes of that half; or of the burst, and 1; 0 before the first */
};

struct session_stream {
    uint32_t number;
    bool opened;   /* OPENED was sent or has come */
    bool resume;   /* OPEN had MESSAGE_RESUME */
    bool finished; /* RESULT was sent or has come */
    void *tag;
    struct session_stream *next; /* in the bucket: descending numbers */
    bool due;                    /* linked in s->due, else in s->waiting or nowhere (link_own is NULL) */
    struct session_stream *link_next, **link_own;
    struct session_channel channels[SESSION_CHANNELS];
};

struct session {
    enum message_role role;
    enum message_state state;
    int error; /* what session_next() gives for ever, once negative */
    ll_frame_decoder *decoder;
    struct buf out;
    bool out_touched; /* some output was handed to the transport */
    int64_t now;      /* as of the last call that told */
    uint64_t clock_ms;

    /* streams */
    struct session_stream **buckets;
    uint32_t bucket_count; /* a power of two, or 0 */
    uint32_t stream_count, max_streams;
    uint32_t highest;               /* number opened */
    struct session_stream *due;     /* have CREDIT to send now */
    struct session_stream *waiting; /* have consumed something; CREDIT at acknowledge_at */
    int64_t acknowledge_at;
    uint32_t window_first, window_max; /* of a bulk channel */

    /* greeting */
    bool enrol_expected, enrol_seen; /* the client announced it; sent or received it */
    bool welcomed, turned_away;
    struct message_welcome welcome; /* server: what to say */
    char *names;                    /* server: agent and name, that welcome points into */
    enum session_access access;
    uint32_t busy_ms;

    /* keepalive and measuring */
    int64_t greeting_deadline, last_received, last_asked;
    int64_t ask_after, dead_after; /* ns of silence */
    int64_t ping_at;               /* when the PING that is under way was sent; 0 without one */
    uint64_t ping_value, ping_clock_ms;
    bool ping_wanted; /* the caller asked for it */
    bool pong_due;
    uint64_t pong_value;
    int64_t rtt;

    /* the end */
    uint16_t close_code;
    bool close_by_peer;
    char close_text[200];
};

#define SESSION_MS INT64_C(1000000) /* in ns */

/* session_input.c: the decoder asks it about each head. */
int session_input_measure(void *arg, const uint8_t *header, size_t *payload_size);

/* session_streams.c */
struct session_stream *session_streams_find(const struct session *s, uint32_t number);
struct session_stream *session_streams_add(struct session *s, uint32_t number);
void session_streams_remove(struct session *s, struct session_stream *stream);
void session_streams_free(struct session *s);
/* Whether `channel` is one that this side sends on (else it receives on it). */
static inline bool session_sends(const struct session *s, uint8_t channel) {
    return (channel == 0) == (s->role == MESSAGE_CLIENT);
}

/* session_flow.c */
void session_flow_begin(struct session *s, struct session_channel *c, uint64_t start, uint32_t window,
                        enum session_flow flow);
void session_flow_received(struct session *s, struct session_channel *c, size_t n);
/* Puts the CREDITs that are due. */
void session_flow_put(struct session *s);
/* The time of session_flow_tick(): INT64_MAX for none. */
int64_t session_flow_deadline(const struct session *s);
void session_flow_tick(struct session *s);
/* No CREDIT of this stream any more. */
void session_flow_forget(struct session_stream *stream);

/* session_output.c */
/* Ends the session for the peer's or our own fault: CLOSE with `code`; returns `error`, which stays. */
int session_fail(struct session *s, int error, uint16_t code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Ends a frame that message_begin() began at `mark`; takes all of it back where it did not fit. */
int session_put_finish(struct session *s, size_t mark);
/* The stream a caller means, for a message that only `role` sends. */
int session_stream_for(struct session *s, enum message_role role, uint32_t number, struct session_stream **stream);
int session_put_hello(struct session *s, const struct session_client_config *config);
/* Writes the clock into HELLO, while it is the first of the output. */
void session_put_clock(struct session *s);
int session_put_welcome(struct session *s);
int session_put_end(struct session *s, struct session_stream *stream, uint8_t channel);
int session_put_ping(struct session *s);

/* session.c */
void session_set_close(struct session *s, uint16_t code, const char *text, size_t n, bool by_peer);

#endif
