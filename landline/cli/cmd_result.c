/* landline result: how a run ended, without its output. */
#include <stdio.h>

#include "landline/cli/ask.h"
#include "landline/cli/cli.h"
#include "landline/cli/options.h"
#include "landline/cli/verdict.h"
#include "landline/client/result.h"
#include "lib/base/number.h"

static void print(const struct verdict *v) {
    const struct ll_result *r = &v->result;
    char length[32], output[32], errors[32];
    number_format_duration(length, sizeof length, (int64_t)(r->ended_ms - r->started_ms) * 1000000);
    number_format_size(output, sizeof output, r->output);
    number_format_size(errors, sizeof errors, r->errors);
    printf("%s %d, after %s, output %s, errors %s\n", verdict_ending(r->ending), r->code, length, output, errors);
}

static int show(const struct verdict *verdict, bool json) {
    struct buf out;
    buf_init(&out, 64 << 10);
    if (json) {
        verdict_json(&out, verdict);
        fwrite(buf_front(&out), 1, buf_size(&out), stdout);
    } else {
        print(verdict);
    }
    buf_free(&out);
    return cli_finish(verdict_status(verdict));
}

int cmd_result(const struct command *self, int argc, char **argv) {
    struct ask_options how = {0};
    bool json = false;
    struct operands operands;
    const struct option_row rows[] = {
        {"json", 0, OPTION_FLAG, &json, NULL, "as JSON", NULL},
        {"no-broker", 0, OPTION_FLAG, &how.no_broker, NULL, OPTION_NO_BROKER, NULL},
        {0},
    };
    int leave =
        options_parse(&(struct options){.command = self,
                                        .rows = rows,
                                        .about = "The exit status is that of the run, as landline run would have "
                                                 "given it.",
                                        .min = 2,
                                        .max = 2},
                      argc, argv, &operands);
    if (leave >= 0)
        return leave;
    struct run_id id;
    how.host = operands.values[0];
    if (run_id_parse(operands.values[1], &id) != 0)
        return cli_usage(self, "'%s' is not the id of a run: 26 letters and digits", operands.values[1]);
    struct exchange_answer answer;
    struct exchange_question question = {.service = "result", .request = {id.bytes, sizeof id.bytes}};
    if (ask_host(&how, &question, &answer) != 0)
        return EXIT_LANDLINE;
    struct run_result result;
    struct verdict verdict = {.host = how.host, .id = operands.values[1]};
    int error = run_result_get((struct slice){buf_front(&answer.result), buf_size(&answer.result)}, &result);
    if (error == 0)
        result_fill(&verdict.result, &result, false);
    ask_free(&answer);
    if (error == 0)
        return show(&verdict, json);
    cli_error("%s: the server's answer cannot be understood", how.host);
    return EXIT_LANDLINE;
}
