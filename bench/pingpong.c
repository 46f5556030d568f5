/* Round trips and connections through the library, or through bare system calls doing the same.
 *
 *     bench-pingpong lib|raw tcp|unix one|two SIZE COUNT     COUNT round trips of SIZE bytes; one: both ends in this
 *                                                            process; two: the other end in another, on the other core
 *     bench-pingpong lib|raw connect COUNT                   COUNT times connect, accept, close over TCP, one process
 *
 * Prints the seconds it took. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "landline/socket.h"

enum { MOST = 65536 };

static void need(long result, const char *what) {
    if (result >= 0)
        return;
    fprintf(stderr, "bench-pingpong: %s: %s (%ld)\n", what, strerror(errno), result);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void make_pair(bool tcp, int pair[2]) {
    if (!tcp) {
        need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
        return;
    }
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    need(bind(listener, (struct sockaddr *)&at, size), "bind");
    need(listen(listener, 1), "listen");
    need(getsockname(listener, (struct sockaddr *)&at, &size), "getsockname");
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(connect(pair[0], (struct sockaddr *)&at, size), "connect");
    pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    need(pair[1], "accept");
    for (int i = 0; i < 2; i++)
        need(setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes), "TCP_NODELAY");
    close(listener);
}

/* The two ways, as pairs of functions of the same shape: one message out, one message in. */
struct way {
    void (*put)(void *end, const void *bytes, size_t size);
    size_t (*take)(void *end, void *bytes, size_t size);
};

static void raw_put(void *end, const void *bytes, size_t size) {
    need(send(*(int *)end, bytes, size, MSG_NOSIGNAL), "send");
}
static size_t raw_take(void *end, void *bytes, size_t size) {
    ssize_t n = recv(*(int *)end, bytes, size, 0);
    need(n, "recv");
    return (size_t)n;
}
static void lib_put(void *end, const void *bytes, size_t size) {
    need(ll_socket_send(end, bytes, size, 0), "ll_socket_send");
}
static size_t lib_take(void *end, void *bytes, size_t size) {
    ssize_t n = ll_socket_recv(end, bytes, size, 0);
    need(n, "ll_socket_recv");
    return (size_t)n;
}
static const struct way raw = {raw_put, raw_take}, lib = {lib_put, lib_take};

static void one_process(const struct way *way, void *a, void *b, size_t size, long count) {
    static char bytes[MOST];
    for (long i = 0; i < count; i++) {
        way->put(a, bytes, size);
        way->take(b, bytes, size);
        way->put(b, bytes, size);
        way->take(a, bytes, size);
    }
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set); /* where there is one core only, one core it is */
}

static void two_processes(const struct way *way, void *a, void *b, size_t size, long count) {
    static char bytes[MOST];
    pid_t child = fork();
    need(child, "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(0);
        for (long i = 0; i < count; i++) {
            way->take(b, bytes, size);
            way->put(b, bytes, size);
        }
        _exit(0);
    }
    pin(1);
    for (long i = 0; i < count; i++) {
        way->put(a, bytes, size);
        way->take(a, bytes, size);
    }
}

static double pingpong(const struct way *way, bool tcp, bool two, size_t size, long count) {
    int pair[2];
    void *ends[2];
    make_pair(tcp, pair);
    for (int i = 0; i < 2; i++) {
        ll_socket *socket = NULL;
        ends[i] = &pair[i];
        if (way == &lib) {
            need(ll_socket_adopt(pair[i], &socket), "ll_socket_adopt");
            ends[i] = socket;
        }
    }
    double start = now();
    (two ? two_processes : one_process)(way, ends[0], ends[1], size, count);
    return now() - start;
}

static double raw_connect(long count) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(bind(listener, (struct sockaddr *)&at, size), "bind");
    need(listen(listener, 128), "listen");
    need(getsockname(listener, (struct sockaddr *)&at, &size), "getsockname");
    double start = now();
    for (long i = 0; i < count; i++) {
        struct sockaddr_in peer;
        socklen_t peer_size = sizeof peer;
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        need(connect(client, (struct sockaddr *)&at, size), "connect");
        int server = accept4(listener, (struct sockaddr *)&peer, &peer_size, SOCK_CLOEXEC);
        need(server, "accept");
        close(client);
        close(server);
    }
    return now() - start;
}

static double lib_connect(long count) {
    struct ll_address at, peer;
    ll_socket *listener, *client, *server;
    need(ll_address_ipv4(&at, "127.0.0.1", 0), "ll_address_ipv4");
    need(ll_socket_open(AF_INET, SOCK_STREAM, 0, &listener), "ll_socket_open");
    need(ll_socket_bind(listener, &at), "ll_socket_bind");
    need(ll_socket_listen(listener, 128), "ll_socket_listen");
    need(ll_socket_getsockname(listener, &at), "ll_socket_getsockname");
    double start = now();
    for (long i = 0; i < count; i++) {
        need(ll_socket_open(AF_INET, SOCK_STREAM, 0, &client), "ll_socket_open");
        need(ll_socket_connect(client, &at), "ll_socket_connect");
        need(ll_socket_accept(listener, &server, &peer), "ll_socket_accept");
        ll_socket_free(client);
        ll_socket_free(server);
    }
    return now() - start;
}

int main(int argc, char **argv) {
    bool is_lib = argc > 1 && strcmp(argv[1], "lib") == 0;
    if (argc == 4 && strcmp(argv[2], "connect") == 0) {
        long count = strtol(argv[3], NULL, 10);
        printf("%.6f\n", is_lib ? lib_connect(count) : raw_connect(count));
        return 0;
    }
    if (argc != 6) {
        fprintf(stderr, "usage: bench-pingpong lib|raw tcp|unix one|two SIZE COUNT | lib|raw connect COUNT\n");
        return 2;
    }
    size_t size = strtoul(argv[4], NULL, 10);
    if (size == 0 || size > MOST)
        return 2;
    printf("%.6f\n", pingpong(is_lib ? &lib : &raw, strcmp(argv[2], "tcp") == 0, strcmp(argv[3], "two") == 0, size,
                              strtol(argv[5], NULL, 10)));
    return 0;
}
