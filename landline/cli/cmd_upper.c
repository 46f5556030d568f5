/* landline upper: the service of the tutorial. */
#include <stdio.h>
#include <string.h>

#include "landline/cli/ask.h"
#include "landline/cli/cli.h"
#include "landline/cli/options.h"
#include "lib/base/limits.h"

/* The words with a space between. */
static void join(struct buf *text, const struct operands *operands) {
    for (int i = 1; i < operands->count; i++) {
        if (i > 1)
            buf_add_u8(text, ' ');
        buf_add(text, operands->values[i], strlen(operands->values[i]));
    }
}

int cmd_upper(const struct command *self, int argc, char **argv) {
    struct ask_options how = {0};
    struct operands operands;
    const struct option_row rows[] = {
        {"no-broker", 0, OPTION_FLAG, &how.no_broker, NULL, OPTION_NO_BROKER, NULL},
        {0},
    };
    int leave = options_parse(&(struct options){.command = self, .rows = rows, .min = 2, .max = -1, .command_after = 1},
                              argc, argv, &operands);
    if (leave >= 0)
        return leave;
    struct buf text;
    struct exchange_answer answer;
    how.host = operands.values[0];
    buf_init(&text, LIMIT_COLLECTED);
    join(&text, &operands);
    struct exchange_question question = {.service = "upper", .input = {buf_front(&text), buf_size(&text)}};
    int error = ask_host(&how, &question, &answer);
    buf_free(&text);
    if (error != 0)
        return EXIT_FAILED;
    fwrite(buf_front(&answer.output), 1, buf_size(&answer.output), stdout);
    putchar('\n');
    ask_free(&answer);
    return cli_finish(EXIT_OK);
}
