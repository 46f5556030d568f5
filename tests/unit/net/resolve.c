/* landline/resolve.h: names with a deadline, interfaces. */
#include "landline/resolve.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#include "landline/socket.h"
#include "lib/net/resolve.h"
#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

static atomic_int left_behind;

static int at_start;

static int clear(void **state) {
    (void)state;
    while (left_behind > 0)
        poll(NULL, 0, 5);
    fault_clear();
    ll_thread_set_interrupt(NULL, NULL);
    return 0;
}

/* ---- Real look-ups ---- */

static void numbers_and_names(void **state) {
    (void)state;
    struct ll_addrinfo *a = NULL;
    struct ll_addrinfo_hints hints = {.type = SOCK_STREAM};
    char text[LL_ADDRESS_TEXT];
    assert_code(ll_getaddrinfo("192.0.2.1", "80", &hints, LL_FOREVER, &a, NULL), 1);
    ll_address_format(&a[0].address, text, sizeof text);
    assert_string_equal(text, "192.0.2.1:80");
    assert_int_equal(a[0].family, AF_INET);
    assert_int_equal(a[0].type, SOCK_STREAM);
    assert_int_equal(a[0].protocol, IPPROTO_TCP);
    assert_string_equal(a[0].canonical, "");
    ll_addrinfo_free(a);
    assert_true(ll_getaddrinfo("::1", NULL, NULL, 0, &a, NULL) >= 1);
    assert_int_equal(a[0].family, AF_INET6);
    ll_addrinfo_free(a);
    hints.family = AF_INET;
    hints.flags = AI_CANONNAME;
    /* Twice where the hosts file has ::1 as well: glibc makes 127.0.0.1 of it. */
    assert_in_range(ll_getaddrinfo("localhost", "http", &hints, 60, &a, NULL), 1, 2);
    assert_int_equal(ll_address_port(&a[0].address), 80);
    assert_string_equal(a[0].canonical, "localhost");
    ll_addrinfo_free(a);
    hints = (struct ll_addrinfo_hints){.flags = AI_PASSIVE, .family = AF_INET, .type = SOCK_DGRAM};
    assert_code(ll_getaddrinfo(NULL, "53", &hints, 60, &a, NULL), 1);
    ll_address_format(&a[0].address, text, sizeof text);
    assert_string_equal(text, "0.0.0.0:53");
    ll_addrinfo_free(a);
    ll_addrinfo_free(NULL);
}

static void errors(void **state) {
    (void)state;
    struct ll_addrinfo *a = (void *)1;
    struct ll_error_info info;
    struct ll_addrinfo_hints wrong_family = {.family = 12345}, wrong_flags = {.flags = 1 << 30},
                             wrong_type = {.type = 99}, numeric = {.flags = AI_NUMERICHOST};
    assert_code(ll_getaddrinfo("no.such.host.invalid", "80", NULL, 60, &a, &info), LL_EGAI(EAI_NONAME));
    assert_null(a);
    assert_string_equal(info.call, "getaddrinfo");
    assert_string_equal(info.subject, "no.such.host.invalid");
    assert_code(ll_getaddrinfo("", "80", NULL, 60, &a, NULL), LL_EGAI(EAI_NONAME));
    assert_code(ll_getaddrinfo("localhost", "no-such-service", NULL, 60, &a, NULL), LL_EGAI(EAI_SERVICE));
    assert_code(ll_getaddrinfo(NULL, "no-such-service", NULL, 60, &a, &info), LL_EGAI(EAI_SERVICE));
    assert_string_equal(info.subject, "no-such-service");
    assert_code(ll_getaddrinfo("localhost", "80", &wrong_family, 60, &a, NULL), LL_EGAI(EAI_FAMILY));
    assert_code(ll_getaddrinfo("localhost", "80", &wrong_flags, 60, &a, NULL), LL_EGAI(EAI_BADFLAGS));
    assert_code(ll_getaddrinfo("localhost", "80", &wrong_type, 60, &a, NULL), LL_EGAI(EAI_SOCKTYPE));
    assert_code(ll_getaddrinfo("localhost", "80", &numeric, 60, &a, NULL), LL_EGAI(EAI_NONAME));
    assert_code(ll_getaddrinfo("127.0.0.1", "65536", NULL, 60, &a, NULL), -ERANGE);
    assert_code(ll_getaddrinfo("127.0.0.1", "99999999999999999999", NULL, 60, &a, NULL), -ERANGE);
    assert_true(ll_getaddrinfo("127.0.0.1", "65535", NULL, 60, &a, NULL) > 0);
    ll_addrinfo_free(a);
    assert_code(ll_getaddrinfo(NULL, NULL, NULL, 60, &a, NULL), -EINVAL);
    assert_code(ll_getaddrinfo("localhost", NULL, NULL, 60, NULL, NULL), -EINVAL);
    assert_code(ll_getaddrinfo("localhost", NULL, NULL, -1, &a, NULL), -EINVAL);
    assert_code(ll_getaddrinfo("localhost", NULL, NULL, 1e12, &a, NULL), -EOVERFLOW);
}

static void names_of_addresses(void **state) {
    (void)state;
    struct ll_address a;
    char host[NI_MAXHOST], service[NI_MAXSERV];
    ll_address_ipv4(&a, "127.0.0.1", 80);
    int numeric = NI_NUMERICHOST | NI_NUMERICSERV;
    assert_code(ll_getnameinfo(&a, numeric, 0, host, sizeof host, service, sizeof service), 0);
    assert_string_equal(host, "127.0.0.1");
    assert_string_equal(service, "80");
    assert_code(ll_getnameinfo(&a, 0, 60, host, sizeof host, service, sizeof service), 0);
    assert_string_equal(host, "localhost");
    assert_string_equal(service, "http");
    assert_code(ll_getnameinfo(&a, numeric, 0, NULL, 0, service, sizeof service), 0);
    assert_code(ll_getnameinfo(&a, numeric, 0, host, sizeof host, NULL, 0), 0);
    assert_code(ll_getnameinfo(&a, numeric, 0, host, 5, NULL, 0), LL_EGAI(EAI_OVERFLOW));
    assert_code(ll_getnameinfo(&a, numeric, 0, NULL, 0, NULL, 0), 0);
    ll_address_ipv4(&a, "192.0.2.77", 1);
    assert_code(ll_getnameinfo(&a, NI_NAMEREQD | NI_NUMERICSERV, 60, host, sizeof host, NULL, 0) < 0, 1);
    assert_code(ll_getnameinfo(&a, 1 << 30, 60, host, sizeof host, NULL, 0), LL_EGAI(EAI_BADFLAGS));
    struct sockaddr_storage raw = {.ss_family = AF_NETLINK};
    ll_address_raw(&a, &raw, 12);
    assert_code(ll_getnameinfo(&a, numeric, 60, host, sizeof host, NULL, 0), LL_EGAI(EAI_FAMILY));
    assert_code(ll_getnameinfo(NULL, 0, 60, host, sizeof host, NULL, 0), -EINVAL);
    assert_code(ll_getnameinfo(&a, 0, 60, NULL, 1, NULL, 0), -EINVAL);
    assert_code(ll_getnameinfo(&a, 0, 60, NULL, 0, NULL, 1), -EINVAL);
    assert_code(ll_getnameinfo(&a, 0, -1, host, sizeof host, NULL, 0), -EINVAL);
    a.length = sizeof a.as + 1;
    assert_code(ll_getnameinfo(&a, 0, 60, host, sizeof host, NULL, 0), -EINVAL);
    ll_address_ipv4(&a, "127.0.0.1", 80);
    fault_set(FAULT_MALLOC, 0, ENOMEM);
    assert_code(ll_getnameinfo(&a, 0, 60, host, sizeof host, NULL, 0), -ENOMEM);
    fault_set(FAULT_EVENTFD, 0, EMFILE);
    assert_code(ll_getnameinfo(&a, 0, 60, host, sizeof host, NULL, 0), -EMFILE);
}

/* ---- A resolver that hangs ---- */

static int slow(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
    (void)service;
    if ((hints->ai_flags & AI_NUMERICHOST) != 0)
        return EAI_NONAME;
    left_behind++;
    poll(NULL, 0, 1000);
    struct ll_address a = loopback(AF_INET);
    assert_string_equal(host, "slow.invalid"); /* its own copy: the caller is long gone */
    fault_answer(list, &a.as, a.length);
    left_behind--;
    return 0;
}

static int stop(void *argument) {
    (void)argument;
    return 1;
}

static void the_deadline_covers_it(void **state) {
    (void)state;
    struct ll_addrinfo *a;
    ll_socket *s;
    struct pester pester;
    int before = at_start;
    fault_getaddrinfo = slow;
    char host[] = "slow.invalid";
    double begin = seconds_now();
    assert_code(ll_getaddrinfo(host, "80", NULL, 0.05, &a, NULL), LL_ETIMEOUT);
    memset(host, 'x', sizeof host - 1);
    assert_null(a);
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    ll_socket_settimeout(s, 0.05);
    assert_code(ll_socket_connect_host(s, "slow.invalid", 1), LL_ETIMEOUT);
    assert_code(ll_socket_bind_host(s, "slow.invalid", 1), LL_ETIMEOUT);
    ll_socket_settimeout(s, 60);
    ll_socket_set_interrupt(s, stop, NULL);
    pester_start(&pester);
    assert_code(ll_socket_connect_host(s, "slow.invalid", 1), LL_EINTERRUPTED);
    ll_thread_set_interrupt(stop, NULL);
    assert_code(ll_getaddrinfo("slow.invalid", "80", NULL, 60, &a, NULL), LL_EINTERRUPTED);
    pester_stop(&pester);
    ll_thread_set_interrupt(NULL, NULL);
    ll_socket_free(s);
    assert_true(seconds_now() - begin < 30);
    while (left_behind > 0)
        poll(NULL, 0, 5);
    assert_true(await_descriptors(before)); /* what was left behind cleaned up */
    /* And one that is waited for, through signals. */
    pester_start(&pester);
    assert_code(ll_getaddrinfo("slow.invalid", "80", NULL, 60, &a, NULL), 1);
    pester_stop(&pester);
    ll_addrinfo_free(a);
}

static int errno_of_resolver;

static int broken(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
    (void)host;
    (void)service;
    (void)list;
    errno = errno_of_resolver;
    return (hints->ai_flags & AI_NUMERICHOST) != 0 ? EAI_NONAME : EAI_SYSTEM;
}

/* As where no name server can be reached. */
static int nobody_answers(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
    (void)host;
    (void)service;
    (void)list;
    return (hints->ai_flags & AI_NUMERICHOST) != 0 ? EAI_NONAME : EAI_AGAIN;
}

static void the_system_fails(void **state) {
    (void)state;
    struct ll_addrinfo *a;
    ll_socket *s;
    fault_getaddrinfo = broken;
    errno_of_resolver = EACCES;
    assert_code(ll_getaddrinfo("x.invalid", "80", NULL, 60, &a, NULL), -EACCES);
    errno_of_resolver = 0;
    assert_code(ll_getaddrinfo("x.invalid", "80", NULL, 60, &a, NULL), LL_EGAI(EAI_SYSTEM));
    fault_getaddrinfo = nobody_answers;
    assert_code(ll_getaddrinfo("x.invalid", "80", NULL, 60, &a, NULL), LL_EGAI(EAI_AGAIN));
    fault_clear();
    static const struct {
        enum fault fault;
        int error;
    } rows[] = {{FAULT_MALLOC, ENOMEM},         {FAULT_EVENTFD, EMFILE},   {FAULT_EVENTFD, ENFILE},
                {FAULT_PTHREAD_CREATE, EAGAIN}, {FAULT_ATTR_INIT, ENOMEM}, {FAULT_ATTR_SIGMASK, ENOMEM},
                {FAULT_CALLOC, ENOMEM}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fault_set(rows[i].fault, 0, rows[i].error);
        assert_code(ll_getaddrinfo("localhost", "80", NULL, 60, &a, NULL), -rows[i].error);
    }
    fault_getaddrinfo = slow; /* an answer that is there counts, whatever the wait for it said */
    fault_set(FAULT_POLL, 0, ENOMEM);
    assert_code(ll_getaddrinfo("slow.invalid", "80", NULL, 60, &a, NULL), -ENOMEM);
    assert_true(await_descriptors(at_start));
    fault_clear();
    assert_code(ll_socket_open(AF_INET, SOCK_STREAM, 0, &s), 0);
    fault_set(FAULT_MALLOC, 0, ENOMEM);
    assert_code(ll_socket_connect_host(s, "localhost", 1), -ENOMEM);
    ll_socket_free(s);
}

static int crowd(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
    (void)host;
    (void)service;
    (void)hints;
    struct ll_address a = loopback(AF_INET);
    for (int i = 0; i < 1030; i++)
        fault_answer(list, &a.as, a.length);
    return 0;
}

static void too_many_answers(void **state) {
    (void)state;
    struct ll_addrinfo *a;
    fault_getaddrinfo = crowd;
    assert_code(ll_getaddrinfo("many.invalid", "80", NULL, 60, &a, NULL), 1024);
    ll_addrinfo_free(a);
}

/* ---- Interfaces ---- */

static void interfaces(void **state) {
    (void)state;
    struct ll_interface all[64];
    char name[IF_NAMESIZE];
    int count = ll_if_nameindex(all, 64), found = 0;
    assert_true(count >= 1);
    assert_code(ll_if_nameindex(NULL, 0), count);
    for (int i = 0; i < count && i < 64; i++) {
        assert_code(ll_if_nametoindex(all[i].name), all[i].index);
        assert_code(ll_if_indextoname(all[i].index, name), 0);
        assert_string_equal(name, all[i].name);
        found += strcmp(name, "lo") == 0;
    }
    assert_int_equal(found, 1);
    assert_code(ll_if_nameindex(NULL, 1), -EINVAL);
    assert_code(ll_if_nametoindex("nosuchif"), -ENODEV);
    assert_code(ll_if_nametoindex(NULL), -EINVAL);
    assert_code(ll_if_indextoname(0x7ffffff, name), -ENXIO);
    assert_code(ll_if_indextoname(1, NULL), -EINVAL);
    fault_set(FAULT_IF_NAMEINDEX, 0, ENOBUFS);
    assert_code(ll_if_nameindex(all, 64), -ENOBUFS);
}

/* A host is found for every type of socket, though the system looks up only for some. Asked for here as
 * ll_socket_connect_host() does, since few may open one. */
static void hosts_for_unusual_types(void **state) {
    (void)state;
    static const int types[] = {SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct resolve_request request = {.host = "localhost", .family = AF_INET, .type = types[i], .port = 7};
        struct ll_address address;
        char text[LL_ADDRESS_TEXT];
        assert_code(resolve_deadline(10, &request.deadline), 0);
        assert_code(resolve_one(&request, &address), 0);
        ll_address_format(&address, text, sizeof text);
        assert_string_equal(text, "127.0.0.1:7");
    }
}

#define cleared(test) cmocka_unit_test_teardown(test, clear)
int main(void) {
    at_start = open_descriptors();
    const struct CMUnitTest tests[] = {
        cleared(numbers_and_names),  cleared(errors),
        cleared(names_of_addresses), cleared(the_deadline_covers_it),
        cleared(the_system_fails),   cleared(too_many_answers),
        cleared(interfaces),         cleared(hosts_for_unusual_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
