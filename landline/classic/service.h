/* The classic protocols' server: what all four share, and what one of them has to say.
 *
 * One thread, one loop, every client a struct classic_peer of its service's size. A service answers in the watch callback of
 * its peer and never waits; what a peer waits for follows from its state. */
#ifndef LANDLINE_CLASSIC_SERVICE_H
#define LANDLINE_CLASSIC_SERVICE_H

#include <stddef.h>

#include "landline/error.h"
#include "landline/loop.h"
#include "landline/socket.h"
#include "lib/base/limits.h"
#include "lib/os/spawn.h"

struct classic_server;

/* The first member of every service's own struct. */
struct classic_peer {
    struct classic_server *server;
    ll_socket *socket; /* non-blocking */
    ll_watch *watch;   /* asks for the service's events at first */
    struct classic_peer *next, **link;
};

/* To add one: a serve_NAME.c with its row, and a line in the table of serve.c. */
struct classic_service {
    const char *name;
    const char *about; /* what anyone who reaches the port can do */
    int port;
    int segment;         /* the most bytes of TCP payload and options in one segment; 0: the system's choice */
    unsigned events;     /* what a peer waits for at first */
    size_t peer_size;    /* bytes of its struct, zeroed before `ready` is called first */
    ll_watch_fn *ready;  /* the argument is the peer */
    void (*end)(void *); /* lets go of what the peer holds beside socket and watch; NULL: nothing */
};

extern const struct classic_service classic_service_upper, classic_service_exec, classic_service_file,
    classic_service_ssh;

struct classic_server {
    const struct classic_service *service;
    ll_loop *loop;
    ll_socket *listener;
    ll_watch *watch;
    ll_timer *retry; /* accepts again when there were no descriptors */
    struct classic_peer *peers;
    struct classic_command *commands; /* running, or ended and not yet collected */
    size_t command_count;
    struct spawn_limit descriptors; /* what a program gets instead of the server's raised limit */
    void (*say)(void *arg, const char *line);
    void *say_arg;
    unsigned char scratch[LIMIT_CLASSIC_SCRATCH]; /* what is received and answered within one callback */
};

/* Ends the connection and frees the peer. */
void classic_close(struct classic_peer *peer);

/* One line for the person who runs the server: the peer's address, then the text, escaped. */
void classic_say(struct classic_peer *peer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Receives into server->scratch, at most one byte less than it holds: the number of bytes; 0: none yet, wait; -1: the peer has gone and is freed. */
ssize_t classic_receive(struct classic_peer *peer, size_t most);

#endif
