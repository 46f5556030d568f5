/* A file worker as the keeper has it: the process of one get, put or ls, and the streams that have joined it. */
#ifndef LANDLINE_SERVICE_FILE_WORKER_H
#define LANDLINE_SERVICE_FILE_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "landline/proto/tree.h"
#include "landline/service/service.h"
#include "lib/os/spawn.h"

struct joined;

struct file_worker {
    struct service_host *host;
    struct file_worker *next; /* in host->workers */
    struct exchange *x;       /* NULL: the client has gone, it is only waited for */
    struct spawn_child child;
    ll_child *watch;
    int gate_end; /* until the gate has it */
    int near;     /* the same end, of a put that is named; -1 */
    int said;     /* the worker's standard error */
    int control;  /* it takes further streams there */
    uint64_t began;
    bool splits; /* the request says that others may join … */
    bool split;  /* … and under which id is known */
    uint8_t id[TREE_ID];
    unsigned numbers; /* a bit for each that has joined */
    struct joined *joined;

    /* A put whose client says which attempt at which it is. */
    bool named, waits; /* waits: for the attempts before it, which are to end */
    uint8_t key[PEER_KEY], put[TREE_ID];
    uint32_t attempt;
    struct buf request; /* while it waits */
};

/* join_service.c: the worker has ended, and so do they. */
void join_end(struct file_worker *w);

/* transfer_service.c: hands the gate its end of a ring, and says OPENED; again when there was no room. *gate_end is -1 after that. */
void file_worker_hand(struct exchange *x, int *gate_end);

/* The server ends, and all exchanges have: what still works finds its gate's end closed, and is not waited for. */
void file_workers_close(struct service_host *host);

#endif
