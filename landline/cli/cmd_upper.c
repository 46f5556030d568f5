/* landline upper: the service of the tutorial. */
#include <stdio.h>
#include <string.h>

#include "landline/cli/cli.h"
#include "landline/cli/options.h"
#include "landline/client.h"
#include "landline/client/exchange.h"
#include "lib/base/limits.h"

/* The words with a space between. */
static void join(struct buf *text, const struct operands *operands) {
    for (int i = 1; i < operands->count; i++) {
        if (i > 1)
            buf_add_u8(text, ' ');
        buf_add(text, operands->values[i], strlen(operands->values[i]));
    }
}

static int ask(const struct ll_client_options *options, struct buf *text, struct buf *upper,
               struct ll_failure *failure) {
    ll_client *client;
    int error = ll_client_open(options, &client, failure);
    if (error != 0)
        return error;
    struct exchange_question question = {.service = "upper", .input = {buf_front(text), buf_size(text)}};
    struct exchange_answer answer;
    buf_init(&answer.output, LIMIT_COLLECTED);
    buf_init(&answer.result, LIMIT_SERVICE_PAYLOAD);
    error = exchange_ask(client, &question, &answer, failure);
    *upper = answer.output;
    buf_free(&answer.result);
    ll_client_free(client);
    return error;
}

int cmd_upper(const struct command *self, int argc, char **argv) {
    bool no_broker = false;
    struct operands operands;
    const struct option_row rows[] = {
        {"no-broker", 0, OPTION_FLAG, &no_broker, NULL, "do not share a connection with other calls", NULL},
        {0},
    };
    int leave = options_parse(&(struct options){.command = self, .rows = rows, .min = 2, .max = -1, .command_after = 1},
                              argc, argv, &operands);
    if (leave >= 0)
        return leave;
    struct buf text, upper = {0};
    struct ll_failure failure;
    buf_init(&text, LIMIT_COLLECTED);
    join(&text, &operands);
    int error =
        ask(&(struct ll_client_options){.host = operands.values[0], .no_broker = no_broker}, &text, &upper, &failure);
    if (error != 0)
        cli_error("%s", failure.sentence);
    else
        printf("%.*s\n", (int)buf_size(&upper), buf_size(&upper) > 0 ? (const char *)buf_front(&upper) : "");
    buf_free(&text);
    buf_free(&upper);
    return cli_finish(error != 0 ? EXIT_FAILED : EXIT_OK);
}
