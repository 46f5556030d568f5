/* A conversation over standard input and output: lines in, answers of an untrusted peer out.
 *
 * Prompts are for people: they are shown when standard input is a terminal. What the peer sent is written as it came,
 * unless standard output is a terminal: then everything that could drive it is escaped. */
#ifndef LANDLINE_CLI_DIALOG_H
#define LANDLINE_CLI_DIALOG_H

#include <stdbool.h>

#include "landline/classic/client.h"
#include "lib/base/buf.h"

struct dialog {
    struct terminal terminal; /* for those who talk */
    struct buf input;         /* read and not yet used up … */
    size_t used;              /* … behind the line that was given out last */
    bool input_over, prompts;
    struct buf shown; /* a terminal's: not yet a whole line */
    bool escapes;
    char last; /* the last byte shown */
};

void dialog_init(struct dialog *dialog);
void dialog_free(struct dialog *dialog);

#endif
