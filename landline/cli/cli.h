/* What every subcommand needs: saying what failed, and leaving with the right status. */
#ifndef LANDLINE_CLI_CLI_H
#define LANDLINE_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "landline/cli/commands.h"

/* Exit statuses of landline itself (docs: landline(1)); those of `run` follow timeout(1) and env(1). */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,      /* a command other than the run family failed */
    EXIT_USAGE = 2,       /* … was called wrongly */
    EXIT_UNKNOWN = 122,   /* run: the link was lost and what became of the command is not known */
    EXIT_TIMED_OUT = 124, /* run: it ran longer than --timeout */
    EXIT_LANDLINE = 125,  /* run: landline failed, and the command did not start */
    EXIT_NOT_EXECUTABLE = 126,
    EXIT_NOT_FOUND = 127,
};

/* The port of a landline server that nobody named another for. */
enum { CLI_PORT = 7227 };

/* One line "landline: …" on standard error, whatever the arguments contain: what is not printable is escaped, and a backslash stays
 * as it is (escape_sentence). Says what failed, where, why, and what to do next; no full stop at its end. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Set while the terminal is raw: lines then end in CR LF. */
extern bool cli_raw;

/* A text as it is, on standard error, for people; not for what a peer said. */
void cli_note(const char *text);

/* The same for a wrong command line, with a pointer to the help; returns the exit status to leave with. */
int cli_usage(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Flushes standard output; a failure (a full disk) is reported and becomes EXIT_FAILED where `status` is 0. */
int cli_finish(int status);

/* Of `count` names, `stride` bytes apart, the one most like a mistyped word, or NULL if none is close. Each element
 * starts with a pointer to its name; NULL names are passed over. */
const char *cli_nearest(const char *word, const void *names, size_t count, size_t stride);

/* "landline" as it was called and the arguments, for those who need to start the program again. */
extern int cli_argc;
extern char **cli_argv;

#endif
