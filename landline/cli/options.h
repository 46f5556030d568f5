/* Command lines: a table of options, parsed by one function for all subcommands.
 *
 *     bool quiet = false;
 *     int64_t timeout = 0;
 *     const struct option_row rows[] = {
 *         {"quiet", 'q', OPTION_FLAG, &quiet, NULL, "say nothing that is not an error"},
 *         {"timeout", 0, OPTION_DURATION, &timeout, "DURATION", "end the command after so long (10m, 1.5s)"},
 *         {0},
 *     };
 *     struct operands operands;
 *     int leave = options_parse(&(struct options){.command = self, .rows = rows, .min = 1, .max = 1}, argc, argv,
 *                               &operands);
 *     if (leave >= 0)
 *         return leave;
 *
 * Long options take their value behind `=` or as the next word; short ones may be bundled, their value follows at once
 * or as the next word. Options stand before, between or after operands; `--` ends them. */
#ifndef LANDLINE_CLI_OPTIONS_H
#define LANDLINE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "landline/cli/commands.h"

enum option_kind {
    OPTION_FLAG,     /* bool: set; takes no value */
    OPTION_COUNT,    /* int: one more each time; takes no value */
    OPTION_TEXT,     /* const char *: points into argv */
    OPTION_LIST,     /* struct option_list: every value, in order */
    OPTION_NUMBER,   /* uint64_t: decimal */
    OPTION_DURATION, /* int64_t: nanoseconds */
    OPTION_SIZE,     /* uint64_t: bytes */
    OPTION_RATE,     /* uint64_t: bytes a second */
    OPTION_CALL,     /* option_call: judges the value itself */
};

struct option_list {
    size_t count;
    const char **values; /* freed by option_list_free() */
};
void option_list_free(struct option_list *list);

/* Takes a value: NULL, or why not, in a few words ("is not a signal"), static storage. */
typedef const char *option_call(void *target, const char *value);

struct option_row {
    const char *name; /* long name without dashes; NULL ends the table */
    char letter;      /* short name, or 0 */
    enum option_kind kind;
    void *target;
    const char *value; /* what the help calls the value; NULL for kinds without one */
    const char *help;  /* NULL hides it */
    option_call *call; /* for OPTION_CALL */
};

/* What several subcommands say of one option. */
#define OPTION_NO_BROKER "make a connection of its own, and leave none behind"

struct options {
    const struct command *command;
    const struct option_row *rows;
    const char *about; /* paragraphs between usage and options in the help; may be NULL */
    int min, max;      /* how many operands; max < 0: any number */
    int command_after; /* where > 0: after so many operands the first word that is no option begins a command line,
                            and everything from there on is operands. `--` before it is dropped. */
};

struct operands {
    int count;
    char **values; /* in argv, reordered */
};

/* -1: go on. Otherwise leave with this status: help was shown, or an error said. */
int options_parse(const struct options *options, int argc, char **argv, struct operands *out);

#endif
