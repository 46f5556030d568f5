/* The load of bench/run upper: N connections, each sends a message and waits for all of its answer, again and again.
 *
 *     bench-load PORT CONNECTIONS SIZE [SERVER]
 *
 * One thread. Prints `ready` when it is connected. Then each line of standard input, a number of seconds, makes it work for
 * that long, and at least until each connection has been answered twice: once to warm up, which is not counted. It checks
 * that answers come in upper case, and prints: requests per second, p50 and p99 in microseconds, and the processor time
 * in microseconds that the process SERVER took for each request (0 without one). Between two lines nothing is under way. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 65536, BATCH = 512, FINE = 64, STEPS = 40 * FINE };

struct connection {
    int fd;
    size_t missing; /* of the answer under way */
    double sent_at;
};

static char message[MOST], answer[MOST];
/* A histogram: FINE steps between one power of two and the next, in microseconds. */
static long histogram[STEPS];

static void need(long result, const char *what) {
    if (result >= 0)
        return;
    fprintf(stderr, "bench-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void record(double seconds) {
    double us = seconds * 1e6 + 1;
    int power = 0;
    while (us >= 2 && power < 38) {
        us /= 2;
        power++;
    }
    histogram[power * FINE + (int)((us - 1) * FINE) % FINE]++;
}

static double percentile(double part) {
    long total = 0, seen = 0;
    for (int i = 0; i < STEPS; i++)
        total += histogram[i];
    for (int i = 0; i < STEPS; i++) {
        seen += histogram[i];
        if ((double)seen >= part * (double)total && seen > 0)
            return (double)(1L << (i / FINE)) * (1 + (double)(i % FINE) / FINE);
    }
    return 0;
}

/* Seconds that a process has run, in user space and in the kernel; 0 for no process. */
static double processor_time(const char *pid) {
    char path[64], line[64] = "";
    snprintf(path, sizeof path, "/proc/%s/schedstat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return 0;
    if (fgets(line, sizeof line, f) == NULL)
        line[0] = '\0';
    fclose(f);
    return strtod(line, NULL) / 1e9;
}

static void open_one(struct connection *c, int port, int poller) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger reset = {.l_onoff = 1}; /* no TIME_WAIT: the next run needs the ports */
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int yes = 1;
    at.sin_port = htons((uint16_t)port);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    need(connect(c->fd, (struct sockaddr *)&at, sizeof at), "connect");
    need(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes), "TCP_NODELAY");
    need(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), "SO_LINGER");
    need(fcntl(c->fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
    need(epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event), "epoll_ctl");
}

static void ask(struct connection *c, size_t size, double at) {
    ssize_t n = send(c->fd, message, size, MSG_NOSIGNAL);
    if (n != (ssize_t)size) { /* a message always fits an idle connection's buffer */
        need(n, "send");
        exit(1);
    }
    c->missing = size;
    c->sent_at = at;
}

/* 1 when the whole answer is there. */
static int take(struct connection *c) {
    ssize_t n = recv(c->fd, answer, sizeof answer, 0);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0 || answer[0] != 'A' || (size_t)n > c->missing) {
        fprintf(stderr, "bench-load: a wrong answer, or none (%zd)\n", n);
        exit(1);
    }
    c->missing -= (size_t)n;
    return c->missing == 0;
}

/* Waits for answers, counts them in *answered, and records them where `counted`. Those that have been answered are asked again
 * where `again`. The time afterwards. */
static double turn(size_t size, int poller, bool again, bool counted, long *answered) {
    struct epoll_event events[BATCH];
    int n = epoll_wait(poller, events, BATCH, 5000);
    if (n == 0)
        exit((fprintf(stderr, "bench-load: no answer for 5 s\n"), 1));
    double at = now();
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;
        if (!take(c))
            continue;
        ++*answered;
        if (counted)
            record(at - c->sent_at);
        if (again)
            ask(c, size, at);
    }
    return at;
}

/* Works for some seconds and prints what it counted. */
static void work(struct connection *all, long count, size_t size, int poller, double seconds, const char *server) {
    long warm = 0, done = 0, rest = 0;
    memset(histogram, 0, sizeof histogram);
    double at = now();
    for (long i = 0; i < count; i++)
        ask(&all[i], size, at);
    while (warm < count)
        at = turn(size, poller, true, false, &warm);
    double start = at, used = processor_time(server);
    while (at < start + seconds || done < count)
        at = turn(size, poller, true, true, &done);
    used = processor_time(server) - used;
    while (rest < count)
        turn(size, poller, false, false, &rest);
    printf("%.0f %.0f %.0f %.4f\n", (double)done / (at - start), percentile(0.5), percentile(0.99),
           1e6 * used / (double)done);
}

int main(int argc, char **argv) {
    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: bench-load PORT CONNECTIONS SIZE [SERVER]\n");
        return 2;
    }
    int port = (int)strtol(argv[1], NULL, 10), poller = epoll_create1(0);
    size_t count = strtoul(argv[2], NULL, 10), size = strtoul(argv[3], NULL, 10);
    struct connection *all = calloc(count, sizeof *all);
    if (all == NULL || count == 0 || size == 0 || size > MOST)
        return 2;
    memset(message, 'a', sizeof message);
    for (size_t i = 0; i < count; i++)
        open_one(&all[i], port, poller);
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    for (char line[64]; fgets(line, sizeof line, stdin) != NULL;)
        work(all, (long)count, size, poller, strtod(line, NULL), argc == 5 ? argv[4] : "");
    return 0;
}
