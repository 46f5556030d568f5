/* Services: what a server can do for a client. One row each in services.c; upper.c is the worked example. */
#ifndef LANDLINE_SERVICE_SERVICE_H
#define LANDLINE_SERVICE_SERVICE_H

#include <sys/types.h>

#include "landline/loop.h"
#include "landline/proto/message.h"
#include "landline/service/attempts.h"
#include "landline/service/exchange.h"

struct runs;
struct file_worker;

/* Why an exchange ends. */
enum exchange_leave {
    EXCHANGE_DONE,      /* the client said DONE, or it was refused */
    EXCHANGE_CUT,       /* the client's connection was lost */
    EXCHANGE_GATE_LOST, /* ours was: the client will come back at once */
};

/* All functions but open and gone may be NULL. They are called in the keeper's loop and must not wait. */
struct service {
    const char *name;
    uint32_t verbs; /* the client's grant must have one of these */
    /* A request. Answers with ops->opened or ops->refused, now or later. */
    void (*open)(struct exchange *x, uint8_t flags, struct slice request);
    void (*input)(struct exchange *x, uint64_t offset, struct slice bytes);
    void (*input_ended)(struct exchange *x, uint64_t total);
    /* The client has all below. Needs not come soon, nor at all: for those who keep bytes for it. */
    void (*acked)(struct exchange *x, uint8_t channel, uint64_t to);
    /* With exchange_start.paced: the network has taken our output up to here. */
    void (*sent)(struct exchange *x, uint8_t channel, uint64_t to);
    /* The client wants no more of this output; END was answered already. */
    void (*stopped)(struct exchange *x, uint8_t channel);
    void (*control)(struct exchange *x, uint8_t kind, struct slice body);
    void (*writable)(struct exchange *x); /* after -EAGAIN */
    /* Always the last call. Frees what `state` points to. */
    void (*gone)(struct exchange *x, enum exchange_leave why);
};

/* What services find in the server. */
struct service_host {
    ll_loop *loop;
    const char *folder; /* for files of their own */
    struct runs *runs;
    struct file_worker *workers; /* that run */
    struct attempts attempts;
    pid_t gate;   /* a child that is not ours to collect */
    int audit;    /* descriptor of the audit log, -1: none */
    bool new_key; /* the server's key was made by this start: nobody was ever asked for anything under it */
    bool alone;   /* the process is the server's: no other code in it handles signals */
};

/* NULL where there is none. */
const struct service *service_find(const void *name, size_t n);

#endif
