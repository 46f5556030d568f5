/* landline run: a command on another machine, as if it ran here. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "landline/cli/cli.h"
#include "landline/cli/options.h"
#include "landline/cli/prompt.h"
#include "landline/cli/remote.h"
#include "landline/cli/run_options.h"
#include "landline/client/failure.h"

static const char ABOUT[] =
    "The command begins at -- or at the first word behind HOST that is not an option; its words arrive byte for byte.\n"
    "With --shell the login shell there runs TEXT instead. When the link drops, the command goes on, and so does "
    "landline\n"
    "as soon as it can; nothing is lost. Ctrl-C goes to the command, a second one leaves at once.\n"
    "\n"
    "exit status: the command's own; 128+n if signal n killed it; 124 timed out, 125 landline failed and the command "
    "did\n"
    "not start, 126 not executable, 127 not found, 122 not known, because the link was lost for good.";

/* The descriptor to read from, -1 for none. 0, or negative and in the verdict. */
static int open_input(const struct run_options *options, int *fd, struct verdict *verdict) {
    *fd = strcmp(options->input, "inherit") == 0 ? STDIN_FILENO : -1;
    if (options->detach)
        *fd = -1;
    if (options->detach || *fd >= 0 || strcmp(options->input, "none") == 0)
        return 0;
    *fd = open(options->input, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        verdict->error = failure_set(&verdict->failure, -errno, "%s: nothing was started: cannot read %s: %s",
                                     verdict->host, options->input, strerror(errno));
    return verdict->error;
}

static int check(const struct command *self, const struct run_options *options, const struct operands *operands) {
    int words = operands->count - 1;
    const char *wrong = run_options_no_variable(options);
    if (wrong != NULL)
        return cli_usage(self, "--env: '%s' is not NAME=VALUE", wrong);
    if (options->interactive && (words > 0 || options->shell != NULL || options->terminal || options->detach))
        return cli_usage(self, "-i asks for the commands: none is given with it, and no -t or --detach");
    if (options->interactive)
        return -1;
    if (options->shell != NULL && words > 0)
        return cli_usage(self, "--shell has the command already: '%s' is one too many", operands->values[1]);
    if (options->shell == NULL && words == 0)
        return cli_usage(self, "which command? landline run HOST [--] COMMAND [ARG...]");
    if (options->terminal && options->detach)
        return cli_usage(self, "-t and --detach do not go together");
    if (options->json && options->terminal)
        return cli_usage(self, "-t and --json do not go together");
    return -1;
}

static int start(struct remote *remote, const struct run_options *options, const struct ll_run_options *request,
                 struct verdict *verdict) {
    ll_run *run;
    int error = ll_run_start(remote_client(remote), request, remote_callbacks(), remote, &run);
    if (error != 0) {
        verdict->error = failure_set(&verdict->failure, error, "%s: the command cannot be sent: %s", verdict->host,
                                     error == LL_ELIMIT ? "it has more or longer words than fit" : ll_strerror(error));
        return verdict_refuse(verdict, options->json);
    }
    int status = remote_follow(remote, run, verdict);
    if (options->detach && verdict->error == 0 && !options->json)
        puts(verdict->id);
    return cli_finish(status);
}

static int run(const struct run_options *options, int input, const struct operands *operands, struct verdict *verdict) {
    struct ll_run_options request;
    struct remote *remote;
    run_options_request(&request, options, operands->count - 1, operands->values + 1);
    struct remote_options how = {.host = verdict->host,
                                 .command = verdict->command,
                                 .input = input,
                                 .terminal = options->terminal,
                                 .escapes = options->terminal && input >= 0 && isatty(input),
                                 .kill_on_leave = true,
                                 .keep_on_hangup = options->on_loss == LL_KEEP,
                                 .quiet = options->quiet,
                                 .verbose = options->verbose > 0,
                                 .json = options->json,
                                 .no_broker = options->no_broker,
                                 .patience_s = (double)options->patience / 1e9};
    request.no_input = input < 0;
    if (options->terminal)
        request.size = remote_size();
    int status = remote_open(&remote, &how, verdict) == 0 ? start(remote, options, &request, verdict)
                                                          : verdict_refuse(verdict, options->json);
    remote_free(remote);
    return status;
}

static int run_one(const struct run_options *options, const struct operands *operands) {
    struct verdict verdict = {.host = operands->values[0],
                              .id = "",
                              .command = options->shell != NULL ? options->shell : operands->values[1]};
    int input;
    int status = open_input(options, &input, &verdict) == 0 ? run(options, input, operands, &verdict)
                                                            : verdict_refuse(&verdict, options->json);
    if (options->status_file != NULL && verdict_file(options->status_file, &verdict) != 0 && status == 0)
        status = EXIT_LANDLINE;
    return status;
}

int cmd_run(const struct command *self, int argc, char **argv) {
    struct run_options options = run_options_default();
    struct operands operands;
    const struct option_row rows[] = {
        {"shell", 0, OPTION_TEXT, &options.shell, "TEXT", "run TEXT with the login shell instead of a command", NULL},
        {"cwd", 0, OPTION_TEXT, &options.cwd, "DIR", "in this folder", NULL},
        {"env", 0, OPTION_LIST, &options.environment, "NAME=VALUE", "with this added to its environment", NULL},
        {"timeout", 0, OPTION_DURATION, &options.timeout, "DURATION", "end it after so long (10m, 1.5s)", NULL},
        {"grace", 0, OPTION_DURATION, &options.grace, "DURATION", "between TERM and KILL (5s)", NULL},
        {"stdin", 0, OPTION_TEXT, &options.input, "none|inherit|FILE", "where its input comes from (inherit)", NULL},
        {"umask", 0, OPTION_CALL, &options, "MASK", "with this umask", run_option_umask},
        {"nice", 0, OPTION_CALL, &options, "N", "with this niceness, -20 to 19", run_option_nice},
        {"limit", 0, OPTION_CALL, &options, "NAME=SOFT[:HARD]", "with this resource limit", run_option_limit},
        {"tty", 't', OPTION_FLAG, &options.terminal, NULL, "on a terminal of its own", NULL},
        {"interactive", 'i', OPTION_FLAG, &options.interactive, NULL,
         "ask for command lines, and show what each came to", NULL},
        {"detach", 0, OPTION_FLAG, &options.detach, NULL, "print its id and leave it running", NULL},
        {"on-loss", 0, OPTION_CALL, &options, "kill|keep[=DURATION]",
         "what becomes of it when nobody watches any more (keep=10m)", run_option_loss},
        {"drop-oldest", 0, OPTION_FLAG, &options.drop_oldest, NULL,
         "drop output that nobody takes, instead of making it wait", NULL},
        {"give-up", 0, OPTION_DURATION, &options.patience, "DURATION", "after so long without a link (15m)", NULL},
        {"no-broker", 0, OPTION_FLAG, &options.no_broker, NULL, OPTION_NO_BROKER, NULL},
        {"json", 0, OPTION_FLAG, &options.json, NULL, "tell all as JSON, an object a line", NULL},
        {"status", 0, OPTION_TEXT, &options.status_file, "FILE", "write how it ended to FILE, as JSON", NULL},
        {"quiet", 'q', OPTION_FLAG, &options.quiet, NULL, "no messages of landline itself", NULL},
        {"verbose", 'v', OPTION_COUNT, &options.verbose, NULL, "say what happens to the link", NULL},
        {0},
    };
    int status = options_parse(
        &(struct options){.command = self, .rows = rows, .about = ABOUT, .min = 1, .max = -1, .command_after = 1}, argc,
        argv, &operands);
    if (status < 0)
        status = check(self, &options, &operands);
    if (status < 0)
        status = options.interactive ? prompt_run(operands.values[0], &options) : run_one(&options, &operands);
    run_options_free(&options);
    return status;
}
