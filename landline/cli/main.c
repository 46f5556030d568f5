#include <stdio.h>
#include <string.h>

#include "landline/cli/cli.h"
#include "landline/cli/commands.h"
#include "lib/tls/process.h"

#ifndef LANDLINE_VERSION
#define LANDLINE_VERSION "0"
#endif

static int help(void) {
    puts("landline runs commands and moves files between machines, over connections that lose nothing.\n"
         "\n"
         "usage: landline COMMAND [ARGUMENT...]\n"
         "       landline COMMAND --help\n"
         "       landline --help | --version\n");
    size_t width = 0;
    for (size_t i = 0; i < command_count; i++)
        if (commands[i].summary != NULL && strlen(commands[i].name) > width)
            width = strlen(commands[i].name);
    for (size_t i = 0; i < command_count; i++)
        if (commands[i].summary != NULL)
            printf("  %-*s  %s\n", (int)width, commands[i].name, commands[i].summary);
    return cli_finish(EXIT_OK);
}

static int version(void) {
    puts("landline " LANDLINE_VERSION);
    return cli_finish(EXIT_OK);
}

static int unknown(const char *word) {
    const char *kind = word[0] == '-' ? "option" : "command";
    const char *nearest = cli_nearest(word, &commands[0].name, command_count, sizeof commands[0]);
    if (nearest != NULL)
        return cli_usage(NULL, "there is no %s '%s'; did you mean '%s'?", kind, word, nearest);
    return cli_usage(NULL, "there is no %s '%s'", kind, word);
}

int main(int argc, char **argv) {
    tls_own_process();
    cli_argc = argc;
    cli_argv = argv;
    if (argc < 2)
        return cli_usage(NULL, "which command?");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help();
    if (strcmp(argv[1], "--version") == 0)
        return version();
    const struct command *command = command_find(argv[1]);
    if (command == NULL)
        return unknown(argv[1]);
    return command->run(command, argc - 1, argv + 1);
}
