/* The further streams of a transfer (docs/PROTOCOL.md section 7.7): when, how many, over which connections. Each has a connection of its
 * own, in the loop of the transfer's client. */
#ifndef LANDLINE_CLIENT_SPLIT_H
#define LANDLINE_CLIENT_SPLIT_H

#include "landline/client/transfer.h"
#include "landline/proto/session.h"

struct split;

/* For a transfer of the client `first` that is not started yet; the options are the transfer's. 0, -ENOMEM, or what the system has
 * for no randomness. */
int split_new(struct split **out, struct client_transfer *transfer, ll_client *first,
              const struct client_transfer_options *options);
/* NULL is fine. */
void split_free(struct split *s);

/* An attempt begins, on that stream: with a new id, and a socket over which the engine gets the further streams. 0, or negative. */
int split_begin(struct split *s, struct session *session, uint32_t stream);
/* The engine's end of that socket, which stays ours. */
int split_control(const struct split *s);
/* The server has opened the first stream: the others may follow. */
void split_opened(struct split *s);
/* The attempt is over, and so are they. NULL is fine. */
void split_end(struct split *s);

/* The attempt has ended because one of them was lost: client_transfer_again() will be called, from the loop. False: none had joined,
 * so that cannot be why. */
bool split_again(struct split *s);

#endif
