#include "lib/os/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static void set_modes(struct termios *t) {
    t->c_iflag = ICRNL | IXON | IXANY | IMAXBEL | BRKINT | IUTF8;
    t->c_oflag = OPOST | ONLCR;
    t->c_cflag = CS8 | CREAD | HUPCL;
    t->c_lflag = ISIG | ICANON | IEXTEN | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE;
    static const struct {
        int index;
        cc_t value;
    } keys[] = {{VINTR, 3},  {VQUIT, 28},    {VERASE, 127}, {VKILL, 21},  {VEOF, 4},      {VSTART, 17}, {VSTOP, 19},
                {VSUSP, 26}, {VREPRINT, 18}, {VWERASE, 23}, {VLNEXT, 22}, {VDISCARD, 15}, {VMIN, 1},    {VTIME, 0}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        t->c_cc[keys[i].index] = keys[i].value;
    cfsetspeed(t, B38400);
}

int pty_resize(int master, const struct pty_size *size) {
    struct winsize w = {
        .ws_row = size->rows, .ws_col = size->columns, .ws_xpixel = size->xpixel, .ws_ypixel = size->ypixel};
    return ioctl(master, TIOCSWINSZ, &w) < 0 ? -errno : 0;
}

uint8_t pty_end_of_file(int master) {
    struct termios t;
    bool has_one = tcgetattr(master, &t) == 0 && t.c_cc[VEOF] != _POSIX_VDISABLE;
    return has_one ? t.c_cc[VEOF] : 4;
}

int pty_open(int *master, int *terminal, const struct pty_size *size) {
    char name[64];
    struct termios modes;
    int e = 0, slave = -1;
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (grantpt(fd) < 0 || unlockpt(fd) < 0 || ptsname_r(fd, name, sizeof name) != 0)
        e = -errno;
    if (e == 0 && (slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
        e = -errno;
    if (e == 0 && tcgetattr(slave, &modes) < 0)
        e = -errno;
    if (e == 0) {
        set_modes(&modes);
        if (tcsetattr(slave, TCSANOW, &modes) < 0)
            e = -errno;
    }
    if (e == 0 && size->rows != 0)
        e = pty_resize(fd, size);
    if (e != 0) {
        if (slave >= 0)
            close(slave);
        close(fd);
        return e;
    }
    *master = fd;
    *terminal = slave;
    return 0;
}
