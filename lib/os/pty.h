/* Pseudo-terminals. */
#ifndef LIB_OS_PTY_H
#define LIB_OS_PTY_H

#include <stdint.h>

struct pty_size {
    uint16_t rows, columns, xpixel, ypixel;
};

/* A new pair, both close-on-exec, the master non-blocking, the terminal in the modes a login expects (POSIX.1-2008 11:
 * canonical, echo, ^C ^Z ^\ as signals, UTF-8 erase) and in the size given. 0 or -errno. Both are the caller's to close. */
int pty_open(int *master, int *terminal, const struct pty_size *size);

/* Its size changes; programs on it get SIGWINCH. 0 or -errno. */
int pty_resize(int master, const struct pty_size *size);

/* What is typed to end the input there now (c_cc[VEOF]); ^D where it has none. */
uint8_t pty_end_of_file(int master);

#endif
