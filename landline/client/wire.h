/* The lower half of a connection: plaintext to bytes of the transport and back, over TLS or, to the user's own broker on
 * a UNIX socket, as it is. The calls are those of lib/tls/engine.h. */
#ifndef LANDLINE_CLIENT_WIRE_H
#define LANDLINE_CLIENT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "lib/tls/engine.h"

struct wire;

/* A TLS connection to the server with the pin `expect`; see tls_engine_new_client(). */
int wire_new_tls(struct wire **out, struct tls_policy *policy, const struct tls_pin *expect, const char *name,
                 uint64_t unix_now);
int wire_new_plain(struct wire **out);
void wire_free(struct wire *wire);

/* May be written to. */
bool wire_is_open(const struct wire *wire);
/* Whether the handshake has been going on, for telling apart failures before and after. */
bool wire_was_open(const struct wire *wire);
/* 0, or why it failed, and a clause that says more ("" for none). */
int wire_error(const struct wire *wire);
const char *wire_sentence(const struct wire *wire);
/* Whether the server has said close_notify: nothing more will come, however long one waits. */
bool wire_has_ended(const struct wire *wire);
/* The key that the server showed, or NULL. */
const struct tls_pin *wire_peer(const struct wire *wire);

uint8_t *wire_reserve(struct wire *wire, size_t want, size_t *room);
void wire_commit(struct wire *wire, size_t n);
void wire_eof(struct wire *wire);
void wire_plain(struct wire *wire, const uint8_t **bytes, size_t *n);
void wire_consume(struct wire *wire, size_t n);

/* tls_engine_place() and tls_engine_apart(), until wire_release(); over a plain wire nobody is asked. */
void wire_place(struct wire *wire, size_t head, uint8_t *(*choose)(void *arg, const uint8_t *head, size_t n),
                void *arg);
const uint8_t *wire_apart(const struct wire *wire, size_t *n);

int wire_write(struct wire *wire, const struct iovec *parts, int count);
void wire_close(struct wire *wire);
/* How much waits to be sent; and one send of it: how much went, 0 if nothing waited, -EAGAIN, or another -errno. */
size_t wire_pending(const struct wire *wire);
ssize_t wire_send(struct wire *wire, int fd);

/* Gives up the TLS engine (NULL over plain), which is the caller's then; the wire can only be freed. */
struct tls_engine *wire_release(struct wire *wire);

#endif
