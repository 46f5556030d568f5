/* What the programs that mark the limits share: they stop at the first error, and talk over loopback. */
#ifndef BENCH_PLAIN_H
#define BENCH_PLAIN_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static inline void need(long result, const char *what) {
    if (result >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline void require(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "failed: %s\n", what);
    exit(1);
}

/* Reads n bytes; false if the stream ends before. */
static inline bool read_full(int fd, void *bytes, size_t n) {
    for (size_t have = 0; have < n;) {
        ssize_t r = read(fd, (char *)bytes + have, n - have);
        if (r <= 0)
            return false;
        have += (size_t)r;
    }
    return true;
}

static inline void write_full(int fd, const void *bytes, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t r = write(fd, (const char *)bytes + done, n - done);
        need(r, "write");
        done += (size_t)r;
    }
}

/* A listening socket on a free port, which is printed. */
static inline int listen_and_say(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(bind(fd, (struct sockaddr *)&a, sizeof(a)), "bind");
    need(listen(fd, 1024), "listen");
    need(getsockname(fd, (struct sockaddr *)&a, &(socklen_t){sizeof(a)}), "getsockname");
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

static inline int accept_one(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    need(fd, "accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

static inline int connect_to(const char *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    a.sin_port = htons((uint16_t)strtol(port, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(connect(fd, (struct sockaddr *)&a, sizeof(a)), "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

/* Where a request's bytes come from: "f" and a file's name, or "r" and a command for `sh -c`, from a pipe. */
static inline int open_source(const char *request) {
    if (request[0] == 'f') {
        int fd = open(request + 1, O_RDONLY | O_CLOEXEC);
        need(fd, request + 1);
        return fd;
    }
    int ends[2];
    need(pipe2(ends, O_CLOEXEC), "pipe");
    pid_t pid = vfork();
    need(pid, "vfork");
    if (pid == 0) {
        dup2(ends[1], 1);
        execl("/bin/sh", "sh", "-c", request + 1, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    return ends[0];
}

static inline int open_destination(const char *name) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    need(fd, name);
    return fd;
}

#endif
