#include "landline/cli/prompt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/cli/cli.h"
#include "landline/cli/verdict.h"
#include "landline/client/broker.h"
#include "lib/base/escape.h"
#include "lib/os/terminal.h"

static bool is_empty(const char *line) {
    return line[strspn(line, " \t\r")] == '\0';
}

/* What came, and then what it was: on standard error, so that the output stays the commands' own. */
static int show(const char *line, const struct ll_collected *got, const struct verdict *verdict) {
    fwrite(got->output, 1, got->output_size, stdout);
    fflush(stdout);
    fwrite(got->errors, 1, got->errors_size, stderr);
    verdict_say(verdict);
    if (verdict->error != 0)
        return verdict_status(verdict);
    char shown[64];
    escape_text(shown, sizeof shown, line);
    int status = verdict_status(verdict);
    fprintf(stderr, "[%s: %zu bytes, status %d]\n", shown, got->output_size + got->errors_size, status);
    return status;
}

static int one(ll_client *client, const char *host, const struct run_options *options, const char *line) {
    struct run_options with_line = *options;
    struct ll_run_options request;
    struct ll_collected got;
    struct verdict verdict = {.host = host, .id = "", .command = line};
    with_line.shell = line;
    run_options_request(&request, &with_line, 0, NULL);
    verdict.error = ll_client_run(client, &request, &got, &verdict.failure);
    verdict.result = got.result;
    int status = show(line, &got, &verdict);
    ll_collected_free(&got);
    return status;
}

static int ask(ll_client *client, const char *host, const struct run_options *options) {
    bool prompts = terminal_is(STDIN_FILENO);
    char *line = NULL;
    size_t size = 0;
    int status = EXIT_OK;
    for (;;) {
        if (prompts)
            fprintf(stderr, "%s> ", host);
        ssize_t n = getline(&line, &size, stdin);
        if (n < 0)
            break;
        if (n > 0 && line[n - 1] == '\n')
            line[n - 1] = '\0';
        if (!is_empty(line))
            status = one(client, host, options, line);
        if (status == EXIT_LANDLINE || status == EXIT_UNKNOWN)
            break;
    }
    if (prompts && status != EXIT_LANDLINE)
        fputc('\n', stderr);
    free(line);
    return status;
}

int prompt_run(const char *host, const struct run_options *options) {
    struct ll_client_options how = {
        .host = host, .no_broker = options->no_broker, .patience_s = (double)options->patience / 1e9};
    struct ll_failure failure;
    ll_client *client;
    if (ll_client_open(&how, &client, &failure) != 0 || ll_client_connect(client, &failure) != 0) {
        cli_error("%s", failure.sentence);
        ll_client_free(client);
        return EXIT_LANDLINE;
    }
    int status = ask(client, host, options);
    broker_leave(client, cli_argv);
    ll_client_free(client);
    return cli_finish(status);
}
