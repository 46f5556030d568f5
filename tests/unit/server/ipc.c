/* landline/server/ipc.h: messages and descriptors through a socket pair, and a peer that breaks the rules. */
#include "landline/server/ipc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void open_pair(struct ipc *keeper, struct ipc *gate) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    ipc_init(keeper, ends[0], IPC_FROM_KEEPER);
    ipc_init(gate, ends[1], IPC_FROM_GATE);
}

static void both_ways(void **state) {
    (void)state;
    struct ipc keeper, gate;
    struct ipc_message m;
    open_pair(&keeper, &gate);
    ipc_send_u64(&keeper, IPC_PRODUCED, 2, 7, 9, 0x0102030405060708ULL);
    ipc_send_bytes(&keeper, IPC_RESULT, 7, 9, "result", 6);
    assert_false(ipc_flush(&keeper));
    ipc_fill(&gate);
    assert_int_equal(ipc_next(&gate, &m), 1);
    assert_true(m.type == IPC_PRODUCED && m.channel == 2 && m.connection == 7 && m.stream == 9 && m.fd == -1);
    struct reader r = reader_of(m.payload.data, m.payload.size);
    assert_true(reader_u64(&r) == 0x0102030405060708ULL && reader_end(&r) == 0);
    assert_int_equal(ipc_next(&gate, &m), 1);
    assert_memory_equal(m.payload.data, "result", 6);
    assert_int_equal(ipc_next(&gate, &m), 0);
    ipc_send_bytes(&gate, IPC_DONE, 7, 9, NULL, 0);
    ipc_flush(&gate);
    ipc_fill(&keeper);
    assert_int_equal(ipc_next(&keeper, &m), 1);
    assert_int_equal(m.type, IPC_DONE);
    ipc_free(&gate);
    ipc_fill(&keeper);
    assert_true(keeper.ended);
    ipc_free(&keeper);
}

static void descriptors_keep_their_order(void **state) {
    (void)state;
    struct ipc keeper, gate;
    struct ipc_message m;
    int pipes[3][2];
    open_pair(&keeper, &gate);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
        ipc_send_u64(&keeper, IPC_PRODUCED, 1, 1, i + 1, i);
        size_t mark = ipc_begin(&keeper, IPC_RING, 1, 1, i + 1);
        buf_add_u64(&keeper.out, 4096);
        buf_add_u64(&keeper.out, i);
        assert_int_equal(ipc_finish_with_fd(&keeper, mark, pipes[i][0]), 0);
    }
    ipc_flush(&keeper);
    for (int i = 0; i < 8; i++)
        ipc_fill(&gate);
    for (uint32_t i = 0; i < 3; i++) {
        struct stat sent, got;
        assert_int_equal(ipc_next(&gate, &m), 1);
        assert_int_equal(m.type, IPC_PRODUCED);
        assert_int_equal(ipc_next(&gate, &m), 1);
        assert_true(m.type == IPC_RING && m.stream == i + 1 && m.fd >= 0);
        assert_int_equal(fstat(pipes[i][0], &sent), 0);
        assert_int_equal(fstat(m.fd, &got), 0);
        assert_true(sent.st_ino == got.st_ino);
        assert_true((fcntl(m.fd, F_GETFD) & FD_CLOEXEC) != 0);
        close(m.fd);
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    ipc_free(&gate);
    ipc_free(&keeper);
}

/* What a gate that was taken over might send to the keeper: each ends the conversation, none is delivered. */
static void broken_frames(void **state) {
    (void)state;
    static const uint8_t frames[][16] = {
        {0, 0, 0, 4, 0xee, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1},  /* no such type */
        {0, 0, 0, 12, 0x14, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}, /* the keeper's to say */
        {0, 0, 0, 4, 0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},  /* no stream */
        {0, 0, 0, 4, 0x56, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0},  /* no connection */
        {0, 0, 0, 4, 0x45, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1},  /* a stream where there is none */
        {0, 0, 0, 5, 0x56, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1},  /* too long */
        {0, 0, 0, 3, 0x56, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1},  /* shorter than its own head */
        {0xff, 0xff, 0xff, 0xff, 0x51, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1},
        {0, 0, 0, 4, 0x56, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}, /* no such channel */
        {0, 0, 0, 4, 0x56, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}, /* flags */
    };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct ipc keeper, gate;
        struct ipc_message m;
        open_pair(&keeper, &gate);
        assert_int_equal(send(gate.fd, frames[i], sizeof frames[i], 0), sizeof frames[i]);
        ipc_fill(&keeper);
        assert_int_equal(ipc_next(&keeper, &m), 0);
        assert_true(keeper.ended);
        ipc_free(&gate);
        ipc_free(&keeper);
    }
}

static void cut_anywhere(void **state) {
    (void)state;
    struct ipc keeper, gate, other;
    struct ipc_message m;
    open_pair(&keeper, &gate);
    ipc_init(&other, -1, IPC_FROM_GATE);
    ipc_send_bytes(&other, IPC_CONTROL, 1, 2, "abc", 3);
    ipc_send_u64(&other, IPC_ACKED, 1, 1, 2, 5);
    int seen = 0;
    for (size_t i = 0; i < buf_size(&other.out); i++) {
        assert_int_equal(send(gate.fd, buf_front(&other.out) + i, 1, 0), 1);
        ipc_fill(&keeper);
        while (ipc_next(&keeper, &m) == 1)
            seen = seen * 10 + (m.type == IPC_CONTROL ? 1 : 2);
    }
    assert_int_equal(seen, 12);
    assert_false(keeper.ended);
    ipc_free(&other);
    ipc_free(&gate);
    ipc_free(&keeper);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(descriptors_keep_their_order),
        cmocka_unit_test(broken_frames),
        cmocka_unit_test(cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
