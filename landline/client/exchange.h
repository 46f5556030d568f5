/* Short questions: a request, perhaps some input, an answer that fits into memory. Not for what must survive a lost link:
 * it fails then, and may be asked again. Over a broker, whose end says nothing of the host, it is asked again by itself. */
#ifndef LANDLINE_CLIENT_EXCHANGE_H
#define LANDLINE_CLIENT_EXCHANGE_H

#include "landline/client.h"
#include "lib/base/buf.h"
#include "lib/base/reader.h"

struct exchange_question {
    const char *service;
    struct slice request;
    struct slice input; /* channel 0 */
    bool resume;        /* flag 1 of OPEN */
    bool once; /* it does something: never asked a second time, and a lost link leaves open whether it was done */
};

/* What came on channel 1, and RESULT. Make them with buf_init(): the limits are the caller's. */
struct exchange_answer {
    struct buf output, result;
};

/* Asks, and serves the client until the answer is there. 0, or why not, with words in `failure` (may be NULL). */
int exchange_ask(ll_client *client, const struct exchange_question *question, struct exchange_answer *answer,
                 struct ll_failure *failure);

#endif
