#include "landline/observe/pair.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/os/clock.h"

/* No run has this id: asking for it is a question that changes nothing and starts nothing, whatever the answer is. */
static const char nobody[] = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

static int64_t shorter(int64_t a, int64_t b) {
    return a < 0 || b < a ? b : a;
}

static int64_t wall_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int ask_once(struct pair *p, double timeout_s) {
    const struct ll_attach_options options = {.id = nobody};
    const struct ll_run_callbacks none = {.output = NULL};
    struct ll_result result;
    ll_run *run = NULL;
    int64_t start = clock_now();
    int code = ll_run_attach(p->client, &options, &none, NULL, &run);
    if (code == 0)
        code = ll_run_wait(run, timeout_s, &result, &p->failure);
    ll_run_free(run);
    bool answered = code == LL_EUNKNOWNRUN || code == LL_EUSAGE || code == LL_ENOGRANT || code == LL_EREFUSED;
    if (!answered)
        return code == 0 ? LL_EPROTOCOL : code;
    p->ask_ns = shorter(p->ask_ns, clock_now() - start);
    return 0;
}

static int true_once(struct pair *p) {
    const struct ll_run_options options = {
        .argv = (const char *const[]){"true"}, .argc = 1, .no_input = true, .on_loss = LL_KILL};
    struct ll_collected got;
    int64_t wall = wall_ns(), start = clock_now();
    int code = ll_client_run(p->client, &options, &got, &p->failure);
    int64_t took = clock_now() - start;
    if (code == 0 && (got.result.ending != LL_EXITED || got.result.code != 0))
        code = -EIO;
    if (code == 0 && (p->true_ns < 0 || took < p->true_ns)) {
        p->true_ns = took;
        p->clock_ns = (int64_t)got.result.started_ms * 1000000 - (wall + took / 2);
    }
    ll_collected_free(&got);
    return code;
}

static void note_step(void *arg, enum ll_client_event event, const struct ll_failure *failure) {
    struct pair_steps *steps = arg;
    (void)failure;
    if (event == LL_CLIENT_REACHED)
        *steps = (struct pair_steps){.reached = clock_now()};
    else if (event == LL_CLIENT_ANSWERED)
        steps->answered = clock_now();
    else if (event == LL_CLIENT_PROVED)
        steps->proved = clock_now();
    else if (event == LL_CLIENT_CONNECTED)
        steps->in = clock_now();
}

static int connect_host(struct pair *p, const char *host, double timeout_s) {
    const struct ll_client_options options = {.host = host,
                                              .connect_timeout_s = timeout_s,
                                              .patience_s = timeout_s,
                                              .no_broker = true,
                                              .event = note_step,
                                              .arg = &p->steps};
    p->open_code = ll_client_open(&options, &p->client, &p->failure);
    if (p->open_code != 0)
        return p->open_code;
    int64_t start = clock_now();
    p->connect_code = ll_client_connect(p->client, &p->failure);
    p->connect_ns = clock_now() - start;
    if (p->steps.answered != 0)
        p->tls_ns = p->steps.answered - p->steps.reached;
    if (p->steps.proved != 0)
        p->identity_ns = p->steps.proved - p->steps.answered;
    if (p->steps.in != 0)
        p->grant_ns = p->steps.in - p->steps.proved;
    return p->connect_code;
}

int pair_measure(struct pair *p, const char *host, double timeout_s) {
    *p = (struct pair){.connect_ns = -1,
                       .tls_ns = -1,
                       .identity_ns = -1,
                       .grant_ns = -1,
                       .ask_ns = -1,
                       .true_ns = -1,
                       .clock_ns = INT64_MIN};
    int code = connect_host(p, host, timeout_s);
    for (int i = 0; i < PAIR_ROUNDS && code == 0; i++)
        code = p->ask_code = ask_once(p, timeout_s);
    for (int i = 0; i < PAIR_ROUNDS && code == 0; i++)
        code = p->true_code = true_once(p);
    return code;
}

void pair_close(struct pair *p) {
    ll_client_free(p->client);
    p->client = NULL;
}

int pair_ask_shell(struct pair *p, const char *text, char answer[PAIR_ANSWER]) {
    const struct ll_run_options options = {
        .argv = (const char *const[]){"sh", "-c", text}, .argc = 3, .no_input = true, .on_loss = LL_KILL};
    struct ll_collected got;
    struct ll_failure failure;
    int code = ll_client_run(p->client, &options, &got, &failure);
    if (code == 0 && (got.result.ending != LL_EXITED || got.result.code != 0))
        code = -EIO;
    size_t n = code == 0 ? got.output_size : 0;
    if (n >= PAIR_ANSWER)
        n = PAIR_ANSWER - 1;
    if (n > 0)
        memcpy(answer, got.output, n);
    answer[n] = '\0';
    ll_collected_free(&got);
    return code;
}
