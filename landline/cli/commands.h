/* The subcommands, one row each. */
#ifndef LANDLINE_CLI_COMMANDS_H
#define LANDLINE_CLI_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

struct command {
    const char *name;
    /* argv[0] is the command's name. Returns the exit status of the program. */
    int (*run)(const struct command *self, int argc, char **argv);
    const char *summary; /* for `landline --help`: a few words, no full stop; NULL hides it there */
    const char *usage;   /* what follows the name: "HOST [--] COMMAND [ARG...]" */
    int bad_usage;       /* exit status of a wrong command line: 2, or 125 where others mean the remote command's */
};

/* The rows are in commands.def. */
#define COMMAND(name, summary, usage, bad_usage) int cmd_##name(const struct command *self, int argc, char **argv);
#include "landline/cli/commands.def"
#undef COMMAND

extern const struct command commands[];
extern const size_t command_count;

/* NULL where there is none. */
const struct command *command_find(const char *name);

#endif
