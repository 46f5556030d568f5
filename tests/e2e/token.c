/* token HOST FOLDER COMMAND [ARG...]: runs a command, and may be killed at any time: called again, it goes on.
 *
 * FOLDER/output has what has come, FOLDER/token the run as it was then, behind the size that the output had. Ends with the
 * command's exit status, 100 where there is none. */
#include "landline/client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct task {
    char token[4096], fresh[4096];
    int output;
    uint64_t size; /* of the output */
};

/* Under another name first: a reader finds the old one or the new one, whole. */
static void store(struct task *t, const ll_run *run) {
    static char bytes[1 << 16];
    memcpy(bytes, &t->size, sizeof t->size);
    int64_t n = ll_run_token(run, bytes + sizeof t->size, sizeof bytes - sizeof t->size);
    int fd = open(t->fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t all = (ssize_t)sizeof t->size + n;
    if (n < 0 || fd < 0 || write(fd, bytes, (size_t)all) != all || rename(t->fresh, t->token) < 0)
        abort();
    close(fd);
}

static size_t output(void *arg, ll_run *run, int channel, const void *bytes, size_t n) {
    struct task *t = arg;
    (void)channel;
    if (pwrite(t->output, bytes, n, (off_t)t->size) != (ssize_t)n)
        abort();
    t->size += n;
    store(t, run);
    return n;
}

static int go_on(struct task *t, ll_client *client, const struct ll_run_callbacks *callbacks, ll_run **run) {
    static char bytes[1 << 16];
    int fd = open(t->token, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1;
    if (n < (ssize_t)sizeof t->size)
        return LL_EFORMAT;
    close(fd);
    memcpy(&t->size, bytes, sizeof t->size);
    if (ftruncate(t->output, (off_t)t->size) < 0)
        return LL_EFORMAT;
    return ll_run_resume(client, bytes + sizeof t->size, (size_t)n - sizeof t->size, callbacks, t, run);
}

int main(int argc, char **argv) {
    static struct task t;
    const struct ll_run_callbacks callbacks = {.output = output};
    const struct ll_client_options options = {.host = argv[1], .no_broker = true};
    struct ll_result result = {.code = 100};
    struct ll_failure failure = {0};
    char path[4096];
    ll_client *client;
    ll_run *run;
    if (argc < 4 || ll_client_open(&options, &client, &failure) != 0)
        return 100;
    snprintf(path, sizeof path, "%s/output", argv[2]);
    snprintf(t.token, sizeof t.token, "%s/token", argv[2]);
    snprintf(t.fresh, sizeof t.fresh, "%s/fresh", argv[2]);
    t.output = open(path, O_RDWR | O_CREAT, 0600);
    const struct ll_run_options what = {
        .argv = (const char *const *)argv + 3, .argc = (size_t)argc - 3, .no_input = true};
    int e = access(t.token, F_OK) == 0 ? go_on(&t, client, &callbacks, &run)
                                       : ll_run_start(client, &what, &callbacks, &t, &run);
    if (e == 0)
        store(&t, run);
    if (e == 0)
        e = ll_run_wait(run, -1, &result, &failure);
    if (e != 0)
        fprintf(stderr, "%d %s\n", e, failure.sentence);
    return e == 0 && result.ending == LL_EXITED ? result.code : 100;
}
