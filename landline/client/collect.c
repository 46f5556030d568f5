/* A run in one call, its output collected. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "landline/client.h"
#include "landline/client/failure.h"
#include "lib/base/buf.h"
#include "lib/base/limits.h"

struct collector {
    struct buf channels[2];
    int error;
};

static size_t collect(void *arg, ll_run *run, int channel, const void *bytes, size_t n) {
    struct collector *collector = arg;
    struct buf *into = &collector->channels[channel - 1];
    buf_add(into, bytes, n);
    if (into->failed != 0 && collector->error == 0) {
        collector->error = into->failed;
        ll_run_signal(run, SIGKILL);
    }
    return n;
}

/* The bytes as one allocation that ends in a NUL. */
static char *take(struct buf *b, size_t *size) {
    char *text = malloc(buf_size(b) + 1);
    *size = 0;
    if (text == NULL)
        return NULL;
    *size = buf_size(b);
    if (*size > 0)
        memcpy(text, buf_front(b), *size);
    text[*size] = '\0';
    return text;
}

int ll_client_run(ll_client *client, const struct ll_run_options *options, struct ll_collected *out,
                  struct ll_failure *failure) {
    static const struct ll_run_callbacks callbacks = {.output = collect};
    struct collector collector = {0};
    struct ll_run_options quiet = *options;
    ll_run *run = NULL;
    *out = (struct ll_collected){0};
    quiet.no_input = true;
    buf_init(&collector.channels[0], LIMIT_COLLECTED);
    buf_init(&collector.channels[1], LIMIT_COLLECTED);
    int error = ll_run_start(client, &quiet, &callbacks, &collector, &run);
    if (error != 0)
        failure_set(failure, error, "the run cannot be started: %s", ll_strerror(error));
    else
        error = ll_run_wait(run, -1, &out->result, failure);
    if (run != NULL)
        memcpy(out->id, ll_run_id(run), sizeof out->id);
    if (error == 0 && collector.error != 0)
        error = failure_set(failure, collector.error, "the output is larger than can be collected: the run was killed");
    out->output = take(&collector.channels[0], &out->output_size);
    out->errors = take(&collector.channels[1], &out->errors_size);
    if (error == 0 && (out->output == NULL || out->errors == NULL))
        error = failure_set(failure, -ENOMEM, "out of memory");
    buf_free(&collector.channels[0]);
    buf_free(&collector.channels[1]);
    ll_run_free(run);
    return error;
}

void ll_collected_free(struct ll_collected *collected) {
    free(collected->output);
    free(collected->errors);
    collected->output = collected->errors = NULL;
}
