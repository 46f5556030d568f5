#include "landline/cli/remote.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "landline/cli/cli.h"
#include "landline/cli/inlet.h"
#include "landline/cli/keys.h"
#include "landline/cli/outlet.h"
#include "landline/client/broker.h"
#include "lib/base/limits.h"
#include "lib/base/number.h"
#include "lib/os/clock.h"
#include "lib/os/terminal.h"

enum { SIGNALS = 6, CHANNELS = 3, INTERRUPT_KEY = 3 /* ^C */ };

/* One output: where it goes, and of which channel. */
struct exit_way {
    struct remote *remote;
    int channel;
    struct outlet *outlet;
};

struct remote {
    struct remote_options options;
    ll_loop *loop;
    ll_client *client;
    ll_run *run;
    struct exit_way ways[CHANNELS]; /* by channel; with --json both are the first */
    struct inlet *inlet;
    ll_signal *signals[SIGNALS];
    struct terminal_mode mode;
    struct ll_terminal_size size; /* what was told of it last */
    struct keys keys;
    bool over, left;
    int left_status; /* the exit status, once the user has left while it ran */
    bool detached;   /* … and let it go on on purpose */
    unsigned interrupts;
    bool hung_up;        /* SIGHUP was obeyed, or the end of our terminal that comes with it */
    bool terminal_ended; /* that end came first: the signal is still to come */
    bool hears_hangup;   /* our parent does not ignore it */
    bool linked;         /* the server has let us in */
    int64_t lost_at;     /* since when the link is gone, 0 while it is there */
    char lost_clock[16];
    bool busy_told;
    struct buf json;            /* one event */
    size_t json_owed[CHANNELS]; /* bytes told as events, of which the window does not know yet */
};

/* ---- what a person may want to know ---- */

static void tell(struct remote *remote, const char *text) {
    if (remote->options.quiet)
        return;
    cli_error("%s: %s", remote->options.host, text);
}

static bool shows_link(const struct remote *remote) {
    return !remote->options.quiet && (remote->options.verbose || terminal_is(STDERR_FILENO));
}

static void client_event(void *arg, enum ll_client_event event, const struct ll_failure *failure) {
    struct remote *remote = arg;
    char text[128], length[32];
    if (event == LL_CLIENT_CONNECTED || event == LL_CLIENT_LOST)
        remote->linked = event == LL_CLIENT_CONNECTED;
    if (event == LL_CLIENT_LOST && remote->lost_at == 0) {
        time_t now = time(NULL);
        struct tm tm;
        remote->lost_at = clock_now();
        localtime_r(&now, &tm);
        strftime(remote->lost_clock, sizeof remote->lost_clock, "%H:%M:%S", &tm);
        if (remote->options.verbose)
            cli_error("%s", failure->sentence);
        snprintf(text, sizeof text, "no link since %s, trying again (Ctrl-C leaves) …", remote->lost_clock);
        if (shows_link(remote))
            tell(remote, text);
    } else if (event == LL_CLIENT_RETRY && remote->options.verbose) {
        cli_error("%s", failure->sentence);
    } else if (event == LL_CLIENT_RETRY && failure->code == LL_EBUSY && !remote->busy_told) {
        remote->busy_told = true;
        if (shows_link(remote))
            tell(remote, "the server is busy, waiting for a place …");
    } else if (event == LL_CLIENT_CONNECTED && remote->lost_at != 0) {
        number_format_duration(length, sizeof length, clock_now() - remote->lost_at);
        snprintf(text, sizeof text, "the link is back after %s, nothing was lost", length);
        remote->lost_at = 0;
        if (shows_link(remote))
            tell(remote, text);
    }
}

/* ---- outputs ---- */

/* With --json the window opens when all events so far were written. */
static void pay_json(struct remote *remote) {
    for (int channel = 1; channel < CHANNELS; channel++) {
        ll_run_taken(remote->run, channel, remote->json_owed[channel]);
        remote->json_owed[channel] = 0;
    }
}

static void written(void *arg, size_t n) {
    struct exit_way *way = arg;
    if (way->remote->run != NULL && !way->remote->options.json)
        ll_run_taken(way->remote->run, way->channel, n);
    else if (way->remote->run != NULL && outlet_waiting(way->outlet) == 0)
        pay_json(way->remote);
    if (outlet_error(way->outlet) != 0 && way->remote->run != NULL && !way->remote->over)
        ll_run_stop(way->remote->run, way->channel);
}

static void json_line(struct remote *remote) {
    outlet_write(remote->ways[1].outlet, buf_front(&remote->json), buf_size(&remote->json));
    buf_clear(&remote->json);
}

static size_t json_output(struct remote *remote, int channel, const void *bytes, size_t n) {
    struct json j = json_begin(&remote->json);
    json_text(&j, "event", "output");
    json_text(&j, "stream", channel == 1 ? "stdout" : "stderr");
    json_bytes(&j, "data", bytes, n);
    json_end(&j);
    json_line(remote);
    if (outlet_waiting(remote->ways[1].outlet) == 0)
        return n;
    remote->json_owed[channel] += n;
    return 0;
}

static size_t output(void *arg, ll_run *run, int channel, const void *bytes, size_t n) {
    struct remote *remote = arg;
    if (remote->options.json)
        return json_output(remote, channel, bytes, n);
    struct outlet *outlet = remote->ways[channel].outlet;
    size_t done = outlet_write(outlet, bytes, n);
    if (outlet_error(outlet) != 0)
        ll_run_stop(run, channel);
    return done;
}

static void opened(void *arg, ll_run *run) {
    struct remote *remote = arg;
    if (!remote->options.json)
        return;
    struct json j = json_begin(&remote->json);
    json_text(&j, "event", "opened");
    json_text(&j, "host", remote->options.host);
    json_text(&j, "id", ll_run_id(run));
    json_end(&j);
    json_line(remote);
}

static void over(void *arg, ll_run *run) {
    (void)run;
    ((struct remote *)arg)->over = true;
}

static void input_room(void *arg, ll_run *run) {
    (void)run;
    inlet_touch(((struct remote *)arg)->inlet);
}

static const struct ll_run_callbacks callbacks = {
    .output = output, .input_room = input_room, .opened = opened, .over = over};

const struct ll_run_callbacks *remote_callbacks(void) {
    return &callbacks;
}

/* ---- input ---- */

static void leave(struct remote *remote, int status, bool detach) {
    if (remote->options.kill_on_leave && !detach)
        ll_run_signal(remote->run, SIGKILL);
    remote->left = true;
    remote->left_status = status;
    remote->detached = detach;
}

/* What is typed comes behind the size that it was typed at, also where SIGWINCH is behind other signals, or was for those who were in
 * the foreground while we were stopped. */
static void tell_size(struct remote *remote) {
    struct ll_terminal_size size = remote_size();
    if (!remote->options.terminal || remote->run == NULL || memcmp(&size, &remote->size, sizeof size) == 0)
        return;
    remote->size = size;
    ll_run_resize(remote->run, &size);
}

static void suspend(struct remote *remote) {
    struct terminal_mode again;
    terminal_restore(&remote->mode);
    kill(0, SIGTSTP);
    if (terminal_raw(&again, remote->options.input) == 0)
        remote->mode = again;
    tell_size(remote);
}

static void key_command(struct remote *remote, enum keys_command command) {
    switch (command) {
    case KEYS_LEAVE:
        leave(remote, 128 + SIGHUP, false);
        break;
    case KEYS_DETACH:
        leave(remote, EXIT_OK, true);
        break;
    case KEYS_SUSPEND:
        suspend(remote);
        break;
    case KEYS_HELP:
        cli_note("\r\n~.  leave, and end what runs there\r\n~d  leave, and let it run (landline attach comes back)\r\n"
                 "~^Z suspend landline\r\n~~  one tilde\r\n~?  this\r\n");
        break;
    default:
        break;
    }
}

static size_t input_wanted(void *arg) {
    struct remote *remote = arg;
    if (remote->run == NULL || remote->over)
        return 0;
    /* Who reads no more is not read for; but a terminal's keys may be for us. */
    if (!ll_run_input_wanted(remote->run))
        return remote->options.escapes ? 1 : 0;
    size_t room = ll_run_input_room(remote->run);
    return remote->options.escapes && room > 1 ? room / 2 : room;
}

static void input_bytes(void *arg, const uint8_t *bytes, size_t n) {
    struct remote *remote = arg;
    tell_size(remote);
    if (!remote->options.escapes) {
        ll_run_input(remote->run, bytes, n);
        return;
    }
    /* What cannot interrupt anything there, because there is no link, interrupts us: as the signal does where keys send one. */
    if (!remote->linked && memchr(bytes, INTERRUPT_KEY, n) != NULL)
        leave(remote, 128 + SIGINT, false);
    while (n > 0 && !remote->left) {
        uint8_t kept[4096 + 1];
        size_t used, kept_n, piece = n < sizeof kept - 1 ? n : sizeof kept - 1;
        enum keys_command command = keys_filter(&remote->keys, bytes, piece, &used, kept, &kept_n);
        if (kept_n > 0)
            ll_run_input(remote->run, kept, kept_n);
        key_command(remote, command);
        bytes += used;
        n -= used;
    }
}

/* ---- signals ---- */

static void to_leave_or_to_send(struct remote *remote, int signo) {
    if (remote->options.signals_leave) {
        leave(remote, 128 + signo, true);
        return;
    }
    /* What ends a terminal ends its session: an interactive shell would ignore TERM. */
    if (remote->options.terminal && (signo == SIGTERM || signo == SIGHUP)) {
        leave(remote, 128 + signo, signo == SIGHUP && remote->options.keep_on_hangup);
        return;
    }
    /* The second one leaves; and so does the first when it cannot be delivered. */
    if (remote->interrupts++ > 0 || ll_run_signal(remote->run, signo) != 0)
        leave(remote, 128 + signo, false);
}

/* Closing a terminal's window is one event that comes as two, SIGHUP and the end of what is typed, in either order. */
static void hangup_signal(struct remote *remote) {
    if (!remote->terminal_ended)
        to_leave_or_to_send(remote, SIGHUP);
    remote->terminal_ended = false;
    remote->hung_up = true;
}

static void hangup_input(struct remote *remote) {
    if (remote->hung_up)
        return;
    remote->hung_up = remote->terminal_ended = true;
    if (remote->options.terminal || remote->hears_hangup)
        to_leave_or_to_send(remote, SIGHUP);
}

/* The run's input ends where ours does; behind the signal, where our terminal is gone and the run has none. */
static void input_end(void *arg, int error) {
    struct remote *remote = arg;
    if (error == LL_EOF)
        hangup_input(remote);
    else if (error != 0)
        cli_error("cannot read the input: %s", ll_strerror(error));
    if (!remote->left)
        ll_run_input_end(remote->run);
}

static const struct inlet_owner inlet_owner = {input_wanted, input_bytes, input_end};

static void signalled(void *arg, int signo, pid_t pid) {
    struct remote *remote = arg;
    (void)pid;
    switch (signo) {
    case SIGWINCH:
        tell_size(remote);
        break;
    case SIGCONT:
        tell_size(remote);
        inlet_touch(remote->inlet);
        break;
    default:
        if (remote->over)
            remote->left = true; /* only the output is waited for */
        else if (signo == SIGHUP)
            hangup_signal(remote);
        else
            to_leave_or_to_send(remote, signo);
    }
}

static int take_signals(struct remote *remote) {
    static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT};
    int error = 0;
    for (size_t i = 0; i < SIGNALS && error == 0; i++) {
        struct sigaction now;
        /* What our parent ignores (nohup) stays ignored. */
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler == SIG_IGN)
            continue;
        error = ll_loop_signal(remote->loop, numbers[i], signalled, remote, &remote->signals[i]);
        remote->hears_hangup |= numbers[i] == SIGHUP;
    }
    return error;
}

/* ---- the whole ---- */

struct ll_terminal_size remote_size(void) {
    struct terminal_size size;
    static const int fds[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
    for (size_t i = 0; i < 3; i++)
        if (terminal_size(fds[i], &size) == 0 && size.rows > 0)
            return (struct ll_terminal_size){size.rows, size.columns, size.xpixel, size.ypixel};
    return (struct ll_terminal_size){24, 80, 0, 0};
}

static int make(struct remote *remote, struct ll_failure *failure) {
    const struct remote_options *o = &remote->options;
    int error = ll_loop_new(&remote->loop);
    for (int channel = 1; error == 0 && channel < CHANNELS; channel++) {
        remote->ways[channel] = (struct exit_way){.remote = remote, .channel = channel};
        error = outlet_new(&remote->ways[channel].outlet, remote->loop, channel, written, &remote->ways[channel]);
    }
    if (error == 0)
        error = take_signals(remote);
    if (error != 0) {
        failure->code = error;
        snprintf(failure->sentence, sizeof failure->sentence, "%s: %s", o->host, ll_strerror(error));
        return error;
    }
    struct ll_client_options options = {.host = o->host,
                                        .patience_s = o->patience_s,
                                        .no_broker = o->no_broker,
                                        .loop = remote->loop,
                                        .event = client_event,
                                        .arg = remote};
    return ll_client_open(&options, &remote->client, failure);
}

int remote_open(struct remote **out, const struct remote_options *options, struct verdict *verdict) {
    /* Whoever reads our output may leave: then the command is told, and how it ends is still to be known. */
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    struct remote *remote = calloc(1, sizeof *remote);
    *out = NULL;
    *verdict = (struct verdict){.host = options->host, .id = "", .command = options->command};
    if (remote == NULL)
        return verdict->error = verdict->failure.code = -ENOMEM;
    remote->options = *options;
    buf_init(&remote->json, 8 * (size_t)LIMIT_DATA_FRAME);
    int error = make(remote, &verdict->failure);
    if (error != 0) {
        verdict->error = error;
        remote_free(remote);
        return error;
    }
    *out = remote;
    return 0;
}

void remote_free(struct remote *remote) {
    if (remote == NULL)
        return;
    terminal_restore(&remote->mode);
    inlet_free(remote->inlet);
    ll_run_free(remote->run);
    if (remote->client != NULL)
        broker_leave(remote->client, cli_argv);
    ll_client_free(remote->client);
    for (int channel = 1; channel < CHANNELS; channel++)
        outlet_free(remote->ways[channel].outlet);
    for (size_t i = 0; i < SIGNALS; i++)
        ll_signal_free(remote->signals[i]);
    ll_loop_free(remote->loop);
    buf_free(&remote->json);
    free(remote);
}

ll_client *remote_client(struct remote *remote) {
    return remote->client;
}

static bool is_done(const struct remote *remote) {
    if (remote->left)
        return true;
    return remote->over && outlet_waiting(remote->ways[1].outlet) == 0 && outlet_waiting(remote->ways[2].outlet) == 0;
}

/* The user left while it ran. */
static int left_status(struct remote *remote, struct verdict *verdict) {
    verdict->error = LL_EINTERRUPTED;
    verdict->failure.code = LL_EINTERRUPTED;
    snprintf(verdict->failure.sentence, sizeof verdict->failure.sentence,
             "%s: left; the command goes on: landline attach %s %s", verdict->host, verdict->host, verdict->id);
    bool goes_on = remote->detached || !remote->options.kill_on_leave || remote->lost_at != 0;
    if (goes_on && !remote->options.quiet)
        cli_error("%s", verdict->failure.sentence);
    return remote->lost_at != 0 ? EXIT_UNKNOWN : remote->left_status;
}

static void say_output_errors(const struct remote *remote) {
    static const char *const names[] = {"", "standard output", "standard error"};
    for (int channel = 1; channel < CHANNELS; channel++) {
        int error = outlet_error(remote->ways[channel].outlet);
        if (error != 0 && error != -EPIPE)
            cli_error("cannot write to %s: %s", names[channel], ll_strerror(error));
    }
}

static int conclude(struct remote *remote, struct verdict *verdict) {
    if (!remote->over)
        return left_status(remote, verdict);
    verdict->error = ll_run_result(remote->run, &verdict->result, &verdict->failure);
    if (remote->options.json && !remote->left) {
        verdict_json(&remote->json, verdict);
        json_line(remote);
        while (outlet_waiting(remote->ways[1].outlet) > 0 && !remote->left && ll_loop_step(remote->loop, LL_NEVER) >= 0)
            continue;
    }
    say_output_errors(remote);
    if (!remote->options.quiet)
        verdict_say(verdict);
    return verdict_status(verdict);
}

int remote_follow(struct remote *remote, ll_run *run, struct verdict *verdict) {
    static char id[LL_RUN_ID];
    int error = 0;
    remote->run = run;
    if (remote->options.terminal && remote->options.input >= 0 && terminal_is(remote->options.input)) {
        error = terminal_raw(&remote->mode, remote->options.input);
        cli_raw = error == 0;
    }
    if (error == 0 && remote->options.input >= 0)
        error = inlet_new(&remote->inlet, remote->loop, remote->options.input, &inlet_owner, remote);
    if (error != 0) {
        cli_error("the input cannot be used: %s", ll_strerror(error));
        ll_run_input_end(run);
    }
    while (!is_done(remote)) {
        int n = ll_loop_step(remote->loop, LL_NEVER);
        if (n < 0) {
            cli_error("%s", ll_strerror(n));
            leave(remote, EXIT_UNKNOWN, true);
        }
    }
    terminal_restore(&remote->mode);
    cli_raw = false;
    snprintf(id, sizeof id, "%s", ll_run_id(run));
    verdict->id = id;
    return conclude(remote, verdict);
}
