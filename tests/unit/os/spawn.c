/* lib/os/spawn.h: what a program gets, and every way in which it does not start. */
#include "lib/os/spawn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/os/clock.h"

static struct spawn_result finish(struct spawn_child *child) {
    struct pollfd p = {.fd = child->pidfd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 30000), 1);
    struct spawn_result result;
    assert_int_equal(spawn_reap(child, &result), 0);
    assert_int_equal(child->pidfd, -1);
    assert_int_equal(spawn_reap(child, &result), -ECHILD);
    return result;
}

/* Runs it with its output in out[size], cut at the last newline; gives its result. */
static struct spawn_result run(struct spawn_request *request, char *out, size_t size) {
    int ends[2];
    struct spawn_child child;
    struct ll_error_info info = {0};
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const int fds[] = {-1, ends[1], ends[1]};
    if (request->fd_count == 0) {
        request->fds = fds;
        request->fd_count = 3;
    }
    int rc = spawn_start(request, &child, &info);
    if (rc != 0)
        fail_msg("%s %s: %s", info.call, info.subject, ll_strerror(rc));
    assert_int_equal(child.exit_code, 0);
    close(ends[1]);
    size_t held = 0;
    ssize_t got;
    while ((got = read(ends[0], out + held, size - 1 - held)) > 0)
        held += (size_t)got;
    out[held] = '\0';
    if (held > 0 && out[held - 1] == '\n')
        out[held - 1] = '\0';
    close(ends[0]);
    return finish(&child);
}

static void assert_prints(struct spawn_request request, const char *expected) {
    char out[4096];
    struct spawn_result result = run(&request, out, sizeof out);
    assert_string_equal(out, expected);
    assert_true(result.exited);
    assert_int_equal(result.exit_code, 0);
}

static struct spawn_request shell(const char *text) {
    return (struct spawn_request){.shell = text};
}

static int open_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void gives_arguments_byte_for_byte(void **state) {
    (void)state;
    const char *argv[] = {"printf", "[%s]", "a b", "", "\"$HOME\"", "\xff\n", NULL};
    assert_prints((struct spawn_request){.argv = argv}, "[a b][][\"$HOME\"][\xff\n]");
    assert_prints(shell("echo one; echo two"), "one\ntwo");
    assert_prints(shell("-x; echo after"), "sh: 1: -x: not found\nafter");
    const char *named[] = {"another name", "-c", "echo \"$0\"", NULL};
    assert_prints((struct spawn_request){.argv = named, .file = "/bin/sh"}, "another name");
}

static void gives_the_environment(void **state) {
    (void)state;
    const char *env[] = {"A=1", "B=two words", NULL};
    const char *argv[] = {"env", NULL};
    assert_prints((struct spawn_request){.argv = argv, .env = env}, "A=1\nB=two words");
    setenv("LANDLINE_TEST", "inherited", 1);
    assert_prints(shell("echo $LANDLINE_TEST"), "inherited");
}

static void gives_descriptors_and_no_others(void **state) {
    (void)state;
    int stray = dup(0);
    assert_prints(shell("for n in $(seq 0 63); do [ -e /proc/$$/fd/$n ] && echo $n; done; readlink /proc/$$/fd/0"),
                  "0\n1\n2\n/dev/null");
    close(stray);

    /* Crossed over: 0 and 1 of the caller are the program's 1 and 0, and 3, 4 are others. */
    int ends[2], more[2];
    char out[64];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(pipe2(more, O_CLOEXEC), 0);
    int saved[2] = {fcntl(0, F_DUPFD_CLOEXEC, 10), fcntl(1, F_DUPFD_CLOEXEC, 10)};
    dup2(ends[1], 0);
    dup2(more[0], 1);
    const int crossed[] = {1, 0, 2, ends[1], 0};
    struct spawn_request request =
        shell("read line; echo \"got $line\"; echo three >&3; echo four >&4; [ -e /proc/$$/fd/5 ] || echo five");
    request.fds = crossed;
    request.fd_count = 5;
    struct spawn_child child;
    int rc = spawn_start(&request, &child, NULL);
    dup2(saved[0], 0);
    dup2(saved[1], 1);
    close(saved[0]);
    close(saved[1]);
    assert_int_equal(rc, 0);
    assert_int_equal(write(more[1], "hello\n", 6), 6);
    assert_int_equal(finish(&child).exit_code, 0);
    ssize_t got = read(ends[0], out, sizeof out - 1);
    out[got > 0 ? got : 0] = '\0';
    assert_string_equal(out, "got hello\nthree\nfour\nfive\n");
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(more[i]);
    }
}

static void fills_gaps_of_the_caller(void **state) {
    (void)state;
    int saved = fcntl(0, F_DUPFD_CLOEXEC, 10);
    close(0);
    assert_prints(shell("readlink /proc/$$/fd/0"), "/dev/null");
    dup2(saved, 0);
    close(saved);
}

static void limits_the_number_of_descriptors(void **state) {
    (void)state;
    int fds[LIMIT_SPAWN_FDS + 1];
    for (size_t i = 0; i < LIMIT_SPAWN_FDS + 1; i++)
        fds[i] = -1;
    struct spawn_request request = shell("exit 3");
    struct spawn_child child;
    request.fds = fds;
    request.fd_count = LIMIT_SPAWN_FDS + 1;
    assert_int_equal(spawn_start(&request, &child, NULL), LL_ELIMIT);
    for (size_t count = LIMIT_SPAWN_FDS - 1; count <= LIMIT_SPAWN_FDS; count++) {
        request.fd_count = count;
        assert_int_equal(spawn_start(&request, &child, NULL), 0);
        assert_int_equal(finish(&child).exit_code, 3);
    }
}

static void starts_where_it_is_told(void **state) {
    (void)state;
    struct spawn_request request = shell("pwd");
    request.cwd = "/usr";
    assert_prints(request, "/usr");
    request.cwd_fd = open("/usr", O_PATH | O_DIRECTORY | O_CLOEXEC);
    request.cwd = "bin/..";
    assert_prints(request, "/usr");
    close(request.cwd_fd);
}

static void sets_mask_limits_and_priority(void **state) {
    (void)state;
    const struct spawn_limit limits[] = {
        {RLIMIT_NOFILE, {33, 44}},
        {RLIMIT_CORE, {0, 0}},
    };
    struct spawn_request request = shell("umask; ulimit -S -n; ulimit -H -n; ulimit -c; ps -o ni= -p $$ | tr -d ' '");
    request.set_umask = true;
    request.umask = 027;
    request.limits = limits;
    request.limit_count = 2;
    request.set_nice = true;
    int now = getpriority(PRIO_PROCESS, 0); /* a user can only go further down */
    char wanted[64];
    request.nice = now < 19 ? now + 1 : now;
    snprintf(wanted, sizeof wanted, "0027\n33\n44\n0\n%d", request.nice);
    assert_prints(request, wanted);
}

static void no_op(int signal) {
    (void)signal;
}

static void cleans_signals(void **state) {
    (void)state;
    sigset_t mask, old;
    sigfillset(&mask);
    struct sigaction ignore = {.sa_handler = SIG_IGN}, handle = {.sa_handler = no_op}, before[2];
    sigaction(SIGPIPE, &ignore, &before[0]);
    sigaction(SIGUSR1, &handle, &before[1]);
    pthread_sigmask(SIG_BLOCK, &mask, &old);
    assert_prints(shell("sed -n 's/^Sig[BIC][lg][knt]:.//p' /proc/self/status"),
                  "0000000000000000\n0000000000000000\n0000000000000000");
    /* The same when the caller says which there are, and only those are asked to go. */
    uint64_t changed = spawn_changed_signals(), without = changed & ~(UINT64_C(1) << (SIGPIPE - 1));
    assert_true((changed >> (SIGPIPE - 1) & 1) == 1 && (changed >> (SIGUSR1 - 1) & 1) == 1);
    assert_true((changed >> (SIGUSR2 - 1) & 1) == 0);
    struct spawn_request told = shell("sed -n 's/^Sig[BIC][lg][knt]:.//p' /proc/self/status");
    told.changed_signals = &changed;
    assert_prints(told, "0000000000000000\n0000000000000000\n0000000000000000");
    told.changed_signals = &without;
    assert_prints(told, "0000000000000000\n0000000000001000\n0000000000000000");
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, &old, &now);
    assert_true(sigismember(&now, SIGTERM));
    sigaction(SIGPIPE, &before[0], NULL);
    sigaction(SIGUSR1, &before[1], NULL);
}

static void places_it_in_its_family(void **state) {
    (void)state;
    char out[64], expected[64];
    static const char ids[] = "cut -d' ' -f1,5,6 /proc/$$/stat";
    struct spawn_request request = shell(ids);
    run(&request, out, sizeof out);
    int pid, group, session;
    assert_int_equal(sscanf(out, "%d %d %d", &pid, &group, &session), 3);
    snprintf(expected, sizeof expected, "%d %d", getpgrp(), getsid(0));
    assert_int_equal(group, getpgrp());
    assert_int_equal(session, getsid(0));

    request = shell(ids);
    request.family = SPAWN_NEW_GROUP;
    run(&request, out, sizeof out);
    assert_int_equal(sscanf(out, "%d %d %d", &pid, &group, &session), 3);
    assert_int_equal(group, pid);
    assert_int_equal(session, getsid(0));

    request = shell(ids);
    request.family = SPAWN_NEW_SESSION;
    run(&request, out, sizeof out);
    assert_int_equal(sscanf(out, "%d %d %d", &pid, &group, &session), 3);
    assert_int_equal(group, pid);
    assert_int_equal(session, pid);
}

static void gives_a_terminal(void **state) {
    (void)state;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master) | unlockpt(master), 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    const int fds[] = {slave, slave, slave};
    struct spawn_request request = shell("echo mine > /dev/tty; exit 5");
    request.fds = fds;
    request.fd_count = 3;
    request.family = SPAWN_ON_TERMINAL;
    struct spawn_child child;
    assert_int_equal(spawn_start(&request, &child, NULL), 0);
    assert_int_equal(finish(&child).exit_code, 5);
    char out[16] = "";
    assert_int_equal(read(master, out, sizeof out - 1), 6);
    assert_string_equal(out, "mine\r\n");
    close(slave);
    close(master);
}

static void becomes_another_user(void **state) {
    (void)state;
    if (geteuid() != 0)
        skip();
    const gid_t groups[] = {4242, 4243};
    struct spawn_request request = shell("id -u; id -g; id -G; grep NoNewPrivs /proc/self/status | cut -f2");
    request.set_user = true;
    request.uid = 65534;
    request.gid = 65534;
    request.groups = groups;
    request.group_count = 2;
    request.no_new_privileges = true;
    assert_prints(request, "65534\n65534\n65534 4242 4243\n1");
    assert_int_equal(getuid(), 0);
    request = shell("id -G");
    request.set_user = true;
    request.uid = request.gid = 65534;
    assert_prints(request, "65534");
}

static char *make_file(const char *text, mode_t mode) {
    char *name = strdup("/tmp/spawn-test-XXXXXX");
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    return name;
}

static void reads_scripts_without_their_first_line(void **state) {
    (void)state;
    char *script = make_file("echo $# \"$1\"\n", 0700);
    const char *argv[] = {script, "an argument", NULL};
    assert_prints((struct spawn_request){.argv = argv}, "1 an argument");
    unlink(script);
    free(script);
}

static void assert_fails(struct spawn_request request, int code, int exit_code, const char *call) {
    struct spawn_child child;
    struct ll_error_info info = {0};
    int before = open_descriptors();
    assert_int_equal(spawn_start(&request, &child, &info), code);
    assert_int_equal(child.exit_code, exit_code);
    assert_int_equal(info.code, code);
    assert_string_equal(info.call, call);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child left */
    assert_int_equal(errno, ECHILD);
    assert_int_equal(spawn_signal(&child, 0), -ESRCH);
    assert_int_equal(spawn_signal_group(&child, 0), -ESRCH);
}

static void says_why_a_program_does_not_start(void **state) {
    (void)state;
    const char *missing[] = {"no-such-program-anywhere", NULL}, *missing_path[] = {"/no/such/program", NULL};
    const char *empty[] = {"", NULL}, *directory[] = {"/tmp", NULL}, *below_file[] = {"/etc/passwd/x", NULL};
    const char *none[] = {NULL}, *loop[] = {"sh", NULL};
    assert_fails((struct spawn_request){.argv = missing}, -ENOENT, 127, "exec");
    assert_fails((struct spawn_request){.argv = missing_path}, -ENOENT, 127, "exec");
    assert_fails((struct spawn_request){.argv = empty}, -ENOENT, 127, "exec");
    assert_fails((struct spawn_request){.argv = below_file}, -ENOTDIR, 127, "exec");
    assert_fails((struct spawn_request){.argv = directory}, -EACCES, 126, "exec");
    assert_fails((struct spawn_request){.argv = loop, .path = "/nowhere:/etc/passwd"}, -ENOENT, 127, "exec");
    assert_fails((struct spawn_request){.argv = none}, -EINVAL, 125, "spawn");
    assert_fails((struct spawn_request){0}, -EINVAL, 125, "spawn");
    assert_fails((struct spawn_request){.argv = loop, .shell = "true"}, -EINVAL, 125, "spawn");
    assert_fails((struct spawn_request){.shell = "true", .cwd = "/no/such"}, -ENOENT, 125, "chdir");
    assert_fails((struct spawn_request){.shell = "true", .cwd_fd = 999}, -EBADF, 125, "fchdir");
    assert_fails((struct spawn_request){.shell = "true", .family = SPAWN_ON_TERMINAL}, -EINVAL, 125, "spawn");
    const int bad[] = {0, 999}, not_a_terminal[] = {-1};
    assert_fails(
        (struct spawn_request){.shell = "true", .fds = not_a_terminal, .fd_count = 1, .family = SPAWN_ON_TERMINAL},
        -EINVAL, 125, "spawn");
    assert_fails((struct spawn_request){.shell = "true", .fds = bad, .fd_count = 2}, -EBADF, 125, "dup");
    const struct spawn_limit upside_down = {RLIMIT_NOFILE, {20, 10}};
    assert_fails((struct spawn_request){.shell = "true", .limits = &upside_down, .limit_count = 1}, -EINVAL, 125,
                 "setrlimit");
    assert_fails((struct spawn_request){.shell = "true", .death_signal = 999}, -EINVAL, 125, "pdeathsig");
}

static void says_which_file_cannot_be_executed(void **state) {
    (void)state;
    char *plain = make_file("echo hello\n", 0600), *broken = make_file("#!/no/such/interpreter\n", 0700);
    char long_name[5000];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    const char *not_executable[] = {plain, NULL}, *no_interpreter[] = {broken, NULL}, *too_long[] = {long_name, NULL};
    assert_fails((struct spawn_request){.argv = not_executable}, -EACCES, 126, "exec");
    assert_fails((struct spawn_request){.argv = no_interpreter}, -ENOENT, 127, "exec");
    assert_fails((struct spawn_request){.argv = too_long}, -ENAMETOOLONG, 126, "exec");
    /* Found along the path but not executable, and nothing better later. */
    const char *by_name[] = {strrchr(plain, '/') + 1, NULL};
    assert_fails((struct spawn_request){.argv = by_name, .path = "/bin:/tmp:/usr/bin"}, -EACCES, 126, "exec");
    unlink(plain);
    unlink(broken);
    free(plain);
    free(broken);
}

static void does_not_become_root(void **state) {
    (void)state;
    if (geteuid() == 0)
        skip();
    assert_fails((struct spawn_request){.shell = "true", .set_user = true}, -EPERM, 125, "setgroups");
}

static void looks_in_the_programs_own_path(void **state) {
    (void)state;
    const char *env[] = {"PATH=/nowhere:/usr/bin", NULL}, *no_path[] = {"A=1", NULL}, *lost[] = {"PATH=/nowhere", NULL};
    const char *argv[] = {"expr", "1", "+", "1", NULL};
    assert_prints((struct spawn_request){.argv = argv, .env = env}, "2");
    assert_prints((struct spawn_request){.argv = argv, .env = no_path}, "2");
    assert_prints((struct spawn_request){.argv = argv, .env = lost, .path = "/usr/bin"}, "2");
    assert_prints((struct spawn_request){.argv = argv, .path = "", .cwd = "/usr/bin"}, "2");
    assert_fails((struct spawn_request){.argv = argv, .env = lost}, -ENOENT, 127, "exec");
}

static void fails_whole_without_descriptors(void **state) {
    (void)state;
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){3, old.rlim_max};
    int before = open_descriptors();
    struct spawn_request request = shell("true");
    struct spawn_child child;
    struct ll_error_info info;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int rc = spawn_start(&request, &child, &info);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(rc, -EMFILE);
    assert_string_equal(info.call, "clone");
    assert_int_equal(open_descriptors(), before);
}

static void tells_how_it_ended(void **state) {
    (void)state;
    struct spawn_child child;
    struct spawn_result result;
    struct spawn_request request = shell("exit 77");
    assert_int_equal(spawn_start(&request, &child, NULL), 0);
    result = finish(&child);
    assert_true(result.exited);
    assert_int_equal(result.exit_code, 77);
    assert_true(result.usage.ru_maxrss > 0);

    request = shell("kill -SEGV $$");
    const struct spawn_limit no_core = {RLIMIT_CORE, {0, 0}};
    request.limits = &no_core;
    request.limit_count = 1;
    assert_int_equal(spawn_start(&request, &child, NULL), 0);
    result = finish(&child);
    assert_false(result.exited);
    assert_int_equal(result.signal, SIGSEGV);
    assert_false(result.dumped_core);
}

static void signals_the_whole_group(void **state) {
    (void)state;
    int ends[2];
    char byte;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const int fds[] = {-1, ends[1], -1};
    /* The shell ends; what it started holds the pipe open until the group is signalled. */
    struct spawn_request request = shell("(trap '' HUP; echo; exec tail -f /dev/null) & exit 0");
    request.fds = fds;
    request.fd_count = 3;
    request.family = SPAWN_NEW_SESSION;
    struct spawn_child child;
    struct spawn_result result;
    assert_int_equal(spawn_start(&request, &child, NULL), 0);
    close(ends[1]);
    struct pollfd p = {.fd = child.pidfd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 30000), 1);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(spawn_signal_group(&child, SIGKILL), 0);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    assert_int_equal(spawn_reap(&child, &result), 0);
    assert_int_equal(spawn_signal_group(&child, SIGKILL), -ESRCH);
    close(ends[0]);

    const char *argv[] = {"tail", "-f", "/dev/null", NULL};
    request = (struct spawn_request){.argv = argv};
    assert_int_equal(spawn_start(&request, &child, NULL), 0);
    assert_int_equal(spawn_reap(&child, &result), -EAGAIN);
    assert_int_equal(spawn_signal(&child, SIGTERM), 0);
    assert_int_equal(finish(&child).signal, SIGTERM);
}

static void makes_pipes_for_output(void **state) {
    (void)state;
    int ends[2], before = open_descriptors();
    assert_int_equal(spawn_pipe(ends), 0);
    assert_int_equal(fcntl(ends[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(fcntl(ends[0], F_GETFD) & fcntl(ends[1], F_GETFD), FD_CLOEXEC);
    close(ends[0]);
    close(ends[1]);
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){3, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int rc = spawn_pipe(ends);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(rc, -EMFILE);
    assert_int_equal(open_descriptors(), before);
}

static void raises_the_limit_of_descriptors_for_itself_only(void **state) {
    (void)state;
    struct rlimit old, now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit low = {64, old.rlim_max};
    struct spawn_limit limit = {.resource = RLIMIT_NOFILE};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(spawn_raise_descriptors(&limit.value), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(now.rlim_cur, old.rlim_max);
    assert_int_equal(limit.value.rlim_cur, 64);
    struct spawn_request request = shell("ulimit -S -n");
    request.limits = &limit;
    request.limit_count = 1;
    assert_prints(request, "64");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

static void waits_for_the_end(void **state) {
    (void)state;
    struct spawn_request request = shell("exit 4");
    struct spawn_child child;
    struct spawn_result result;
    assert_int_equal(spawn_start(&request, &child, NULL), 0);
    spawn_await(&child);
    assert_int_equal(spawn_reap(&child, &result), 0);
    assert_int_equal(result.exit_code, 4);
    spawn_await(&child); /* collected: nothing to wait for */
}

static void collects_until_a_deadline(void **state) {
    (void)state;
    const char *argv[] = {"tail", "-f", "/dev/null", NULL};
    struct spawn_request request = {.argv = argv};
    struct spawn_child child;
    struct spawn_result result;
    assert_int_equal(spawn_start(&request, &child, NULL), 0);
    spawn_collect(child.pidfd, 0); /* long ago */
    assert_int_equal(spawn_reap(&child, &result), -EAGAIN);
    assert_int_equal(spawn_signal(&child, SIGKILL), 0);
    spawn_collect(child.pidfd, clock_after(clock_now(), INT64_C(30000000000)));
    assert_int_equal(spawn_reap(&child, &result), -ECHILD);
}

static void *spawn_many(void *failed) {
    for (int i = 0; i < 50; i++) {
        struct spawn_request request = shell("exit 9");
        struct spawn_child child;
        struct spawn_result result;
        *(int *)failed |= spawn_start(&request, &child, NULL) != 0;
        struct pollfd p = {.fd = child.pidfd, .events = POLLIN};
        *(int *)failed |= poll(&p, 1, 30000) != 1 || spawn_reap(&child, &result) != 0 || result.exit_code != 9;
    }
    return NULL;
}

static void works_from_many_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    int failed[4] = {0}, before = open_descriptors();
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, spawn_many, &failed[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(failed[i], 0);
    }
    assert_int_equal(open_descriptors(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_arguments_byte_for_byte),
        cmocka_unit_test(gives_the_environment),
        cmocka_unit_test(gives_descriptors_and_no_others),
        cmocka_unit_test(fills_gaps_of_the_caller),
        cmocka_unit_test(limits_the_number_of_descriptors),
        cmocka_unit_test(starts_where_it_is_told),
        cmocka_unit_test(sets_mask_limits_and_priority),
        cmocka_unit_test(cleans_signals),
        cmocka_unit_test(places_it_in_its_family),
        cmocka_unit_test(gives_a_terminal),
        cmocka_unit_test(becomes_another_user),
        cmocka_unit_test(reads_scripts_without_their_first_line),
        cmocka_unit_test(says_why_a_program_does_not_start),
        cmocka_unit_test(says_which_file_cannot_be_executed),
        cmocka_unit_test(does_not_become_root),
        cmocka_unit_test(looks_in_the_programs_own_path),
        cmocka_unit_test(fails_whole_without_descriptors),
        cmocka_unit_test(tells_how_it_ended),
        cmocka_unit_test(signals_the_whole_group),
        cmocka_unit_test(makes_pipes_for_output),
        cmocka_unit_test(raises_the_limit_of_descriptors_for_itself_only),
        cmocka_unit_test(waits_for_the_end),
        cmocka_unit_test(collects_until_a_deadline),
        cmocka_unit_test(works_from_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
