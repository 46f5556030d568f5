/* Many clients on one connection: frames of several local clients go to a server over a connection that is open already,
 * and the server's answers back to whom they belong. Bytes in, bytes out: no descriptor, no clock, no wait.
 *
 *      port 1 ─┐                       ┌─ relay_from_port()    -> relay_up(), and answers in relay_port_out()
 *      port 2 ─┼─ relay ─── server     │
 *      port 3 ─┘                       └─ relay_from_server()  -> relay_port_out() of whom it is for
 *
 * To a client a port is the server: it answers HELLO with the WELCOME that the server once gave, and PING. To the server the
 * relay is one client: streams get numbers of their own (docs/PROTOCOL.md section 6: rising, never used twice) and go through
 * otherwise as they are, so that offsets, credit and acknowledgements stay between the two ends. What a port has unsent is
 * bounded by the credit that its own client has given.
 *
 * Thread rule: one relay and its ports, one thread at a time. */
#ifndef LANDLINE_PROTO_RELAY_H
#define LANDLINE_PROTO_RELAY_H

#include <stdint.h>

#include "landline/proto/message.h"

struct relay;
struct relay_port;

/* `welcome` is copied; `last_stream` is the last number that was used on the connection. NULL when memory runs out. */
struct relay *relay_new(const struct message_welcome *welcome, uint32_t last_stream);
/* With all its ports; NULL is fine. */
void relay_free(struct relay *relay);

/* `tag` is handed back by relay_next_dirty(). NULL when memory runs out. */
struct relay_port *relay_port_new(struct relay *relay, void *tag);
/* Its client has gone: DONE for each of its streams is in relay_up(). NULL is fine. */
void relay_port_free(struct relay_port *port);

/* Takes bytes of a client; `unix_ms` is the server's time of day for WELCOME. 0: all were taken. 1: HELLO was, with *used bytes; call
 * again with the rest once its client's socket has taken all of WELCOME: so who has gone before it was let in has had nothing done.
 * Or why the port is at its end: LL_EPROTOCOL,
 * LL_ELIMIT, LL_EOF (it said CLOSE, or must be told to: send what relay_port_out() has, then free it), -ENOMEM. */
int relay_from_port(struct relay_port *port, const void *bytes, size_t n, uint64_t unix_ms, size_t *used);

/* Takes bytes of the server; `clock_ms` is as of session_set_clock(), read after they came. 0, or why the connection is at its end: LL_EOF after CLOSE or BUSY, LL_EPROTOCOL, LL_ELIMIT,
 * -ENOMEM. */
int relay_from_server(struct relay *relay, const void *bytes, size_t n, uint64_t clock_ms);

/* What is to be sent: the owner takes it from the front with buf_consume(). One that failed (LL_ELIMIT, -ENOMEM) has lost
 * bytes, and its connection must end. */
struct buf *relay_up(struct relay *relay);
struct buf *relay_port_out(struct relay_port *port);

/* The tag of a port that got something to send since it was last named, NULL when there is none. */
void *relay_next_dirty(struct relay *relay);

/* PING to the server, after a silence. */
void relay_ping(struct relay *relay);
/* Streams of all ports that are open now. */
size_t relay_streams(const struct relay *relay);

#endif
