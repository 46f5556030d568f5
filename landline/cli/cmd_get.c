/* landline get: files and folders from another machine. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "landline/cli/cli.h"
#include "landline/cli/transfers.h"
#include "landline/transfer/place.h"
#include "landline/transfer/sink.h"
#include "lib/base/limits.h"
#include "lib/os/tree.h"

static const char about[] =
    "Fetches files and whole folders, as cp would: into DEST if that is a folder or ends in a slash, else under that\n"
    "name; DEST is the present folder where it is not given. - writes one file to standard output. Quote patterns\n"
    "(* ? [ ]) so that they reach the other side. Paths begin in the home folder, or in the grant's root.\n"
    "\n"
    "Each file is proved by its digest, and has its name only when it is complete and on the disk. An interrupted\n"
    "command goes on where it was when it is given again.";

struct get {
    struct transfers t;
    bool checksum, no_resume;
    uint64_t limit;
    uint8_t compress, overwrite;
    char host[256];
    const char *destination;
    struct sink_options sink;
    struct sink_stream told;
};

static int engine(void *arg, struct transfer_io *io) {
    struct get *g = arg;
    return sink_run(io, &g->sink, &g->t.progress.report, &g->t.summary);
}

/* The operands: HOST:PATH..., all of one host, and then perhaps where to. -1, or the exit status. */
static int read_operands(struct get *g, const struct operands *operands, struct buf *paths, uint32_t *count,
                         bool *many) {
    for (int i = 0; i < operands->count; i++) {
        char host[256];
        const char *path, *text = operands->values[i];
        if (!transfers_split(text, host, &path)) {
            if (i == 0 || i + 1 < operands->count)
                return cli_usage(g->t.command, "'%s' is not HOST:PATH", text);
            g->destination = text;
            break;
        }
        if (i > 0 && strcmp(host, g->host) != 0)
            return cli_usage(g->t.command, "all sources must be of one host, not of '%s' and '%s'", g->host, host);
        memcpy(g->host, host, sizeof host);
        *many = *many || strpbrk(path, "*?[") != NULL;
        buf_add_str32(paths, path, strlen(path));
        ++*count;
    }
    *many = *many || *count > 1;
    return -1;
}

/* Where it goes on this side. 0, or an exit status after the error was said. */
static int open_destination(struct get *g, bool many, char **rename) {
    struct place_target target;
    struct ll_error_info info;
    const struct place_base here = {.dir = AT_FDCWD};
    g->sink.stream = -1;
    *rename = NULL;
    if (strcmp(g->destination, "-") == 0) {
        g->sink.dir = AT_FDCWD;
        g->sink.stream = STDOUT_FILENO;
        g->sink.told = &g->told;
        return 0;
    }
    int e = place_target(&here, g->destination, many, &target, &info);
    if (e != 0) {
        cli_error("%s: %s", info.subject, ll_strerror(e));
        return EXIT_FAILED;
    }
    g->sink.dir = target.dir;
    g->sink.rename = *rename = target.rename;
    return 0;
}

static int run(struct get *g, const struct tree_get *request, bool many) {
    char *rename;
    struct buf bytes;
    int status = open_destination(g, many, &rename);
    if (status != 0)
        return status;
    buf_init(&bytes, LIMIT_OPEN_PAYLOAD);
    tree_put_get(&bytes, request);
    struct client_transfer_options options = {
        .service = "get", .request = {buf_front(&bytes), buf_size(&bytes)}, .engine = engine, .arg = g};
    if (bytes.failed != 0)
        status = cli_usage(g->t.command, "too many paths at once");
    else
        status = transfers_run(&g->t, &options);
    if (g->sink.dir >= 0)
        close(g->sink.dir);
    free(rename);
    buf_free(&bytes);
    return status;
}

int cmd_get(const struct command *self, int argc, char **argv) {
    struct get *g = calloc(1, sizeof *g);
    if (g == NULL)
        return EXIT_FAILED;
    g->t.command = self;
    g->t.receives = true;
    g->destination = ".";
    const struct option_row rows[] = {
        TRANSFERS_OPTIONS(&g->t),
        {"dry-run", 'n', OPTION_FLAG, &g->t.dry_run, NULL, "only say what would be sent", NULL},
        {"checksum", 0, OPTION_FLAG, &g->checksum, NULL, "compare contents, not size and time", NULL},
        {"overwrite", 0, OPTION_CALL, &g->overwrite, "WHEN", "always, older, never or different (usual)",
         transfers_overwrite},
        {"no-resume", 0, OPTION_FLAG, &g->no_resume, NULL, "begin anew, whatever an earlier attempt left", NULL},
        {"limit", 0, OPTION_RATE, &g->limit, "RATE", "at most so many bytes a second (2M, 500K)", NULL},
        {"compress", 0, OPTION_CALL, &g->compress, "HOW", "off (usual), zstd, or auto: where it pays",
         transfers_compress},
        {"streams", 0, OPTION_CALL, &g->t.streams, "N", TRANSFERS_STREAMS, transfers_streams},
        {0},
    };
    os_raise_descriptors(); /* more files are published together */
    struct operands operands;
    struct buf paths;
    struct tree_get request = {0};
    bool many = false;
    buf_init(&paths, LIMIT_OPEN_PAYLOAD);
    int status = options_parse(&(struct options){.command = self, .rows = rows, .about = about, .min = 1, .max = -1},
                               argc, argv, &operands);
    if (status < 0)
        status = read_operands(g, &operands, &paths, &request.count, &many);
    if (status < 0) {
        g->t.host = g->host;
        if (g->limit > 0 && g->t.streams == TRANSFER_AUTO)
            g->t.streams = 1; /* what holds it up is known */
        g->sink.overwrite = g->overwrite;
        g->sink.flags = (uint8_t)((g->checksum ? TREE_WITH_DIGESTS : 0) | (g->no_resume ? TREE_NO_RESUME : 0) |
                                  (g->t.dry_run ? TREE_DRY_RUN : 0));
        bool shown = !g->t.quiet && !g->t.json;
        request.flags = (uint8_t)((g->checksum ? TREE_WITH_DIGESTS : 0) | (shown ? TREE_TOTALS : 0) |
                                  (g->t.streams > 1 ? TREE_SPLITS : 0));
        request.compress = g->compress;
        request.rate = g->limit;
        request.paths = g->sink.asked = (struct slice){buf_front(&paths), buf_size(&paths)};
        status = run(g, &request, many);
    }
    buf_free(&paths);
    free(g);
    return status;
}
