/* landline/service/groups.h and lib/os/cgroup.h: a group for each run, on the system's own hierarchy. */
#include "landline/service/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "landline/error.h"
#include "lib/os/cgroup.h"
#include "lib/os/clock.h"
#include "lib/os/spawn.h"

/* It does all it can to get away: a session and a parent of its own, no environment, no descriptor but the pipe that says
 * when it has ended. */
#define HIDE "setsid sh -c 'setsid env -i sleep 1000 </dev/null 2>/dev/null & echo ready' & wait"

static const int64_t PATIENCE = 20 * INT64_C(1000000000);

/* A server of this process's own, and of this test's. */
static const uint8_t *server(uint8_t which) {
    static uint8_t id[8];
    pid_t pid = getpid();
    memcpy(id, &pid, sizeof pid);
    memcpy(id + 4, "tst", 3);
    id[7] = which;
    return id;
}

static void need_groups(void) {
    int e = cgroup_usable();
    if (e != 0) {
        print_message("no control group can be made here: %s\n", ll_strerror(e));
        skip();
    }
}

static void open_groups(struct groups *g, uint8_t which) {
    int e = groups_open(g, server(which));
    if (e != 0)
        fail_msg("groups_open: %s", ll_strerror(e));
}

/* Starts it in a group; *ended is readable to its end when no process has its output open any more. */
static uint32_t start(struct groups *g, const char *text, struct spawn_child *child, int *ended) {
    int fd, ends[2];
    struct ll_error_info info = {0};
    char byte;
    uint32_t number = groups_take(g, &fd);
    assert_true(number > 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const int fds[] = {-1, ends[1], -1};
    const struct spawn_request request = {
        .shell = text, .fds = fds, .fd_count = 3, .group_fd = fd, .family = SPAWN_NEW_SESSION};
    int e = spawn_start(&request, child, &info);
    if (e != 0)
        fail_msg("%s: %s", info.call, ll_strerror(e));
    close(fd);
    close(ends[1]);
    *ended = ends[0];
    if (strstr(text, "echo") != NULL)
        assert_int_equal(read(*ended, &byte, 1), 1);
    return number;
}

static void reap(struct spawn_child *child) {
    struct spawn_result result;
    spawn_await(child);
    assert_int_equal(spawn_reap(child, &result), 0);
}

/* The other end has been closed by all: nobody lives. */
static bool has_ended(int fd, int64_t patience) {
    char bytes[64];
    int64_t deadline = clock_after(clock_now(), patience);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, clock_milliseconds(clock_now(), deadline)) != 1)
            return false;
        if (read(fd, bytes, sizeof bytes) == 0)
            return true;
    }
}

static void count(void *arg, int dir, const char *name) {
    (void)dir;
    (void)name;
    ++*(size_t *)arg;
}

static size_t folders(const struct groups *g) {
    size_t n = 0;
    cgroup_each(g->folder, count, &n);
    return n;
}

static char *path_of(const struct groups *g) {
    static char path[PATH_MAX * 2];
    char mount[PATH_MAX], own[PATH_MAX];
    assert_int_equal(cgroup_find(mount, own, sizeof own), 0);
    snprintf(path, sizeof path, "%s/%s", own, g->name);
    return path;
}

static void ends_what_hides(void **state) {
    (void)state;
    struct groups g;
    struct spawn_child child;
    pid_t *list;
    int ended;
    need_groups();
    open_groups(&g, 1);
    uint32_t number = start(&g, HIDE, &child, &ended);
    reap(&child);
    assert_false(has_ended(ended, 0));
    assert_int_equal(groups_processes(&g, number, &list), 1);
    assert_int_equal(kill(list[0], 0), 0);
    free(list);
    assert_int_equal(groups_kill(&g, number), 0);
    assert_true(has_ended(ended, PATIENCE));
    close(ended);
    char *path = path_of(&g);
    groups_close(&g);
    assert_int_equal(access(path, F_OK), -1);
}

static void uses_an_empty_one_again(void **state) {
    (void)state;
    struct groups g;
    struct spawn_child child;
    int ended;
    need_groups();
    open_groups(&g, 2);
    for (int i = 0; i < 3; i++) {
        uint32_t number = start(&g, "true", &child, &ended);
        assert_int_equal(number, 1);
        reap(&child);
        close(ended);
        groups_leave(&g, number);
    }
    assert_int_equal(folders(&g), 1);
    groups_close(&g);
}

/* A kernel may kill whatever is born in a group after it was killed. */
static void never_uses_one_again_that_was_killed(void **state) {
    (void)state;
    need_groups();
    for (int swept = 0; swept < 2; swept++) {
        struct groups g;
        struct spawn_child child;
        struct spawn_result result;
        int ended;
        open_groups(&g, 12);
        uint32_t killed = start(&g, "exec sleep 1000", &child, &ended);
        assert_int_equal(groups_kill(&g, killed), 0);
        reap(&child);
        close(ended);
        if (swept)
            groups_sweep(&g);
        groups_leave(&g, killed);
        for (int i = 0; i < 3; i++) {
            uint32_t number = start(&g, "true", &child, &ended);
            assert_int_equal(number, killed + 1);
            spawn_await(&child);
            assert_int_equal(spawn_reap(&child, &result), 0);
            assert_true(result.exited && result.exit_code == 0);
            close(ended);
            groups_leave(&g, number);
        }
        groups_sweep(&g);
        assert_int_equal(folders(&g), 1);
        groups_close(&g);
    }
}

static void keeps_so_many_and_no_more(void **state) {
    (void)state;
    static const size_t counts[] = {LIMIT_GROUPS_FREE - 1, LIMIT_GROUPS_FREE, LIMIT_GROUPS_FREE + 1};
    need_groups();
    for (size_t i = 0; i < 3; i++) {
        struct groups g;
        int fd;
        open_groups(&g, 3);
        for (size_t k = 1; k <= counts[i]; k++) {
            assert_int_equal(groups_take(&g, &fd), k);
            close(fd);
        }
        for (size_t k = 1; k <= counts[i]; k++)
            groups_leave(&g, (uint32_t)k);
        assert_int_equal(folders(&g), counts[i] < LIMIT_GROUPS_FREE ? counts[i] : LIMIT_GROUPS_FREE);
        groups_close(&g);
    }
}

static void leaves_what_was_left_alone(void **state) {
    (void)state;
    struct groups g;
    struct spawn_child child;
    pid_t *list;
    int ended, fd;
    need_groups();
    open_groups(&g, 4);
    uint32_t number = start(&g, HIDE, &child, &ended);
    reap(&child);
    assert_int_equal(groups_processes(&g, number, &list), 1);
    groups_leave(&g, number);
    groups_sweep(&g);
    assert_int_equal(groups_take(&g, &fd), number + 1);
    close(fd);
    assert_false(has_ended(ended, 0));
    assert_int_equal(folders(&g), 2);
    assert_int_equal(kill(list[0], SIGKILL), 0);
    free(list);
    assert_true(has_ended(ended, PATIENCE));
    close(ended);
    cgroup_await(g.folder, "1", clock_after(clock_now(), PATIENCE));
    groups_sweep(&g);
    assert_int_equal(folders(&g), 1);
    groups_close(&g);
}

/* An empty group below may be about to be used. */
static void leaves_groups_alone_that_belong_to_what_lives(void **state) {
    (void)state;
    struct groups g;
    struct spawn_child child;
    int ended;
    need_groups();
    open_groups(&g, 13);
    uint32_t number = start(&g, HIDE, &child, &ended);
    reap(&child);
    assert_int_equal(mkdirat(g.folder, "1/a", 0755), 0);
    groups_leave(&g, number);
    groups_sweep(&g);
    assert_int_equal(faccessat(g.folder, "1/a", F_OK, 0), 0);
    assert_int_equal(groups_kill(&g, number), 0);
    assert_true(has_ended(ended, PATIENCE));
    close(ended);
    cgroup_await(g.folder, "1", clock_after(clock_now(), PATIENCE));
    groups_sweep(&g);
    assert_int_equal(folders(&g), 0);
    groups_close(&g);
}

static void removes_groups_that_a_run_has_made(void **state) {
    (void)state;
    struct groups g;
    int fd;
    need_groups();
    open_groups(&g, 5);
    uint32_t number = groups_take(&g, &fd);
    assert_int_equal(mkdirat(g.folder, "1/a", 0755), 0);
    assert_int_equal(mkdirat(g.folder, "1/a/b", 0755), 0);
    close(fd);
    groups_leave(&g, number);
    char *path = path_of(&g);
    groups_close(&g);
    assert_int_equal(access(path, F_OK), -1);
}

static void one_keeper_has_them(void **state) {
    (void)state;
    struct groups g, other;
    struct spawn_child child;
    int ended;
    need_groups();
    open_groups(&g, 6);
    uint32_t number = start(&g, HIDE, &child, &ended);
    reap(&child);
    assert_int_equal(groups_open(&other, server(6)), -EWOULDBLOCK);
    assert_int_equal(groups_take(&other, &(int){0}), 0);
    groups_leave(&other, 0);
    groups_sweep(&other);
    groups_close(&other);
    assert_false(has_ended(ended, 0));
    groups_kill(&g, number);
    assert_true(has_ended(ended, PATIENCE));
    close(ended);
    groups_close(&g);
}

static void gives_none_once_given_up(void **state) {
    (void)state;
    struct groups g;
    int fd;
    need_groups();
    open_groups(&g, 7);
    groups_give_up(&g);
    assert_int_equal(groups_take(&g, &fd), 0);
    assert_int_equal(fd, -1);
    groups_close(&g);
}

/* What a keeper leaves that is killed: [0] a run under way, [1] what a finished run had left. */
struct crashed {
    int ended[2];
    pid_t hidden[2];
};

static void crash(const uint8_t *id, const int to[2], int report) {
    struct groups g;
    struct spawn_child child;
    pid_t *list, hidden[2] = {0};
    if (groups_open(&g, id) != 0)
        _exit(1);
    for (int i = 0; i < 2; i++) {
        int fd;
        uint32_t number = groups_take(&g, &fd);
        const int fds[] = {-1, to[i], -1};
        const struct spawn_request request = {
            .shell = "sleep 1000 & exit", .fds = fds, .fd_count = 3, .group_fd = fd, .family = SPAWN_NEW_SESSION};
        struct spawn_result result;
        if (number == 0 || spawn_start(&request, &child, NULL) != 0)
            _exit(2);
        close(fd);
        spawn_await(&child);
        spawn_reap(&child, &result);
        if (groups_processes(&g, number, &list) != 1)
            _exit(3);
        hidden[i] = list[0];
        if (i == 1)
            groups_leave(&g, number);
    }
    _exit(write(report, hidden, sizeof hidden) == sizeof hidden ? 0 : 4);
}

static void make_crash(struct crashed *c, const uint8_t *id) {
    int ends[2][2], report[2], status;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe2(ends[i], O_CLOEXEC), 0);
        c->ended[i] = ends[i][0];
    }
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        crash(id, (const int[]){ends[0][1], ends[1][1]}, report[1]);
    for (int i = 0; i < 2; i++)
        close(ends[i][1]);
    close(report[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(read(report[0], c->hidden, sizeof c->hidden), sizeof c->hidden);
    close(report[0]);
}

static void clears_up_after_a_crash(void **state) {
    (void)state;
    struct groups g, other;
    struct crashed c;
    int fd;
    need_groups();
    make_crash(&c, server(8));
    /* Another server does not touch what is not its own. */
    open_groups(&other, 9);
    groups_close(&other);
    assert_false(has_ended(c.ended[0], 0));
    open_groups(&g, 8);
    assert_true(has_ended(c.ended[0], PATIENCE));
    assert_false(has_ended(c.ended[1], 0));
    assert_int_equal(folders(&g), 1);
    assert_int_equal(groups_take(&g, &fd), 3);
    close(fd);
    groups_leave(&g, 3);
    assert_int_equal(kill(c.hidden[1], SIGKILL), 0);
    assert_true(has_ended(c.ended[1], PATIENCE));
    cgroup_await(g.folder, "2", clock_after(clock_now(), PATIENCE));
    groups_sweep(&g);
    assert_int_equal(folders(&g), 1);
    for (int i = 0; i < 2; i++)
        close(c.ended[i]);
    char *path = path_of(&g);
    groups_close(&g);
    assert_int_equal(access(path, F_OK), -1);
}

/* The empty folders of a server that does not come back go with the next one of any name. */
static void removes_what_nobody_has(void **state) {
    (void)state;
    struct groups g, other;
    struct crashed c;
    char path[PATH_MAX * 2];
    need_groups();
    make_crash(&c, server(10));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kill(c.hidden[i], SIGKILL), 0);
        assert_true(has_ended(c.ended[i], PATIENCE));
        close(c.ended[i]);
    }
    snprintf(g.name, sizeof g.name, "landline-");
    for (int i = 0; i < 8; i++)
        snprintf(g.name + 9 + 2 * i, 3, "%02x", server(10)[i]);
    snprintf(path, sizeof path, "%s", path_of(&g));
    int64_t deadline = clock_after(clock_now(), PATIENCE);
    while (access(path, F_OK) == 0 && clock_now() < deadline) {
        open_groups(&other, 11);
        groups_close(&other);
    }
    assert_int_equal(access(path, F_OK), -1);
}

/* --- as a user, below a group that was given to it, and below one that was not --- */

enum { NOBODY = 65534 };

static int as_nobody(const char *folder) {
    char path[PATH_MAX + 96];
    struct groups g;
    snprintf(path, sizeof path, "%s/cgroup.procs", folder);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        return 1;
    close(fd);
    if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        return 2;
    prctl(PR_SET_DUMPABLE, 1);
    int e = groups_open(&g, server(12));
    if (e != 0)
        return e == -EACCES ? 100 : 3;
    struct spawn_child child;
    int ended;
    uint32_t number = start(&g, HIDE, &child, &ended);
    reap(&child);
    if (groups_kill(&g, number) != 0 || !has_ended(ended, PATIENCE))
        return 4;
    groups_close(&g);
    return 0;
}

static int try_as_nobody(bool delegated) {
    char mount[PATH_MAX], own[PATH_MAX], folder[PATH_MAX + 64], procs[PATH_MAX + 96];
    int status = -1;
    assert_int_equal(cgroup_find(mount, own, sizeof own), 0);
    snprintf(folder, sizeof folder, "%s/ll-test-%d", own, (int)getpid());
    snprintf(procs, sizeof procs, "%s/cgroup.procs", folder);
    assert_int_equal(mkdir(folder, 0755), 0);
    if (delegated)
        assert_int_equal(chown(folder, NOBODY, NOBODY) | chown(procs, NOBODY, NOBODY), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(as_nobody(folder));
    if (pid > 0)
        waitpid(pid, &status, 0);
    cgroup_await(AT_FDCWD, folder, clock_after(clock_now(), PATIENCE));
    assert_int_equal(cgroup_remove(AT_FDCWD, folder), 0);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void works_where_a_user_was_given_a_group(void **state) {
    (void)state;
    need_groups();
    if (geteuid() != 0) {
        print_message("needs root, to give a group to another user\n");
        skip();
    }
    assert_int_equal(try_as_nobody(true), 0);
    assert_int_equal(try_as_nobody(false), 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_what_hides),
        cmocka_unit_test(uses_an_empty_one_again),
        cmocka_unit_test(never_uses_one_again_that_was_killed),
        cmocka_unit_test(keeps_so_many_and_no_more),
        cmocka_unit_test(leaves_what_was_left_alone),
        cmocka_unit_test(leaves_groups_alone_that_belong_to_what_lives),
        cmocka_unit_test(removes_groups_that_a_run_has_made),
        cmocka_unit_test(one_keeper_has_them),
        cmocka_unit_test(gives_none_once_given_up),
        cmocka_unit_test(clears_up_after_a_crash),
        cmocka_unit_test(removes_what_nobody_has),
        cmocka_unit_test(works_where_a_user_was_given_a_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
