/* Commands per second over one landline connection, for bench/run exec.
 *
 *     bench-exec-workers HOST COUNT AT-ONCE COMMAND [ARGUMENT...]
 *
 * Runs COUNT commands on one client, AT-ONCE at any time, and prints the seconds from the first start to the last result;
 * the connection is there before. Every one must exit with 0. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "landline/client.h"

static ll_client *client;
static struct ll_run_options what = {.no_input = true};
static long to_start, to_end;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *doing, int e, const struct ll_failure *failure) {
    fprintf(stderr, "bench-exec-workers: %s: %s %s\n", doing, ll_error_name(e), failure->sentence);
    exit(1);
}

static void start(void);

static void over(void *arg, ll_run *run) {
    (void)arg;
    struct ll_result result = {0};
    struct ll_failure failure = {0};
    int e = ll_run_result(run, &result, &failure);
    if (e < 0 || result.ending != LL_EXITED || result.code != 0)
        fail("the command", e, &failure);
    ll_run_free(run);
    to_end--;
    start();
}

static void start(void) {
    static const struct ll_run_callbacks callbacks = {.over = over};
    if (to_start == 0)
        return;
    to_start--;
    ll_run *run = NULL;
    int e = ll_run_start(client, &what, &callbacks, NULL, &run);
    if (e < 0)
        fail("start", e, &(struct ll_failure){0});
}

int main(int argc, char **argv) {
    if (argc < 5)
        return 2;
    struct ll_client_options options = {.host = argv[1], .no_broker = true};
    struct ll_failure failure = {0};
    int e = ll_client_open(&options, &client, &failure);
    if (e == 0)
        e = ll_client_connect(client, &failure);
    if (e < 0)
        fail(argv[1], e, &failure);
    to_start = to_end = strtol(argv[2], NULL, 10);
    what.argv = (const char *const *)(argv + 4);
    what.argc = (size_t)argc - 4;
    double began = now();
    for (long at_once = strtol(argv[3], NULL, 10); at_once > 0; at_once--)
        start();
    while (to_end > 0 && (e = ll_client_step(client)) >= 0) {
        struct pollfd p = {.fd = ll_client_fileno(client), .events = POLLIN};
        int64_t deadline = ll_client_deadline(client), left = deadline - (int64_t)(now() * 1e9);
        int wait_ms = deadline == LL_NEVER ? -1 : left <= 0 ? 0 : (int)(left / 1000000 + 1);
        if (to_end > 0)
            poll(&p, 1, wait_ms);
    }
    printf("%.6f\n", now() - began);
    ll_client_free(client);
    return e < 0;
}
