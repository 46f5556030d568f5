/* A transfer over a client's link: an engine of landline/transfer in a thread of its own, joined to a stream by a ring
 * (lib/os/ring.h). When the link is lost and comes back, the engine is started again and goes on with what is there. */
#ifndef LANDLINE_CLIENT_TRANSFER_H
#define LANDLINE_CLIENT_TRANSFER_H

#include "landline/client.h"
#include "landline/proto/message.h"
#include "landline/proto/tree.h"
#include "landline/transfer/io.h"
#include "landline/transfer/report.h"

struct client_transfer;

enum { TRANSFER_AUTO = TREE_STREAMS + 1 }; /* connections: as measurement says */

struct client_transfer_options {
    const char *service;  /* "get", "put", "ls"; static */
    struct slice request; /* copied */
    bool numbered;        /* it ends in the number of the attempt (tree_set_attempt()) */
    /* Runs the engine over `io`, in the transfer's thread, once for each link. What it returns ends the transfer, but for
     * LL_ELOST while there is still hope of a link. */
    int (*engine)(void *arg, struct transfer_io *io);
    /* It is over, told from the loop: 0, or why it failed as a whole. Free the transfer then or later. */
    void (*over)(void *arg, int code, const struct ll_failure *failure);
    unsigned streams; /* connections to use, at most TREE_STREAMS, or TRANSFER_AUTO; 0 is 1 */
    bool receives;    /* the engine is a sink */
    /* Why there are fewer connections than asked for; once, from the loop. May be NULL. */
    void (*note)(void *arg, const char *text);
    /* Without an engine: a further stream of another transfer, whose engine gets the far end over `control`, with this number. `opened`
     * is called when the server has it. For split.c. */
    int control;
    uint8_t number;
    void (*opened)(void *arg);
    void *arg;
    struct transfer_report *report; /* its `stop` is set when the transfer is freed before its end */
};

/* Does not wait. 0, -ENOMEM, -EMFILE. */
int client_transfer_start(ll_client *client, const struct client_transfer_options *options,
                          struct client_transfer **out);

/* For split.c. One of its further streams was lost: the attempt ends, and split_again() follows. */
void client_transfer_break(struct client_transfer *transfer);
/* The next attempt over the same link. */
void client_transfer_again(struct client_transfer *transfer);

/* Ends it; waits for the engine, which stops at once but may have to finish a flush. NULL is fine. */
void client_transfer_free(struct client_transfer *transfer);

#endif
