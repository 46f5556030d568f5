#include "landline/cli/prompt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/cli/cli.h"
#include "landline/cli/inlet.h"
#include "landline/cli/verdict.h"
#include "landline/client/broker.h"
#include "lib/base/buf.h"
#include "lib/base/escape.h"
#include "lib/base/limits.h"
#include "lib/os/terminal.h"

enum { SIGNALS = 2, LONGEST = LIMIT_ARGUMENT + 1 };

struct prompt {
    const char *host;
    const struct run_options *options;
    ll_loop *loop;
    ll_client *client;
    ll_signal *signals[SIGNALS];
    struct inlet *inlet;
    struct buf typed;        /* lines, and the beginning of one */
    bool asks, asked, ended; /* a person types; was asked; types no more */
    char *line;              /* what runs, or NULL … */
    ll_run *run;
    bool over;
    uint64_t bytes; /* … and how much it has said */
    unsigned interrupts;
    bool lost, left;
    int status;
};

static void client_event(void *arg, enum ll_client_event event, const struct ll_failure *failure) {
    struct prompt *p = arg;
    (void)failure;
    if (p->run == NULL || (event != LL_CLIENT_LOST && event != LL_CLIENT_CONNECTED))
        return;
    bool was_lost = p->lost;
    p->lost = event == LL_CLIENT_LOST;
    if (p->lost != was_lost && p->asks && !p->options->quiet)
        cli_error("%s: %s", p->host,
                  p->lost ? "no link, trying again (Ctrl-C leaves) …" : "the link is back, nothing was lost");
}

/* ---- one command ---- */

static size_t output(void *arg, ll_run *run, int channel, const void *bytes, size_t n) {
    struct prompt *p = arg;
    FILE *to = channel == 1 ? stdout : stderr;
    p->bytes += n;
    if (fwrite(bytes, 1, n, to) != n || fflush(to) != 0)
        ll_run_stop(run, channel);
    return n;
}

static void over(void *arg, ll_run *run) {
    (void)run;
    ((struct prompt *)arg)->over = true;
}

static const struct ll_run_callbacks callbacks = {.output = output, .over = over};

/* What it was, behind what it said: on standard error, so that the output stays the commands' own. */
static void conclude(struct prompt *p) {
    struct verdict verdict = {.host = p->host, .id = "", .command = p->line};
    char shown[64];
    verdict.error = ll_run_result(p->run, &verdict.result, &verdict.failure);
    verdict_say(&verdict);
    p->status = verdict_status(&verdict);
    p->left = verdict.error != 0 || (p->interrupts > 0 && !p->asks);
    escape_text(shown, sizeof shown, p->line);
    if (verdict.error == 0)
        fprintf(stderr, "[%s: %llu bytes, status %d]\n", shown, (unsigned long long)p->bytes, p->status);
}

static void forget(struct prompt *p) {
    ll_run_free(p->run);
    free(p->line);
    p->run = NULL;
    p->line = NULL;
    p->over = p->lost = p->asked = false;
    p->interrupts = 0;
    p->bytes = 0;
    inlet_touch(p->inlet);
}

/* It cannot be sent; and what follows may be the rest of it. */
static void refuse(struct prompt *p, const char *why) {
    cli_error("%s: the command cannot be sent: %s", p->host, why);
    p->status = EXIT_LANDLINE;
    p->left = true;
}

static void start(struct prompt *p) {
    struct run_options with_line = *p->options;
    struct ll_run_options request;
    with_line.shell = p->line;
    run_options_request(&request, &with_line, 0, NULL);
    request.no_input = true;
    int error = ll_run_start(p->client, &request, &callbacks, p, &p->run);
    if (error != 0)
        refuse(p, error == LL_ELIMIT ? "it is longer than an argument may be" : ll_strerror(error));
}

/* ---- what is typed ---- */

static size_t wanted(void *arg) {
    const struct prompt *p = arg;
    return p->line == NULL ? LONGEST - buf_size(&p->typed) : 0;
}

static void typed(void *arg, const uint8_t *bytes, size_t n) {
    buf_add(&((struct prompt *)arg)->typed, bytes, n);
}

static void typed_end(void *arg, int error) {
    struct prompt *p = arg;
    if (error != 0 && error != LL_EOF)
        cli_error("cannot read the commands: %s", ll_strerror(error));
    p->ended = true;
}

static const struct inlet_owner inlet_owner = {wanted, typed, typed_end};

static bool is_empty(const char *line) {
    return line[strspn(line, " \t\r")] == '\0';
}

/* The next line that is not empty becomes p->line. Of one that is too long as much as is refused for that. */
static void take_line(struct prompt *p) {
    while (p->line == NULL && buf_size(&p->typed) > 0) {
        const char *start = (const char *)buf_front(&p->typed);
        size_t held = buf_size(&p->typed);
        const char *end = memchr(start, '\n', held);
        if (end == NULL && !p->ended && held < LONGEST)
            return;
        size_t n = end != NULL ? (size_t)(end - start) : held;
        p->asked = false;
        p->line = strndup(start, n);
        buf_consume(&p->typed, end != NULL ? n + 1 : n);
        if (p->line == NULL || strlen(p->line) != n) {
            refuse(p, p->line == NULL ? ll_strerror(-ENOMEM) : "it has a NUL byte");
            return;
        }
        if (is_empty(p->line)) {
            free(p->line);
            p->line = NULL;
        }
    }
}

static void ask(struct prompt *p) {
    if (p->asks && !p->asked)
        fprintf(stderr, "%s> ", p->host);
    p->asked = true;
}

/* ---- signals ---- */

static void leave(struct prompt *p) {
    cli_error("%s: left; the command goes on: landline attach %s %s", p->host, p->host, ll_run_id(p->run));
    p->status = EXIT_UNKNOWN;
    p->left = true;
}

/* ^C is for the command: INT, and when it is asked for again KILL. With none it is for the line that is being typed. */
static void interrupted(struct prompt *p) {
    if (p->run != NULL) {
        if (!p->over && ll_run_signal(p->run, p->interrupts++ == 0 ? SIGINT : SIGKILL) != 0)
            leave(p);
        return;
    }
    p->status = 128 + SIGINT;
    p->left = !p->asks;
    buf_clear(&p->typed);
    fputc('\n', stderr);
    p->asked = false;
}

static void signalled(void *arg, int signo, pid_t pid) {
    struct prompt *p = arg;
    (void)pid;
    if (signo == SIGINT)
        interrupted(p);
    else
        inlet_touch(p->inlet);
}

/* ---- the whole ---- */

static void serve(struct prompt *p) {
    while (!p->left) {
        if (p->over) {
            conclude(p);
            forget(p);
            continue;
        }
        if (p->line == NULL)
            take_line(p);
        if (p->left)
            break;
        if (p->line != NULL && p->run == NULL) {
            start(p);
            continue;
        }
        if (p->line == NULL && p->ended)
            break;
        if (p->line == NULL)
            ask(p);
        int n = ll_loop_step(p->loop, LL_NEVER);
        if (n < 0) {
            cli_error("%s", ll_strerror(n));
            p->left = true;
        }
    }
    if (p->asks && p->ended)
        fputc('\n', stderr);
}

static int connect_to(struct prompt *p) {
    struct ll_failure failure = {0};
    int error = ll_loop_new(&p->loop);
    struct ll_client_options how = {.host = p->host,
                                    .no_broker = p->options->no_broker,
                                    .patience_s = (double)p->options->patience / 1e9,
                                    .loop = p->loop,
                                    .event = client_event,
                                    .arg = p};
    if (error == 0)
        error = ll_client_open(&how, &p->client, &failure);
    if (error == 0)
        error = ll_client_connect(p->client, &failure);
    if (error != 0)
        cli_error("%s", failure.code != 0 ? failure.sentence : ll_strerror(error));
    return error;
}

static int listen_to_user(struct prompt *p) {
    static const int numbers[SIGNALS] = {SIGINT, SIGCONT};
    int error = 0;
    for (size_t i = 0; error == 0 && i < SIGNALS; i++)
        error = ll_loop_signal(p->loop, numbers[i], signalled, p, &p->signals[i]);
    if (error == 0)
        error = inlet_new(&p->inlet, p->loop, STDIN_FILENO, &inlet_owner, p);
    if (error != 0)
        cli_error("the commands cannot be read: %s", ll_strerror(error));
    return error;
}

int prompt_run(const char *host, const struct run_options *options) {
    struct prompt p = {.host = host, .options = options, .asks = terminal_is(STDIN_FILENO), .status = EXIT_OK};
    buf_init(&p.typed, LONGEST);
    if (connect_to(&p) == 0 && listen_to_user(&p) == 0)
        serve(&p);
    else
        p.status = EXIT_LANDLINE;
    ll_run_free(p.run);
    free(p.line);
    inlet_free(p.inlet);
    for (size_t i = 0; i < SIGNALS; i++)
        ll_signal_free(p.signals[i]);
    if (p.client != NULL && p.status != EXIT_LANDLINE)
        broker_leave(p.client, cli_argv);
    ll_client_free(p.client);
    ll_loop_free(p.loop);
    buf_free(&p.typed);
    return cli_finish(p.status);
}
