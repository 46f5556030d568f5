/* landline put: files and folders to another machine. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/cli/cli.h"
#include "landline/cli/transfers.h"
#include "landline/transfer/place.h"
#include "landline/transfer/source.h"
#include "lib/base/limits.h"
#include "lib/os/random.h"
#include "lib/os/ring.h"

static const char about[] =
    "Sends files and whole folders, as cp would: into DEST if that is a folder there or ends in a slash, else under "
    "that\n"
    "name; an empty DEST is the home folder, or the grant's root. - sends standard input.\n"
    "\n"
    "Each file is proved by its digest, and has its name only when it is complete and on the disk. An interrupted\n"
    "command goes on where it was when it is given again.";

struct put {
    struct transfers t;
    bool checksum, no_resume;
    uint64_t limit;
    uint8_t compress, overwrite;
    char host[256];
    const char *destination;
    struct place_sources sources;
    bool stream;
    struct source_stream input;
    uint64_t missing;
};

static int engine(void *arg, struct transfer_io *io) {
    struct put *p = arg;
    bool shown = !p->t.quiet && !p->t.json;
    struct source_options options = {.flags =
                                         (uint8_t)((p->checksum ? TREE_WITH_DIGESTS : 0) | (shown ? TREE_TOTALS : 0) |
                                                   (p->t.streams > 1 ? TREE_SPLITS : 0)),
                                     .compress = p->compress};
    io->rate = p->limit;
    const struct source_root input = {.dir = -1, .name = "stdin", .stream = &p->input};
    return source_run(io, p->stream ? &input : p->sources.roots, p->stream ? 1 : p->sources.count, &options,
                      &p->t.progress.report, &p->t.summary);
}

/* Of each connection the window and the rings of both sides can be under way, in which packed contents are several times as much; and
 * the digest needs the chunk from its beginning. */
static int open_input(struct put *p) {
    enum { UNDER_WAY = LIMIT_WINDOW_SPLIT + 2 * RING_SIZE, PACKED = 6 };
    unsigned streams = p->t.streams > 1 ? TREE_STREAMS : 1, packed = p->compress != TREE_PLAIN ? PACKED : 1;
    p->input = (struct source_stream){.fd = STDIN_FILENO, .keeps = TREE_CHUNK + (size_t)UNDER_WAY * streams * packed};
    int e = random_bytes(&p->input.version, sizeof p->input.version);
    p->input.version |= 1; /* 0 would be none */
    if (e != 0)
        cli_error("standard input: %s", ll_strerror(e));
    return e;
}

static void tell_twin(void *arg, const char *name) {
    (void)arg;
    cli_error("%s: two sources have this name, and can only have it once there", name);
}

/* -1, or the exit status. */
static int read_operands(struct put *p, const struct operands *operands) {
    const struct place_base here = {.dir = AT_FDCWD};
    int last = operands->count - 1;
    if (!transfers_split(operands->values[last], p->host, &p->destination))
        return cli_usage(p->t.command, "'%s' is not HOST:[DEST]", operands->values[last]);
    for (int i = 0; i < last; i++) {
        struct ll_error_info info;
        if (strcmp(operands->values[i], "-") == 0 && last == 1) {
            p->stream = true;
            break;
        }
        int e = place_sources(&here, operands->values[i], false, &p->sources, &info);
        if (e != 0) {
            cli_error("%s: %s", info.subject, ll_strerror(e));
            p->missing++;
        }
    }
    int64_t twins = place_drop_twins(&p->sources, tell_twin, NULL);
    if (twins < 0)
        cli_error("%s", ll_strerror((int)twins));
    if (twins != 0)
        return EXIT_FAILED;
    return p->stream || p->sources.count > 0 ? -1 : EXIT_FAILED;
}

static int run(struct put *p, int sources) {
    struct buf bytes;
    size_t length = strlen(p->destination);
    bool into = sources > 1 || (length > 0 && p->destination[length - 1] == '/');
    uint8_t id[TREE_ID];
    bool named = random_bytes(id, sizeof id) == 0;
    const struct tree_put request = {
        .flags = (uint8_t)((p->checksum ? TREE_WITH_DIGESTS : 0) | (p->no_resume ? TREE_NO_RESUME : 0) |
                           (p->t.dry_run ? TREE_DRY_RUN : 0) | (into ? TREE_INTO : 0) | (named ? TREE_NAMED : 0) |
                           (p->t.streams > 1 ? TREE_SPLITS : 0)),
        .overwrite = p->overwrite,
        .destination = {(const uint8_t *)p->destination, length},
        .id = {id, sizeof id},
    };
    buf_init(&bytes, LIMIT_OPEN_PAYLOAD);
    tree_put_put(&bytes, &request);
    struct client_transfer_options options = {.service = "put",
                                              .request = {buf_front(&bytes), buf_size(&bytes)},
                                              .numbered = named,
                                              .engine = engine,
                                              .arg = p};
    int status = transfers_run(&p->t, &options);
    buf_free(&bytes);
    return status == EXIT_OK && p->missing > 0 ? EXIT_FAILED : status;
}

int cmd_put(const struct command *self, int argc, char **argv) {
    struct put *p = calloc(1, sizeof *p);
    if (p == NULL)
        return EXIT_FAILED;
    p->t.command = self;
    const struct option_row rows[] = {
        TRANSFERS_OPTIONS(&p->t),
        {"dry-run", 'n', OPTION_FLAG, &p->t.dry_run, NULL, "only say what would be sent", NULL},
        {"checksum", 0, OPTION_FLAG, &p->checksum, NULL, "compare contents, not size and time", NULL},
        {"overwrite", 0, OPTION_CALL, &p->overwrite, "WHEN", "always, older, never or different (usual)",
         transfers_overwrite},
        {"no-resume", 0, OPTION_FLAG, &p->no_resume, NULL, "begin anew, whatever an earlier attempt left", NULL},
        {"limit", 0, OPTION_RATE, &p->limit, "RATE", "at most so many bytes a second (2M, 500K)", NULL},
        {"compress", 0, OPTION_CALL, &p->compress, "HOW", "off (usual), zstd, or auto: where it pays",
         transfers_compress},
        {"streams", 0, OPTION_CALL, &p->t.streams, "N", TRANSFERS_STREAMS, transfers_streams},
        {0},
    };
    struct operands operands;
    int status = options_parse(&(struct options){.command = self, .rows = rows, .about = about, .min = 2, .max = -1},
                               argc, argv, &operands);
    if (status < 0)
        status = read_operands(p, &operands);
    if (status < 0) {
        p->t.host = p->host;
        if (p->limit > 0 && p->t.streams == TRANSFER_AUTO)
            p->t.streams = 1; /* what holds it up is known */
        status = p->stream && open_input(p) != 0 ? EXIT_FAILED : run(p, operands.count - 1);
    }
    source_stream_free(&p->input);
    place_free(&p->sources);
    free(p);
    return status;
}
