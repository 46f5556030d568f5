/* Runs a command on a host that `landline add` made known, and shows what came of it.
 *
 *     client_run HOST COMMAND [ARG...]
 */
#include <landline/client.h>
#include <stdio.h>

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: client_run HOST COMMAND [ARG...]\n");
        return 2;
    }
    struct ll_client_options options = {.host = argv[1], .no_broker = true};
    struct ll_run_options run = {.argv = (const char *const *)argv + 2, .argc = (size_t)argc - 2};
    struct ll_failure failure;
    struct ll_collected got = {0};
    ll_client *client;

    int error = ll_client_open(&options, &client, &failure);
    if (error == 0)
        error = ll_client_run(client, &run, &got, &failure);
    if (error != 0) {
        fprintf(stderr, "%s (%s)\n", failure.sentence, ll_error_name(error));
    } else {
        fwrite(got.output, 1, got.output_size, stdout);
        fwrite(got.errors, 1, got.errors_size, stderr);
        printf("%s, code %d, %zu bytes, %s\n", got.result.ending == LL_EXITED ? "exited" : "did not exit",
               got.result.code, got.output_size, got.result.verified ? "verified" : "not verified");
    }
    ll_collected_free(&got);
    ll_client_free(client);
    return error == 0 ? 0 : 1;
}
