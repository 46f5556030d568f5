#include "lib/os/terminal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool terminal_is(int fd) {
    return isatty(fd) == 1;
}

/* With SIGTTOU blocked the call goes through from the background too, where it would stop the process. */
static int set(int fd, const struct termios *wanted) {
    sigset_t ttou, before;
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &before);
    int result;
    do
        result = tcsetattr(fd, TCSADRAIN, wanted);
    while (result < 0 && errno == EINTR);
    int error = result < 0 ? -errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static int save(struct terminal_mode *mode, int fd) {
    mode->fd = fd;
    mode->changed = false;
    return tcgetattr(fd, &mode->saved) < 0 ? -errno : 0;
}

int terminal_raw(struct terminal_mode *mode, int fd) {
    int error = save(mode, fd);
    if (error != 0)
        return error;
    struct termios raw = mode->saved;
    cfmakeraw(&raw);
    error = set(fd, &raw);
    mode->changed = error == 0;
    return error;
}

int terminal_silent(struct terminal_mode *mode, int fd) {
    int error = save(mode, fd);
    if (error != 0)
        return error;
    struct termios silent = mode->saved;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    silent.c_lflag |= ECHONL;
    error = set(fd, &silent);
    mode->changed = error == 0;
    return error;
}

void terminal_restore(struct terminal_mode *mode) {
    if (!mode->changed)
        return;
    mode->changed = false;
    set(mode->fd, &mode->saved);
}

int terminal_size(int fd, struct terminal_size *size) {
    struct winsize window;
    if (ioctl(fd, TIOCGWINSZ, &window) < 0)
        return -errno;
    *size = (struct terminal_size){window.ws_row, window.ws_col, window.ws_xpixel, window.ws_ypixel};
    return 0;
}

bool terminal_in_background(int fd) {
    pid_t foreground = tcgetpgrp(fd);
    return foreground >= 0 && foreground != getpgrp();
}
