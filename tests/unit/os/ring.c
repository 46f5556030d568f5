/* lib/os/ring.h: both ends in one process, two threads, and an other side that lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/os/ring.h"

enum { CONTROL = 64 << 10, WRITTEN_0 = 0, TAKEN_0 = 64, WRITTEN_1 = 128, TAKEN_1 = 192 };

struct two {
    int bells[2], memory;
    struct ring ends[2];
};

static int setup(void **state) {
    struct two *t = calloc(1, sizeof *t);
    assert_non_null(t);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, t->bells), 0);
    t->memory = ring_memory(RING_SIZE);
    assert_true(t->memory >= 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ring_open(&t->ends[i], t->memory, t->bells[i], i == 0), 0);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    struct two *t = *state;
    for (int i = 0; i < 2; i++) {
        ring_close(&t->ends[i]);
        ring_close(&t->ends[i]); /* harmless */
        close(t->bells[i]);
    }
    close(t->memory);
    free(t);
    return 0;
}

static void write_bytes(struct ring *r, const void *bytes, size_t n) {
    assert_true(ring_room(r) >= (int64_t)n);
    memcpy(ring_back(r), bytes, n);
    ring_put(r, n);
}

/* Pieces of odd sizes, past the end of the memory many times; each lies in one piece. */
static void test_pieces_at_every_place(void **state) {
    struct two *t = *state;
    static uint8_t piece[100003];
    for (int way = 0; way < 2; way++) {
        struct ring *from = &t->ends[way], *to = &t->ends[1 - way];
        for (unsigned round = 0; round < 50; round++) {
            size_t n = 1 + (round * 7919) % sizeof piece;
            memset(piece, (int)round, n);
            write_bytes(from, piece, n);
            assert_int_equal(ring_readable(to), n);
            assert_memory_equal(ring_front(to), piece, n);
            ring_take(to, n);
            assert_int_equal(ring_readable(to), 0);
            assert_int_equal(ring_room(from), RING_SIZE);
        }
    }
}

static void test_full_and_empty(void **state) {
    struct two *t = *state;
    struct ring *from = &t->ends[0], *to = &t->ends[1];
    memset(ring_back(from), 'x', RING_SIZE - 1);
    ring_put(from, RING_SIZE - 1);
    assert_int_equal(ring_room(from), 1);
    ring_put(from, 1);
    assert_int_equal(ring_room(from), 0);
    assert_int_equal(ring_readable(to), RING_SIZE);
    assert_true(ring_want_room(from, 1));
    ring_take(to, RING_SIZE / 2 - 1); /* not worth waking anybody */
    assert_true(ring_hear(from));
    assert_int_equal(recv(t->bells[0], &(char){0}, 1, MSG_DONTWAIT), -1);
    ring_take(to, 1);
    assert_int_equal(recv(t->bells[0], &(char){0}, 1, MSG_DONTWAIT), 1);
    assert_false(ring_want_room(from, RING_SIZE / 2));
}

/* Who needs more than half is woken when it is there, and not before. */
static void test_as_much_as_is_wanted(void **state) {
    struct two *t = *state;
    struct ring *from = &t->ends[0], *to = &t->ends[1];
    ring_put(from, RING_SIZE);
    assert_true(ring_want_room(from, RING_SIZE - 1000));
    ring_take(to, RING_SIZE - 1001);
    assert_int_equal(recv(t->bells[0], &(char){0}, 1, MSG_DONTWAIT), -1);
    ring_take(to, 1);
    assert_int_equal(recv(t->bells[0], &(char){0}, 1, MSG_DONTWAIT), 1);
    assert_false(ring_want_room(from, RING_SIZE - 1000));
}

/* Rings of other sizes, whose second end shares the first one's mapping. */
static void test_sizes(void **state) {
    struct two *t = *state;
    for (size_t size = RING_STEP; size <= 4 * RING_STEP; size += RING_STEP) {
        struct ring a, b;
        int memory = ring_memory(size);
        assert_true(memory >= 0);
        assert_int_equal(ring_open(&a, memory, t->bells[0], true), 0);
        ring_open_beside(&b, &a, t->bells[1]);
        close(memory);
        assert_int_equal(ring_room(&a), size);
        for (size_t round = 0; round < 10; round++) {
            size_t n = size - 1000 * round;
            memset(ring_back(&a), (int)round, n);
            ring_put(&a, n);
            assert_int_equal(ring_readable(&b), n);
            assert_true(ring_front(&b)[0] == round && ring_front(&b)[n - 1] == round);
            ring_take(&b, n);
            write_bytes(&b, "answer", 6);
            assert_memory_equal(ring_front(&a), "answer", 6);
            ring_take(&a, 6);
        }
        ring_close(&b);
        assert_int_equal(ring_room(&a), size); /* still there */
        ring_close(&a);
    }
    const size_t wrong[] = {0, RING_STEP - 4096, RING_STEP + 4096, RING_SIZE + RING_STEP};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ring a;
        int memory = ring_memory(wrong[i]);
        assert_true(memory >= 0);
        assert_int_equal(ring_open(&a, memory, t->bells[0], true), -EINVAL);
        close(memory);
    }
}

static void test_a_reader_is_woken_once(void **state) {
    struct two *t = *state;
    struct ring *from = &t->ends[0], *to = &t->ends[1];
    char rung[8];
    assert_true(ring_want_bytes(to, 0));
    write_bytes(from, "a", 1);
    write_bytes(from, "b", 1);
    ring_tell(from);
    ring_tell(from);
    assert_int_equal(recv(t->bells[1], rung, sizeof rung, MSG_DONTWAIT), 1);
    assert_false(ring_want_bytes(to, 0)); /* there are some */
    assert_true(ring_want_bytes(to, 2));
    assert_false(ring_has_ended(to));
    ring_end(from);
    assert_true(ring_has_ended(to));
    assert_int_equal(recv(t->bells[1], rung, sizeof rung, MSG_DONTWAIT), 1);
    assert_false(ring_want_bytes(to, 2)); /* nothing to wait for */
}

/* Each end tells before it waits. With nothing new that must not wake the other, which would do the same, and so on. */
static void test_two_that_wait_stay_asleep(void **state) {
    struct two *t = *state;
    char rung[8];
    for (int i = 0; i < 2; i++)
        assert_true(ring_want_bytes(&t->ends[i], 0));
    for (int i = 0; i < 2; i++) {
        ring_tell(&t->ends[i]);
        ring_tell_of_much(&t->ends[i]);
        assert_true(ring_want_room(&t->ends[i], RING_SIZE + 1));
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(recv(t->bells[i], rung, sizeof rung, MSG_DONTWAIT), -1);
    /* What was told before anybody waited is found without a bell, and what is new rings. */
    write_bytes(&t->ends[0], "a", 1);
    ring_tell(&t->ends[0]);
    assert_int_equal(recv(t->bells[1], rung, sizeof rung, MSG_DONTWAIT), 1);
    write_bytes(&t->ends[0], "b", 1);
    ring_tell(&t->ends[0]);
    assert_int_equal(recv(t->bells[1], rung, sizeof rung, MSG_DONTWAIT), -1);
    assert_false(ring_want_bytes(&t->ends[1], 1));
    assert_true(ring_want_bytes(&t->ends[1], 2));
    write_bytes(&t->ends[0], "c", 1);
    ring_tell(&t->ends[0]);
    assert_int_equal(recv(t->bells[1], rung, sizeof rung, MSG_DONTWAIT), 1);
}

static void test_the_other_side_goes(void **state) {
    struct two *t = *state;
    assert_true(ring_hear(&t->ends[0]));
    shutdown(t->bells[1], SHUT_RDWR);
    assert_false(ring_hear(&t->ends[0]));
    assert_false(ring_wait(&t->ends[0]));
}

/* Whatever the other side writes into its words, an end finds LL_EPROTOCOL, never more than its memory. */
static void test_an_other_side_that_lies(void **state) {
    struct two *t = *state;
    static const uint64_t lies[] = {RING_SIZE + 1, UINT64_MAX / 2, (uint64_t)RING_SIZE << 32, UINT64_MAX - RING_SIZE};
    uint8_t *words = mmap(NULL, CONTROL, PROT_READ | PROT_WRITE, MAP_SHARED, t->memory, 0);
    assert_true(words != MAP_FAILED);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        memcpy(words + WRITTEN_1, &lies[i], sizeof *lies);
        assert_int_equal(ring_readable(&t->ends[0]), LL_EPROTOCOL);
        memcpy(words + TAKEN_0, &lies[i], sizeof *lies);
        assert_int_equal(ring_room(&t->ends[0]), LL_EPROTOCOL);
        assert_false(ring_want_room(&t->ends[0], 1)); /* no waiting for a liar */
    }
    memset(words, 0, CONTROL);
    assert_int_equal(ring_readable(&t->ends[0]), 0);
    munmap(words, CONTROL);
}

static void test_only_its_own_memory(void **state) {
    struct two *t = *state;
    struct ring other;
    int fd = memfd_create("other", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, RING_SIZE), 0);
    assert_int_equal(ring_open(&other, fd, t->bells[0], true), -EINVAL);
    assert_null(other.map);
    close(fd);
    assert_int_equal(ring_open(&other, -1, t->bells[0], true), -EBADF);
    assert_int_equal(ftruncate(t->memory, 0), -1); /* it cannot be cut off */
    assert_int_equal(ftruncate(t->memory, 1 << 30), -1);
}

static void test_over_a_bell(void **state) {
    struct two *t = *state;
    assert_int_equal(ring_receive(t->bells[0]), -EAGAIN);
    assert_int_equal(ring_send(t->bells[1], t->memory), 0);
    int fd = ring_receive(t->bells[0]);
    assert_true(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(fd);
    assert_int_equal(send(t->bells[1], "x", 1, 0), 1);
    assert_int_equal(ring_receive(t->bells[0]), -EPROTO);
    shutdown(t->bells[1], SHUT_RDWR);
    assert_int_equal(ring_receive(t->bells[0]), LL_ELOST);
    assert_true(ring_send(t->bells[1], t->memory) < 0);
}

static void test_a_whole_end(void **state) {
    struct two *t = *state;
    uint8_t number = 0;
    int bell = -1, memory = -1, pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(ring_receive_end(t->bells[0], &number, &bell, &memory), -EAGAIN);
    assert_int_equal(ring_send_end(t->bells[1], 7, pair[1], t->memory), 0);
    assert_int_equal(ring_send_end(t->bells[1], 3, pair[1], t->memory), 0);
    for (int i = 0; i < 2; i++) { /* one at a time, in their order */
        struct ring ring;
        assert_int_equal(ring_receive_end(t->bells[0], &number, &bell, &memory), 0);
        assert_int_equal(number, i == 0 ? 7 : 3);
        assert_true((fcntl(bell, F_GETFD) & FD_CLOEXEC) != 0 && (fcntl(memory, F_GETFD) & FD_CLOEXEC) != 0);
        assert_int_equal(ring_open(&ring, memory, bell, false), 0);
        ring_close(&ring);
        close(bell);
        close(memory);
    }
    assert_int_equal(ring_send(t->bells[1], t->memory), 0); /* one descriptor is no end … */
    assert_int_equal(ring_receive_end(t->bells[0], &number, &bell, &memory), -EPROTO);
    assert_int_equal(ring_send_end(t->bells[1], 7, pair[1], t->memory), 0);
    assert_int_equal(ring_receive(t->bells[0]), -EPROTO); /* … and an end no memory */
    shutdown(t->bells[1], SHUT_RDWR);
    assert_int_equal(ring_receive_end(t->bells[0], &number, &bell, &memory), LL_ELOST);
    close(pair[0]);
    close(pair[1]);
}

/* --- two threads --- */

enum { TOTAL = 32 << 20, LONGEST = 300000 };

static uint8_t byte_at(size_t place) {
    return (uint8_t)((uint32_t)place * 2654435761U >> 24);
}

static void *produce(void *arg) {
    struct ring *r = arg;
    uint32_t random = 1;
    for (size_t sent = 0; sent < TOTAL;) {
        random = random * 1664525 + 1013904223;
        size_t n = 1 + random % LONGEST;
        n = n < TOTAL - sent ? n : TOTAL - sent;
        while (ring_room(r) < (int64_t)n)
            if (ring_want_room(r, n))
                ring_wait(r);
        for (size_t i = 0; i < n; i++)
            ring_back(r)[i] = byte_at(sent + i);
        ring_put(r, n);
        ring_tell(r);
        sent += n;
    }
    ring_end(r);
    return NULL;
}

static void test_two_threads(void **state) {
    struct two *t = *state;
    struct ring *r = &t->ends[1];
    pthread_t thread;
    size_t got = 0;
    assert_int_equal(pthread_create(&thread, NULL, produce, &t->ends[0]), 0);
    for (;;) {
        bool ended = ring_has_ended(r);
        int64_t n = ring_readable(r);
        assert_true(n >= 0);
        if (n == 0 && ended)
            break;
        if (n == 0 && ring_want_bytes(r, 0))
            ring_wait(r);
        size_t wrong = 0;
        for (int64_t i = 0; i < n; i++)
            wrong += ring_front(r)[i] != byte_at(got + (size_t)i);
        assert_int_equal(wrong, 0);
        got += (size_t)n;
        ring_take(r, (size_t)n);
    }
    pthread_join(thread, NULL);
    assert_int_equal(got, TOTAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pieces_at_every_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_and_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_as_much_as_is_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reader_is_woken_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_that_wait_stay_asleep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_other_side_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_other_side_that_lies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_its_own_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_over_a_bell, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_whole_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_threads, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
