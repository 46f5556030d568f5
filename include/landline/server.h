/* landline/server.h: a landline server inside a program, with services of its own.
 *
 * It does what `landline serve` does, run and shell and all, and what you add: a service is a name, the verb that a client's
 * grant must hold, and functions that are called as requests come. examples/server_upper.c is one.
 *
 *     struct ll_serve_options options = {.folder = "/var/lib/thing", .listen = "127.0.0.1:7227",
 *                                         .services = &mine, .service_count = 1};
 *     ll_server *server;
 *     int e = ll_server_open(&options, &server, &info);
 *     while (e >= 0)
 *         e = ll_server_step(server, LL_NEVER);
 *
 * The folder holds key, grants, invites, ledger, results and audit log (as LANDLINE_HOME does for `landline`, so its commands
 * invite and grants work on it); one server a folder. Requests are checked against the grants before a service sees them.
 *
 * `landline serve` has its network side in a process of its own, locked in; here everything is in yours, without a
 * sandbox. Where strangers can reach the port, prefer `landline serve`.
 *
 * One thing is changed for the whole process: its soft limit of descriptors is raised to the hard one. Nothing is printed, no
 * signal handler is installed. The programs that it starts are collected by itself, each by its own number, at the latest in
 * ll_server_free(); other children of the process are left alone, and SIGCHLD must not be ignored. Requests for get, put and ls are
 * refused, for the processes that serve files are the program `landline`.
 *
 * Threads: a server and its requests belong to one thread at a time. Functions return 0 or a count, or a negative code of
 * landline/error.h. Callbacks run inside ll_server_step() only, must not wait, and may call anything here but
 * ll_server_step() and ll_server_free(). The protocol is docs/PROTOCOL.md; channels and offsets are its section 6. */
#ifndef LANDLINE_SERVER_H
#define LANDLINE_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "landline/error.h"
#include "landline/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ll_server ll_server;
typedef struct ll_request ll_request;

/* What a grant can hold; a service names those of which a client needs one. */
enum ll_verb {
    LL_VERB_RUN = 1,
    LL_VERB_SHELL = 2,
    LL_VERB_GET = 4,
    LL_VERB_PUT = 8,
    LL_VERB_UPPER = 16,
};

/* A service. `arg` is that of the options. Functions other than `open` may be NULL. */
struct ll_service {
    const char *name; /* in place of a service of landline's, if it has one of that name */
    unsigned int verbs;
    /* A request, with its `n` bytes, valid during the call. 0 accepts it: the client is told at once, and input and output
     * may flow. Negative refuses it, with ll_strerror() of the code as the reason; `gone` follows in either case. */
    int (*open)(void *arg, ll_request *request, const void *bytes, size_t n);
    /* Input, in order. It is acknowledged by ll_request_consumed(), and no more than 64 KiB that are not come. */
    void (*input)(void *arg, ll_request *request, const void *bytes, size_t n);
    void (*input_end)(void *arg, ll_request *request);
    /* Output of the channel, up to the byte with this offset, has been taken by the network. */
    void (*sent)(void *arg, ll_request *request, int channel, uint64_t offset);
    /* The client wants no more of the channel; what is written to it from now on is dropped. */
    void (*stopped)(void *arg, ll_request *request, int channel);
    /* The end, and the last call: the client has the result, has left, or was cut off. The request is dead after it. */
    void (*gone)(void *arg, ll_request *request);
};

struct ll_serve_options {
    const char *folder;                /* made if it is not there (0700) */
    const char *listen;                /* "ADDR:PORT", several separated by commas; numeric; port 0 takes a free one */
    const struct ll_service *services; /* must stay valid */
    size_t service_count;
    void (*log)(void *arg, const char *line); /* a printable line; may be NULL */
    void *arg;                                /* of all callbacks */
};

/* Opens the folder and listens. *out is the caller's, to be ended with ll_server_free(). Blocks on the file system only.
 * `info` (may be NULL) says what failed: LL_EKEYFILE, LL_EFORMAT (a file with a mistake, "name:line"), LL_EADDRESS,
 * -EADDRINUSE and what else listening gives, LL_ELIMIT (more than 12 addresses, or the folder's name is too long),
 * -EWOULDBLOCK (another server has the folder), -ENOMEM, -errno. */
LL_API int ll_server_open(const struct ll_serve_options *options, ll_server **out, struct ll_error_info *info);

/* Ends it: connections are closed, commands that run are killed and collected, which takes a second at most. NULL is fine. Not
 * inside a callback. */
LL_API void ll_server_free(ll_server *server);

/* One pass: waits until something is to be done, at most until `deadline`, and does it. 0 or more; negative: it cannot go on
 * (errors as ll_loop_step()). */
LL_API int ll_server_step(ll_server *server, int64_t deadline);

/* For one's own event loop: before waiting call ll_server_deadline(), wait until the descriptor is readable, at most until
 * then, and call ll_server_step(server, 0). These two cannot fail. */
LL_API int ll_server_fileno(const ll_server *server);
LL_API int64_t ll_server_deadline(ll_server *server);

/* "ADDR:PORT" of listener `index`, with the port that it got; NULL behind the last. Valid as long as the server. */
LL_API const char *ll_server_address(const ll_server *server, size_t index);

/* Makes an invite, as `landline invite` prints it, into out[size], terminated. `address` is what the client shall dial, NULL:
 * the first listener's. `verbs` are bits of enum ll_verb; `as` names the user that commands run as where the server is
 * root's, else NULL. Good for one key and `seconds` seconds. Writes files. LL_ELIMIT: out is too small, or 1,000 invites are
 * there; LL_EADDRESS; LL_EFORMAT: `as` is no user's name, or a file has a mistake; -errno. */
LL_API int ll_server_invite(ll_server *server, const char *address, unsigned int verbs, const char *as, double seconds,
                            char *out, size_t size);

/* ---- requests ---- */

/* Something of the service's own for a request; NULL at first. */
LL_API void ll_request_set(ll_request *request, void *value);
LL_API void *ll_request_get(const ll_request *request);

/* What the client is called in the grants. Valid until `gone`. */
LL_API const char *ll_request_label(const ll_request *request);

/* Sends n bytes on channel 1 or 2: copied, queued, never waits. A service bounds what it queues by looking at `sent`.
 * -EINVAL after the request's end, or for another channel. */
LL_API int ll_request_write(ll_request *request, int channel, const void *bytes, size_t n);
/* How many bytes were written to a channel so far. */
LL_API uint64_t ll_request_written(const ll_request *request, int channel);

/* n more bytes of input are where they go: the client may send as many more. */
LL_API void ll_request_consumed(ll_request *request, size_t n);

/* Ends both channels and sends the result, n bytes (may be 0). Nothing may follow. -EINVAL after the end, or for more than
 * 64 KiB. */
LL_API int ll_request_finish(ll_request *request, const void *result, size_t n);

/* Ends the request as failed, with a reason in words. Nothing may follow. -EINVAL after the end. */
LL_API int ll_request_fail(ll_request *request, const char *reason);

#ifdef __cplusplus
}
#endif
#endif
