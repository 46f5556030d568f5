/* The least a server of commands can do, for bench/run exec: `sh -c TEXT`, its output and status, over plain TCP.
 *
 *     bench-raw-exec-server WORKERS      prints its port
 *
 * Each connection has WORKERS threads that take requests in turn and answer when their command has ended, so that many
 * commands run at once on one connection. With 1, one after another. */
#include "bench/raw_exec.h"

#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

struct connection {
    int fd;
    int left;
    pthread_mutex_t reading, writing;
};

static int worker_count;

static pid_t start(char *text, int output) {
    char *argv[] = {"sh", "-c", text, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    pid_t pid = -1;
    int e = posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    errno = e;
    need(e ? -1 : 0, "spawn");
    return pid;
}

static uint32_t collect(char *text, char *output, uint32_t *size) {
    int ends[2];
    need(pipe2(ends, O_CLOEXEC), "pipe");
    pid_t pid = start(text, ends[1]);
    close(ends[1]);
    *size = 0;
    ssize_t n;
    while (*size < RAW_OUTPUT && (n = read(ends[0], output + *size, RAW_OUTPUT - *size)) > 0)
        *size += (uint32_t)n;
    close(ends[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    return (uint32_t)status;
}

static int take(struct connection *c, struct raw_head *head, char *text) {
    pthread_mutex_lock(&c->reading);
    int ok = read_full(c->fd, head, sizeof(*head)) && head->size < RAW_COMMAND && read_full(c->fd, text, head->size);
    pthread_mutex_unlock(&c->reading);
    if (ok)
        text[head->size] = 0;
    return ok;
}

static void leave(struct connection *c) {
    if (__atomic_sub_fetch(&c->left, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    close(c->fd);
    free(c);
}

static void *work(void *arg) {
    struct connection *c = arg;
    char text[RAW_COMMAND], *answer = malloc(sizeof(struct raw_head) + RAW_OUTPUT);
    struct raw_head head;
    while (answer != NULL && take(c, &head, text)) {
        if (head.id == RAW_STREAM) {
            waitpid(start(text, c->fd), NULL, 0);
            shutdown(c->fd, SHUT_RDWR);
            break;
        }
        head.status = collect(text, answer + sizeof(head), &head.size);
        memcpy(answer, &head, sizeof(head));
        pthread_mutex_lock(&c->writing);
        write_full(c->fd, answer, sizeof(head) + head.size);
        pthread_mutex_unlock(&c->writing);
    }
    free(answer);
    leave(c);
    return NULL;
}

static void serve(int fd) {
    struct connection *c = calloc(1, sizeof(*c));
    need(c == NULL ? -1 : 0, "calloc");
    *c = (struct connection){.fd = fd, .left = worker_count};
    pthread_mutex_init(&c->reading, NULL);
    pthread_mutex_init(&c->writing, NULL);
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, 128 << 10);
    for (int i = 0; i < worker_count; i++) {
        pthread_t thread;
        errno = pthread_create(&thread, &detached, work, c);
        need(errno ? -1 : 0, "thread");
    }
    pthread_attr_destroy(&detached);
}

int main(int argc, char **argv) {
    worker_count = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1;
    int listener = listen_and_say();
    for (;;)
        serve(accept_one(listener));
}
