/* The upper service on libevent, for bench/run upper, in its fastest form: plain events with recv and send; buffered
 * events cost a quarter more. Prints its port and serves until it is killed. */
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 64 << 10 };

struct client {
    struct event *readable, *writable;
    int fd;
    size_t start, end; /* of rest: answered, not yet taken */
    char *rest;
};

static char bytes[ROOM];

static void drop(struct client *c) {
    event_free(c->readable);
    event_free(c->writable);
    close(c->fd);
    free(c->rest);
    free(c);
}

static void can_write(evutil_socket_t fd, short what, void *arg) {
    (void)what;
    struct client *c = arg;
    ssize_t n = send(fd, c->rest + c->start, c->end - c->start, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        drop(c);
        return;
    }
    c->start += n > 0 ? (size_t)n : 0;
    if (c->start == c->end) {
        free(c->rest);
        c->rest = NULL;
        event_del(c->writable);
        event_add(c->readable, NULL);
    }
}

static void can_read(evutil_socket_t fd, short what, void *arg) {
    (void)what;
    struct client *c = arg;
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            drop(c);
        return;
    }
    for (ssize_t i = 0; i < got; i++)
        bytes[i] = (char)(bytes[i] - (bytes[i] >= 'a' && bytes[i] <= 'z' ? 32 : 0));
    ssize_t n = send(fd, bytes, (size_t)got, MSG_NOSIGNAL);
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
    event_del(c->readable);
    event_add(c->writable, NULL);
}

static void admit(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int size, void *arg) {
    (void)listener;
    (void)peer;
    (void)size;
    int yes = 1;
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL)
        exit(1);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    c->fd = fd;
    c->readable = event_new(arg, fd, EV_READ | EV_PERSIST, can_read, c);
    c->writable = event_new(arg, fd, EV_WRITE | EV_PERSIST, can_write, c);
    event_add(c->readable, NULL);
}

int main(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    struct event_base *base = event_base_new();
    struct evconnlistener *listener = evconnlistener_new_bind(
        base, admit, base, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 4096, (struct sockaddr *)&at, sizeof at);
    if (listener == NULL || getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&at, &size) < 0)
        return 1;
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return event_base_dispatch(base) < 0;
}
