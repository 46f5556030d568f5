/* The client of bench/raw_exec_server.c.
 *
 *     bench-raw-exec-client PORT COMMAND                  one command: its output; exits as it did
 *     bench-raw-exec-client PORT COMMAND COUNT AT-ONCE    COUNT of them on one connection, AT-ONCE at any time; prints
 *                                                         the seconds
 *     bench-raw-exec-client PORT COMMAND stream           what the command writes to the connection, to standard output */
#include "bench/raw_exec.h"

#include <sys/wait.h>
#include <time.h>

static char bytes[256 << 10];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ask(int fd, uint32_t id, const char *command) {
    char request[sizeof(struct raw_head) + RAW_COMMAND];
    struct raw_head head = {.id = id, .size = (uint32_t)strnlen(command, RAW_COMMAND - 1)};
    memcpy(request, &head, sizeof(head));
    memcpy(request + sizeof(head), command, head.size);
    write_full(fd, request, sizeof(head) + head.size);
}

static struct raw_head answer(int fd) {
    struct raw_head head = {0};
    if (!read_full(fd, &head, sizeof(head)) || head.size > sizeof(bytes) || !read_full(fd, bytes, head.size)) {
        fprintf(stderr, "bench-raw-exec-client: the server went\n");
        exit(1);
    }
    return head;
}

static void many(int fd, const char *command, uint32_t count, uint32_t at_once) {
    uint32_t asked = 0;
    double start = now();
    for (uint32_t answered = 0; answered < count; answered++) {
        for (; asked < count && asked < answered + at_once; asked++)
            ask(fd, asked, command);
        if (answer(fd).status != 0)
            exit(1);
    }
    printf("%.6f\n", now() - start);
}

static void stream(int fd, const char *command) {
    ask(fd, RAW_STREAM, command);
    for (ssize_t n; (n = read(fd, bytes, sizeof(bytes))) > 0;)
        write_full(1, bytes, (size_t)n);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    int fd = connect_to(argv[1]);
    if (argc == 5) {
        many(fd, argv[2], (uint32_t)strtoul(argv[3], NULL, 10), (uint32_t)strtoul(argv[4], NULL, 10));
        return 0;
    }
    if (argc == 4) {
        stream(fd, argv[2]);
        return 0;
    }
    ask(fd, 0, argv[2]);
    struct raw_head head = answer(fd);
    write_full(1, bytes, head.size);
    return WIFEXITED((int)head.status) ? WEXITSTATUS((int)head.status) : 255;
}
