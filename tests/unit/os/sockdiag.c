/* lib/os/sockdiag.h: the kernel tells of a socket of ours, and no more than is wanted. What its answers may look like is
 * in fuzz/sockdiag.c. */
#include "lib/os/sockdiag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STOP = 1 };

struct walk {
    uint16_t port;
    int answer;
    unsigned listening, told;
};

static int take(void *context, const struct sockdiag_tcp *s) {
    static const uint8_t loopback[] = {127, 0, 0, 1};
    struct walk *w = context;
    w->told++;
    if (s->local.port == w->port && s->local.family == 4 && strcmp(sockdiag_state(s->state), "LISTEN") == 0 &&
        memcmp(s->local.bytes, loopback, sizeof loopback) == 0)
        w->listening++;
    return w->answer;
}

static int listener(uint16_t *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void tells_of_a_socket_and_stops(void **state) {
    (void)state;
    uint16_t port;
    int fd = listener(&port);
    struct walk all = {.port = port}, first = {.port = port, .answer = STOP};
    int code = sockdiag_tcp(port, take, &all);
    if (code == -ENOENT || code == -EPROTONOSUPPORT) { /* a kernel without it */
        close(fd);
        skip();
    }
    assert_int_equal(code, 0);
    assert_int_equal(all.listening, 1);
    assert_int_equal(sockdiag_tcp(port, take, &first), STOP);
    assert_int_equal(first.told, 1);
    close(fd);
}

static void names_every_state(void **state) {
    (void)state;
    for (unsigned i = 0; i < 256; i++)
        assert_true(sockdiag_state((uint8_t)i)[0] != '\0');
    assert_string_equal(sockdiag_state(1), "ESTABLISHED");
    assert_string_equal(sockdiag_state(255), "?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_a_socket_and_stops),
        cmocka_unit_test(names_every_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
