/* landline/message.h: ancillary data, raw and typed, without a socket. */
#include "landline/message.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/net/support.h"

#define MESSAGE(name, size)                                                                                            \
    LL_CONTROL_BUFFER(name##_control, size);                                                                           \
    struct ll_message name = {.control = name##_control, .control_capacity = sizeof name##_control}

static void raw_items(void **state) {
    (void)state;
    MESSAGE(m, 256);
    struct ll_control_item item = {0};
    assert_code(ll_control_next(&m, &item), 0);
    assert_code(ll_control_add(&m, 1, 2, "abc", 3), 0);
    assert_code(ll_control_add(&m, 3, 4, NULL, 0), 0);
    assert_code(ll_control_add(&m, 5, 6, "0123456789", 10), 0);
    assert_int_equal(m.control_length, ll_control_space(3) + ll_control_space(0) + ll_control_space(10));
    static const struct {
        int level, type;
        size_t size;
    } wanted[] = {{1, 2, 3}, {3, 4, 0}, {5, 6, 10}};
    for (size_t i = 0; i < 3; i++) {
        assert_code(ll_control_next(&m, &item), 1);
        assert_int_equal(item.level, wanted[i].level);
        assert_int_equal(item.type, wanted[i].type);
        assert_int_equal(item.size, wanted[i].size);
    }
    assert_memory_equal(item.data, "0123456789", 10);
    assert_code(ll_control_next(&m, &item), 0);
}

static void room_is_exact(void **state) {
    (void)state;
    for (size_t n = 0; n <= 40; n++) {
        MESSAGE(m, 64);
        m.control_capacity = n;
        int fits = ll_control_space(4) <= n;
        assert_code(ll_control_add(&m, 1, 2, "abcd", 4), fits ? 0 : -ENOBUFS);
        assert_int_equal(m.control_length, fits ? ll_control_space(4) : 0);
        assert_code(ll_control_add(&m, 1, 2, "abcd", SIZE_MAX), -ENOBUFS);
    }
    MESSAGE(m, 64);
    m.control_capacity = 25;
    m.control_length = 25; /* aligned up, it is past the end */
    assert_code(ll_control_add(&m, 1, 2, "a", 1), -ENOBUFS);
}

static void misuse(void **state) {
    (void)state;
    MESSAGE(m, 64);
    struct ll_control_item item = {0};
    int fds[1] = {0};
    assert_code(ll_control_add(NULL, 1, 2, "a", 1), -EINVAL);
    assert_code(ll_control_add(&m, 1, 2, NULL, 1), -EINVAL);
    assert_code(ll_control_next(NULL, &item), -EINVAL);
    assert_code(ll_control_next(&m, NULL), -EINVAL);
    assert_code(ll_control_add_fds(&m, NULL, 1), -EINVAL);
    assert_code(ll_control_add_fds(&m, fds, 0), -EINVAL);
    assert_code(ll_control_add_fds(&m, fds, LL_FDS_MAX + 1), -EINVAL);
    assert_code(ll_control_take_fds(&m, NULL, 1), -EINVAL);
    assert_code(ll_control_take_fds(NULL, fds, 1), -EINVAL);
    assert_code(ll_control_close_fds(NULL), -EINVAL);
    assert_code(ll_control_add_credentials(&m, NULL), -EINVAL);
    assert_code(ll_control_credentials(&m, NULL), -EINVAL);
    assert_code(ll_control_add_packet_info(&m, NULL), -EINVAL);
    assert_code(ll_control_packet_info(&m, NULL), -EINVAL);
    assert_code(ll_control_timestamp(&m, NULL), -EINVAL);
    m.control = (char *)m_control + 1;
    assert_code(ll_control_add(&m, 1, 2, "a", 1), -EINVAL);
    assert_code(ll_control_ttl(&m), -EINVAL);
    m.control = m_control;
    m.control_length = m.control_capacity + 1;
    assert_code(ll_control_next(&m, &item), -EINVAL);
    m.control = NULL;
    m.control_length = 8;
    assert_code(ll_control_next(&m, &item), -EINVAL);
}

/* Control memory that no kernel writes is still not run past. */
static void malformed(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 8, 15, 41, SIZE_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        MESSAGE(m, 64);
        struct ll_control_item item = {0};
        m.control_length = 40;
        struct cmsghdr *h = (struct cmsghdr *)m_control;
        *h = (struct cmsghdr){.cmsg_len = lengths[i], .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        int fds[4];
        struct ll_credentials who;
        assert_code(ll_control_next(&m, &item), LL_EFORMAT);
        assert_code(ll_control_take_fds(&m, fds, 4), LL_EFORMAT);
        assert_code(ll_control_credentials(&m, &who), LL_EFORMAT);
        m.control_length = 9; /* not even a header */
        assert_code(ll_control_next(&m, &item), LL_EFORMAT);
    }
}

static int is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

static void taking_descriptors(void **state) {
    (void)state;
    for (size_t max = 0; max <= 6; max++) {
        MESSAGE(m, 256);
        int given[5], got[6];
        int ttl = 3;
        for (size_t i = 0; i < 5; i++)
            given[i] = dup(0);
        assert_code(ll_control_add(&m, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl), 0);
        assert_code(ll_control_add_fds(&m, given, 2), 0);
        assert_code(ll_control_add_tos(&m, AF_INET, 4), 0);
        assert_code(ll_control_add_fds(&m, given + 2, 3), 0);
        int wanted = max < 5 ? (int)max : 5;
        assert_code(ll_control_take_fds(&m, max > 0 ? got : NULL, max), wanted);
        assert_int_equal((m.flags & MSG_CTRUNC) != 0, max < 5);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(is_open(given[i]), i < wanted);
            if (i < wanted)
                assert_int_equal(close(got[i]), 0);
        }
        assert_code(ll_control_take_fds(&m, got, 6), 0);
        assert_code(ll_control_ttl(&m), 3); /* the others are still there */
        assert_code(ll_control_tos(&m), 4);
    }
    MESSAGE(m, 256);
    int given[2] = {dup(0), dup(0)};
    assert_code(ll_control_add_fds(&m, given, 2), 0);
    assert_code(ll_control_close_fds(&m), 2);
    assert_false(is_open(given[0]) || is_open(given[1]));
    assert_int_equal(m.control_length, 0);
    given[0] = dup(0);
    assert_code(ll_control_add_fds(&m, given, 1), 0);
    m.control_length = 20; /* the padding of the last item may be missing */
    assert_code(ll_control_close_fds(&m), 1);
    assert_int_equal(m.control_length, 0);
}

static void octets(void **state) {
    (void)state;
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2; i++) {
        MESSAGE(m, 256);
        assert_code(ll_control_ttl(&m), -ENOENT);
        assert_code(ll_control_tos(&m), -ENOENT);
        assert_code(ll_control_add_ttl(&m, families[i], 256), -ERANGE);
        assert_code(ll_control_add_ttl(&m, families[i], -1), -ERANGE);
        assert_code(ll_control_add_ttl(&m, families[i], 255), 0);
        assert_code(ll_control_add_tos(&m, families[i], 0), 0);
        assert_code(ll_control_ttl(&m), 255);
        assert_code(ll_control_tos(&m), 0);
    }
    MESSAGE(m, 256);
    assert_code(ll_control_add_ttl(&m, AF_UNIX, 1), LL_EADDRESS);
    unsigned char byte = 0xb8;
    assert_code(ll_control_add(&m, IPPROTO_IP, IP_TOS, &byte, 1), 0);
    assert_code(ll_control_tos(&m), 0xb8);
    MESSAGE(bad, 256);
    assert_code(ll_control_add(&bad, IPPROTO_IP, IP_TOS, "abc", 3), 0);
    assert_code(ll_control_tos(&bad), LL_EFORMAT);
}

static void packet_info(void **state) {
    (void)state;
    struct ll_packet_info in = {.interface_index = 1}, out;
    MESSAGE(four, 256);
    assert_code(ll_control_packet_info(&four, &out), -ENOENT);
    in.address = loopback(AF_INET);
    assert_code(ll_control_add_packet_info(&four, &in), 0);
    assert_code(ll_control_packet_info(&four, &out), 0);
    assert_int_equal(out.interface_index, 1);
    assert_int_equal(ll_address_family(&out.address), AF_INET);
    MESSAGE(six, 256);
    in.address = loopback(AF_INET6);
    assert_code(ll_control_add_packet_info(&six, &in), 0);
    assert_code(ll_control_packet_info(&six, &out), 0);
    assert_true(ll_address_equal(&in.address, &out.address));
    ll_address_unix(&in.address, "x");
    assert_code(ll_control_add_packet_info(&six, &in), LL_EADDRESS);
    MESSAGE(bad, 256);
    assert_code(ll_control_add(&bad, IPPROTO_IPV6, IPV6_PKTINFO, "abc", 3), 0);
    assert_code(ll_control_packet_info(&bad, &out), LL_EFORMAT);
}

static void values(void **state) {
    (void)state;
    MESSAGE(m, 256);
    int64_t when = 5;
    struct timespec time = {.tv_sec = 12, .tv_nsec = 34};
    struct ll_credentials who;
    assert_code(ll_control_timestamp(&m, &when), -ENOENT);
    assert_code(ll_control_credentials(&m, &who), -ENOENT);
    assert_code(ll_control_add(&m, SOL_SOCKET, SO_TIMESTAMPNS, &time, sizeof time), 0);
    assert_code(ll_control_timestamp(&m, &when), 0);
    assert_int_equal(when, 12000000034);
    who = (struct ll_credentials){.pid = 1, .uid = 2, .gid = 3};
    assert_code(ll_control_add_credentials(&m, &who), 0);
    who = (struct ll_credentials){0};
    assert_code(ll_control_credentials(&m, &who), 0);
    assert_true(who.pid == 1 && who.uid == 2 && who.gid == 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_items),
        cmocka_unit_test(room_is_exact),
        cmocka_unit_test(misuse),
        cmocka_unit_test(malformed),
        cmocka_unit_test(taking_descriptors),
        cmocka_unit_test(octets),
        cmocka_unit_test(packet_info),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
