#include "lib/os/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/os/process.h"

static int by_number(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

/* All but 0, 1, 2 and those that are kept. */
static void close_others(const int *keep, size_t count) {
    int sorted[16];
    unsigned from = 3;
    memcpy(sorted, keep, count * sizeof *keep);
    qsort(sorted, count, sizeof *sorted, by_number);
    for (size_t i = 0; i < count; i++) {
        if ((unsigned)sorted[i] > from)
            syscall(SYS_close_range, from, (unsigned)sorted[i] - 1, 0);
        from = (unsigned)sorted[i] + 1;
    }
    syscall(SYS_close_range, from, ~0U, 0);
}

static void give_up_standard_descriptors(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++)
        if (null < 0 || dup2(null, fd) < 0)
            close(fd);
    if (null > 2)
        close(null);
}

static void reset_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int signo = 1; signo < NSIG; signo++)
        sigaction(signo, &standard, NULL); /* those that cannot be changed say so */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

pid_t daemon_fork(const int *keep, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (keep[i] < 3 || count > 16)
            return -EBADF;
    pid_t pid = fork();
    if (pid != 0)
        return pid < 0 ? -errno : pid;
    give_up_standard_descriptors();
    close_others(keep, count);
    setsid();
    umask(077);
    int stays = chdir("/");
    (void)stays; /* a folder that cannot be left is no reason to give up */
    reset_signals();
    return 0;
}

void daemon_end(int status) {
    _exit(status);
}

void daemon_title(char **argv, const char *title) {
    char *start = argv[0], *end = argv[0];
    for (char **arg = argv; *arg != NULL;
         arg++) { /* the kernel lays them one behind the other; options move them about */
        char *behind = *arg + strlen(*arg) + 1;
        start = *arg < start ? *arg : start;
        end = behind > end ? behind : end;
    }
    size_t room = (size_t)(end - start), n = strlen(title);
    n = n < room ? n : room - 1;
    memcpy(start, title, n);
    memset(start + n, 0, room - n);
    process_set_name(title);
}
