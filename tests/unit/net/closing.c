/* landline/socket.h, "Threads": closing a socket while others wait on it. */
#include "landline/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

/* A call in a thread of its own, and what it gave. */
struct waiter {
    ll_socket *socket;
    ssize_t (*call)(ll_socket *socket);
    pthread_t thread;
    atomic_int tid;
    ssize_t result;
};

static void *wait_in_call(void *argument) {
    struct waiter *w = argument;
    w->tid = my_tid();
    w->result = w->call(w->socket);
    return NULL;
}

static void start(struct waiter *w) {
    assert_int_equal(pthread_create(&w->thread, NULL, wait_in_call, w), 0);
    while (w->tid == 0)
        sched_yield();
    await_sleep(w->tid);
}

static void join(struct waiter *w) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 60;
    assert_int_equal(pthread_timedjoin_np(w->thread, NULL, &end), 0);
}

static ssize_t do_recv(ll_socket *s) {
    char byte;
    return ll_socket_recv(s, &byte, 1, 0);
}
static ssize_t do_recvmsg(ll_socket *s) {
    struct ll_message m = {0};
    return ll_socket_recvmsg(s, &m, 0);
}
/* A buffer that is full may turn out to have room a moment later: until it waits. */
static ssize_t do_send(ll_socket *s) {
    ssize_t r;
    while ((r = ll_socket_send(s, "x", 1, 0)) > 0)
        ;
    return r;
}
static ssize_t do_sendall(ll_socket *s) {
    int r;
    while ((r = ll_socket_sendall(s, "x", 1, 0, NULL)) == 0)
        ;
    return r;
}
static ssize_t do_accept(ll_socket *s) {
    ll_socket *conn;
    return ll_socket_accept(s, &conn, NULL);
}

/* ---- What can wait ---- */

static ll_socket *peer;

static ll_socket *quiet_tcp(void) {
    ll_socket *pair[2];
    tcp_pair(pair);
    peer = pair[1];
    return pair[0];
}
static ll_socket *quiet_unix(void) {
    ll_socket *pair[2];
    unix_pair(pair, SOCK_STREAM);
    peer = pair[1];
    return pair[0];
}
static ll_socket *full_unix(void) {
    ll_socket *s = quiet_unix();
    fill_up(s);
    return s;
}
static ll_socket *full_tcp(void) {
    ll_socket *s = quiet_tcp();
    fill_up(s);
    return s;
}
static ll_socket *bound(int family, int type) {
    ll_socket *s;
    struct ll_address a;
    assert_code(ll_socket_open(family, type, 0, &s), 0);
    if (family == AF_UNIX)
        ll_address_unix(&a, "");
    else
        a = loopback(family);
    assert_code(ll_socket_bind(s, &a), 0);
    return s;
}
static ll_socket *quiet_udp(void) {
    return bound(AF_INET, SOCK_DGRAM);
}
static ll_socket *quiet_unix_datagram(void) {
    return bound(AF_UNIX, SOCK_DGRAM);
}
static ll_socket *tcp_listener(void) {
    ll_socket *s = bound(AF_INET6, SOCK_STREAM);
    assert_code(ll_socket_listen(s, 5), 0);
    return s;
}
static ll_socket *unix_listener(void) {
    ll_socket *s = bound(AF_UNIX, SOCK_STREAM);
    assert_code(ll_socket_listen(s, 5), 0);
    return s;
}
static ll_socket *netlink(void) {
    ll_socket *s;
    assert_code(ll_socket_open(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, &s), 0);
    return s;
}

static void waiting_calls_end(void **state) {
    (void)state;
    static const struct {
        ll_socket *(*make)(void);
        ssize_t (*call)(ll_socket *);
    } rows[] = {
        {quiet_tcp, do_recv},      {quiet_unix, do_recv},      {quiet_unix, do_recvmsg}, {full_unix, do_send},
        {full_tcp, do_send},       {full_tcp, do_sendall},     {quiet_udp, do_recv},     {quiet_unix_datagram, do_recv},
        {tcp_listener, do_accept}, {unix_listener, do_accept}, {netlink, do_recv},
    };
    static const double modes[] = {LL_FOREVER, 300};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; k < 2; k++) {
            peer = NULL;
            struct waiter w[2] = {{.call = rows[i].call}, {.call = rows[i].call}};
            w[0].socket = w[1].socket = rows[i].make();
            assert_code(ll_socket_settimeout(w[0].socket, modes[k]), 0);
            int fd = ll_socket_fileno(w[0].socket);
            start(&w[0]);
            start(&w[1]);
            ll_socket *none;
            assert_code(ll_socket_detach(w[0].socket), -EBUSY);
            assert_code(ll_socket_close(w[0].socket), 0);
            assert_code(ll_socket_close(w[0].socket), LL_ECLOSED);
            assert_code(ll_socket_dup(w[0].socket, &none), LL_ECLOSED);
            join(&w[0]);
            join(&w[1]);
            assert_code(w[0].result, LL_ECLOSED);
            assert_code(w[1].result, LL_ECLOSED);
            assert_int_equal(fcntl(fd, F_GETFD), -1); /* the last one out closed it */
            ll_socket_free(w[0].socket);
            ll_socket_free(peer);
        }
    }
}

static struct ll_address where;

static ssize_t do_connect(ll_socket *s) {
    return ll_socket_connect(s, &where);
}

static void connect_ends(void **state) {
    (void)state;
    static const double modes[] = {LL_FOREVER, 300};
    struct deaf deaf;
    deaf_open(&deaf);
    where = deaf.address;
    for (size_t k = 0; k < 2; k++) {
        struct waiter w = {.call = do_connect};
        assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &w.socket), 0);
        ll_socket_settimeout(w.socket, modes[k]);
        start(&w);
        assert_code(ll_socket_close(w.socket), 0);
        join(&w);
        assert_code(w.result, LL_ECLOSED);
        ll_socket_free(w.socket);
    }
    deaf_close(&deaf);
}

/* The calls that cannot be woken keep their descriptor, and no more: close returns, and when the peer takes something
 * the call ends. */
static void unix_datagram_to_a_full_peer(void **state) {
    (void)state;
    ll_socket *to = bound(AF_UNIX, SOCK_DGRAM);
    struct ll_address name;
    struct waiter w = {.call = do_send};
    char byte;
    ll_socket_getsockname(to, &name);
    assert_code(ll_socket_open(AF_UNIX, SOCK_DGRAM, 0, &w.socket), 0);
    assert_code(ll_socket_connect(w.socket, &name), 0);
    fill_up(w.socket);
    int fd = ll_socket_fileno(w.socket);
    start(&w);
    assert_code(ll_socket_close(w.socket), 0);
    assert_code(ll_socket_send(w.socket, "x", 1, 0), LL_ECLOSED);
    while (pthread_tryjoin_np(w.thread, NULL) == EBUSY) {
        ll_socket_recv(to, &byte, 1, MSG_DONTWAIT);
        sched_yield();
    }
    assert_code(w.result, LL_ECLOSED);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    ll_socket_free(w.socket);
    ll_socket_free(to);
}

/* A resolver that does not answer is not waited for: it does so only when the call is over. */
static sem_t answers;

static int no_answer(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
    (void)host;
    (void)service;
    (void)list;
    if ((hints->ai_flags & AI_NUMERICHOST) == 0)
        sem_wait(&answers);
    return EAI_NONAME;
}

static ssize_t do_connect_host(ll_socket *s) {
    return ll_socket_connect_host(s, "slow.invalid", 1);
}

static void look_up_ends(void **state) {
    (void)state;
    int before = open_descriptors();
    struct waiter w = {.call = do_connect_host};
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &w.socket), 0);
    fault_getaddrinfo = no_answer;
    assert_int_equal(sem_init(&answers, 0, 0), 0);
    start(&w);
    assert_code(ll_socket_close(w.socket), 0);
    join(&w);
    assert_code(w.result, LL_ECLOSED);
    ll_socket_free(w.socket);
    sem_post(&answers);
    assert_true(await_descriptors(before)); /* the thread that was left behind has let go of its own */
    fault_clear();
}

/* Many threads use a socket while it is closed: no descriptor is closed twice or used after. */
struct crowd {
    ll_socket *_Atomic socket;
    atomic_int ready, go;
};

static void *use_until_closed(void *argument) {
    struct crowd *c = argument;
    char byte;
    c->ready++;
    while (!c->go)
        sched_yield();
    ssize_t r;
    do {
        r = ll_socket_send(c->socket, "x", 1, MSG_DONTWAIT);
        if (r != LL_ECLOSED)
            r = ll_socket_recv(c->socket, &byte, 1, MSG_DONTWAIT);
    } while (r == -EAGAIN || r >= 0);
    return (void *)(intptr_t)r;
}

static void closed_in_a_crowd(void **state) {
    (void)state;
    int before = open_descriptors();
    for (int round = 0; round < 50; round++) {
        struct crowd crowd = {.socket = NULL};
        ll_socket *pair[2];
        pthread_t threads[3];
        unix_pair(pair, SOCK_DGRAM);
        crowd.socket = pair[0];
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, use_until_closed, &crowd), 0);
        while (crowd.ready < 3)
            sched_yield();
        crowd.go = 1;
        sched_yield();
        assert_code(ll_socket_close(pair[0]), 0);
        int fd = dup(0); /* likely the number that was just given back */
        for (size_t i = 0; i < 3; i++) {
            void *result;
            pthread_join(threads[i], &result);
            assert_code((intptr_t)result, LL_ECLOSED);
        }
        assert_int_equal(close(fd), 0);
        free_pair(pair);
    }
    assert_int_equal(open_descriptors(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_calls_end),
        cmocka_unit_test(connect_ends),
        cmocka_unit_test(unix_datagram_to_a_full_peer),
        cmocka_unit_test(look_up_ends),
        cmocka_unit_test(closed_in_a_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
