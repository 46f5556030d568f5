/* The broker: a process of the user's that keeps the connection to one host, so that the next call needs no handshake.
 *
 *      call ──plain frames──▶ UNIX socket ── broker ──TLS──▶ server
 *
 * The first call connects by itself, and leaves its connection behind when it ends: broker_leave() forks, the child becomes the
 * broker. A later call finds its socket and speaks the same protocol over it. The broker passes frames on (landline/proto/relay.h)
 * and understands no request. It ends when the server's connection does, or after a minute without a stream. Nothing depends on
 * it: a call that gets no answer within a second, or whose broker goes, connects by itself and goes on there.
 *
 * Its files are in the folder `brokers` of the runtime folder, 0700: NAME.lock, which a broker holds locked as long as it
 * lives, and NAME.socket. NAME is made from the server's pin, its addresses, and the key file with its identity and time, so that a host that was
 * changed or a key that was replaced never meets an old broker. Both ends check that the other is of the same user. */
#ifndef LANDLINE_CLIENT_BROKER_H
#define LANDLINE_CLIENT_BROKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "landline/client.h"
#include "landline/client/hosts.h"
#include "landline/proto/message.h"
#include "landline/socket.h"
#include "lib/os/paths.h"
#include "lib/tls/engine.h"

/* Where the broker for a host is. */
struct broker_place {
    char folder[PATHS_SIZE];
    char name[64];
};

/* 0; -ENOENT where there is no key file; LL_ELIMIT, -errno. */
int broker_place(struct broker_place *out, const struct tls_pin *pin, const char *addresses, const char *key_path);
int broker_place_of_host(struct broker_place *out, const struct host *host);

/* Whether brokers are wanted at all: LANDLINE_BROKER is not "off". */
bool broker_enabled(void);

/* A connected socket, non-blocking, whose other end is this user's. Else negative: -ENOENT, -ECONNREFUSED, -EAGAIN,
 * -EPERM, …: there is none that can be used. Does not block. */
int broker_connect(const struct broker_place *place, ll_socket **out);

/* The process that is the broker there, and since when, in seconds since 1970; 0 where there is none. */
pid_t broker_find(const struct broker_place *place, int64_t *since);
/* Ends it, where there is one, and removes its files: calls that use it go on by themselves. */
void broker_stop(const struct broker_place *place);

/* Makes the place one's own: the folder, the lock that says so, the socket that listens, non-blocking. 0; -EWOULDBLOCK where a
 * broker lives already; -errno. */
int broker_claim(const struct broker_place *place, int *lock, ll_socket **listener);
/* Tells broker_find() who holds the lock. */
int broker_sign(int lock, pid_t pid);

/* Before ll_client_free(): leaves a broker behind, if the client has a connection of its own with nothing under way, brokers are wanted, and there is none yet.
 * It takes the connection away. `argv` is the program's own, for the title. A library must not fork behind its
 * caller's back, so that only landline/cli calls this. */
void broker_leave(ll_client *client, char **argv);

/* What a broker starts with; all of it is the broker's. */
struct broker_start {
    ll_socket *server, *listener;
    struct tls_engine *tls;
    const struct message_welcome *welcome;
    uint64_t unix_ms;     /* of the client's clock, when `welcome` came */
    uint32_t last_stream; /* used on the connection */
    double idle_s;        /* ends after so long without a stream */
};
/* Serves until it is over, in the calling process, which it locks into lib/os/sandbox.h first. 0 or negative. */
int broker_serve(const struct broker_start *start);

#endif
