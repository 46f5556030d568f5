/* landline attach: comes back to a run. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "landline/cli/cli.h"
#include "landline/cli/options.h"
#include "landline/cli/remote.h"
#include "landline/client/failure.h"
#include "landline/proto/run.h"
#include "lib/os/terminal.h"

static const char ABOUT[] = "Shows the output of a run, of which RUN is the id or the name, and ends as it does, with "
                            "its exit status. Signals end\n"
                            "landline and leave the run alone, unless --input makes this terminal its input.";

struct attach_options {
    bool from_now, input, terminal, quiet, json, no_broker;
    int verbose;
    int64_t patience;
    const char *status_file;
};

static const char *from_option(void *target, const char *value) {
    struct attach_options *options = target;
    options->from_now = strcmp(value, "now") == 0;
    return options->from_now || strcmp(value, "start") == 0 ? NULL : "is not start or now";
}

static int attach(const struct attach_options *options, const char *host, const char *which) {
    struct run_id id;
    bool is_id = run_id_parse(which, &id) == 0;
    bool input = options->input || !is_id, terminal = input && (options->terminal || !is_id);
    struct remote_options how = {.host = host,
                                 .input = input ? STDIN_FILENO : -1,
                                 .terminal = terminal,
                                 .escapes = terminal && terminal_is(STDIN_FILENO),
                                 .signals_leave = !input,
                                 .quiet = options->quiet,
                                 .verbose = options->verbose > 0,
                                 .json = options->json,
                                 .no_broker = options->no_broker,
                                 .patience_s = (double)options->patience / 1e9};
    struct ll_attach_options request = {
        .id = is_id ? which : NULL, .name = is_id ? NULL : which, .from_now = options->from_now, .take_input = input};
    struct verdict verdict;
    struct remote *remote;
    ll_run *run;
    if (terminal)
        request.size = remote_size();
    int error = remote_open(&remote, &how, &verdict);
    if (error == 0 && (error = ll_run_attach(remote_client(remote), &request, remote_callbacks(), remote, &run)) != 0)
        verdict.error =
            failure_set(&verdict.failure, error, "%s: cannot attach to '%s': %s", host, which, ll_strerror(error));
    int status = error == 0 ? remote_follow(remote, run, &verdict) : verdict_refuse(&verdict, options->json);
    if (options->status_file != NULL)
        verdict_file(options->status_file, &verdict);
    remote_free(remote);
    return status;
}

int cmd_attach(const struct command *self, int argc, char **argv) {
    struct attach_options options = {0};
    struct operands operands;
    const struct option_row rows[] = {
        {"from", 0, OPTION_CALL, &options, "start|now", "all output that there still is, or only what comes (start)",
         from_option},
        {"input", 'i', OPTION_FLAG, &options.input, NULL, "standard input goes to the run from now on", NULL},
        {"tty", 't', OPTION_FLAG, &options.terminal, NULL, "with --input: the run has a terminal, hand ours over",
         NULL},
        {"give-up", 0, OPTION_DURATION, &options.patience, "DURATION", "after so long without a link (15m)", NULL},
        {"no-broker", 0, OPTION_FLAG, &options.no_broker, NULL, OPTION_NO_BROKER, NULL},
        {"json", 0, OPTION_FLAG, &options.json, NULL, "tell all as JSON, an object a line", NULL},
        {"status", 0, OPTION_TEXT, &options.status_file, "FILE", "write how it ended to FILE, as JSON", NULL},
        {"quiet", 'q', OPTION_FLAG, &options.quiet, NULL, "no messages of landline itself", NULL},
        {"verbose", 'v', OPTION_COUNT, &options.verbose, NULL, "say what happens to the link", NULL},
        {0},
    };
    int leave = options_parse(&(struct options){.command = self, .rows = rows, .about = ABOUT, .min = 2, .max = 2},
                              argc, argv, &operands);
    return leave >= 0 ? leave : attach(&options, operands.values[0], operands.values[1]);
}
