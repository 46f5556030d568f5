#include "tests/unit/net/support.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void check_code(long got, long wanted, const char *expression, const char *file, int line) {
    if (got == wanted)
        return;
    fprintf(stderr, "%s:%d: %s gave %ld (%s), not %ld (%s)\n", file, line, expression, got, ll_error_name((int)got),
            wanted, ll_error_name((int)wanted));
    _assert_int_equal((uintmax_t)got, (uintmax_t)wanted, file, line);
}

int open_descriptors(void) {
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    int count = 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

int await_descriptors(int count) {
    for (double end = seconds_now() + 30; open_descriptors() != count && seconds_now() < end;)
        poll(NULL, 0, 5);
    return open_descriptors() == count;
}

struct ll_address loopback(int family) {
    struct ll_address a;
    assert_code(ll_address_ip(&a, family == AF_INET6 ? "::1" : "127.0.0.1", 0), 0);
    return a;
}

ll_socket *listener(int family, struct ll_address *address) {
    ll_socket *s;
    struct ll_address any_port = loopback(family);
    assert_code(ll_create_server(&any_port, NULL, &s, NULL), 0);
    assert_code(ll_socket_getsockname(s, address), 0);
    return s;
}

void tcp_pair(ll_socket *ends[2]) {
    struct ll_address address;
    ll_socket *l = listener(AF_INET, &address);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &ends[0]), 0);
    assert_code(ll_socket_connect(ends[0], &address), 0);
    assert_code(ll_socket_accept(l, &ends[1], NULL), 0);
    ll_socket_free(l);
}

void unix_pair(ll_socket *ends[2], int type) {
    assert_code(ll_socket_pair(AF_UNIX, type, 0, ends), 0);
}

void free_pair(ll_socket *ends[2]) {
    ll_socket_free(ends[0]);
    ll_socket_free(ends[1]);
}

void deaf_open(struct deaf *deaf) {
    struct ll_address any_port = loopback(AF_INET);
    memset(deaf, 0, sizeof *deaf);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &deaf->listener), 0);
    assert_code(ll_socket_bind(deaf->listener, &any_port), 0);
    assert_code(ll_socket_listen(deaf->listener, 0), 0);
    assert_code(ll_socket_getsockname(deaf->listener, &deaf->address), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_code(ll_socket_open(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &deaf->fill[i]), 0);
        assert_code(ll_socket_connect(deaf->fill[i], &deaf->address), -EINPROGRESS);
    }
}

void deaf_close(struct deaf *deaf) {
    for (size_t i = 0; i < 4; i++)
        ll_socket_free(deaf->fill[i]);
    ll_socket_free(deaf->listener);
}

void fill_up(ll_socket *socket) {
    static char bytes[65536];
    assert_code(ll_socket_setblocking(socket, false), 0);
    while (ll_socket_send(socket, bytes, sizeof bytes, 0) > 0)
        ;
    while (ll_socket_send(socket, bytes, 1, 0) > 0)
        ;
    assert_code(ll_socket_setblocking(socket, true), 0);
}

static void nothing(int number) {
    (void)number;
}

static void *send_signals(void *argument) {
    struct pester *p = argument;
    while (!p->stop) {
        pthread_kill(p->victim, SIGUSR1);
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    }
    return NULL;
}

void pester_start(struct pester *p) {
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGUSR1, &action, NULL);
    p->victim = pthread_self();
    p->stop = 0;
    assert_int_equal(pthread_create(&p->sender, NULL, send_signals, p), 0);
}

void pester_stop(struct pester *p) {
    p->stop = 1;
    pthread_join(p->sender, NULL);
}

int my_tid(void) {
    return gettid();
}

void await_sleep(int tid) {
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    double end = seconds_now() + 30;
    while (state != 'S' && seconds_now() < end) {
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
        fclose(f);
        sched_yield();
    }
    assert_int_equal(state, 'S');
}

double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void check_name(ll_socket *s, int (*ask)(ll_socket *, struct ll_address *), const char *wanted) {
    struct ll_address a;
    char text[LL_ADDRESS_TEXT];
    assert_code(ask(s, &a), 0);
    ll_address_format(&a, text, sizeof text);
    assert_string_equal(text, wanted);
}
