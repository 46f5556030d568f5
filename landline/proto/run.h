/* The requests, responses and results of the run family: run, shell, attach, kill, result, runs (docs/PROTOCOL.md
 * sections 7.2 to 7.5), and the ids of runs.
 *
 * Getters read from one payload, to its end; slices point into it and live as long as it does. They return 0, LL_EFORMAT
 * for bytes that are no such message, LL_ELIMIT for one that passes a limit, -ENOMEM. Putters append to a buf. */
#ifndef LANDLINE_PROTO_RUN_H
#define LANDLINE_PROTO_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/reader.h"

/* --- ids --- */

enum {
    RUN_ID_SIZE = 16,
    RUN_ID_RANDOM = 10,
    RUN_ID_TEXT = 26, /* characters, without a terminator */
};

struct run_id {
    uint8_t bytes[RUN_ID_SIZE];
};

/* An id born at unix_ms (its low 48 bits count). */
struct run_id run_id_make(uint64_t unix_ms, const uint8_t random[RUN_ID_RANDOM]);
/* When it was born, by the clock of the client that made it. */
uint64_t run_id_birth(const struct run_id *id);
bool run_id_equal(const struct run_id *a, const struct run_id *b);
bool run_id_is_zero(const struct run_id *id);
/* 26 characters of base32, lower case, and a NUL. */
void run_id_print(const struct run_id *id, char out[RUN_ID_TEXT + 1]);
/* Takes upper case too. 0, or LL_EFORMAT when `text` is not exactly one id. */
int run_id_parse(const char *text, struct run_id *id);

/* --- run and shell --- */

enum run_flag {
    RUN_SHELL = 2,
    RUN_TTY = 4,
    RUN_DETACH = 8,
    RUN_NO_STDIN = 16,
    RUN_LOGIN = 32,
    RUN_FLAGS = 62,
};

enum run_on_loss {
    RUN_KEEP = 0,
    RUN_KILL = 1,
};

enum run_overflow {
    RUN_BLOCK = 0,
    RUN_DROP = 1,
};

#define RUN_FOREVER       UINT32_MAX /* keep_s */
#define RUN_UMASK_DEFAULT 0xffff
#define RUN_NICE_SAME     0xff
#define RUN_NICE_ZERO     20 /* nice 0 on the wire */
#define RUN_UNLIMITED     UINT64_MAX

struct run_window_size {
    uint16_t rows, columns, xpixel, ypixel;
};

struct run_variable {
    struct slice name, value;
};

struct run_limit {
    uint8_t resource; /* Linux number of RLIMIT_… */
    uint64_t soft, hard;
};

struct run_request {
    struct run_id id;
    uint8_t flags;    /* enum run_flag */
    uint64_t age_ms;  /* of the id */
    uint64_t sent_ms; /* when the request was sent for the first time, by the client's clock; 0: not known */
    uint8_t on_loss;  /* enum run_on_loss */
    uint32_t keep_s;
    uint8_t overflow; /* enum run_overflow */
    uint64_t have1, have2;
    uint64_t timeout_ms;
    uint32_t grace_ms;
    uint16_t umask;
    uint8_t nice;
    struct slice cwd;
    uint32_t argc;
    const struct slice *argv;
    uint16_t variable_count;
    const struct run_variable *variables;
    uint8_t limit_count;
    const struct run_limit *limits;
    struct slice name;
    struct run_window_size size;
    struct slice term;
    void *memory; /* the arrays, where run_request_get() made them; NULL in a request that is to be sent */
};

/* A request with every field at its default (no command, no id): keep for 600 s, block, grace 5 s. */
struct run_request run_request_default(void);
void run_request_put(struct buf *b, const struct run_request *r);
/* Checks every rule of section 7.2; takes memory for the arrays of slices, never more than the payload's size would
 * fill; run_request_free() gives it back and takes what get() left after a failure too. */
int run_request_get(struct slice payload, struct run_request *r);
void run_request_free(struct run_request *r);

/* 16 bytes that are the same for two requests that name the same command (argv, cwd, environment, flags other than
 * DETACH) and differ for others: what CONFLICT compares (section 7.3). */
enum { RUN_PRINT_SIZE = 16 };
void run_request_fingerprint(const struct run_request *r, uint8_t out[RUN_PRINT_SIZE]);

/* In an encoded request, sets the fields that change when it is sent again: age_ms, sent_ms, have1, have2. `bytes` is
 * what run_request_put() wrote. */
void run_request_again(uint8_t *bytes, uint64_t age_ms, uint64_t sent_ms, uint64_t have1, uint64_t have2);

enum run_state {
    RUN_STARTED = 1, /* by this request */
    RUN_RUNNING = 2,
    RUN_FINISHED = 3,
};

struct run_response {
    uint8_t state;    /* enum run_state */
    uint64_t started; /* unix_ms of the server */
    uint32_t pid;
    uint64_t dropped1, dropped2;
    struct run_id id; /* of the run: another than the request's only where a named shell was there already */
};
void run_response_put(struct buf *b, const struct run_response *r);
int run_response_get(struct slice payload, struct run_response *r);

/* CONTROL. */
enum run_control {
    RUN_SIGNAL = 1,
    RUN_WINSIZE = 2,
};
void run_signal_put(struct buf *body, uint8_t signal);
int run_signal_get(struct slice body, uint8_t *signal);
void run_window_size_put(struct buf *body, const struct run_window_size *size);
int run_window_size_get(struct slice body, struct run_window_size *size);

enum run_kind {
    RUN_EXITED = 1,
    RUN_SIGNALLED = 2,
    RUN_TIMED_OUT = 3,
    RUN_NOT_STARTED = 4,
    RUN_LOST = 5,
    RUN_UNWATCHED = 6,
};

enum run_result_flag {
    RUN_CORE_DUMPED = 1,
    RUN_OUTPUT_CUT = 2,
};

struct run_result {
    uint8_t kind; /* enum run_kind */
    uint32_t code;
    uint8_t flags;           /* enum run_result_flag */
    uint32_t error;          /* errno, Linux number */
    uint64_t started, ended; /* unix_ms of the server */
    uint64_t total0, total1, total2;
    uint64_t digest1, digest2; /* XXH64 */
    uint64_t dropped1, dropped2;
    uint64_t user_us, system_us, maxrss_kib;
    struct slice text;
};
/* The text is cut to fit. */
void run_result_put(struct buf *b, const struct run_result *r);
int run_result_get(struct slice payload, struct run_result *r);

/* --- attach, kill, result, runs --- */

enum run_attach_flag {
    RUN_FROM_NOW = 1,
    RUN_TAKE_INPUT = 2,
};

struct run_attach {
    struct run_id id;
    struct slice name; /* with a name the id is zero */
    uint8_t flags;
    struct run_id call; /* made for this attach, the same whenever it comes back … */
    uint64_t age_ms;    /* … and how old it is */
    uint64_t have1, have2;
    struct run_window_size size;
};
void run_attach_put(struct buf *b, const struct run_attach *r);
int run_attach_get(struct slice payload, struct run_attach *r);
/* As run_request_again(), for an encoded attach; also clears FROM_NOW once something is known to have been had. */
void run_attach_again(uint8_t *bytes, size_t size, uint64_t have1, uint64_t have2);
/* In an encoded attach, writes the age. */
void run_attach_aged(uint8_t *bytes, size_t size, uint64_t age_ms);
/* In an encoded attach, clears TAKE_INPUT. */
void run_attach_look_on(uint8_t *bytes, size_t size);

struct run_kill {
    struct run_id id;
    uint8_t signal;
};
void run_kill_put(struct buf *b, const struct run_kill *r);
int run_kill_get(struct slice payload, struct run_kill *r);

/* The request of "result": an id. */
void run_id_put(struct buf *b, const struct run_id *id);
int run_id_get(struct slice payload, struct run_id *id);

struct run_record {
    struct run_id id;
    uint8_t state; /* RUN_RUNNING, RUN_FINISHED */
    uint64_t started, total1, total2, kept, expires;
    uint16_t watchers;
    struct slice name, owner;
    uint32_t argc;
    const struct slice *argv; /* cut to 4 KiB in all when put */
    struct slice result;      /* an encoded run_result, empty while it runs */
    void *memory;
};
/* With the str32 length in front, as the "runs" service sends it. */
void run_record_put(struct buf *b, const struct run_record *r);
/* One record without its length: the contents of the str32. */
int run_record_get(struct slice payload, struct run_record *r);
void run_record_free(struct run_record *r);

#endif
