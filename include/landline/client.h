/* landline/client.h: the client of landline: commands on another machine that are not lost when the line drops.
 *
 * A client is one host and at most one connection to it, on which any number of runs go on at once. It connects when the
 * first run is started, connects again by itself when the link drops, and goes on where each run was: not one byte of
 * input or output is lost, doubled or reordered, and no command is started twice.
 *
 *     ll_client *client;
 *     struct ll_client_options options = {.host = "box"};
 *     struct ll_run_options run = {.argv = (const char *const[]){"uname", "-a"}, .argc = 2};
 *     struct ll_collected got;
 *     int e = ll_client_open(&options, &client, NULL);
 *     if (e == 0)
 *         e = ll_client_run(client, &run, &got, NULL);
 *
 * What a command did and what landline did never mix: functions return 0 or a negative code of landline/error.h for
 * landline; struct ll_result says how the command ended.
 *
 * Three ways to wait, all the same underneath:
 *   - ll_client_run() and ll_run_wait() block, and serve all runs of the client meanwhile;
 *   - with an event loop of landline/loop.h: name it in the options, and everything happens in its callbacks;
 *   - with an event loop of your own: wait for ll_client_fileno() to be readable, at most until ll_client_deadline(), and
 *     call ll_client_step(), which does not wait.
 *
 * It cannot deadlock: reading never waits for writing. Output that was not yet taken stays within a window of fixed size
 * per run, input within LL_INPUT_MAX, and a full one of them never holds up another run or the other direction.
 *
 * Threads: a client, its loop and its runs belong to one thread at a time; different clients are independent. Callbacks
 * run inside the three functions above (or the loop), never elsewhere. Inside them everything is allowed but
 * ll_client_free(), ll_client_step(), ll_client_run() and ll_run_wait() of the same client.
 * Nothing is printed, no signal handler is installed; where a host's name needs looking up, a thread of its own does it.
 *
 * Trust: the server's key is compared with the pinned one in each handshake, before a byte of a request leaves. Hosts and
 * pins are those of `landline add`; or name address, pin and key yourself.
 *
 * Times are seconds unless the name says otherwise; points in time are nanoseconds of CLOCK_MONOTONIC (inside) or
 * milliseconds since 1970 UTC by the server's clock (unix_ms). The protocol is docs/PROTOCOL.md. */
#ifndef LANDLINE_CLIENT_H
#define LANDLINE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/error.h"
#include "landline/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ll_client ll_client;
typedef struct ll_run ll_run;

/* Why something failed, in words for people. Plain memory of the caller's. `sentence` names the host, the cause and what
 * to do next, in one line without a full stop, all bytes printable. */
struct ll_failure {
    int code; /* negative; its stable name is ll_error_name(code) */
    char sentence[600];
};

/* ---- the client ---- */

enum ll_client_event {
    LL_CLIENT_CONNECTED, /* the server has let us in, at first or again */
    LL_CLIENT_LOST,      /* the link is gone; the client tries again by itself. failure says why */
    LL_CLIENT_RETRY,     /* one more attempt failed */
    LL_CLIENT_FAILED,    /* it gave up; every run ends now */
    LL_CLIENT_REACHED,   /* on the way in: there is a connection, TLS begins (not over the broker) */
    LL_CLIENT_ANSWERED,  /* … its half of the handshake is coming, with the key that is now compared and proved */
    LL_CLIENT_PROVED,    /* … it was the pinned key; now the server looks at ours */
};

/* How to reach a host; all zero but `host` is a good choice. Strings are copied. */
struct ll_client_options {
    const char *host; /* a name of the list of hosts (`landline hosts`); or, where address is given, only a name for
                            * messages */
    const char *addresses;    /* "HOST:PORT", several separated by commas, instead of the list's … */
    const char *pin;          /* … with the server's "SHA256:…" … */
    const char *key_file;     /* … and the own key; NULL: the user's own, made if there is none yet */
    double connect_timeout_s; /* for each attempt to connect, greeting included; 0 is 20 */
    double patience_s;        /* how long to try again after a link was lost; 0 is 15 minutes, negative for ever */
    double silence_s; /* how long the server may be silent before the link counts as lost, 0.3 … 45; 0 is 45, or
                               * what the environment's LANDLINE_SILENCE says ("5s"). A third of it is waited before
                               * the client asks; an attempt to connect takes no longer either */
    bool no_broker;   /* a connection of this client's own. Else a host of the list is reached through the
                               * connection that the user's last landline command has left, where there is one: it costs
                               * no handshake, and if it fails the host is asked directly. A client never leaves one
                               * itself. The environment's LANDLINE_BROKER=off sets this for all */
    ll_loop *loop;    /* run on this loop, which stays the caller's; NULL: one of its own */
    void (*event)(void *arg, enum ll_client_event event, const struct ll_failure *failure); /* may be NULL */
    void *arg;
};

/* Makes a client; nothing is connected yet. Reads the list of hosts. On failure `failure` (may be NULL) says more. -EINVAL:
 * the host's name is missing, or longer than 64 bytes; LL_EHOST: no such host; LL_EFORMAT: the list or the pin is malformed;
 * LL_EADDRESS: an address is not HOST:PORT; LL_ELIMIT: the name of a folder or file is too long; -ENOMEM, -EMFILE; -errno of a
 * file that cannot be read. Reads files, else does not block. */
LL_API int ll_client_open(const struct ll_client_options *options, ll_client **out, struct ll_failure *failure);

/* Ends the client: its connection is closed, runs that go on are left to their on_loss, and their ll_run are dead. NULL is
 * fine. Not inside a callback. */
LL_API void ll_client_free(ll_client *client);

/* Connects now instead of with the first run, and waits until the server has let us in, or the attempt failed. A server that
 * says when to come back is asked again then, as long as there is patience. Reads the key.
 * Errors: -ECONNREFUSED and what else connecting gives, LL_EGAI(…), LL_ETIMEOUT, LL_EPIN, LL_ENOTENROLLED, LL_EREVOKED,
 * LL_ESILENT, LL_EVERSION, LL_EBUSY, LL_ETLS, LL_EPROTOCOL, LL_ELOST; LL_EKEYFILE: the key is not safe to use; -errno of its
 * file. */
LL_API int ll_client_connect(ll_client *client, struct ll_failure *failure);

/* For one's own event loop; see above. The deadline is LL_NEVER if there is none. These two cannot fail; ll_client_step()
 * returns 0, errors as ll_loop_step(). */
LL_API int ll_client_fileno(const ll_client *client);
LL_API int64_t ll_client_deadline(ll_client *client);
LL_API int ll_client_step(ll_client *client);

/* ---- what to run ---- */

/* What becomes of a run whose client is gone. */
enum ll_on_loss {
    LL_KEEP, /* it goes on, and can be attached to, for keep_s seconds without a watcher; then it is killed */
    LL_KILL, /* it is killed, with all its processes */
};

struct ll_limit {
    int resource;        /* RLIMIT_… of <sys/resource.h> */
    uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

struct ll_terminal_size {
    uint16_t rows, columns, xpixel, ypixel;
};

/* A command and how it is to run; all zero but the command is a good choice. Exactly one of argv, shell and login.
 * Strings are copied; they may hold any byte but NUL. */
struct ll_run_options {
    const char *const *argv; /* argv[0 … argc - 1], as the program gets it, byte for byte */
    size_t argc;
    const char *shell; /* a text for the login shell's -c */
    bool login;        /* an interactive login shell; needs a terminal */

    const char *cwd;                /* NULL: the grant's root or the home folder */
    const char *const *environment; /* "NAME=VALUE", added to the server's */
    size_t environment_count;
    const struct ll_limit *limits;
    size_t limit_count;
    double timeout_s; /* TERM after so long; 0 none */
    double grace_s;   /* KILL so long after TERM; also how long descendants may hold an output open; 0 is 5 */
    bool set_umask, set_nice;
    unsigned int umask;
    int nice;

    bool no_input;    /* standard input is at its end from the start */
    bool terminal;    /* run it on a terminal of its own; both outputs come as standard output */
    const char *term; /* TERM there */
    struct ll_terminal_size size;
    const char *name; /* a name under which others find it (a named shell) */

    enum ll_on_loss on_loss;
    double keep_s;    /* 0 is 600, negative for ever */
    bool drop_oldest; /* when nobody takes the output and the server's store is full: drop, instead of making the
                         * program wait */
    bool detach;      /* leave as soon as it has started */
};

/* ---- how it ended ---- */

enum ll_ending {
    LL_EXITED = 1,  /* by itself, code is its exit status */
    LL_SIGNALLED,   /* killed by signal `code` */
    LL_TIMED_OUT,   /* timeout_s was over; code is the signal that ended it */
    LL_NOT_STARTED, /* code is 127 not found, 126 not executable, 125 otherwise; error and text say why */
    LL_LOST,        /* the server stopped while it ran: how it ended is not known */
    LL_UNWATCHED,   /* killed because nobody watched; code is the signal */
    LL_DETACHED,    /* left running, as asked */
};

struct ll_result {
    enum ll_ending ending;
    int code;
    int error; /* errno of LL_NOT_STARTED, Linux numbers, else 0 */
    bool core_dumped;
    bool output_cut;                /* a descendant held an output open when the grace ended; the output ends there */
    uint64_t started_ms, ended_ms;  /* unix_ms of the server */
    uint64_t input, output, errors; /* bytes taken by the program, and of each output */
    uint64_t output_digest, errors_digest;   /* XXH64, seed 0, of all that the program wrote; verified where possible */
    bool verified;                           /* both digests were compared with what was handed out here */
    uint64_t dropped_output, dropped_errors; /* bytes that the overflow policy dropped, whoever watched */
    uint64_t missed_output, missed_errors;   /* bytes that were not handed out here, for they were not kept any more */
    uint64_t user_us, system_us, max_rss_kib;
    char text[256]; /* LL_NOT_STARTED: why, printable */
};

/* ---- runs ---- */

enum { LL_INPUT_MAX = 1 << 20, LL_RUN_ID = 27 };

/* Callbacks of a run; any may be NULL. */
struct ll_run_callbacks {
    /* Bytes of standard output (channel 1) or standard error (2), in order within each; valid during the call only.
     * Returns how many bytes are done with: the sum is what ll_run_taken() would be told. Bytes not counted here keep
     * their place in the window until ll_run_taken() counts them: that is the back-pressure. The callee has got all n
     * bytes in any case, none comes twice. NULL: output is dropped. */
    size_t (*output)(void *arg, ll_run *run, int channel, const void *bytes, size_t n);
    /* The channel is complete. */
    void (*output_end)(void *arg, ll_run *run, int channel);
    /* There is room for input again. */
    void (*input_room)(void *arg, ll_run *run);
    /* The server has started the command, or found it running or finished. After a lost link it comes again. */
    void (*opened)(void *arg, ll_run *run);
    /* It is over: ll_run_result() says how. The last call; the run may be freed in it. */
    void (*over)(void *arg, ll_run *run);
};

/* Starts a command. *out is the caller's, to be ended with ll_run_free(). Does not wait: failures of the connection are told
 * when the run is over. -EINVAL: the options contradict each other; LL_ELIMIT: more than the protocol carries; -ENOMEM. */
LL_API int ll_run_start(ll_client *client, const struct ll_run_options *options,
                        const struct ll_run_callbacks *callbacks, void *arg, ll_run **out);

/* What of a run that was started before (also elsewhere, with the same key) is to be seen. */
struct ll_attach_options {
    const char *id;   /* 26 characters, or NULL and … */
    const char *name; /* … the name that it was given */
    bool from_now;    /* only output that comes from now on; otherwise all that the server still has */
    bool take_input;  /* this client feeds its input from now on */
    struct ll_terminal_size size;
};
/* Starts to watch it; *out as ll_run_start(). -EINVAL: not one of id and name; LL_EFORMAT: that is no id; LL_ELIMIT: a name
 * longer than the protocol carries; -ENOMEM. */
LL_API int ll_run_attach(ll_client *client, const struct ll_attach_options *options,
                         const struct ll_run_callbacks *callbacks, void *arg, ll_run **out);

/* Goes on with a run of another process or an earlier time, from a token of ll_run_token(): output continues exactly
 * behind what that run had handed out. Standard input ends where the server has it. Where the server has not heard of the run
 * it is started, if the token is of the present boot of this machine and the server remembers far enough back to know that it
 * never was; else LL_EUNKNOWNRUN. LL_EFORMAT: not a token; -ENOMEM. */
LL_API int ll_run_resume(ll_client *client, const void *token, size_t size, const struct ll_run_callbacks *callbacks,
                         void *arg, ll_run **out);

/* The run's present state as bytes that a program can store: request, id, how far each output was handed out. Returns the
 * size; fills out[size] if it is large enough (ask with size 0). -ENOMEM. */
LL_API int64_t ll_run_token(const ll_run *run, void *out, size_t size);

/* Ends it on this side: a run that goes on is left to its on_loss. NULL is fine. */
LL_API void ll_run_free(ll_run *run);

/* The id, 26 characters and a NUL; valid as long as the run. Known at once for a run that was started here, after `opened`
 * for one attached to by name. */
LL_API const char *ll_run_id(const ll_run *run);

/* `n` bytes of output of the channel that `output` did not count are done with now. */
LL_API void ll_run_taken(ll_run *run, int channel, size_t n);

/* No more output of the channel is wanted: the program gets EPIPE when it writes there, and output_end follows. -EINVAL: not 1
 * or 2; -ESRCH: the run is over. */
LL_API int ll_run_stop(ll_run *run, int channel);

/* Standard input: takes as much as there is room for, returns how much (0: none now, `input_room` will tell). -EPIPE: the
 * program takes no more, or is over; -ENOMEM. ll_run_input_end() ends it; nothing may follow. */
LL_API int64_t ll_run_input(ll_run *run, const void *bytes, size_t n);
LL_API size_t ll_run_input_room(const ll_run *run);
LL_API bool ll_run_input_wanted(const ll_run *run);
LL_API void ll_run_input_end(ll_run *run);

/* A signal (Linux number) to the process group of the command; the size of its terminal; leave it to itself now.
 * -ENOTCONN: while the link is down (a size is remembered); -ESRCH: it is over; -EINVAL: no such signal. */
LL_API int ll_run_signal(ll_run *run, int signal);
LL_API int ll_run_resize(ll_run *run, const struct ll_terminal_size *size);
LL_API int ll_run_detach(ll_run *run);

/* After `over`: 0 and *result, how the command ended. Otherwise why there is no result, with words in `failure` (may be
 * NULL):
 *   -EINPROGRESS    it is not over
 *   LL_ELOST        not known: it may have run, and nobody could be reached any more. Attach later to learn more
 *   LL_EUNKNOWNRUN  the server does not know it, and cannot say that it never ran
 *   others          it certainly did not start: what ll_client_connect() gives (-ECONNABORTED for LL_ELOST), LL_ENOGRANT,
 *                   LL_EUSAGE, LL_EREFUSED, … */
LL_API int ll_run_result(const ll_run *run, struct ll_result *result, struct ll_failure *failure);

/* Serves the client until the run is over or `timeout_s` has passed (negative: no limit): as ll_run_result(), or
 * LL_ETIMEOUT. With an input that was not ended and nobody who writes it, that may be never. */
LL_API int ll_run_wait(ll_run *run, double timeout_s, struct ll_result *result, struct ll_failure *failure);

/* ---- all in one ---- */

struct ll_collected {
    struct ll_result result;
    char *output, *errors; /* both end in a NUL that is not counted; free with ll_collected_free() */
    size_t output_size, errors_size;
    char id[LL_RUN_ID];
};

/* Runs a command without input, waits for its end, and collects both outputs (64 MiB each at most, then the run is killed:
 * LL_ELIMIT). Errors as ll_run_result(). *out is to be freed in any case. */
LL_API int ll_client_run(ll_client *client, const struct ll_run_options *options, struct ll_collected *out,
                         struct ll_failure *failure);
LL_API void ll_collected_free(struct ll_collected *collected);

#ifdef __cplusplus
}
#endif
#endif
