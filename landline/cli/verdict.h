/* What a run came to: exit status, a line for people, JSON for programs. */
#ifndef LANDLINE_CLI_VERDICT_H
#define LANDLINE_CLI_VERDICT_H

#include "landline/cli/json.h"
#include "landline/client.h"

struct verdict {
    const char *host;
    const char *id;      /* "" while there is none */
    const char *command; /* argv[0] or the shell text, for messages; may be NULL */
    int error;           /* 0: result counts; else failure does */
    struct ll_result result;
    struct ll_failure failure;
};

/* The exit status that landline run leaves with (DESIGN of the exit codes: landline-run(1)). */
int verdict_status(const struct verdict *v);

/* What a person has to know beside the exit status, on standard error; nothing when all is said by it. */
void verdict_say(const struct verdict *v);

/* One object: {"event":"result", …}. */
void verdict_json(struct buf *out, const struct verdict *v);
/* Says why there is no run to follow, with `json` as an object on standard output too. The exit status. */
int verdict_refuse(const struct verdict *v, bool json);
/* The same into a file, whole or not at all: 0, or -errno after an error was said. */
int verdict_file(const char *path, const struct verdict *v);

/* "exited", "signalled", … */
const char *verdict_ending(enum ll_ending ending);

#endif
