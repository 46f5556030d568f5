/* Between gate and keeper: framed messages over a socket pair, some with a descriptor.
 *
 * A frame is the head of PROTOCOL 3 followed by the connection's number, 16 bytes, and a payload. Both sides are this
 * program, but the gate may have been taken over by a peer: the keeper reads with the same care as from the network.
 *
 * What is sent waits in `out` until ipc_flush(), which the owner calls once a pass of its loop: many messages, one system
 * call. A message with a descriptor goes by itself. */
#ifndef LANDLINE_SERVER_IPC_H
#define LANDLINE_SERVER_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/base/reader.h"

enum { IPC_HEAD = 16 };

/* Who may send it. */
enum ipc_side {
    IPC_FROM_KEEPER = 1,
    IPC_FROM_GATE = 2,
};

/* name, number, sender, least and most bytes of payload. Fields in the order of the comment; [c] needs a connection, [s] a
 * stream as well, [n] a channel too. To add a message, add a line. */
#define IPC_LIST(X)                                                                                                         \
    /* 16 bytes instance, u32 horizon_s, u64 unix_ms of the start, u32 clients at once (0: the gate's own limit), str8    \
     * name of the machine */ \
    X(SETTINGS, 0x01, FROM_KEEPER, 33, 1024)                                                                                \
    /* n × (32 bytes pin, u32 verbs, u8 revoked): the whole table, in place of the one before */                           \
    X(GRANTS, 0x02, FROM_KEEPER, 0, LIMIT_GRANTS * 37)                                                                      \
    /* take no more connections, send the clients away, end */                                                              \
    X(RETIRE, 0x03, FROM_KEEPER, 0, 0)                                                                                      \
    X(ENROLLED, 0x04, FROM_KEEPER, 6, 6)   /* [c] u16 code, u32 verbs */                                                    \
    X(DISMISS, 0x05, FROM_KEEPER, 2, 1024) /* [c] u16 code, text */                                                         \
    X(OPENED, 0x10, FROM_KEEPER, 29,                                                                                        \
      LIMIT_IPC_FRAME)                               /* [s] u64 start0, start1, start2, u32 window0, u8 flags, rest */      \
    X(REFUSED, 0x11, FROM_KEEPER, 6, 1024)           /* [s] u16 code, u32 errno, text */                                    \
    X(OUTPUT, 0x12, FROM_KEEPER, 9, LIMIT_IPC_FRAME) /* [n] u64 offset, bytes */                                            \
    X(RING, 0x13, FROM_KEEPER, 16, 16)               /* [n] u64 size, u64 from; with a descriptor */                        \
    X(PRODUCED, 0x14, FROM_KEEPER, 8, 8)             /* [n] u64: the ring holds bytes up to here */                         \
    X(OUTPUT_END, 0x15, FROM_KEEPER, 8, 8)           /* [n] u64 total */                                                    \
    X(CONSUMED, 0x16, FROM_KEEPER, 8, 8)             /* [s] u64: bytes of channel 0 that are where they go */               \
    X(STOP_INPUT, 0x17, FROM_KEEPER, 2, 2)           /* [s] u16 code */                                                     \
    X(RESULT, 0x18, FROM_KEEPER, 0, LIMIT_IPC_FRAME) /* [s] bytes */                                                        \
    X(NOTICE, 0x19, FROM_KEEPER, 0, 1024)            /* [s] text */                                                         \
    X(DIRECT, 0x1a, FROM_KEEPER, 0, 0)               /* [s] with a socket that is channels 0 and 1 */                       \
    X(READY, 0x41, FROM_GATE, 0, 1024)               /* the sandbox is on: text for the log */                              \
    X(LOG, 0x42, FROM_GATE, 0, 1024)                 /* text */                                                             \
    /* [c] 32 bytes pin, u64 ours_ms, u64 theirs_ms (landline/proto/clocks.h), str8 peer's address, str8 agent */           \
    X(CONNECTED, 0x43, FROM_GATE, 50, 1024)                                                                                 \
    X(ENROL, 0x44, FROM_GATE, 41, 1024)           /* [c] as in PROTOCOL 5 */                                                \
    X(CLOCKS, 0x46, FROM_GATE, 16, 16)            /* [c] u64 ours_ms, u64 theirs_ms: asked again */                         \
    X(GONE, 0x45, FROM_GATE, 0, 0)                /* [c] the connection has ended */                                        \
    X(OPEN, 0x50, FROM_GATE, 10, LIMIT_IPC_FRAME) /* [s] as in PROTOCOL 5 */                                                \
    X(INPUT, 0x51, FROM_GATE, 9, LIMIT_IPC_FRAME) /* [s] u64 offset, bytes */                                               \
    X(INPUT_END, 0x52, FROM_GATE, 8, 8)           /* [s] u64 total */                                                       \
    X(ACKED, 0x53, FROM_GATE, 8, 8)               /* [n] u64: the client has all below */                                   \
    X(STOPPED, 0x54, FROM_GATE, 2, 2)             /* [n] u16 code */                                                        \
    X(CONTROL, 0x55, FROM_GATE, 1, 65536)         /* [s] u8 kind, body */                                                   \
    X(DONE, 0x56, FROM_GATE, 0, 0)                /* [s] */                                                                 \
    X(SENT, 0x57, FROM_GATE, 8, 8)                /* [n] u64: paced output has left up to here */

enum ipc_type {
#define IPC_ENUM(name, number, side, least, most) IPC_##name = number,
    IPC_LIST(IPC_ENUM)
#undef IPC_ENUM
};

/* Flags of OPENED. */
enum {
    IPC_BULK = 1,
    IPC_TERMINAL = 2,
    IPC_PACED = 4,
};

struct ipc_message {
    uint8_t type, channel;
    uint32_t connection, stream;
    struct slice payload; /* valid until the next call */
    int fd;               /* the receiver's to close; -1: none */
};

struct ipc {
    int fd; /* owned */
    enum ipc_side self;
    struct buf in, out;
    int *held; /* descriptors that came and whose message is not taken yet */
    size_t held_count;
    bool ended; /* the other side has gone, or broke the rules */
};

/* Takes over `fd`, a non-blocking stream socket. */
void ipc_init(struct ipc *ipc, int fd, enum ipc_side self);
void ipc_free(struct ipc *ipc);

/* --- out --- */

/* Starts a message; its fields are appended to ipc->out, and ipc_finish() puts the length in. */
size_t ipc_begin(struct ipc *ipc, enum ipc_type type, uint8_t channel, uint32_t connection, uint32_t stream);
void ipc_finish(struct ipc *ipc, size_t mark);
/* A message of one integer, or of bytes. */
void ipc_send_u64(struct ipc *ipc, enum ipc_type type, uint8_t channel, uint32_t connection, uint32_t stream,
                  uint64_t v);
void ipc_send_bytes(struct ipc *ipc, enum ipc_type type, uint32_t connection, uint32_t stream, const void *bytes,
                    size_t n);
/* The payload that stands finished at the end of `out` since `mark` goes with a duplicate of `fd`, which stays the
 * caller's: all that waits is sent now. 0, -EAGAIN when the socket is full (the message was taken back; try again after a
 * flush), or -errno. */
int ipc_finish_with_fd(struct ipc *ipc, size_t mark, int fd);
/* Sends what waits. True: something is left, wait until the descriptor is writable. */
bool ipc_flush(struct ipc *ipc);

/* --- in --- */

/* Reads what is there; call when readable. Sets `ended` at the end. */
void ipc_fill(struct ipc *ipc);
/* 1 and a message, or 0: none is whole. What breaks the rules ends the conversation. */
int ipc_next(struct ipc *ipc, struct ipc_message *message);

#endif
