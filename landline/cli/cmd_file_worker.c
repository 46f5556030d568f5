/* landline file_worker: what the server starts for each transfer. Not for people: it finds its job on descriptor 3 and the audit
 * log on 4, and speaks records over its standard input and output; with the word `ring`, over the memory on descriptor 5
 * (lib/os/ring.h), whose bell is its standard input, and those that come over descriptor 6. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "landline/cli/cli.h"
#include "landline/proto/tree.h"
#include "landline/service/files.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"

enum { JOB = 3, AUDIT = 4, MEMORY = 5, CONTROL = 6 };

/* The whole of descriptor 3. */
static int read_job(struct buf *b) {
    for (;;) {
        uint8_t *room = buf_reserve(b, 64 * 1024);
        if (room == NULL)
            return b->failed;
        ssize_t n = read(JOB, room, 64 * 1024);
        if (n <= 0)
            return n < 0 ? -errno : 0;
        buf_commit(b, (size_t)n);
    }
}

int cmd_file_worker(const struct command *self, int argc, char **argv) {
    struct files_job job;
    struct ll_error_info info = {0};
    struct buf b;
    char text[400];
    bool over_ring = argc == 2 && strcmp(argv[1], "ring") == 0;
    if (argc > 1 && !over_ring)
        return cli_usage(self, "it is the server's own, and not for people");
    buf_init(&b, LIMIT_OPEN_PAYLOAD + (64 << 10));
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    int e = read_job(&b);
    close(JOB);
    if (e == 0)
        e = files_job_get((struct slice){buf_front(&b), buf_size(&b)}, &job);
    if (e != 0)
        error_at(&info, e, "read", "the job");
    else
        e = files_work(
            &job, &(struct files_line){STDIN_FILENO, STDOUT_FILENO, over_ring ? MEMORY : -1, over_ring ? CONTROL : -1},
            AUDIT, &info);
    buf_free(&b);
    if (e == 0)
        return EXIT_OK;
    ll_error_format(&info, text, sizeof text);
    cli_error("%s", text);
    return e == LL_ELOST ? TREE_LOST : EXIT_FAILED;
}
