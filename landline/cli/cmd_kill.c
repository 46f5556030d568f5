/* landline kill: a signal to a run, from wherever one is. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "landline/cli/ask.h"
#include "landline/cli/cli.h"
#include "landline/cli/options.h"
#include "lib/base/number.h"

/* "TERM", "SIGTERM", "15": the number, or 0. */
static int signal_number(const char *text) {
    uint64_t number;
    if (number_parse(text, 1, 64, &number) == 0)
        return (int)number;
    if (strncmp(text, "SIG", 3) == 0)
        text += 3;
    for (int i = 1; i < NSIG; i++) {
        const char *name = sigabbrev_np(i);
        if (name != NULL && strcmp(name, text) == 0)
            return i;
    }
    return 0;
}

int cmd_kill(const struct command *self, int argc, char **argv) {
    struct ask_options how = {0};
    struct operands operands;
    const struct option_row rows[] = {
        {"no-broker", 0, OPTION_FLAG, &how.no_broker, NULL, OPTION_NO_BROKER, NULL},
        {0},
    };
    int leave =
        options_parse(&(struct options){.command = self,
                                        .rows = rows,
                                        .about = "Sends SIGNAL (TERM), a name or a number, to the process group of a "
                                                 "run; 'landline runs HOST' lists them.",
                                        .min = 2,
                                        .max = 3},
                      argc, argv, &operands);
    if (leave >= 0)
        return leave;
    struct run_kill kill = {.signal = SIGTERM};
    how.host = operands.values[0];
    if (run_id_parse(operands.values[1], &kill.id) != 0)
        return cli_usage(self, "'%s' is not the id of a run: 26 letters and digits", operands.values[1]);
    if (operands.count == 3 && (kill.signal = (uint8_t)signal_number(operands.values[2])) == 0)
        return cli_usage(self, "'%s' is not a signal, such as TERM or 15", operands.values[2]);
    struct buf request;
    struct exchange_answer answer;
    buf_init(&request, 64);
    run_kill_put(&request, &kill);
    struct exchange_question question = {
        .service = "kill", .request = {buf_front(&request), buf_size(&request)}, .once = true};
    int error = ask_host(&how, &question, &answer);
    buf_free(&request);
    if (error != 0)
        return EXIT_FAILED;
    ask_free(&answer);
    return EXIT_OK;
}
