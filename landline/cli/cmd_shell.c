/* landline shell: a terminal on another machine. */
#include <stdio.h>
#include <unistd.h>

#include "landline/cli/cli.h"
#include "landline/cli/options.h"
#include "landline/cli/remote.h"
#include "landline/cli/run_options.h"
#include "landline/client/failure.h"
#include "lib/os/terminal.h"

static const char ABOUT[] =
    "At the beginning of a line: ~. leaves and ends the shell, ~d leaves and lets it run, ~? lists what else there "
    "is.\n"
    "A shell with a name is one that many calls share: it goes on when they leave, and whoever comes back is shown "
    "what\n"
    "happened meanwhile. When the link drops, the shell goes on, and so does the terminal as soon as there is a link.";

static int shell(struct run_options *options, const char *host, const char *name) {
    struct ll_run_options request;
    struct verdict verdict;
    struct remote *remote;
    ll_run *run;
    bool at_terminal = terminal_is(STDIN_FILENO);
    struct remote_options how = {.host = host,
                                 .command = "the login shell",
                                 .input = STDIN_FILENO,
                                 .terminal = true,
                                 .escapes = at_terminal,
                                 .kill_on_leave = name == NULL,
                                 .quiet = options->quiet,
                                 .verbose = options->verbose > 0,
                                 .no_broker = options->no_broker,
                                 .patience_s = (double)options->patience / 1e9};
    options->terminal = true;
    run_options_request(&request, options, 0, NULL);
    request.login = true;
    request.name = name;
    request.size = remote_size();
    if (name != NULL && request.keep_s == 0)
        request.keep_s = -1;
    int error = remote_open(&remote, &how, &verdict);
    if (error == 0 && (error = ll_run_start(remote_client(remote), &request, remote_callbacks(), remote, &run)) != 0)
        verdict.error =
            failure_set(&verdict.failure, error, "%s: the shell cannot be asked for: %s", host, ll_strerror(error));
    int status = error == 0 ? remote_follow(remote, run, &verdict) : verdict_refuse(&verdict, false);
    remote_free(remote);
    return status;
}

int cmd_shell(const struct command *self, int argc, char **argv) {
    struct run_options options = run_options_default();
    const char *name = NULL;
    struct operands operands;
    const struct option_row rows[] = {
        {"name", 0, OPTION_TEXT, &name, "NAME", "the shell of this name, a new one if there is none", NULL},
        {"cwd", 0, OPTION_TEXT, &options.cwd, "DIR", "in this folder", NULL},
        {"env", 0, OPTION_LIST, &options.environment, "NAME=VALUE", "with this added to its environment", NULL},
        {"on-loss", 0, OPTION_CALL, &options, "kill|keep[=DURATION]",
         "what becomes of it when nobody watches any more (keep=10m; with a name keep=forever)", run_option_loss},
        {"give-up", 0, OPTION_DURATION, &options.patience, "DURATION", "after so long without a link (15m)", NULL},
        {"no-broker", 0, OPTION_FLAG, &options.no_broker, NULL, OPTION_NO_BROKER, NULL},
        {"quiet", 'q', OPTION_FLAG, &options.quiet, NULL, "no messages of landline itself", NULL},
        {"verbose", 'v', OPTION_COUNT, &options.verbose, NULL, "say what happens to the link", NULL},
        {0},
    };
    int status = options_parse(&(struct options){.command = self, .rows = rows, .about = ABOUT, .min = 1, .max = 1},
                               argc, argv, &operands);
    if (status < 0 && name != NULL && name[0] == '\0')
        status = cli_usage(self, "--name: a name has at least one letter");
    const char *wrong = run_options_no_variable(&options);
    if (status < 0 && wrong != NULL)
        status = cli_usage(self, "--env: '%s' is not NAME=VALUE", wrong);
    if (status < 0)
        status = shell(&options, operands.values[0], name);
    run_options_free(&options);
    return status;
}
