/* Runs a command again and again and times it, for bench/run exec and files: the overhead is a vfork and a wait.
 *
 *     bench-repeat COUNT AT-ONCE COMMAND [ARGUMENT...]
 *
 * COUNT runs, AT-ONCE at any time, each with /dev/null as its standard input and output. Prints the seconds of all, and
 * the largest resident set of any of them in KiB. Stops with status 1 when one fails. */
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "bench/plain.h"

extern char **environ;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 2;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, 0, 1);
    long most = 0, count = strtol(argv[1], NULL, 10), at_once = strtol(argv[2], NULL, 10);
    double start = now();
    for (long started = 0, ended = 0; ended < count; ended++) {
        for (; started < count && started < ended + at_once; started++) {
            pid_t pid;
            errno = posix_spawnp(&pid, argv[3], &actions, NULL, argv + 3, environ);
            need(errno ? -1 : 0, argv[3]);
        }
        int status = 0;
        struct rusage used;
        need(wait4(-1, &status, 0, &used), "wait4");
        require(WIFEXITED(status) && WEXITSTATUS(status) == 0, argv[3]);
        if (used.ru_maxrss > most)
            most = used.ru_maxrss;
    }
    printf("%.6f %ld\n", now() - start, most);
    return 0;
}
