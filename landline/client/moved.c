#include "landline/client/moved.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "lib/os/addresses.h"

struct moved {
    ll_loop *loop;
    ll_socket *socket, *route; /* the connection, NULL: any news is good; what the system says */
    ll_watch *watch;
    ll_timer *timer;
    struct ll_address local;
    void (*told)(void *arg);
    void *arg;
};

static void stop(struct moved *m) {
    ll_watch_free(m->watch);
    m->watch = NULL;
    ll_socket_free(m->route);
    m->route = NULL;
}

/* Whether a batch, or one that did not fit (n is negative), is what is listened for. */
static bool is_news(const struct moved *m, const char *batch, ssize_t n) {
    if (m->socket == NULL)
        return n < 0 || addresses_came(batch, (size_t)n);
    return n > 0 && addresses_lost(batch, (size_t)n, &m->local.as.any); /* what was lost of it, silence tells */
}

static void said(void *arg, unsigned events) {
    struct moved *m = arg;
    _Alignas(8) char batch[8192];
    bool news = false;
    ssize_t n;
    (void)events;
    while ((n = ll_socket_recv(m->route, batch, sizeof batch, 0)) > 0 || n == -ENOBUFS)
        news = is_news(m, batch, n) || news;
    if (n != -EAGAIN || (news && m->socket != NULL))
        stop(m);
    if (news)
        m->told(m->arg);
}

static int listen_to(struct moved *m, enum addresses_news news) {
    struct ll_address group;
    char bytes[64];
    int e = ll_address_raw(&group, bytes, addresses_group(news, bytes, sizeof bytes));
    if (e == 0)
        e = ll_socket_open(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, ADDRESSES_PROTOCOL, &m->route);
    if (e == 0)
        e = ll_socket_bind(m->route, &group);
    if (e == 0)
        e = ll_loop_fd(m->loop, ll_socket_fileno(m->route), LL_READ, said, m, &m->watch);
    if (e != 0)
        stop(m);
    return e;
}

static void begin(void *arg) {
    struct moved *m = arg;
    if (ll_socket_getsockname(m->socket, &m->local) == 0)
        listen_to(m, ADDRESSES_LOST);
}

int moved_hear(struct moved **out, ll_loop *loop, void (*came)(void *arg), void *arg) {
    struct moved *m = calloc(1, sizeof *m);
    *out = NULL;
    if (m == NULL)
        return -ENOMEM;
    *m = (struct moved){.loop = loop, .told = came, .arg = arg};
    int e = listen_to(m, ADDRESSES_CAME);
    if (e != 0) {
        moved_free(m);
        return e;
    }
    *out = m;
    return 0;
}

int moved_new(struct moved **out, ll_loop *loop, ll_socket *socket, int64_t after, void (*gone)(void *arg), void *arg) {
    struct moved *m = calloc(1, sizeof *m);
    *out = NULL;
    if (m == NULL)
        return -ENOMEM;
    *m = (struct moved){.loop = loop, .socket = socket, .told = gone, .arg = arg};
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
