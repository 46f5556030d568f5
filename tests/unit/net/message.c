/* landline/socket.h: messages over real sockets: parts, ancillary data, descriptors, many at once. */
#include "landline/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/net/fault.h"
#include "tests/unit/net/support.h"

#define MESSAGE(name, bytes, size, control_size)                                                                       \
    LL_CONTROL_BUFFER(name##_control, control_size);                                                                   \
    struct iovec name##_part = {(void *)(bytes), size};                                                                \
    struct ll_message name = {                                                                                         \
        .parts = &name##_part, .part_count = 1, .control = name##_control, .control_capacity = sizeof name##_control}

static int check_descriptors(void **state) {
    *state = (void *)(intptr_t)open_descriptors();
    return 0;
}

static int no_descriptor_left(void **state) {
    fault_clear();
    return await_descriptors((int)(intptr_t)*state) ? 0 : -1;
}

static void parts(void **state) {
    (void)state;
    ll_socket *pair[2];
    char head[2], tail[8];
    struct iovec out[] = {{"ab", 2}, {"", 0}, {"cdef", 4}}, in[] = {{head, 2}, {tail, 8}};
    struct ll_message m = {.parts = out, .part_count = 3}, r = {.parts = in, .part_count = 2, .flags = 99};
    unix_pair(pair, SOCK_STREAM);
    assert_code(ll_socket_sendmsg(pair[0], &m, 0), 6);
    assert_code(ll_socket_recvmsg(pair[1], &r, 0), 6);
    assert_memory_equal(head, "ab", 2);
    assert_memory_equal(tail, "cdef", 4);
    assert_int_equal(r.flags, 0);
    assert_int_equal(r.length, 6);
    m.part_count = 1025;
    static struct iovec many[1025];
    m.parts = many;
    assert_code(ll_socket_sendmsg(pair[0], &m, 0), -EMSGSIZE);
    m.parts = NULL;
    assert_code(ll_socket_sendmsg(pair[0], &m, 0), -EINVAL);
    assert_code(ll_socket_sendmsg(pair[0], NULL, 0), -EINVAL);
    assert_code(ll_socket_recvmsg(pair[0], NULL, 0), -EINVAL);
    ll_socket_settimeout(pair[0], 0.01);
    r.flags = 99;
    r.length = 99;
    assert_code(ll_socket_recvmsg(pair[0], &r, 0), LL_ETIMEOUT);
    assert_true(r.flags == 0 && r.length == 0 && r.address.length == 0);
    r.control_capacity = 9; /* and no memory */
    assert_code(ll_socket_recvmsg(pair[0], &r, 0), -EINVAL);
    r.control = (char *)out + 1;
    assert_code(ll_socket_recvmsg(pair[0], &r, 0), -EINVAL);
    m = (struct ll_message){.address = {.length = sizeof m.address.as + 1}};
    assert_code(ll_socket_sendmsg(pair[0], &m, 0), -EINVAL);
    fill_up(pair[0]);
    ll_socket_settimeout(pair[0], 0.01);
    m = (struct ll_message){.parts = out, .part_count = 3};
    assert_code(ll_socket_sendmsg(pair[0], &m, 0), LL_ETIMEOUT);
    free_pair(pair);
}

static void datagram_addresses_and_flags(void **state) {
    (void)state;
    ll_socket *s;
    struct ll_address own = loopback(AF_INET);
    char small[3];
    assert_code(ll_socket_open(AF_INET, SOCK_DGRAM, 0, &s), 0);
    assert_code(ll_socket_bind(s, &own), 0);
    assert_code(ll_socket_getsockname(s, &own), 0);
    MESSAGE(out, "hello", 5, 64);
    MESSAGE(in, small, sizeof small, 64);
    assert_code(ll_socket_sendmsg(s, &out, 0), -EDESTADDRREQ);
    out.address = own;
    assert_code(ll_socket_sendmsg(s, &out, 0), 5);
    assert_code(ll_socket_recvmsg(s, &in, 0), 3);
    assert_int_equal(in.flags, MSG_TRUNC);
    assert_true(ll_address_equal(&in.address, &own));
    out.parts = NULL;
    out.part_count = 0;
    assert_code(ll_socket_sendmsg(s, &out, 0), 0);
    assert_code(ll_socket_recvmsg(s, &in, 0), 0); /* an empty datagram, and who sent it */
    assert_true(ll_address_equal(&in.address, &own));
    assert_code(ll_control_add(&out, SOL_SOCKET, 12345, NULL, 0), 0);
    assert_code(ll_socket_sendmsg(s, &out, 0), -EINVAL);
    struct ll_error_info info;
    ll_socket_error(s, &info);
    assert_string_equal(info.call, "sendmsg");
    assert_memory_equal(info.subject, "127.0.0.1:", 10);
    ll_socket_free(s);
}

/* ---- Descriptors ---- */

static void make_descriptors(int *fds, int count) {
    for (int i = 0; i < count; i++)
        assert_true((fds[i] = open("/dev/null", O_RDONLY)) >= 0);
}

static void close_all(const int *fds, int count) {
    for (int i = 0; i < count; i++)
        assert_int_equal(close(fds[i]), 0);
}

static void many_descriptors(void **state) {
    (void)state;
    static const struct {
        int sent;
        size_t max;
    } rows[] = {{1, 1}, {3, 2}, {2, 0}, {LL_FDS_MAX, LL_FDS_MAX}, {LL_FDS_MAX, 1}, {1, 10}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ll_socket *pair[2];
        int out[LL_FDS_MAX], in[LL_FDS_MAX], flags = 0;
        size_t count = 0, wanted = rows[i].max < (size_t)rows[i].sent ? rows[i].max : (size_t)rows[i].sent;
        char byte;
        unix_pair(pair, SOCK_STREAM);
        make_descriptors(out, rows[i].sent);
        assert_code(ll_socket_send_fds(pair[0], "x", 1, out, (size_t)rows[i].sent, 0), 1);
        close_all(out, rows[i].sent);
        int before = open_descriptors();
        assert_code(ll_socket_recv_fds(pair[1], &byte, 1, in, rows[i].max, &count, 0, &flags), 1);
        assert_int_equal(count, wanted);
        assert_int_equal(open_descriptors(), before + (int)wanted); /* those that did not fit are closed */
        assert_int_equal((flags & MSG_CTRUNC) != 0, wanted < (size_t)rows[i].sent);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(fcntl(in[k], F_GETFD), FD_CLOEXEC);
        close_all(in, (int)count);
        free_pair(pair);
    }
}

static void descriptors_misuse(void **state) {
    (void)state;
    ll_socket *pair[2];
    int fds[2] = {-1, -1};
    size_t count = 5;
    char byte;
    unix_pair(pair, SOCK_STREAM);
    assert_code(ll_socket_send_fds(pair[0], "x", 1, fds, 1, 0), -EBADF);
    assert_code(ll_socket_send_fds(pair[0], "x", 1, fds, 0, 0), -EINVAL);
    assert_code(ll_socket_send_fds(pair[0], "x", 1, NULL, 1, 0), -EINVAL);
    assert_code(ll_socket_recv_fds(pair[1], &byte, 1, fds, 1, NULL, 0, NULL), -EINVAL);
    assert_code(ll_socket_recv_fds(pair[1], &byte, 1, NULL, 1, &count, 0, NULL), -EINVAL);
    assert_code(ll_socket_recv_fds(pair[1], &byte, 1, fds, 2, &count, MSG_DONTWAIT, NULL), -EAGAIN);
    assert_int_equal(count, 0);
    ll_socket_send(pair[0], "x", 1, 0);
    assert_code(ll_socket_recv_fds(pair[1], &byte, 1, fds, 2, &count, 0, NULL), 1); /* bytes without any */
    assert_int_equal(count, 0);
    free_pair(pair);
}

/* With control memory for one, the system squeezes in two (padding) and drops the rest: nothing of such a message
 * leaks. */
static void cut_ancillary_data(void **state) {
    (void)state;
    ll_socket *pair[2];
    int out[5], before;
    char byte;
    unix_pair(pair, SOCK_STREAM);
    make_descriptors(out, 5);
    assert_code(ll_socket_send_fds(pair[0], "x", 1, out, 5, 0), 1);
    assert_code(ll_socket_send_fds(pair[0], "x", 1, out, 5, 0), 1);
    close_all(out, 5);
    MESSAGE(in, &byte, 1, 24);
    before = open_descriptors();
    assert_code(ll_socket_recvmsg(pair[1], &in, 0), 1);
    assert_true(in.flags & MSG_CTRUNC);
    assert_int_equal(in.control_length, 0);
    assert_int_equal(open_descriptors(), before);
    in.control = NULL;
    in.control_capacity = 0;
    assert_code(ll_socket_recvmsg(pair[1], &in, 0), 1);
    assert_true(in.flags & MSG_CTRUNC);
    assert_int_equal(open_descriptors(), before);
    free_pair(pair);
}

static void descriptors_nobody_took(void **state) {
    (void)state;
    ll_socket *pair[2];
    int out[2];
    char byte;
    unix_pair(pair, SOCK_STREAM);
    make_descriptors(out, 2);
    assert_code(ll_socket_send_fds(pair[0], "x", 1, out, 2, 0), 1);
    close_all(out, 2);
    MESSAGE(in, &byte, 1, LL_CONTROL_USUAL);
    assert_code(ll_socket_recvmsg(pair[1], &in, 0), 1);
    assert_int_equal(in.flags, 0);
    assert_code(ll_control_close_fds(&in), 2);
    assert_code(ll_control_close_fds(&in), 0);
    free_pair(pair);
}

/* ---- Typed items, as the kernel makes them ---- */

static void credentials(void **state) {
    (void)state;
    ll_socket *pair[2];
    struct ll_credentials who = {0};
    char byte;
    unix_pair(pair, SOCK_DGRAM);
    assert_code(ll_socket_receive(pair[1], LL_RECEIVE_CREDENTIALS, true), 0);
    assert_code(ll_socket_send(pair[0], "x", 1, 0), 1);
    MESSAGE(in, &byte, 1, LL_CONTROL_USUAL);
    assert_code(ll_socket_recvmsg(pair[1], &in, 0), 1);
    assert_code(ll_control_credentials(&in, &who), 0);
    assert_true(who.pid == getpid() && who.uid == getuid() && who.gid == getgid());
    MESSAGE(out, "y", 1, LL_CONTROL_USUAL);
    assert_code(ll_control_add_credentials(&out, &who), 0);
    assert_code(ll_socket_sendmsg(pair[0], &out, 0), 1);
    assert_code(ll_socket_recvmsg(pair[1], &in, 0), 1);
    assert_code(ll_control_credentials(&in, &who), 0);
    if (getuid() != 0) {
        who.uid = 0;
        MESSAGE(lie, "z", 1, LL_CONTROL_USUAL);
        assert_code(ll_control_add_credentials(&lie, &who), 0);
        assert_code(ll_socket_sendmsg(pair[0], &lie, 0), -EPERM);
    }
    who.pid = 0x3ffffff; /* nobody's */
    MESSAGE(lie, "z", 1, LL_CONTROL_USUAL);
    assert_code(ll_control_add_credentials(&lie, &who), 0);
    assert_true(ll_socket_sendmsg(pair[0], &lie, 0) < 0);
    free_pair(pair);
}

static void ip_items(void **state) {
    (void)state;
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2; i++) {
        ll_socket *s;
        struct ll_address own = loopback(families[i]), host;
        struct ll_packet_info where;
        int64_t when = 0;
        char byte;
        assert_code(ll_socket_open(families[i], SOCK_DGRAM, 0, &s), 0);
        assert_code(ll_socket_bind(s, &own), 0);
        assert_code(ll_socket_getsockname(s, &own), 0);
        unsigned int all = LL_RECEIVE_PKTINFO | LL_RECEIVE_TTL | LL_RECEIVE_TOS | LL_RECEIVE_TIMESTAMP;
        assert_code(ll_socket_receive(s, all, true), 0);
        MESSAGE(out, "x", 1, LL_CONTROL_USUAL);
        MESSAGE(in, &byte, 1, LL_CONTROL_USUAL);
        out.address = own;
        where = (struct ll_packet_info){.address = loopback(families[i])};
        assert_code(ll_control_add_packet_info(&out, &where), 0);
        assert_code(ll_control_add_ttl(&out, families[i], 77), 0);
        assert_code(ll_control_add_tos(&out, families[i], 0xb9), 0); /* EF, and ECT(1) */
        assert_code(ll_socket_sendmsg(s, &out, 0), 1);
        assert_code(ll_socket_recvmsg(s, &in, 0), 1);
        assert_code(ll_control_ttl(&in), 77);
        assert_code(ll_control_tos(&in), 0xb9);
        assert_code(ll_control_packet_info(&in, &where), 0);
        host = loopback(families[i]);
        assert_true(ll_address_equal(&where.address, &host));
        assert_code(ll_if_nametoindex("lo"), where.interface_index);
        assert_code(ll_control_timestamp(&in, &when), 0);
        assert_true(when > 1500000000000000000);
        assert_code(ll_socket_receive(s, all, false), 0);
        out.control_length = 0;
        assert_code(ll_socket_sendmsg(s, &out, 0), 1);
        assert_code(ll_socket_recvmsg(s, &in, 0), 1);
        assert_int_equal(in.control_length, 0);
        ll_socket_free(s);
    }
}

static void wanting_items(void **state) {
    (void)state;
    ll_socket *pair[2], *s;
    unix_pair(pair, SOCK_DGRAM);
    assert_code(ll_socket_receive(pair[0], LL_RECEIVE_CREDENTIALS | LL_RECEIVE_TIMESTAMP, true), 0);
    assert_code(ll_socket_receive(pair[0], LL_RECEIVE_TTL, true), -EOPNOTSUPP);
    assert_code(ll_socket_receive(pair[0], 32, true), -EINVAL);
    assert_code(ll_socket_receive(pair[0], 0, true), -EINVAL);
    free_pair(pair);
    assert_code(ll_socket_open(AF_INET, SOCK_DGRAM, 0, &s), 0);
    assert_code(ll_socket_receive(s, LL_RECEIVE_CREDENTIALS | LL_RECEIVE_TTL, true), -EOPNOTSUPP);
    fault_set(FAULT_SETSOCKOPT, 0, ENOMEM);
    assert_code(ll_socket_receive(s, LL_RECEIVE_TTL, true), -ENOMEM);
    ll_socket_free(s);
}

/* ---- Many at once ---- */

static void many_messages(void **state) {
    (void)state;
    enum { COUNT = 70, MORE = COUNT + 10 };
    ll_socket *pair[2];
    struct ll_message out[COUNT], in[MORE];
    struct iovec out_parts[COUNT], in_parts[MORE];
    char text[COUNT][4], got[MORE][8];
    int room = 1 << 20;
    unix_pair(pair, SOCK_SEQPACKET);
    ll_socket_setsockopt_int(pair[0], SOL_SOCKET, SO_SNDBUF, room);
    for (size_t i = 0; i < COUNT; i++) {
        memset(text[i], (int)i, 4);
        out_parts[i] = (struct iovec){text[i], i % 4 + 1};
        out[i] = (struct ll_message){.parts = &out_parts[i], .part_count = 1};
    }
    for (size_t i = 0; i < MORE; i++) {
        in_parts[i] = (struct iovec){got[i], 8};
        in[i] = (struct ll_message){.parts = &in_parts[i], .part_count = 1};
    }
    assert_code(ll_socket_sendmmsg(pair[0], out, 0, 0), -EINVAL);
    assert_code(ll_socket_sendmmsg(pair[0], NULL, 1, 0), -EINVAL);
    assert_code(ll_socket_sendmmsg(pair[0], out, COUNT, 0), COUNT);
    assert_code(ll_socket_recvmmsg(pair[1], in, 10, 0), 10);
    assert_code(ll_socket_recvmmsg(pair[1], in + 10, COUNT, 0), COUNT - 10); /* asked for more: does not wait */
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(out[i].length, i % 4 + 1);
        assert_int_equal(in[i].length, i % 4 + 1);
        assert_memory_equal(got[i], text[i], in[i].length);
    }
    ll_socket_settimeout(pair[1], 0.01);
    assert_code(ll_socket_recvmmsg(pair[1], in, 2, 0), LL_ETIMEOUT);
    in[1].control_capacity = 4;
    assert_code(ll_socket_recvmmsg(pair[1], in, 2, 0), -EINVAL);
    ll_socket_close(pair[1]);
    assert_code(ll_socket_sendmmsg(pair[0], out, 2, 0), -EPIPE);
    free_pair(pair);
}

/* Descriptors in one of many messages, cut: closed as well. */
static void many_messages_cut(void **state) {
    (void)state;
    ll_socket *pair[2];
    int fds[3];
    char bytes[2];
    unix_pair(pair, SOCK_SEQPACKET);
    make_descriptors(fds, 3);
    assert_code(ll_socket_send_fds(pair[0], "x", 1, fds, 3, 0), 1);
    assert_code(ll_socket_send(pair[0], "y", 1, 0), 1);
    close_all(fds, 3);
    int before = open_descriptors();
    LL_CONTROL_BUFFER(control, 24);
    struct iovec in_parts[2] = {{bytes, 1}, {bytes + 1, 1}};
    struct ll_message in[2] = {
        {.parts = &in_parts[0], .part_count = 1, .control = control, .control_capacity = sizeof control},
        {.parts = &in_parts[1], .part_count = 1},
    };
    assert_code(ll_socket_recvmmsg(pair[1], in, 2, 0), 2);
    assert_true((in[0].flags & MSG_CTRUNC) && in[1].flags == 0);
    assert_memory_equal(bytes, "xy", 2);
    assert_int_equal(open_descriptors(), before);
    free_pair(pair);
}

#define checked(test) cmocka_unit_test_setup_teardown(test, check_descriptors, no_descriptor_left)
int main(void) {
    const struct CMUnitTest tests[] = {
        checked(parts),
        checked(datagram_addresses_and_flags),
        checked(many_descriptors),
        checked(descriptors_misuse),
        checked(cut_ancillary_data),
        checked(descriptors_nobody_took),
        checked(credentials),
        checked(ip_items),
        checked(wanting_items),
        checked(many_messages),
        checked(many_messages_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
