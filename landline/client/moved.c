#include "landline/client/moved.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/os/addresses.h"

struct moved {
    ll_loop *loop;
    ll_socket *socket, *route; /* the connection; what the system says */
    ll_watch *watch;
    ll_timer *timer;
    struct ll_address local;
    void (*gone)(void *arg);
    void *arg;
};

static void stop(struct moved *m) {
    ll_watch_free(m->watch);
    m->watch = NULL;
    ll_socket_free(m->route);
    m->route = NULL;
}

static void said(void *arg, unsigned events) {
    struct moved *m = arg;
    _Alignas(8) char batch[8192];
    ssize_t n;
    (void)events;
    do {
        n = ll_socket_recv(m->route, batch, sizeof batch, 0);
        if (n > 0 && addresses_lost(batch, (size_t)n, &m->local.as.any)) {
            stop(m);
            m->gone(m->arg);
            return;
        }
    } while (n > 0 || n == -ENOBUFS); /* what was lost then, silence tells */
    if (n != -EAGAIN)
        stop(m);
}

static void begin(void *arg) {
    struct moved *m = arg;
    struct ll_address group;
    char bytes[64];
    if (ll_socket_getsockname(m->socket, &m->local) != 0 ||
        ll_address_raw(&group, bytes, addresses_group(bytes, sizeof bytes)) != 0 ||
        ll_socket_open(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, ADDRESSES_PROTOCOL, &m->route) != 0)
        return;
    if (ll_socket_bind(m->route, &group) != 0 ||
        ll_loop_fd(m->loop, ll_socket_fileno(m->route), LL_READ, said, m, &m->watch) != 0)
        stop(m);
}

int moved_new(struct moved **out, ll_loop *loop, ll_socket *socket, int64_t after, void (*gone)(void *arg), void *arg) {
    struct moved *m = calloc(1, sizeof *m);
    *out = NULL;
    if (m == NULL)
        return -ENOMEM;
    *m = (struct moved){.loop = loop, .socket = socket, .gone = gone, .arg = arg};
    int e = after > 0 ? ll_loop_timer(loop, ll_loop_now(loop) + after, begin, m, &m->timer) : 0;
    if (e != 0) {
        free(m);
        return e;
    }
    if (after <= 0)
        begin(m);
    *out = m;
    return 0;
}

void moved_free(struct moved *m) {
    if (m == NULL)
        return;
    stop(m);
    ll_timer_free(m->timer);
    free(m);
}
