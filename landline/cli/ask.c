#include "landline/cli/ask.h"

#include "landline/cli/cli.h"
#include "landline/client.h"
#include "landline/client/broker.h"
#include "lib/base/limits.h"

int ask_host(const struct ask_options *options, const struct exchange_question *question,
             struct exchange_answer *answer) {
    struct ll_client_options how = {.host = options->host, .no_broker = options->no_broker};
    struct ll_failure failure;
    ll_client *client;
    buf_init(&answer->output, LIMIT_COLLECTED);
    buf_init(&answer->result, LIMIT_SERVICE_PAYLOAD);
    int error = ll_client_open(&how, &client, &failure);
    if (error == 0)
        error = exchange_ask(client, question, answer, &failure);
    if (client != NULL)
        broker_leave(client, cli_argv);
    ll_client_free(client);
    if (error != 0) {
        cli_error("%s", failure.sentence);
        ask_free(answer);
    }
    return error;
}

void ask_free(struct exchange_answer *answer) {
    buf_free(&answer->output);
    buf_free(&answer->result);
}
