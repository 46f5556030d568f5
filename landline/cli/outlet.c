#include "landline/cli/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/limits.h"

/* How to write without waiting. */
enum way {
    WAY_OPEN,        /* not chosen yet: the first byte does it */
    WAY_BLOCKS,      /* a file: it never waits long, and cannot be waited for */
    WAY_SOCKET,      /* MSG_DONTWAIT */
    WAY_NONBLOCKING, /* an open file of our own */
    WAY_SMALL,       /* someone else's pipe: after poll(2), PIPE_BUF bytes fit (pipe(7)) */
};

struct outlet {
    ll_loop *loop;
    int fd;
    bool own_fd;
    enum way way;
    ll_watch *watch;
    struct buf waiting;
    int error;
    outlet_fn *written;
    void *arg;
};

/* A pipe or terminal opened once more has its own O_NONBLOCK. */
static int open_again(int fd) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static enum way choose(struct outlet *outlet) {
    int fd = outlet->fd;
    struct stat about;
    if (fstat(fd, &about) < 0 || S_ISREG(about.st_mode) || S_ISBLK(about.st_mode))
        return WAY_BLOCKS;
    if (S_ISSOCK(about.st_mode))
        return WAY_SOCKET;
    if (S_ISCHR(about.st_mode) && !isatty(fd))
        return WAY_BLOCKS;
    int again = open_again(fd);
    if (again < 0)
        return WAY_SMALL;
    outlet->fd = again;
    outlet->own_fd = true;
    return WAY_NONBLOCKING;
}

static ssize_t small_write(int fd, const void *bytes, size_t n) {
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    if (poll(&ready, 1, 0) <= 0)
        return -EAGAIN;
    ssize_t done = write(fd, bytes, n < PIPE_BUF ? n : PIPE_BUF);
    return done < 0 ? -errno : done;
}

static ssize_t write_some(struct outlet *outlet, const void *bytes, size_t n) {
    ssize_t done;
    do {
        if (outlet->way == WAY_SMALL)
            done = small_write(outlet->fd, bytes, n);
        else if (outlet->way == WAY_SOCKET)
            done = send(outlet->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        else
            done = write(outlet->fd, bytes, n);
        if (done < 0 && outlet->way != WAY_SMALL)
            done = -errno;
    } while (done == -EINTR);
    return done;
}

/* As much as goes now; the number of bytes. */
static size_t write_most(struct outlet *outlet, const uint8_t *bytes, size_t n) {
    size_t all = 0;
    while (all < n && outlet->error == 0) {
        ssize_t done = write_some(outlet, bytes + all, n - all);
        if (done == -EAGAIN)
            break;
        if (done < 0)
            outlet->error = (int)done;
        else
            all += (size_t)done;
    }
    return all;
}

static void break_off(struct outlet *outlet) {
    size_t lost = buf_size(&outlet->waiting);
    buf_clear(&outlet->waiting);
    if (outlet->watch != NULL)
        ll_watch_set(outlet->watch, 0);
    if (lost > 0)
        outlet->written(outlet->arg, lost);
}

static void writable(void *arg, unsigned events) {
    (void)events;
    struct outlet *outlet = arg;
    size_t done = write_most(outlet, buf_front(&outlet->waiting), buf_size(&outlet->waiting));
    buf_consume(&outlet->waiting, done);
    if (buf_size(&outlet->waiting) == 0)
        ll_watch_set(outlet->watch, 0);
    if (done > 0)
        outlet->written(outlet->arg, done);
    if (outlet->error != 0)
        break_off(outlet);
}

int outlet_new(struct outlet **out, ll_loop *loop, int fd, outlet_fn *written, void *arg) {
    struct outlet *outlet = calloc(1, sizeof *outlet);
    *out = outlet;
    if (outlet == NULL)
        return -ENOMEM;
    *outlet = (struct outlet){.loop = loop, .fd = fd, .written = written, .arg = arg};
    buf_init(&outlet->waiting, 2 * (size_t)LIMIT_WINDOW);
    return 0;
}

void outlet_free(struct outlet *outlet) {
    if (outlet == NULL)
        return;
    ll_watch_free(outlet->watch);
    if (outlet->own_fd)
        close(outlet->fd);
    buf_free(&outlet->waiting);
    free(outlet);
}

/* The watch is made when something has to wait for the first time: mostly nothing ever does. */
static void wait_writable(struct outlet *outlet) {
    if (outlet->watch == NULL)
        outlet->error = ll_loop_fd(outlet->loop, outlet->fd, LL_WRITE, writable, outlet, &outlet->watch);
    else
        ll_watch_set(outlet->watch, LL_WRITE);
}

size_t outlet_write(struct outlet *outlet, const void *bytes, size_t n) {
    size_t done = 0;
    if (outlet->error != 0)
        return n;
    if (outlet->way == WAY_OPEN)
        outlet->way = choose(outlet);
    if (buf_size(&outlet->waiting) == 0)
        done = write_most(outlet, bytes, n);
    if (outlet->error == 0 && done < n) {
        buf_add(&outlet->waiting, (const uint8_t *)bytes + done, n - done);
        outlet->error = outlet->waiting.failed;
        if (outlet->error == 0)
            wait_writable(outlet);
    }
    if (outlet->error == 0)
        return done;
    break_off(outlet);
    return n;
}

size_t outlet_waiting(const struct outlet *outlet) {
    return buf_size(&outlet->waiting);
}

int outlet_error(const struct outlet *outlet) {
    return outlet->error;
}
