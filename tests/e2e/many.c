/* many HOST RUNS CLIENTS AT_ONCE [QUIET]: RUNS commands over CLIENTS connections, AT_ONCE of them under way on each. Every one
 * prints a nonce and ends with a status of its own; both are compared. With QUIET the command is `sh -c true`. Prints how
 * many commands a second there were; exit status 1, and a line for each, if one was wrong. */
#include "landline/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct job {
    struct crowd *crowd;
    ll_client *client;
    ll_run *run;
    unsigned number;
    char got[64];
    size_t size;
};

struct crowd {
    unsigned runs, started, over, wrong;
    int quiet;
    ll_loop *loop;
};

static void start(struct job *job);

static void expected(const struct job *job, char text[64]) {
    snprintf(text, 64, "nonce %u\n", job->number * 2654435761U);
}

static size_t output(void *arg, ll_run *run, int channel, const void *bytes, size_t n) {
    struct job *job = arg;
    (void)run;
    if (channel == 1 && job->size + n < sizeof job->got) {
        memcpy(job->got + job->size, bytes, n);
        job->size += n;
        job->got[job->size] = '\0';
    }
    return n;
}

static void over(void *arg, ll_run *run) {
    struct job *job = arg;
    struct crowd *crowd = job->crowd;
    struct ll_result result = {0};
    struct ll_failure failure = {0};
    char text[64] = "";
    int status = crowd->quiet ? 0 : (int)(job->number % 120);
    if (!crowd->quiet)
        expected(job, text);
    int e = ll_run_result(run, &result, &failure);
    if (e != 0 || result.ending != LL_EXITED || result.code != status || strcmp(job->got, text) != 0) {
        crowd->wrong++;
        fprintf(stderr, "run %u: %s, ending %d, code %d, output '%s'\n", job->number, failure.sentence, result.ending,
                result.code, job->got);
    }
    ll_run_free(run);
    job->run = NULL;
    if (++crowd->over == crowd->runs)
        ll_loop_stop(crowd->loop);
    else if (crowd->started < crowd->runs)
        start(job);
}

static void start(struct job *job) {
    static const struct ll_run_callbacks callbacks = {.output = output, .over = over};
    char script[128], text[64];
    job->number = job->crowd->started++;
    job->size = 0;
    job->got[0] = '\0';
    expected(job, text);
    text[strlen(text) - 1] = '\0';
    snprintf(script, sizeof script, job->crowd->quiet ? "true" : "echo %s; exit %u", text, job->number % 120);
    const char *const argv[] = {"sh", "-c", script};
    const struct ll_run_options options = {.argv = argv, .argc = 3, .no_input = true};
    if (ll_run_start(job->client, &options, &callbacks, job, &job->run) != 0)
        abort();
}

int main(int argc, char **argv) {
    if (argc < 5)
        return 2;
    unsigned runs = (unsigned)strtoul(argv[2], NULL, 10), clients = (unsigned)strtoul(argv[3], NULL, 10);
    unsigned at_once = (unsigned)strtoul(argv[4], NULL, 10);
    struct crowd crowd = {.runs = runs, .quiet = argc > 5};
    struct job *jobs = calloc((size_t)clients * at_once, sizeof *jobs);
    struct timespec from, to;
    if (jobs == NULL || ll_loop_new(&crowd.loop) != 0)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned i = 0; i < clients; i++) {
        const struct ll_client_options options = {.host = argv[1], .no_broker = true, .loop = crowd.loop};
        struct ll_failure failure;
        ll_client *client;
        if (ll_client_open(&options, &client, &failure) != 0) {
            fprintf(stderr, "%s\n", failure.sentence);
            return 2;
        }
        for (unsigned k = 0; k < at_once && crowd.started < runs; k++) {
            struct job *job = &jobs[i * at_once + k];
            *job = (struct job){.crowd = &crowd, .client = client};
            start(job);
        }
    }
    ll_loop_run(crowd.loop);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    printf("%u runs, %u wrong, %.0f a second\n", crowd.over, crowd.wrong, crowd.over / seconds);
    return crowd.wrong != 0 || crowd.over != runs;
}
