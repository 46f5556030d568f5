#include "landline/cli/commands.h"

#include <string.h>

const struct command commands[] = {
#define COMMAND(name, summary, usage, bad_usage) {#name, cmd_##name, summary, usage, bad_usage},
#include "landline/cli/commands.def"
#undef COMMAND
};

const size_t command_count = sizeof commands / sizeof *commands;

const struct command *command_find(const char *name) {
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}
