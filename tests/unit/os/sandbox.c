/* lib/os/sandbox.h: a process that went in tries every way out, and what it needs still works. */
#include "lib/os/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each attempt returns 0 when it was let through. */
#define ATTEMPT(name, expression)                                                                                      \
    static int try_##name(void) {                                                                                      \
        errno = 0;                                                                                                     \
        return (expression);                                                                                           \
    }
static char *const words[] = {(char *)(uintptr_t) "true", NULL};

ATTEMPT(execve, execve("/bin/true", words, NULL) < 0)
ATTEMPT(execveat, syscall(SYS_execveat, AT_FDCWD, "/bin/true", words, NULL, 0) < 0)
ATTEMPT(fork, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0)
ATTEMPT(clone3, syscall(SYS_clone3, NULL, 0) < 0)
ATTEMPT(open_read, open("/etc/passwd", O_RDONLY) < 0)
ATTEMPT(open_write, open("/tmp/landline-sandbox-test", O_WRONLY | O_CREAT, 0600) < 0)
ATTEMPT(openat2, syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0) < 0)
ATTEMPT(unlink, unlink("/tmp/landline-sandbox-test") < 0)
ATTEMPT(rename, rename("/tmp/landline-sandbox-a", "/tmp/landline-sandbox-b") < 0)
ATTEMPT(mkdir, mkdir("/tmp/landline-sandbox-test", 0700) < 0)
ATTEMPT(symlink, symlink("a", "/tmp/landline-sandbox-test") < 0)
ATTEMPT(chmod, chmod("/tmp", 0700) < 0)
ATTEMPT(stat, syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", (void *)words, 0) < 0)
ATTEMPT(socket, socket(AF_INET, SOCK_STREAM, 0) < 0)
ATTEMPT(socket_unix, socket(AF_UNIX, SOCK_STREAM, 0) < 0)
ATTEMPT(socketpair, socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0}) < 0)
ATTEMPT(connect, connect(0, (const struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX}, 3) < 0)
ATTEMPT(bind, bind(0, (const struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX}, 3) < 0)
ATTEMPT(listen, listen(0, 1) < 0)
ATTEMPT(pipe, pipe2((int[2]){0}, 0) < 0)
ATTEMPT(memfd, memfd_create("x", 0) < 0)
ATTEMPT(kill_parent, kill(getppid(), 0) < 0)
ATTEMPT(tgkill_parent, syscall(SYS_tgkill, getppid(), getppid(), 0) < 0)
ATTEMPT(ptrace, ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
ATTEMPT(process_vm, syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0) < 0)
ATTEMPT(pidfd_open, syscall(SYS_pidfd_open, getppid(), 0) < 0)
ATTEMPT(mmap_exec, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
ATTEMPT(mount, syscall(SYS_mount, "a", "/", "b", 0, NULL) < 0)
ATTEMPT(unshare, syscall(SYS_unshare, 0) < 0)
ATTEMPT(setns, syscall(SYS_setns, 0, 0) < 0)
ATTEMPT(setuid, setuid(0) < 0)
ATTEMPT(chroot, chroot("/") < 0)
ATTEMPT(chdir, chdir("/") < 0)
ATTEMPT(prctl, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
ATTEMPT(bpf, syscall(SYS_bpf, 0, NULL, 0) < 0)
ATTEMPT(io_uring, syscall(SYS_io_uring_setup, 1, NULL) < 0)
ATTEMPT(userfaultfd, syscall(SYS_userfaultfd, 0) < 0)
ATTEMPT(keyctl, syscall(SYS_keyctl, 0, 0, 0, 0, 0) < 0)
ATTEMPT(setrlimit, setrlimit(RLIMIT_CORE, &(struct rlimit){1, 1}) < 0)
ATTEMPT(ioctl, syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, "x") < 0)
ATTEMPT(fcntl_owner, syscall(SYS_fcntl, 0, F_SETOWN, 1) < 0)
ATTEMPT(sendto_address,
        sendto(0, "x", 1, 0, (const struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX}, 3) < 0)

#define ROW(name)                                                                                                      \
    { #name, try_##name }
static const struct {
    const char *name;
    int (*attempt)(void);
} attempts[] = {
    ROW(execve),      ROW(execveat),   ROW(fork),        ROW(clone3),      ROW(open_read),     ROW(open_write),
    ROW(openat2),     ROW(unlink),     ROW(rename),      ROW(mkdir),       ROW(symlink),       ROW(chmod),
    ROW(stat),        ROW(socket),     ROW(socket_unix), ROW(socketpair),  ROW(connect),       ROW(bind),
    ROW(listen),      ROW(pipe),       ROW(memfd),       ROW(kill_parent), ROW(tgkill_parent), ROW(ptrace),
    ROW(process_vm),  ROW(pidfd_open), ROW(mmap_exec),   ROW(mount),       ROW(unshare),       ROW(setns),
    ROW(setuid),      ROW(chroot),     ROW(chdir),       ROW(prctl),       ROW(bpf),           ROW(io_uring),
    ROW(userfaultfd), ROW(keyctl),     ROW(setrlimit),   ROW(ioctl),       ROW(fcntl_owner),   ROW(sendto_address),
};
enum { ATTEMPTS = sizeof attempts / sizeof attempts[0] };

struct report {
    int entered;
    int refused[ATTEMPTS]; /* errno, 0 where it was let through */
    int works;             /* bits of what still works */
};

/* What a gate does all day. */
static int works(int fd, int listener) {
    char byte = 0;
    int done = 0;
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    done |= memory != MAP_FAILED && munmap(memory, 4096) == 0 ? 1 : 0;
    void *block = malloc(8 << 20);
    done |= block != NULL ? 2 : 0;
    free(block);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    done |= accepted >= 0 && recv(accepted, &byte, 1, 0) == 1 && byte == 'c' ? 4 : 0;
    done |= send(accepted, "d", 1, MSG_NOSIGNAL) == 1 ? 8 : 0;
    close(accepted);
    struct epoll_event event;
    done |= epoll_wait(fd, &event, 1, 0) == 0 ? 16 : 0;
    return done;
}

static void inside(int out, int epoll, int listener) {
    struct report report = {0};
    report.entered = sandbox_enter(NULL, NULL);
    for (size_t i = 0; i < ATTEMPTS && report.entered == 0; i++)
        report.refused[i] = attempts[i].attempt() ? errno : 0;
    report.works = works(epoll, listener);
    send(out, &report, sizeof report, 0);
    syscall(SYS_exit_group, 0);
}

static void every_way_out(void **state) {
    (void)state;
    int ends[2], epoll = epoll_create1(EPOLL_CLOEXEC), listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_un any = {.sun_family = AF_UNIX};
    struct sockaddr_un name;
    socklen_t length = sizeof name;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&any, sizeof any.sun_family), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&name, &length), 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&name, length), 0);
    assert_int_equal(send(client, "c", 1, 0), 1);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        inside(ends[1], epoll, listener);
    struct report report;
    assert_int_equal(recv(ends[0], &report, sizeof report, MSG_WAITALL), sizeof report);
    assert_int_equal(report.entered, 0);
    for (size_t i = 0; i < ATTEMPTS; i++)
        if (report.refused[i] != EPERM)
            fail_msg("%s: %s instead of EPERM", attempts[i].name,
                     report.refused[i] == 0 ? "let through" : strerror(report.refused[i]));
    assert_int_equal(report.works, 31);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (int i = 0; i < 2; i++)
        close(ends[i]);
    close(epoll);
    close(listener);
    close(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_way_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
