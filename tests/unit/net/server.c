/* landline/socket.h: ll_create_server and socket activation. */
#include "landline/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

static int clear(void **state) {
    (void)state;
    fault_clear();
    return 0;
}

static int option(ll_socket *s, int level, int name) {
    int value = -1;
    assert_code(ll_socket_getsockopt_int(s, level, name, &value), 0);
    return value;
}

/* ---- Rules ---- */

static void rules(void **state) {
    (void)state;
    struct ll_address a = loopback(AF_INET), b;
    struct ll_server_options options = {0};
    ll_socket *s, *again;
    assert_code(ll_create_server(&a, NULL, &s, NULL), 0);
    assert_int_equal(option(s, SOL_SOCKET, SO_REUSEADDR), 1);
    assert_int_equal(option(s, SOL_SOCKET, SO_REUSEPORT), 0);
    assert_int_equal(option(s, SOL_SOCKET, SO_ACCEPTCONN), 1);
    assert_int_equal(ll_socket_getblocking(s), 1);
    assert_code(ll_socket_getsockname(s, &b), 0);
    struct ll_error_info info;
    assert_code(ll_create_server(&b, NULL, &again, &info), -EADDRINUSE);
    assert_null(again);
    char text[LL_ADDRESS_TEXT];
    ll_address_format(&b, text, sizeof text);
    assert_string_equal(info.subject, text);
    assert_string_equal(info.call, "bind");
    ll_socket_free(s);

    options.reuse_port = true;
    options.backlog = 3;
    assert_code(ll_create_server(&a, &options, &s, NULL), 0);
    assert_code(ll_socket_getsockname(s, &b), 0);
    assert_code(ll_create_server(&b, &options, &again, NULL), 0);
    ll_socket_free(again);
    ll_socket_free(s);
}

static int can_connect(const char *ip, int port) {
    struct ll_address a;
    ll_socket *s;
    assert_code(ll_address_ip(&a, ip, port), 0);
    assert_code(ll_socket_open(ll_address_family(&a), SOCK_STREAM, 0, &s), 0);
    int r = ll_socket_connect(s, &a);
    ll_socket_free(s);
    return r == 0;
}

static void dual_stack(void **state) {
    (void)state;
    struct ll_address a, own;
    struct ll_server_options options = {.dual_stack = true};
    ll_socket *s, *conn;
    assert_int_equal(ll_has_dualstack_ipv6(), 1);
    ll_address_ipv6(&a, "", 0, 0, 0);
    assert_code(ll_create_server(&a, &options, &s, NULL), 0);
    assert_code(ll_socket_getsockname(s, &own), 0);
    assert_true(can_connect("::1", ll_address_port(&own)));
    assert_true(can_connect("127.0.0.1", ll_address_port(&own)));
    assert_code(ll_socket_accept(s, &conn, NULL), 0);
    ll_socket_free(conn);
    assert_code(ll_socket_accept(s, &conn, &a), 0);
    char host[64];
    ll_address_host(&a, host, sizeof host);
    assert_string_equal(host, "::ffff:127.0.0.1");
    ll_socket_free(conn);
    ll_socket_free(s);

    ll_address_ipv6(&a, "", 0, 0, 0);
    assert_code(ll_create_server(&a, NULL, &s, NULL), 0); /* IPv6 only unless asked */
    assert_code(ll_socket_getsockname(s, &own), 0);
    assert_true(can_connect("::1", ll_address_port(&own)));
    assert_false(can_connect("127.0.0.1", ll_address_port(&own)));
    ll_socket_free(s);

    fault_set(FAULT_SOCKET, 0, EAFNOSUPPORT);
    assert_int_equal(ll_has_dualstack_ipv6(), 0);
    fault_set(FAULT_SETSOCKOPT, 0, ENOPROTOOPT);
    assert_code(ll_create_server(&a, &options, &s, NULL), LL_ENOTSUP);
    a = loopback(AF_INET);
    assert_code(ll_create_server(&a, &options, &s, NULL), -EINVAL);
}

static void errors(void **state) {
    (void)state;
    struct ll_address a = loopback(AF_INET);
    struct ll_server_options options = {.reuse_port = true};
    struct ll_error_info info;
    ll_socket *s = (void *)1;
    assert_code(ll_create_server(NULL, NULL, &s, &info), -EINVAL);
    assert_null(s);
    assert_code(ll_create_server(&a, NULL, NULL, NULL), -EINVAL);
    for (int i = 0; i < 2; i++) {
        fault_set(FAULT_SETSOCKOPT, i, ENOPROTOOPT);
        assert_code(ll_create_server(&a, &options, &s, &info), -ENOPROTOOPT);
        assert_string_equal(info.call, "setsockopt");
    }
    fault_set(FAULT_SOCKET, 0, EMFILE);
    assert_code(ll_create_server(&a, NULL, &s, &info), -EMFILE);
    assert_string_equal(info.call, "socket");
    struct sockaddr_storage raw = {.ss_family = 12345};
    ll_address_raw(&a, &raw, 16);
    assert_code(ll_create_server(&a, NULL, &s, &info), LL_ENOTSUP);
    raw.ss_family = AF_NETLINK;
    ll_address_raw(&a, &raw, 12);
    assert_code(ll_create_server(&a, NULL, &s, &info), LL_ENOTSUP);
}

/* ---- Activation: in a child, where the descriptors from 3 on are ours to set ---- */

struct scene {
    const char *pid, *count, *names; /* pid "me": the child's own */
    int bad_fd;                      /* this descriptor is /dev/null */
    size_t max;
    int result;
    const char *wanted[2];
};

static int play(const struct scene *scene) {
    struct ll_activated got[4];
    char me[16];
    memset(got, 0, sizeof got);
    struct ll_address a = loopback(AF_INET);
    for (int fd = 3; fd < 6; fd++)
        close(fd);
    for (int fd = 3; fd < 5; fd++) {
        int made = fd == scene->bad_fd ? open("/dev/null", O_RDONLY) : socket(AF_INET, SOCK_STREAM, 0);
        if (made != fd && (dup2(made, fd) != fd || close(made) != 0))
            return 90;
        if (fd != scene->bad_fd && (bind(fd, &a.as.any, a.length) != 0 || listen(fd, 1) != 0))
            return 91;
    }
    snprintf(me, sizeof me, "%d", getpid());
    unsetenv("LISTEN_FDNAMES");
    if (scene->pid != NULL)
        setenv("LISTEN_PID", strcmp(scene->pid, "me") == 0 ? me : scene->pid, 1);
    if (scene->count != NULL)
        setenv("LISTEN_FDS", scene->count, 1);
    if (scene->names != NULL)
        setenv("LISTEN_FDNAMES", scene->names, 1);
    int r = ll_listen_fds(scene->max > 0 ? got : NULL, scene->max);
    if (r != scene->result) {
        fprintf(stderr, "gave %d\n", r);
        return 92;
    }
    for (int i = 0; i < r; i++) {
        if (ll_socket_fileno(got[i].socket) != 3 + i || fcntl(3 + i, F_GETFD) != FD_CLOEXEC)
            return 93;
        if (scene->wanted[i] != NULL && strcmp(got[i].name, scene->wanted[i]) != 0)
            return 94;
        ll_socket_free(got[i].socket);
    }
    if (r < 0 && fcntl(3, F_GETFD) < 0) /* nothing is taken, nothing closed */
        return 95;
    return 0;
}

static void activation(void **state) {
    (void)state;
    char long_name[300];
    memset(long_name, 'n', sizeof long_name);
    memcpy(long_name + 290, ":http", 6);
    const struct scene scenes[] = {
        {.max = 4, .result = 0},
        {.pid = "1", .count = "2", .max = 4, .result = 0},
        {.pid = "me", .max = 4, .result = 0},
        {.pid = "me", .count = "0", .max = 4, .result = 0},
        {.pid = "me", .count = "0", .max = 0, .result = 0},
        {.pid = "me", .count = "2", .max = 4, .result = 2, .wanted = {"unknown", "unknown"}},
        {.pid = "me", .count = "2", .names = "http:ssh", .max = 2, .result = 2, .wanted = {"http", "ssh"}},
        {.pid = "me", .count = "2", .names = ":b:c", .max = 4, .result = 2, .wanted = {"unknown", "b"}},
        {.pid = "me", .count = "2", .names = "a", .max = 4, .result = 2, .wanted = {"a", "unknown"}},
        {.pid = "me", .count = "2", .names = long_name, .max = 4, .result = 2, .wanted = {"unknown", "http"}},
        {.pid = "me", .count = "2", .max = 1, .result = LL_ELIMIT},
        {.pid = "me", .count = "3", .max = 4, .result = -EBADF},
        {.pid = "me", .count = "2", .bad_fd = 4, .max = 4, .result = -ENOTSOCK},
        {.pid = "me", .count = "x", .max = 4, .result = LL_EFORMAT},
        {.pid = "me", .count = "-1", .max = 4, .result = LL_EFORMAT},
        {.pid = "me", .count = "", .max = 4, .result = LL_EFORMAT},
        {.pid = "me", .count = "2x", .max = 4, .result = LL_EFORMAT},
        {.pid = "99999999999999999999", .count = "1", .max = 4, .result = LL_EFORMAT},
    };
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    assert_code(ll_listen_fds(NULL, 1), -EINVAL);
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        int status;
        fflush(NULL);
        pid_t child = fork();
        if (child == 0)
            exit(play(&scenes[i])); /* exit, so that coverage is written */
        assert_int_equal(waitpid(child, &status, 0), child);
        if (status != 0)
            fail_msg("scene %zu: status %d", i, WIFEXITED(status) ? WEXITSTATUS(status) : -status);
    }
}

#define cleared(test) cmocka_unit_test_teardown(test, clear)
int main(void) {
    const struct CMUnitTest tests[] = {
        cleared(rules),
        cleared(dual_stack),
        cleared(errors),
        cleared(activation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
