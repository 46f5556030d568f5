/* One connection to a server: socket, wire and session on the loop. It opens, carries streams, and ends once.
 *
 * Users of the link are streams. A user that has bytes for channel 0 says so with link_ready(); the link asks it for frames
 * as the transport takes them, in turns, so that the frames of one do not wait behind those of another and never more than
 * LINK_AHEAD bytes lie encrypted and unsent. */
#ifndef LANDLINE_CLIENT_LINK_H
#define LANDLINE_CLIENT_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "landline/client/wire.h"
#include "landline/loop.h"
#include "landline/proto/session.h"
#include "landline/socket.h"

struct link;

struct link_user {
    /* An event of the stream that has this user as its tag. */
    void (*event)(struct link_user *user, const struct session_event *event);
    /* The next DATA frame: 1, or 0 when there is none now. */
    int (*data)(struct link_user *user, uint8_t head[MESSAGE_DATA_HEAD], struct slice *payload);
    /* After link_place(): where n bytes that come for a channel shall lie, NULL for anywhere. Their event, should it come, is the next one
     * that the user gets. May be NULL. */
    uint8_t *(*place)(struct link_user *user, uint8_t channel, size_t n);
    struct link_user *next_ready; /* the link's */
    bool is_ready;
};

/* How a link ended: the code, and where it comes from. */
struct link_end {
    int code;
    bool was_open;           /* the handshake was done: a request may have gone out */
    bool was_in;             /* WELCOME had come */
    uint16_t close_code;     /* of the server's CLOSE, 0 for none */
    uint32_t retry_after_ms; /* of BUSY */
    char text[256];          /* what the server, or the TLS engine, said about it; printable */
    bool has_peer;
    struct tls_pin peer; /* the key that the server showed */
};

/* Called from the loop, never from inside another call on the link. */
struct link_owner {
    /* The first bytes of the server's handshake are here, not looked at yet. May be NULL; never called over a plain wire. */
    void (*answered)(void *arg);
    /* The server's key is proved: requests may be opened now, and go out with the same flight. */
    void (*open)(void *arg);
    void (*welcome)(void *arg, const struct message_welcome *welcome);
    /* It is over; free the link. */
    void (*end)(void *arg, const struct link_end *end);
};

struct link_config {
    ll_loop *loop;
    bool enrol;
    int64_t greeting_deadline;
    uint32_t dead_after_ms, window_max; /* as the session's */
    const struct link_owner *owner;
    void *arg;
};

/* Takes socket and wire, also when it fails. 0, -ENOMEM, or what ll_loop_fd() gives. */
int link_new(struct link **out, const struct link_config *config, ll_socket *socket, struct wire *wire);
/* Begins. Over a plain wire `open` is called in here. */
void link_start(struct link *link);
/* Says goodbye if it is open (what fits into the socket at once), and closes it. NULL is fine. */
void link_free(struct link *link);

struct session *link_session(struct link *link);
/* It has ended, and the owner will be told: nothing can be opened on it any more. */
bool link_is_over(const struct link *link);

/* After session calls from outside the link's own callbacks, or when a user got bytes to send: sends what can be sent. */
void link_ready(struct link *link, struct link_user *user); /* `user` NULL: only the session's output */
/* From now on users are asked where contents shall lie. */
void link_place(struct link *link);
/* A user has no room for more: nothing is received until link_go_on(), or for 50 ms at the most, for a link must not seem dead
 * because a disk is slow. What was received already still comes. */
void link_hold(struct link *link);
void link_go_on(struct link *link);
/* The user will not be asked any more; before it is freed. */
void link_forget(struct link *link, struct link_user *user);

/* Where nothing is under way on it: hands the connection over, and frees the link. The socket and the TLS engine (NULL
 * over a plain wire) are the caller's, and what has to be known to go on: the highest stream that was used. -EBUSY: something
 * is under way. */
int link_release(struct link *link, ll_socket **socket, struct tls_engine **tls, uint32_t *last_stream);

#endif
