/* The messages of the landline protocol: their table, their codes, their fields (docs/PROTOCOL.md sections 3, 4, 5, 8, 9).
 *
 * A frame is a head of 12 bytes and a payload. message_head_…() read and write the head, message_begin/finish put one
 * around fields as they are written, message_put_…() write the fields of a message, message_get_…() read them from a payload.
 * Getters do not copy: slices point into the payload and live as long as it does. They return 0 or LL_EFORMAT. */
#ifndef LANDLINE_PROTO_MESSAGE_H
#define LANDLINE_PROTO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/base/reader.h"

enum {
    MESSAGE_VERSION = 1,    /* of the protocol */
    MESSAGE_HEAD = 12,      /* bytes of a frame's head */
    MESSAGE_DATA_HEAD = 20, /* of a DATA frame's head and offset */
    MESSAGE_DATA_MAX = LIMIT_DATA_FRAME - MESSAGE_DATA_HEAD,
    MESSAGE_OPTIONAL = 0x80, /* bit of a type: who does not know it skips it */
};

enum message_role {
    MESSAGE_CLIENT,
    MESSAGE_SERVER,
    MESSAGE_ROLES,
};

/* Section 4. */
enum message_state {
    MESSAGE_GREETING,
    MESSAGE_ENROLLING,
    MESSAGE_OPENED_STATE, /* "OPEN" */
    MESSAGE_CLOSED,
    MESSAGE_STATES,
};

/* What the stream and channel of a frame must be. */
enum message_scope {
    MESSAGE_OF_SESSION,  /* stream 0, channel 0 */
    MESSAGE_OF_STREAM,   /* a stream, channel 0 */
    MESSAGE_OF_SENDER,   /* a stream, a channel that the sender of the message sends on: client 0, server 1 or 2 */
    MESSAGE_OF_ANY,      /* not looked at: optional messages that are not known */
    MESSAGE_OF_RECEIVER, /* a stream, a channel that the sender of the message receives on: client 1 or 2, server 0 */
};

/* States as bits, for the table. */
#define MESSAGE_IN_G   (1u << MESSAGE_GREETING)
#define MESSAGE_IN_E   (1u << MESSAGE_ENROLLING)
#define MESSAGE_IN_O   (1u << MESSAGE_OPENED_STATE)
#define MESSAGE_IN_GEO (MESSAGE_IN_G | MESSAGE_IN_E | MESSAGE_IN_O)

/* name, number, scope, least and most bytes of payload, states in which the server accepts it, in which the client does.
 * What is not here is fatal (optional unknown types excepted). To add a message, add a line. */
#define MESSAGE_LIST(X)                                                                                                \
    X(HELLO, 0x01, OF_SESSION, 14, LIMIT_TEXT_PAYLOAD, MESSAGE_IN_G, 0)                                                \
    X(WELCOME, 0x02, OF_SESSION, 40, LIMIT_TEXT_PAYLOAD, 0, MESSAGE_IN_G)                                              \
    X(ENROL, 0x03, OF_SESSION, 41, LIMIT_TEXT_PAYLOAD, MESSAGE_IN_E, 0)                                                \
    X(PING, 0x05, OF_SESSION, 8, 8, MESSAGE_IN_E | MESSAGE_IN_O, MESSAGE_IN_G | MESSAGE_IN_O)                          \
    X(PONG, 0x06, OF_SESSION, 16, 16, MESSAGE_IN_E | MESSAGE_IN_O, MESSAGE_IN_G | MESSAGE_IN_O)                        \
    X(BUSY, 0x07, OF_SESSION, 6, LIMIT_TEXT_PAYLOAD, 0, MESSAGE_IN_G | MESSAGE_IN_O)                                   \
    X(CLOSE, 0x08, OF_SESSION, 4, LIMIT_TEXT_PAYLOAD, MESSAGE_IN_E | MESSAGE_IN_O, MESSAGE_IN_G | MESSAGE_IN_O)        \
    X(OPEN, 0x10, OF_STREAM, 10, LIMIT_OPEN_PAYLOAD, MESSAGE_IN_O, 0)                                                  \
    X(OPENED, 0x11, OF_STREAM, 32, LIMIT_SERVICE_PAYLOAD, 0, MESSAGE_IN_O)                                             \
    X(REFUSED, 0x12, OF_STREAM, 8, LIMIT_TEXT_PAYLOAD, 0, MESSAGE_IN_O)                                                \
    X(DATA, 0x13, OF_SENDER, 9, LIMIT_DATA_FRAME - 12, MESSAGE_IN_O, MESSAGE_IN_O)                                     \
    X(CREDIT, 0x14, OF_RECEIVER, 16, 16, MESSAGE_IN_O, MESSAGE_IN_O)                                                   \
    X(END, 0x15, OF_SENDER, 8, 8, MESSAGE_IN_O, MESSAGE_IN_O)                                                          \
    X(STOP, 0x16, OF_RECEIVER, 2, 2, MESSAGE_IN_O, MESSAGE_IN_O)                                                       \
    X(RESULT, 0x17, OF_STREAM, 0, LIMIT_SERVICE_PAYLOAD, 0, MESSAGE_IN_O)                                              \
    X(CONTROL, 0x18, OF_STREAM, 1, LIMIT_SERVICE_PAYLOAD, MESSAGE_IN_O, 0)                                             \
    X(DONE, 0x19, OF_STREAM, 0, 0, MESSAGE_IN_O, 0)                                                                    \
    X(NOTICE, 0x91, OF_STREAM, 2, LIMIT_TEXT_PAYLOAD, 0, MESSAGE_IN_O)

enum message_type {
#define MESSAGE_ENUM(name, number, scope, least, most, server, client) MESSAGE_##name = number,
    MESSAGE_LIST(MESSAGE_ENUM)
#undef MESSAGE_ENUM
};

struct message_rule {
    const char *name;
    enum message_scope scope;
    uint32_t least, most; /* bytes of payload */
};

/* The rule for a message of this type that reaches `role` in `state`; NULL where it is a protocol error. A type that is
 * unknown and optional gives the rule of all those ("optional": skip it). */
const struct message_rule *message_rule(enum message_role role, enum message_state state, uint8_t type);

/* "DATA", …; "?" for a type that is not in the table. */
const char *message_name(uint8_t type);

/* Section 8: number, name, LL_E… code that says the same to the user of the library, text. */
#define MESSAGE_CODE_LIST(X)                                                                                           \
    X(NONE, 0, LL_EOF, "the end")                                                                                      \
    X(PROTOCOL, 1, LL_EPROTOCOL, "the protocol was broken")                                                            \
    X(NOT_ENROLLED, 2, LL_ENOTENROLLED, "this key has no grant")                                                       \
    X(REVOKED, 3, LL_EREVOKED, "the grant of this key was revoked")                                                    \
    X(BAD_INVITE, 4, LL_EINVITE, "the invite is not valid")                                                            \
    X(INVITE_EXPIRED, 5, LL_EINVITEEXPIRED, "the invite has expired")                                                  \
    X(INVITE_USED, 6, LL_EINVITEUSED, "the invite was used before")                                                    \
    X(VERSION, 7, LL_EVERSION, "no common version")                                                                    \
    X(LIMIT, 8, LL_ELIMIT, "a limit was passed")                                                                       \
    X(GOING_AWAY, 9, LL_ELOST, "the server restarts")                                                                  \
    X(TIMEOUT, 10, LL_ETIMEOUT, "too slow, or silent")                                                                 \
    X(INTERNAL, 11, LL_EREFUSED, "the server failed")                                                                  \
    X(NO_GRANT, 32, LL_ENOGRANT, "the grant of this key does not cover this")                                          \
    X(UNKNOWN_SERVICE, 33, LL_ENOTSUP, "the server has no such service")                                               \
    X(MALFORMED, 34, LL_EUSAGE, "the request cannot be understood")                                                    \
    X(UNKNOWN_RUN, 35, LL_EUNKNOWNRUN, "no such run, or too old to tell")                                              \
    X(CONFLICT, 36, LL_EREFUSED, "the id belongs to another command")                                                  \
    X(STILL_RUNNING, 37, LL_EREFUSED, "it is still running")                                                           \
    X(SYSTEM, 38, LL_EREFUSED, "the operating system said no")                                                         \
    X(ENDED, 39, LL_EOF, "the reader has gone")                                                                        \
    X(BEHIND, 40, LL_ELOST, "bytes that were still to be sent had to be dropped")                                      \
    X(FULL, 41, LL_EBUSY, "no room for another one now")

enum message_code {
#define MESSAGE_CODE_ENUM(name, number, error, text) CODE_##name = number,
    MESSAGE_CODE_LIST(MESSAGE_CODE_ENUM)
#undef MESSAGE_CODE_ENUM
};

/* "NO_GRANT", …; "UNKNOWN" for a number without a name. */
const char *message_code_name(uint16_t code);
const char *message_code_text(uint16_t code);
/* The code of landline/error.h; LL_EREFUSED for a number without a name. */
int message_code_error(uint16_t code);

/* --- frames --- */

struct message_head {
    uint32_t length;
    uint8_t type, channel;
    uint16_t flags;
    uint32_t stream;
};

void message_head_write(uint8_t out[MESSAGE_HEAD], const struct message_head *head);
struct message_head message_head_read(const uint8_t bytes[MESSAGE_HEAD]);

/* Puts a head whose length is not known yet; message_finish() fills it in, given what begin returned. */
size_t message_begin(struct buf *b, uint8_t type, uint8_t channel, uint32_t stream);
void message_finish(struct buf *b, size_t mark);

/* Head and offset of a DATA frame with n bytes. */
void message_data_head(uint8_t out[MESSAGE_DATA_HEAD], uint8_t channel, uint32_t stream, uint64_t offset, size_t n);

/* --- fields --- Texts that do not fit are cut by the put functions, at a whole UTF-8 sequence. */

enum { MESSAGE_ENROL_FOLLOWS = 1 };

struct message_hello {
    uint8_t flags; /* MESSAGE_ENROL_FOLLOWS */
    uint16_t version_min, version_max;
    uint64_t clock_ms; /* session_set_clock() */
    struct slice agent;
};
struct message_pong {
    uint64_t value;    /* of the PING */
    uint64_t clock_ms; /* session_set_clock() */
};
struct message_welcome {
    uint16_t version;
    uint64_t unix_ms;
    uint8_t instance[16];
    uint32_t verbs; /* bits of landline/proto/invite.h */
    uint32_t max_streams;
    uint32_t horizon_s;
    struct slice agent, name;
};
struct message_enrol {
    uint8_t token_id[8];
    uint8_t proof[32];
    struct slice name;
};
struct message_busy {
    uint32_t retry_after_ms;
    struct slice text;
};
struct message_close {
    uint16_t code;
    struct slice text;
};
enum { MESSAGE_RESUME = 1 };
struct message_open {
    uint8_t flags; /* MESSAGE_RESUME */
    uint32_t window1, window2;
    struct slice service, request;
};
struct message_opened {
    uint64_t start0, limit0, start1, start2;
    struct slice response;
};
struct message_refused {
    uint16_t code;
    uint32_t error; /* errno as Linux numbers it, or 0 */
    struct slice text;
};
struct message_credit {
    uint64_t consumed, limit;
};
struct message_control {
    uint8_t kind;
    struct slice body;
};

void message_put_hello(struct buf *b, const struct message_hello *m);
int message_get_hello(struct slice payload, struct message_hello *m);
void message_put_pong(struct buf *b, const struct message_pong *m);
int message_get_pong(struct slice payload, struct message_pong *m);
void message_put_welcome(struct buf *b, const struct message_welcome *m);
int message_get_welcome(struct slice payload, struct message_welcome *m);
void message_put_enrol(struct buf *b, const struct message_enrol *m);
int message_get_enrol(struct slice payload, struct message_enrol *m);
void message_put_busy(struct buf *b, const struct message_busy *m);
int message_get_busy(struct slice payload, struct message_busy *m);
void message_put_close(struct buf *b, const struct message_close *m);
int message_get_close(struct slice payload, struct message_close *m);
void message_put_open(struct buf *b, const struct message_open *m);
int message_get_open(struct slice payload, struct message_open *m);
void message_put_opened(struct buf *b, const struct message_opened *m);
int message_get_opened(struct slice payload, struct message_opened *m);
void message_put_refused(struct buf *b, const struct message_refused *m);
int message_get_refused(struct slice payload, struct message_refused *m);
void message_put_credit(struct buf *b, const struct message_credit *m);
int message_get_credit(struct slice payload, struct message_credit *m);
void message_put_control(struct buf *b, const struct message_control *m);
int message_get_control(struct slice payload, struct message_control *m);
void message_put_notice(struct buf *b, struct slice text);
int message_get_notice(struct slice payload, struct slice *text);

#endif
