/* What get, put and ls have in common: remote names, options, waiting for the end. */
#ifndef LANDLINE_CLI_TRANSFERS_H
#define LANDLINE_CLI_TRANSFERS_H

#include "landline/cli/commands.h"
#include "landline/cli/options.h"
#include "landline/cli/progress.h"
#include "landline/client/transfer.h"

/* HOST:PATH, where HOST can be the name of a host. *path points into `text`; false: it is a local path. "./a:b" is local. */
bool transfers_split(const char *text, char host[256], const char **path);

struct transfers {
    const struct command *command;
    const char *host;
    bool quiet, json, dry_run, no_broker;
    bool plain;    /* no progress, no closing line or object */
    bool receives; /* the engine is a sink */
    int verbose;
    unsigned streams; /* connections, as in struct client_transfer_options */
    struct progress progress;
    struct tree_summary summary; /* filled by the engine */
    const struct client_transfer_options *options;
    bool over;
    int code;
    struct ll_failure failure;
    ll_loop *loop;
};

/* The options that all have; the caller adds its own rows behind. */
#define TRANSFERS_OPTIONS(t)                                                                                           \
    {"quiet", 'q', OPTION_FLAG, &(t)->quiet, NULL, "say nothing that is not an error", NULL},                          \
        {"verbose",     'v',  OPTION_COUNT,                                                                            \
         &(t)->verbose, NULL, "say why there are fewer connections than --streams asks for",                           \
         NULL},                                                                                                        \
        {"json", 0, OPTION_FLAG, &(t)->json, NULL, "print an object a line: receipts, problems, the result", NULL}, {  \
        "no-broker", 0, OPTION_FLAG, &(t)->no_broker, NULL, NULL, NULL                                                 \
    }

/* Runs the transfer to its end, with progress and signals; says what failed and how it ended. Returns the exit status. The
 * engine in `options` gets options->arg; `over` and `report` are filled in here. */
int transfers_run(struct transfers *t, struct client_transfer_options *options);

/* For OPTION_CALL, into a uint8_t: --compress and --overwrite; into an unsigned: --streams. */
option_call transfers_compress, transfers_overwrite, transfers_streams;

#define TRANSFERS_STREAMS "connections to use: 1 (usual) to 8, or auto: more where they make it faster"

#endif
