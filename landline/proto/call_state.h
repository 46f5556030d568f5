/* What a call is made of. Internal to call*.c. */
#ifndef LANDLINE_PROTO_CALL_STATE_H
#define LANDLINE_PROTO_CALL_STATE_H

#define XXH_STATIC_LINKING_ONLY /* the hash's state inside the call */
#include <xxhash.h>

#include "landline/proto/call.h"
#include "lib/base/buf.h"

enum { CALL_OUTPUTS = 2, CALL_SERVICE = 15 };

struct call_stream {
    uint64_t have;     /* bytes handed out or passed over */
    uint64_t dropped;  /* of these, passed over */
    bool unverifiable; /* not all bytes went through the hash */
    bool stopped, end_told;
    XXH64_state_t hash;
};

struct call {
    char service[CALL_SERVICE + 1];
    bool attach; /* the request is an attach, not a run */
    struct buf request;
    struct run_id id;      /* of the run */
    struct run_id own;     /* made for this call: the id of a run that it asks for, or what an attach calls itself */
    uint64_t age_ms;       /* of `own`, as said last: it never falls, whatever the clock does */
    uint64_t sent_ms;      /* the request was not sent before; 0: not known */
    uint64_t sent_unix_ms; /* the time of day then */
    bool terminal, no_input;
    bool from_now; /* attach: the first OPENED says where it begins */

    struct session *session;
    uint32_t stream;
    bool opened;      /* on the present stream */
    bool sent_before; /* a session that is gone may have carried the request */
    bool ever_opened;

    struct call_stream out[CALL_OUTPUTS];

    struct buf input;
    uint64_t input_base; /* offset of its first byte */
    bool input_floating; /* it begins where the server says */
    bool named;          /* a shell that may be another call's: so until the first OPENED */
    bool input_end;      /* nothing more will be added */
    bool input_gone;     /* STOP came: nobody reads it */
    bool input_taken;    /* another client feeds the run now */
    bool size_known;
    struct run_window_size size;

    enum call_outcome outcome;
    struct run_response response;
    struct run_result result;
    struct message_refused refusal;
    uint8_t *text; /* of the result or the refusal */
};

#endif
