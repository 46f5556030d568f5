/* landline/socket.h: what the system refuses, for want of a right or beyond a user's limit. The attempts are made in
 * processes of their own, which give up what this one may. */
#include "landline/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/net/support.h"

enum { NOBODY = 65534, NOT_READY = 1 };

static char folder[64], name[100];

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/landline-refused-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof name, "unix:%s/s", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    chmod(folder, 0700);
    unlink(name + strlen("unix:"));
    return rmdir(folder);
}

/* What an attempt gives in another process, once that one is ready; NOT_READY where it cannot be. */
static int elsewhere(int (*ready)(void), int (*attempt)(const char *to), const char *to) {
    int ends[2], code = 0, status;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(60);
        code = ready() ? attempt(to) : NOT_READY;
        _exit(write(ends[1], &code, sizeof code) != (ssize_t)sizeof code);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], &code, sizeof code);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(n, sizeof code);
    return code;
}

/* Checks the code of an attempt, or leaves the rest of the test out and says why. */
static void refused(int code, int wanted, const char *reason) {
    if (code == NOT_READY) {
        print_message("left out: %s\n", reason);
        skip();
    }
    assert_code(code, wanted);
}

/* ---- Getting ready ---- */

static int ordinary(void) {
    return geteuid() != 0 || (setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

/* Where ports are privileged: a new network has them so, whatever the machine's was told. */
static int ordinary_with_privileged_ports(void) {
    int first = 0;
    (void)!unshare(CLONE_NEWNET);
    FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
    if (f == NULL)
        return 0;
    int n = fscanf(f, "%d", &first);
    fclose(f);
    return n == 1 && first > 1 && ordinary();
}

static int read_only(void) {
    if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return 0;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", folder, "tmpfs", MS_RDONLY, NULL) == 0;
}

/* ---- Attempts ---- */

static int with_socket(int (*call)(ll_socket *, const struct ll_address *), const char *to) {
    ll_socket *s;
    struct ll_address a;
    int r = ll_address_parse(&a, to);
    if (r == 0)
        r = ll_socket_open(ll_address_family(&a), SOCK_STREAM, 0, &s);
    if (r < 0)
        return r;
    r = call(s, &a);
    ll_socket_free(s);
    return r;
}

static int try_bind(const char *to) {
    return with_socket(ll_socket_bind, to);
}

static int try_connect(const char *to) {
    return with_socket(ll_socket_connect, to);
}

static int force_buffer(ll_socket *s, const struct ll_address *unused) {
    (void)unused;
    return ll_socket_setsockopt_int(s, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20);
}

static int try_to_force(const char *to) {
    return with_socket(force_buffer, to);
}

/* The kernel counts what a user has in flight, and holds it against the limit of open files of who sends more. */
static int try_to_send_many(const char *to) {
    (void)to;
    LL_CONTROL_BUFFER(control, 64);
    struct ll_message message = {.control = control, .control_capacity = sizeof control};
    struct rlimit few = {.rlim_cur = 16, .rlim_max = 16};
    ll_socket *pair[2];
    int fds[LL_FDS_MAX], file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < LL_FDS_MAX; i++)
        fds[i] = file;
    int r = ll_socket_pair(AF_UNIX, SOCK_DGRAM, 0, pair);
    if (r < 0 || setrlimit(RLIMIT_NOFILE, &few) < 0)
        return r;
    ssize_t n;
    do
        n = ll_socket_send_fds(pair[0], "x", 1, fds, LL_FDS_MAX, MSG_DONTWAIT);
    while (n == 1);
    if (n == -ETOOMANYREFS && (r = ll_control_add_fds(&message, fds, 1)) == 0)
        n = ll_socket_sendmsg(pair[0], &message, MSG_DONTWAIT);
    free_pair(pair);
    return r < 0 ? r : (int)n;
}

/* ---- The tests ---- */

static void a_folder_that_is_not_ours(void **state) {
    (void)state;
    assert_int_equal(chmod(folder, 0555), 0);
    refused(elsewhere(ordinary, try_bind, name), -EACCES, "cannot become an ordinary user");
}

static void a_socket_that_is_not_for_us(void **state) {
    (void)state;
    ll_socket *s;
    struct ll_address a;
    assert_code(ll_address_parse(&a, name), 0);
    assert_code(ll_socket_open(AF_UNIX, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_bind(s, &a), 0);
    assert_code(ll_socket_listen(s, 1), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(name + strlen("unix:"), 0), 0);
    int code = elsewhere(ordinary, try_connect, name);
    ll_socket_free(s);
    refused(code, -EACCES, "cannot become an ordinary user");
}

static void a_privileged_port(void **state) {
    (void)state;
    int code = elsewhere(ordinary_with_privileged_ports, try_bind, "0.0.0.0:1");
    refused(code, -EACCES, "every user may have every port here");
    refused(elsewhere(ordinary_with_privileged_ports, try_bind, "[::]:1"), -EACCES, "as above");
}

static void a_file_system_that_is_read_only(void **state) {
    (void)state;
    refused(elsewhere(read_only, try_bind, name), -EROFS, "cannot mount a file system");
}

static void options_for_the_privileged(void **state) {
    (void)state;
    refused(elsewhere(ordinary, try_to_force, "0.0.0.0:0"), -EPERM, "cannot become an ordinary user");
}

/* One that can be had only in a state that this socket is not in. */
static void an_option_for_another_state(void **state) {
    (void)state;
    ll_socket *s;
    struct tcp_repair_window window = {0};
    size_t size = sizeof window;
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    assert_code(ll_socket_getsockopt(s, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, &size), -EPERM);
    assert_code(ll_socket_setsockopt(s, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, sizeof window), -EPERM);
    ll_socket_free(s);
}

static void too_many_in_flight(void **state) {
    (void)state;
    refused(elsewhere(ordinary, try_to_send_many, NULL), -ETOOMANYREFS, "cannot become an ordinary user");
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_folder_that_is_not_ours),
        TEST(a_socket_that_is_not_for_us),
        TEST(a_privileged_port),
        TEST(a_file_system_that_is_read_only),
        cmocka_unit_test(options_for_the_privileged),
        cmocka_unit_test(an_option_for_another_state),
        cmocka_unit_test(too_many_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
