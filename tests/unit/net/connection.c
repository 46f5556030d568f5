/* landline/socket.h: ll_create_connection, the race of happy eyeballs. */
#include "landline/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

/* What the resolver answers: these, in this order. */
static struct ll_address answers[70];
static size_t answer_count;

static int answer(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
    (void)host;
    (void)service;
    (void)hints;
    for (size_t i = 0; i < answer_count; i++)
        fault_answer(list, &answers[i].as, answers[i].length);
    return answer_count == 0 ? EAI_NONAME : 0;
}

static int before;

static int set_up(void **state) {
    (void)state;
    before = open_descriptors();
    answer_count = 0;
    fault_getaddrinfo = answer;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fault_clear();
    ll_thread_set_interrupt(NULL, NULL);
    return await_descriptors(before) ? 0 : -1;
}

/* An address where nobody listens. */
static struct ll_address refusing(int family) {
    struct ll_address a;
    ll_socket_free(listener(family, &a));
    return a;
}

static void check_connected(ll_socket *s, const struct ll_address *to) {
    struct ll_address peer;
    double seconds;
    assert_code(ll_socket_getpeername(s, &peer), 0);
    assert_true(ll_address_equal(&peer, to));
    assert_code(ll_socket_gettimeout(s, &seconds), 0);
    assert_true(seconds == LL_FOREVER);
    assert_int_equal(fcntl(ll_socket_fileno(s), F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(fcntl(ll_socket_fileno(s), F_GETFD), FD_CLOEXEC);
}

static void simple(void **state) {
    (void)state;
    ll_socket *s;
    struct ll_address a;
    struct ll_error_info info = {.code = 7};
    size_t failures = 9;
    struct ll_connection_options options = {.timeout_s = 60, .error_count = &failures};
    ll_socket *l = listener(AF_INET, &a);
    fault_getaddrinfo = NULL;
    assert_code(ll_create_connection("127.0.0.1", ll_address_port(&a), NULL, &s, NULL), 0);
    check_connected(s, &a);
    ll_socket_free(s);
    options.family = AF_INET;
    assert_code(ll_create_connection("localhost", ll_address_port(&a), &options, &s, &info), 0);
    check_connected(s, &a);
    assert_int_equal(failures, 0);
    /* Its failures name the peer. */
    ll_socket_settimeout(s, 0.01);
    char byte, text[64];
    assert_code(ll_socket_recv(s, &byte, 1, 0), LL_ETIMEOUT);
    ll_socket_error(s, &info);
    ll_address_format(&a, text, sizeof text);
    assert_string_equal(info.subject, text);
    ll_socket_free(s);
    ll_socket_free(l);
}

static void misuse(void **state) {
    (void)state;
    ll_socket *s = (void *)1;
    struct ll_error_info info;
    struct ll_connection_options options = {.timeout_s = -1};
    assert_code(ll_create_connection(NULL, 1, NULL, &s, NULL), -EINVAL);
    assert_code(ll_create_connection("x", 1, NULL, NULL, NULL), -EINVAL);
    assert_code(ll_create_connection("x", 65536, NULL, &s, &info), -ERANGE);
    assert_null(s);
    assert_code(info.code, -ERANGE);
    assert_code(ll_create_connection("x", -1, NULL, &s, NULL), -ERANGE);
    assert_code(ll_create_connection("x", 1, &options, &s, &info), -EINVAL);
    assert_code(info.code, -EINVAL);
    options = (struct ll_connection_options){.stagger_s = -1};
    assert_code(ll_create_connection("x", 1, &options, &s, NULL), -EINVAL);
    options = (struct ll_connection_options){.timeout_s = 1e12};
    assert_code(ll_create_connection("x", 1, &options, &s, NULL), -EOVERFLOW);
    assert_code(ll_create_connection("no.such.host.invalid", 1, NULL, &s, &info), LL_EGAI(EAI_NONAME));
    assert_string_equal(info.call, "getaddrinfo");
    fault_set(FAULT_CALLOC, 0, ENOMEM);
    assert_code(ll_create_connection("x", 1, NULL, &s, &info), -ENOMEM);
}

/* All refuse: the error is that of the best address, and all are kept. */
static void all_fail(void **state) {
    (void)state;
    ll_socket *s;
    struct ll_error_info errors[2], info;
    size_t failures = 0;
    char text[LL_ADDRESS_TEXT];
    answers[answer_count++] = refusing(AF_INET6);
    answers[answer_count++] = refusing(AF_INET);
    ll_address_ipv4(&answers[answer_count++], "255.255.255.255", 1);
    struct ll_connection_options options = {.errors = errors, .errors_max = 2, .error_count = &failures};
    assert_code(ll_create_connection("x", 1, &options, &s, &info), -ECONNREFUSED);
    assert_int_equal(failures, 3);
    ll_address_format(&answers[0], text, sizeof text);
    assert_string_equal(errors[0].subject, text);
    assert_string_equal(info.subject, text);
    assert_code(errors[1].code, -ECONNREFUSED);
    ll_address_format(&answers[1], text, sizeof text);
    assert_string_equal(errors[1].subject, text);
}

/* The families take turns, in the resolver's order within each (RFC 8305 section 4). */
static void order(void **state) {
    (void)state;
    static const int families[] = {AF_INET6, AF_INET6, AF_INET6, AF_INET, AF_INET};
    static const size_t wanted[] = {0, 3, 1, 4, 2};
    ll_socket *s;
    struct ll_error_info errors[5];
    size_t failures = 0;
    char text[LL_ADDRESS_TEXT];
    for (size_t i = 0; i < 5; i++)
        answers[answer_count++] = refusing(families[i]);
    struct ll_connection_options options = {.errors = errors, .errors_max = 5, .error_count = &failures};
    assert_code(ll_create_connection("x", 1, &options, &s, NULL), -ECONNREFUSED);
    assert_int_equal(failures, 5);
    for (size_t i = 0; i < 5; i++) {
        ll_address_format(&answers[wanted[i]], text, sizeof text);
        assert_string_equal(errors[i].subject, text);
    }
    /* A source address leaves only its family. */
    struct ll_address source = loopback(AF_INET);
    options.source = &source;
    assert_code(ll_create_connection("x", 1, &options, &s, NULL), -ECONNREFUSED);
    assert_int_equal(failures, 2);
    answer_count = 3;
    struct ll_error_info info;
    assert_code(ll_create_connection("x", 1, &options, &s, &info), LL_EADDRESS);
    assert_string_equal(info.call, "bind");
}

static void source_address(void **state) {
    (void)state;
    ll_socket *s, *l, *conn;
    struct ll_address to, peer, source;
    l = listener(AF_INET, &to);
    answers[answer_count++] = to;
    ll_address_ipv4(&source, "127.0.0.2", 0);
    struct ll_connection_options options = {.source = &source};
    assert_code(ll_create_connection("x", 1, &options, &s, NULL), 0);
    assert_code(ll_socket_accept(l, &conn, &peer), 0);
    char host[64];
    assert_code(ll_address_host(&peer, host, sizeof host), 0);
    assert_string_equal(host, "127.0.0.2");
    ll_socket_free(conn);
    ll_socket_free(s);
    ll_address_ipv4(&source, "192.0.2.1", 0);
    struct ll_error_info info;
    assert_code(ll_create_connection("x", 1, &options, &s, &info), -EADDRNOTAVAIL);
    assert_string_equal(info.call, "bind");
    ll_socket_free(l);
}

/* The first is silent: the second is started after the stagger and wins; no failure is reported for the loser. */
static void a_silent_address(void **state) {
    (void)state;
    struct deaf deaf;
    ll_socket *s, *l;
    struct ll_address good;
    size_t failures = 9;
    deaf_open(&deaf);
    l = listener(AF_INET, &good);
    answers[answer_count++] = deaf.address;
    answers[answer_count++] = good;
    struct ll_connection_options options = {.timeout_s = 60, .error_count = &failures};
    double begin = seconds_now();
    assert_code(ll_create_connection("x", 1, &options, &s, NULL), 0);
    assert_true(seconds_now() - begin >= 0.25);
    check_connected(s, &good);
    assert_int_equal(failures, 0);
    ll_socket_free(s);

    /* A failure starts the next at once, whatever the stagger. */
    answers[0] = refusing(AF_INET);
    options.stagger_s = LL_FOREVER;
    assert_code(ll_create_connection("x", 1, &options, &s, NULL), 0);
    check_connected(s, &good);
    assert_int_equal(failures, 1);
    ll_socket_free(s);

    /* The one that refuses, after one that is silent: goes on with the third. */
    answers[0] = deaf.address;
    answers[1] = refusing(AF_INET);
    answers[2] = good;
    answer_count = 3;
    options.stagger_s = 0.02;
    assert_code(ll_create_connection("x", 1, &options, &s, NULL), 0);
    check_connected(s, &good);
    assert_int_equal(failures, 1);
    ll_socket_free(s);
    ll_socket_free(l);
    deaf_close(&deaf);
}

static int stop(void *argument) {
    (void)argument;
    return 1;
}

static void only_silence(void **state) {
    (void)state;
    struct deaf deaf;
    ll_socket *s;
    struct ll_error_info errors[3], info;
    size_t failures = 0;
    deaf_open(&deaf);
    answers[answer_count++] = deaf.address;
    answers[answer_count++] = refusing(AF_INET);
    answers[answer_count++] = deaf.address;
    struct ll_connection_options options = {
        .timeout_s = 0.2, .stagger_s = 0.01, .errors = errors, .errors_max = 3, .error_count = &failures};
    assert_code(ll_create_connection("silent.example", 1, &options, &s, &info), LL_ETIMEOUT);
    assert_int_equal(failures, 3);
    assert_code(errors[0].code, -ECONNREFUSED);
    assert_code(errors[1].code, LL_ETIMEOUT);
    assert_string_equal(info.subject, "silent.example");

    struct pester pester;
    options.timeout_s = 60;
    ll_thread_set_interrupt(stop, NULL);
    pester_start(&pester);
    assert_code(ll_create_connection("x", 1, &options, &s, NULL), LL_EINTERRUPTED);
    pester_stop(&pester);
    ll_thread_set_interrupt(NULL, NULL);
    fault_set(FAULT_POLL, 0, ENOMEM);
    assert_code(ll_create_connection("x", 1, &options, &s, NULL), -ENOMEM);
    /* Signals alone stop nothing. */
    options.timeout_s = 0.1;
    pester_start(&pester);
    assert_code(ll_create_connection("x", 1, &options, &s, NULL), LL_ETIMEOUT);
    pester_stop(&pester);
    deaf_close(&deaf);
}

static void the_system_fails(void **state) {
    (void)state;
    ll_socket *s, *l;
    struct ll_error_info info;
    l = listener(AF_INET, &answers[0]);
    answer_count = 1;
    fault_set(FAULT_SOCKET, 0, EMFILE);
    assert_code(ll_create_connection("x", 1, NULL, &s, &info), -EMFILE);
    assert_string_equal(info.call, "socket");
    fault_set(FAULT_CONNECT, 1, ENOBUFS); /* it asks for the result */
    assert_code(ll_create_connection("x", 1, NULL, &s, &info), -ENOBUFS);
    fault_set(FAULT_CONNECT, 1, EALREADY); /* and there is none yet: it was woken for an error that is no end */
    assert_code(ll_create_connection("x", 1, NULL, &s, &info), 0);
    assert_int_equal(fault_calls(FAULT_CONNECT), 3);
    ll_socket_free(s);
    fault_set(FAULT_IOCTL, 0, EBADF);
    assert_code(ll_create_connection("x", 1, NULL, &s, &info), -EBADF);
    ll_socket_free(l);
}

/* At once, without EINPROGRESS: what some systems do on loopback. */
static void connected_at_once(void **state) {
    (void)state;
    ll_socket *s, *l;
    struct ll_address a;
    ll_address_unix(&a, "");
    assert_code(ll_create_server(&a, NULL, &l, NULL), 0);
    assert_code(ll_socket_getsockname(l, &answers[0]), 0);
    answer_count = 1;
    assert_code(ll_create_connection("x", 1, NULL, &s, NULL), 0);
    ll_socket_free(s);
    ll_socket_free(l);
}

static void more_addresses_than_are_tried(void **state) {
    (void)state;
    ll_socket *s;
    size_t failures = 0;
    struct ll_connection_options options = {.error_count = &failures};
    struct ll_address nobody = refusing(AF_INET);
    for (answer_count = 0; answer_count < 70;)
        answers[answer_count++] = nobody;
    assert_code(ll_create_connection("x", 1, &options, &s, NULL), -ECONNREFUSED);
    assert_int_equal(failures, 64);
}

#define checked(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        checked(simple),
        checked(misuse),
        checked(all_fail),
        checked(order),
        checked(source_address),
        checked(a_silent_address),
        checked(only_silence),
        checked(the_system_fails),
        checked(connected_at_once),
        checked(more_addresses_than_are_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
