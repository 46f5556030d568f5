#include "landline/cli/transfers.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "landline/cli/cli.h"
#include "landline/client.h"
#include "landline/client/broker.h"
#include "lib/base/number.h"
#include "lib/os/clock.h"

static const int64_t TICK = 200LL * 1000000;

bool transfers_split(const char *text, char host[256], const char **path) {
    size_t n = strcspn(text, ":/");
    if (text[n] != ':' || n == 0 || n > 255)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    *path = text + n + 1;
    return true;
}

static bool choose(void *target, const char *value, const char *const *names, uint8_t count) {
    for (uint8_t i = 0; i < count; i++) {
        if (strcmp(value, names[i]) == 0) {
            *(uint8_t *)target = i;
            return true;
        }
    }
    return false;
}

const char *transfers_compress(void *target, const char *value) {
    static const char *const names[] = {[TREE_PLAIN] = "off", [TREE_ZSTD] = "zstd", [TREE_AUTO] = "auto"};
    return choose(target, value, names, sizeof names / sizeof *names) ? NULL : "is neither off, zstd nor auto";
}

const char *transfers_overwrite(void *target, const char *value) {
    static const char *const names[] = {
        [TREE_DIFFERENT] = "different", [TREE_ALWAYS] = "always", [TREE_OLDER] = "older", [TREE_NEVER] = "never"};
    return choose(target, value, names, sizeof names / sizeof *names) ? NULL
                                                                      : "is neither different, always, older nor never";
}

const char *transfers_streams(void *target, const char *value) {
    uint64_t n = TRANSFER_AUTO;
    if (strcmp(value, "auto") != 0 && number_parse(value, 1, TREE_STREAMS, &n) != 0)
        return "is neither auto nor a number from 1 to 8";
    *(unsigned *)target = (unsigned)n;
    return NULL;
}

static void over(void *arg, int code, const struct ll_failure *failure) {
    struct transfers *t = arg;
    t->over = true;
    t->code = code;
    t->failure = *failure;
    ll_loop_stop(t->loop);
}

/* The engine gets the caller's argument, `over` gets ours. */
static int engine(void *arg, struct transfer_io *io) {
    struct transfers *t = arg;
    return t->options->engine(t->options->arg, io);
}

static void link_event(void *arg, enum ll_client_event event, const struct ll_failure *failure) {
    struct transfers *t = arg;
    if (event != LL_CLIENT_LOST || t->quiet)
        return;
    progress_clear(&t->progress);
    cli_error("%s; trying again", failure->sentence);
}

static void note(void *arg, const char *text) {
    struct transfers *t = arg;
    if (t->verbose == 0)
        return;
    progress_clear(&t->progress);
    cli_error("fewer connections than asked for: %s", text);
}

struct ticker {
    struct transfers *t;
    ll_timer *timer;
};

static void tick(void *arg) {
    struct ticker *ticker = arg;
    progress_tick(&ticker->t->progress);
    ll_timer_set(ticker->timer, clock_after(clock_now(), TICK));
}

struct stopper {
    struct transfers *t;
    int signo;
};

static void on_signal(void *arg, int signo, pid_t pid) {
    struct stopper *stopper = arg;
    (void)pid;
    stopper->signo = signo;
    ll_loop_stop(stopper->t->loop);
}

/* Loops until the transfer is over or a signal ends it; returns the signal, or 0. */
static int wait_for_end(struct transfers *t) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    enum { SIGNALS = sizeof signals / sizeof *signals };
    ll_signal *watches[SIGNALS] = {NULL};
    struct stopper stopper = {.t = t};
    struct ticker ticker = {.t = t};
    for (size_t i = 0; i < SIGNALS; i++)
        ll_loop_signal(t->loop, signals[i], on_signal, &stopper, &watches[i]);
    ll_loop_timer(t->loop, clock_after(clock_now(), TICK), tick, &ticker, &ticker.timer);
    while (!t->over && stopper.signo == 0)
        if (ll_loop_run(t->loop) < 0)
            break;
    ll_timer_free(ticker.timer);
    for (size_t i = 0; i < SIGNALS; i++)
        ll_signal_free(watches[i]);
    return stopper.signo;
}

static int conclude(struct transfers *t, int signo) {
    bool failed = signo != 0 || !t->over || t->code != 0;
    progress_end(&t->progress, &t->summary, failed);
    if (signo != 0) {
        if (!t->quiet)
            cli_error("%s: stopped; the same command goes on where this one was", t->host);
        return 128 + signo;
    }
    if (failed) {
        cli_error("%s", t->failure.sentence);
        return EXIT_FAILED;
    }
    return cli_finish(t->summary.failures > 0 ? EXIT_FAILED : EXIT_OK);
}

int transfers_run(struct transfers *t, struct client_transfer_options *options) {
    ll_client *client = NULL;
    struct client_transfer *transfer = NULL;
    struct client_transfer_options wrapped = *options;
    progress_begin(&t->progress, t->host, t->quiet || t->plain, t->json && !t->plain, t->dry_run);
    t->options = options;
    wrapped.engine = engine;
    wrapped.over = over;
    wrapped.note = note;
    wrapped.streams = t->streams;
    wrapped.receives = t->receives;
    wrapped.arg = t;
    wrapped.report = &t->progress.report;
    int signo = 0, e = ll_loop_new(&t->loop);
    struct ll_client_options how = {.host = t->host,
                                    .no_broker = t->no_broker || !t->plain, /* bulk needs no further pair of hands */
                                    .loop = t->loop,
                                    .event = link_event,
                                    .arg = t};
    t->failure.sentence[0] = '\0';
    if (e == 0)
        e = ll_client_open(&how, &client, &t->failure);
    if (e == 0)
        e = client_transfer_start(client, &wrapped, &transfer);
    if (e == 0) {
        signo = wait_for_end(t);
    } else if (t->failure.sentence[0] == '\0') {
        strncpy(t->failure.sentence, ll_strerror(e), sizeof t->failure.sentence - 1);
    }
    /* The engine still uses the report: it ends first. */
    client_transfer_free(transfer);
    if (client != NULL)
        broker_leave(client, cli_argv);
    ll_client_free(client);
    ll_loop_free(t->loop);
    return conclude(t, signo);
}
