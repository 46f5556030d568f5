#include "landline/cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/escape.h"

int cli_argc;
char **cli_argv;
bool cli_raw;

enum { LINE = 4096, WORD = 32 };

/* One write, so that lines of several processes on one terminal stay whole. */
__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list arguments, const char *tail) {
    char text[LINE / 2], line[LINE];
    vsnprintf(text, sizeof text, format, arguments);
    size_t length = (size_t)snprintf(line, sizeof line, "landline: ");
    length += escape_sentence(line + length, sizeof line - length - 256, text, strlen(text));
    length += (size_t)snprintf(line + length, sizeof line - length, "%s%s", tail, cli_raw ? "\r\n" : "\n");
    fflush(stdout);
    ssize_t ignored = write(STDERR_FILENO, line, length);
    (void)ignored;
}

void cli_error(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments, "");
    va_end(arguments);
}

void cli_note(const char *text) {
    fflush(stdout);
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

int cli_usage(const struct command *command, const char *format, ...) {
    char tail[128];
    snprintf(tail, sizeof tail, " (see: landline %s%s--help)", command != NULL ? command->name : "",
             command != NULL ? " " : "");
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments, tail);
    va_end(arguments);
    return command != NULL ? command->bad_usage : EXIT_USAGE;
}

int cli_finish(int status) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    cli_error("cannot write to standard output: %s", strerror(errno));
    return status != 0 ? status : EXIT_FAILED;
}

/* Edit distance (Levenshtein) of two short words. */
static size_t distance(const char *a, const char *b) {
    size_t row[WORD + 1], n = strlen(b);
    if (strlen(a) > WORD || n > WORD)
        return WORD;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

const char *cli_nearest(const char *word, const void *names, size_t count, size_t stride) {
    const char *nearest = NULL;
    size_t best = strlen(word) < 5 ? 2 : 3;
    for (size_t i = 0; i < count; i++) {
        const char *name;
        memcpy(&name, (const char *)names + i * stride, sizeof name);
        size_t d = name != NULL ? distance(word, name) : WORD;
        if (d < best) {
            best = d;
            nearest = name;
        }
    }
    return nearest;
}
