/* A run in the foreground: its input and outputs are ours, signals go to it, a terminal is handed over. What landline run,
 * shell and attach have in common. */
#ifndef LANDLINE_CLI_REMOTE_H
#define LANDLINE_CLI_REMOTE_H

#include <stdbool.h>

#include "landline/cli/verdict.h"
#include "landline/client.h"

struct remote;

struct remote_options {
    const char *host;
    const char *command; /* for messages; may be NULL */
    int input;           /* descriptor, or -1 for none */
    bool terminal;       /* the run has one: ours is raw meanwhile, size and keys go there */
    bool escapes;        /* with it: `~.` at the start of a line leaves, … */
    bool signals_leave;  /* INT, TERM, HUP leave the run alone and end us, instead of going to the run */
    bool kill_on_leave;  /* … a second one, or `~.`, ends the run */
    bool keep_on_hangup; /* … but when our terminal is gone, the run is left to its on_loss */
    bool quiet, verbose, json;
    bool no_broker;
    double patience_s; /* as ll_client_options */
};

/* Makes the client, nothing more. On failure the verdict has it. */
int remote_open(struct remote **out, const struct remote_options *options, struct verdict *verdict);
void remote_free(struct remote *remote);

ll_client *remote_client(struct remote *remote);

/* What a remote does with a run: hand both to ll_run_start() or ll_run_attach(). */
const struct ll_run_callbacks *remote_callbacks(void);

/* The size of our terminal, if we have one. */
struct ll_terminal_size remote_size(void);

/* Serves the run until it is over and all its output is written, or the user leaves. Frees it. The verdict says how it ended;
 * returns the exit status. */
int remote_follow(struct remote *remote, ll_run *run, struct verdict *verdict);

#endif
