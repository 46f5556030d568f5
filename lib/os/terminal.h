/* Terminals: raw mode, echo, size, who is in the foreground. 0 or -errno. */
#ifndef LIB_OS_TERMINAL_H
#define LIB_OS_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

struct terminal_mode {
    int fd;
    bool changed; /* there is something to restore */
    struct termios saved;
};

bool terminal_is(int fd);

/* Every byte as it is typed, none interpreted, none echoed (cfmakeraw(3)); output untouched too. */
int terminal_raw(struct terminal_mode *mode, int fd);
/* Lines as they are, but not echoed: for secrets. */
int terminal_silent(struct terminal_mode *mode, int fd);
/* As it was before; harmless when nothing was changed. Not stopped when in the background. */
void terminal_restore(struct terminal_mode *mode);

struct terminal_size {
    uint16_t rows, columns, xpixel, ypixel;
};
int terminal_size(int fd, struct terminal_size *size);

/* Whether reading from this terminal would stop the process (SIGTTIN): it is the controlling one, and another process
 * group is in the foreground. False for what is no terminal. */
bool terminal_in_background(int fd);

#endif
