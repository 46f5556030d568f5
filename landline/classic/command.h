/* A shell command that runs for a client: its output is collected, and it does not outlive its client.
 *
 * The command is a session of its own. Its standard input is empty, what it writes to its standard error is dropped (the
 * protocols have no place for it), its standard output is read until the last process that holds it has closed it.
 * When its client leaves before that, the whole process group is killed. */
#ifndef LANDLINE_CLASSIC_COMMAND_H
#define LANDLINE_CLASSIC_COMMAND_H

#include <stdbool.h>

#include "landline/classic/service.h"
#include "lib/base/buf.h"
#include "lib/os/spawn.h"

struct classic_command {
    struct classic_server *server;
    struct classic_command *next, **link;
    struct spawn_child child;
    int pipe;
    ll_watch *output_watch, *end_watch;
    struct buf output;  /* at most LIMIT_CLASSIC_OUTPUT bytes; the owner may take it once it is complete */
    bool complete;      /* its output has ended */
    bool failed;        /* there was more output than the limit allows: it was killed */
    ll_call_fn *notify; /* its owner: called when it is complete, and again when it is gone; NULL once it was left */
    void *owner;
};

/* Starts text[0 … size - 1] under sh -c. notify(owner) is called when the output is complete or has failed, and once
 * more after the command has ended and been collected: then it no longer exists. Codes as spawn_start; -EINVAL for a
 * NUL inside; -EAGAIN when LIMIT_CLASSIC_COMMANDS run. */
int classic_command_start(struct classic_server *server, const void *text, size_t size, ll_call_fn *notify, void *owner,
                          struct classic_command **out, struct ll_error_info *info);

/* The owner goes: kills the process group, if it still runs, and calls nobody any more. */
void classic_command_leave(struct classic_command *command);

/* Frees it without waiting for its end, at the end of the server. */
void classic_command_forget(struct classic_command *command);

#endif
