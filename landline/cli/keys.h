/* Escapes of a terminal session: what is typed behind a `~` at the beginning of a line is for us (as in rlogin and ssh). */
#ifndef LANDLINE_CLI_KEYS_H
#define LANDLINE_CLI_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum keys_command {
    KEYS_NONE,
    KEYS_LEAVE,   /* ~. */
    KEYS_DETACH,  /* ~d */
    KEYS_SUSPEND, /* ~^Z */
    KEYS_HELP,    /* ~? */
};

struct keys {
    bool inside_line; /* a zeroed struct is at the start of a line */
    bool after_tilde;
};

/* Looks through bytes[0 … n): *used bytes were looked at, up to and with the first command, which is returned. out[] gets
 * what is for the other side, *out_n bytes, at most n + 1. */
enum keys_command keys_filter(struct keys *keys, const uint8_t *bytes, size_t n, size_t *used, uint8_t *out,
                              size_t *out_n);

#endif
