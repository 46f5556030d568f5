/* Short questions to a host, for subcommands: all failures are said here. */
#ifndef LANDLINE_CLI_ASK_H
#define LANDLINE_CLI_ASK_H

#include "landline/client/exchange.h"
#include "landline/proto/run.h"

struct ask_options {
    const char *host;
    bool no_broker;
};

/* 0, and the answer is to be freed with ask_free(); else the error, which was said. */
int ask_host(const struct ask_options *options, const struct exchange_question *question,
             struct exchange_answer *answer);
void ask_free(struct exchange_answer *answer);

#endif
