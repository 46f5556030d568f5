/* landline run -i: command lines at a prompt, each run by the login shell there; length and status of each are shown. */
#ifndef LANDLINE_CLI_PROMPT_H
#define LANDLINE_CLI_PROMPT_H

#include "landline/cli/run_options.h"

/* Until the end of the input, or the host cannot be reached. Returns the exit status: of the last command. */
int prompt_run(const char *host, const struct run_options *options);

#endif
