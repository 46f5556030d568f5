/* crowd HOST CLIENTS: CLIENTS connections that are let in and then do nothing. Prints "in" when all are, and holds them until
 * its standard input ends; then every 100th runs a command, to show that the connections were not forgotten. */
#include "landline/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SAMPLE = 100 };

static unsigned in, failed;

static void happened(void *arg, enum ll_client_event event, const struct ll_failure *failure) {
    (void)arg;
    in += event == LL_CLIENT_CONNECTED;
    if (event == LL_CLIENT_FAILED) {
        failed++;
        fprintf(stderr, "%s\n", failure->sentence);
    }
}

static void ended(void *loop, unsigned events) {
    char byte;
    (void)events;
    if (read(STDIN_FILENO, &byte, 1) <= 0)
        ll_loop_stop(loop);
}

static int ask(ll_client *client) {
    static const char *const argv[] = {"true"};
    const struct ll_run_options options = {.argv = argv, .argc = 1, .no_input = true};
    struct ll_collected got = {0};
    struct ll_failure failure;
    int e = ll_client_run(client, &options, &got, &failure);
    if (e != 0)
        fprintf(stderr, "%s\n", failure.sentence);
    ll_collected_free(&got);
    return e;
}

int main(int argc, char **argv) {
    struct rlimit limit;
    unsigned clients = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    ll_client **list = calloc(clients + 1, sizeof *list);
    struct ll_failure failure;
    ll_loop *loop;
    ll_watch *watch;
    if (ll_loop_new(&loop) != 0 || ll_loop_fd(loop, STDIN_FILENO, LL_READ, ended, loop, &watch) != 0)
        return 2;
    if (clients == 0 || list == NULL || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 2;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (unsigned i = 0; i < clients && failed == 0; i++) {
        const struct ll_client_options options = {.host = argv[1], .no_broker = true, .loop = loop, .event = happened};
        if (ll_client_open(&options, &list[i], &failure) != 0 || ll_client_connect(list[i], &failure) != 0) {
            fprintf(stderr, "client %u: %s\n", i, failure.sentence);
            return 1;
        }
    }
    printf("in\n");
    fflush(stdout);
    int e = ll_loop_run(loop) < 0;
    for (unsigned i = 0; i < clients && e == 0; i += SAMPLE)
        e = ask(list[i]);
    for (unsigned i = 0; i < clients; i++)
        ll_client_free(list[i]);
    free(list);
    ll_watch_free(watch);
    ll_loop_free(loop);
    printf("%u in, %s\n", in, e == 0 ? "all heard" : "some were lost");
    return e != 0 || in < clients;
}
