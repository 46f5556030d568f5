/* Starts a command in the background, stores a token that describes it, forgets all about it, and goes on from the token:
 * as a program does that is started again. With an event loop of its own, which here is poll(2).
 *
 *     client_attach HOST COMMAND [ARG...]
 */
#include <landline/client.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static size_t show(void *arg, ll_run *run, int channel, const void *bytes, size_t n) {
    (void)arg, (void)run;
    return fwrite(bytes, 1, n, channel == 1 ? stdout : stderr);
}

static void set(void *flag, ll_run *run) {
    (void)run;
    *(int *)flag = 1;
}

/* Waits for the client's descriptor or its deadline, until *done. */
static int serve(ll_client *client, const int *done) {
    int error = 0;
    while (!*done && error == 0) {
        struct pollfd ready = {.fd = ll_client_fileno(client), .events = POLLIN};
        struct timespec now;
        int64_t deadline = ll_client_deadline(client);
        clock_gettime(CLOCK_MONOTONIC, &now);
        int64_t left = deadline == LL_NEVER ? -1 : deadline - (now.tv_sec * 1000000000LL + now.tv_nsec);
        poll(&ready, 1, deadline == LL_NEVER ? -1 : left > 0 ? (int)(left / 1000000 + 1) : 0);
        error = ll_client_step(client);
    }
    return error;
}

/* Starts it, waits until the server has it, and returns the token. */
static void *begin(ll_client *client, const struct ll_run_options *options, size_t *size) {
    struct ll_run_callbacks callbacks = {.opened = set, .over = set};
    void *token = NULL;
    ll_run *run;
    int opened = 0;
    if (ll_run_start(client, options, &callbacks, &opened, &run) != 0 || serve(client, &opened) != 0)
        return NULL;
    int64_t n = ll_run_token(run, NULL, 0);
    if (n > 0 && (token = malloc((size_t)n)) != NULL)
        ll_run_token(run, token, (size_t)n);
    *size = n > 0 ? (size_t)n : 0;
    printf("started %s\n", ll_run_id(run));
    ll_run_free(run);
    return token;
}

/* Goes on from the token to the end: the exit status of the command, or -1. */
static int finish(ll_client *client, const void *token, size_t size) {
    struct ll_run_callbacks callbacks = {.output = show, .over = set};
    struct ll_result result;
    struct ll_failure failure;
    ll_run *run;
    int over = 0, status = -1;
    if (ll_run_resume(client, token, size, &callbacks, &over, &run) != 0)
        return -1;
    if (serve(client, &over) == 0 && ll_run_result(run, &result, &failure) == 0)
        status = result.ending == LL_EXITED ? result.code : -1;
    else
        fprintf(stderr, "%s\n", failure.sentence);
    ll_run_free(run);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: client_attach HOST COMMAND [ARG...]\n");
        return 2;
    }
    struct ll_client_options options = {.host = argv[1], .no_broker = true};
    struct ll_run_options run = {.argv = (const char *const *)argv + 2, .argc = (size_t)argc - 2, .no_input = true};
    struct ll_failure failure;
    ll_client *client;
    size_t size = 0;
    if (ll_client_open(&options, &client, &failure) != 0) {
        fprintf(stderr, "%s\n", failure.sentence);
        return 1;
    }
    void *token = begin(client, &run, &size);
    ll_client_free(client);

    /* Nothing is left but the token; it could have been stored in a file meanwhile. */
    int status = -1;
    if (token != NULL && ll_client_open(&options, &client, &failure) == 0) {
        status = finish(client, token, size);
        ll_client_free(client);
    }
    free(token);
    printf("status %d\n", status);
    return status == -1 ? 1 : 0;
}
