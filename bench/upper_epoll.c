/* The upper service on bare epoll, for bench/run upper: what a good C programmer writes by hand.
 * bench-upper-epoll prints its port and serves until it is killed. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 64 << 10, BATCH = 256 };

struct client {
    int fd;
    size_t start, end; /* of rest: answered, not yet taken */
    char *rest;
};

static char bytes[ROOM];
static int poller;

static void want(struct client *c, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

static void drop(struct client *c) {
    close(c->fd);
    free(c->rest);
    free(c);
}

static void flush(struct client *c) {
    ssize_t n = send(c->fd, c->rest + c->start, c->end - c->start, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        drop(c);
        return;
    }
    c->start += n > 0 ? (size_t)n : 0;
    if (c->start == c->end) {
        free(c->rest);
        c->rest = NULL;
        want(c, EPOLLIN);
    }
}

static void serve(struct client *c) {
    if (c->rest != NULL) {
        flush(c);
        return;
    }
    ssize_t got = recv(c->fd, bytes, sizeof bytes, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            drop(c);
        return;
    }
    for (ssize_t i = 0; i < got; i++)
        bytes[i] = (char)(bytes[i] - (bytes[i] >= 'a' && bytes[i] <= 'z' ? 32 : 0));
    ssize_t n = send(c->fd, bytes, (size_t)got, MSG_NOSIGNAL);
    if (n == got)
        return;
    if (n < 0 && errno != EAGAIN) {
        drop(c);
        return;
    }
    n = n < 0 ? 0 : n;
    c->rest = malloc((size_t)(got - n));
    if (c->rest == NULL)
        exit(1);
    memcpy(c->rest, bytes + n, (size_t)(got - n));
    c->start = 0;
    c->end = (size_t)(got - n);
    want(c, EPOLLOUT);
}

static void admit(int listener) {
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct client *c = calloc(1, sizeof *c);
        if (c == NULL)
            exit(1);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&at, size) < 0 || listen(listener, 4096) < 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) < 0)
        return 1;
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        struct epoll_event events[BATCH];
        int n = epoll_wait(poller, events, BATCH, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                admit(listener);
            else
                serve(events[i].data.ptr);
        }
    }
}
