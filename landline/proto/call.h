/* A request that outlives connections: the client's side of run, shell and attach (docs/PROTOCOL.md sections 6, 7.2 to 7.5).
 *
 * It holds the id, the request, how far each output has come and its running digest, and the input that the server has
 * not acknowledged. When a session ends, the caller connects again and opens the call on the new one; the call sees to it that
 * nothing is lost, doubled or started twice, and ends in exactly one outcome.
 *
 *      call_open(call, session, …)             at first, and on every new session
 *      events of its stream -> call_event()      DATA comes back as CALL_OUTPUT: write it, then call_consumed()
 *      call_input(), call_input_end()            standard input, as far as call_input_room()
 *      call_data(call, …) while it gives frames  input that credit allows to send
 *      call_cut(call)                            the session is gone
 *
 * Pure, as the session is. One call, one thread at a time. */
#ifndef LANDLINE_PROTO_CALL_H
#define LANDLINE_PROTO_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/proto/run.h"
#include "landline/proto/session.h"

struct call;

/* A run or shell; `service` is "run" or "shell". The request is encoded and copied; age, sent_ms, have1 and have2 are
 * the call's to set. */
int call_new_run(struct call **out, const char *service, const struct run_request *request);
int call_new_attach(struct call **out, const struct run_attach *attach);
void call_free(struct call *call);

/* A call as bytes, to go on from another process: the request, how far its outputs have come, their digests. Describes what
 * call_event() has handed out so far: store it when that is safe. Not the input: what call_input() gives a restored call goes
 * where the server's input has come to, as it does with an attach. `boot` is the text that tells which boot of this machine
 * clock_ms counts from, "" where it is not known; both times are those of call_open(). Appends; errors stick in `b`. */
void call_save(const struct call *call, const char *boot, uint64_t unix_ms, uint64_t clock_ms, struct buf *b);
/* 0, LL_EFORMAT, -ENOMEM. A run that was stored in another boot is not started any more where the server has not heard of it: when it
 * was sent first cannot be said. */
int call_restore(struct call **out, struct slice saved, const char *boot);

/* Sends OPEN, the first or a resuming one, on a session (which need not have got its WELCOME yet). The age of the id is counted
 * with `unix_ms`, the time of day. `clock_ms` is that of session_set_clock(): that a command starts at most once rests on it. 0, or
 * the error of session_open(). */
int call_open(struct call *call, struct session *session, uint64_t unix_ms, uint64_t clock_ms);
/* The session ended or is given up: to be called before session_free(), for it asks session_untouched(). Harmless without one. */
void call_cut(struct call *call);
/* The stream on the present session, 0 without one. */
uint32_t call_stream(const struct call *call);

enum call_step {
    CALL_NOTHING = 0, /* seen to */
    CALL_OPENED,      /* call_response(); for a resume: how much was dropped meanwhile has been added up */
    CALL_OUTPUT,      /* *output: bytes of channel 1 or 2 that were never handed out before */
    CALL_OUTPUT_END,  /* the channel is complete */
    CALL_NOTICE,
    CALL_RESUME, /* the stream ended without an outcome: call_open() again, on this session or another, after a pause */
    CALL_OVER,   /* call_outcome() */
};

struct call_output {
    uint8_t channel;
    uint64_t offset; /* of the first byte; beyond what was handed out before only by what was dropped */
    struct slice bytes;
};

/* One event of the call's stream; what to do next, or negative when the server broke the contract (LL_EPROTOCOL for a false
 * offset, LL_EDIGEST for a false total or digest): the outcome is then unknown. */
int call_event(struct call *call, const struct session_event *event, struct call_output *output);

/* Output up to here was written: acknowledges it. */
void call_consumed(struct call *call, uint8_t channel, uint64_t offset);

/* Nobody reads this output any more: STOP, also after a resume; its digest is not verified then. */
int call_stop_output(struct call *call, uint8_t channel);

/* Input: room for bytes that the server has not acknowledged, at most LIMIT_CALL_INPUT. */
size_t call_input_room(const struct call *call);
/* Takes at most the room; returns how much, or -ENOMEM. */
int64_t call_input(struct call *call, const void *bytes, size_t n);
void call_input_end(struct call *call);
/* Whether the program still takes input (no STOP came, no outcome). */
bool call_input_wanted(const struct call *call);
/* The next DATA frame of input that credit allows, as {head, payload}: 1, and it counts as sent; 0 for none now (END may
 * have been put into the session's output). The payload is valid until the next call on the call. */
int call_data(struct call *call, uint8_t head[MESSAGE_DATA_HEAD], struct slice *payload);

int call_signal(struct call *call, uint8_t signal);
/* Remembered, and said again after a resume. */
int call_window_size(struct call *call, const struct run_window_size *size);
/* Leaves: what becomes of the run is its on_loss. The call can be opened again later. */
void call_detach(struct call *call);

enum call_outcome {
    CALL_PENDING,
    CALL_RESULT,  /* call_result(): proved complete */
    CALL_REFUSED, /* call_refusal(): certainly not started by this request */
    CALL_UNKNOWN, /* it may have run, or runs, and nobody can say any more; call_refusal() may say more (code NONE: nothing) */
};

enum call_outcome call_outcome(const struct call *call);
/* Gives it up (the caller's patience has ended): UNKNOWN if the request may have reached a server, else REFUSED with NONE. */
void call_give_up(struct call *call);
/* Whether the request may ever have reached a server. */
bool call_was_sent(const struct call *call);

const struct run_id *call_id(const struct call *call);
/* The last OPENED's; state is 0 before the first. */
struct run_response call_response(const struct call *call);
/* Valid as long as the call; only with CALL_RESULT. */
const struct run_result *call_result(const struct call *call);
/* Text included, valid as long as the call. */
const struct message_refused *call_refusal(const struct call *call);
/* Bytes handed out, or passed over because they were dropped; bytes dropped; whether the digest could be verified. */
uint64_t call_have(const struct call *call, uint8_t channel);
uint64_t call_dropped(const struct call *call, uint8_t channel);
bool call_verified(const struct call *call, uint8_t channel);

#endif
