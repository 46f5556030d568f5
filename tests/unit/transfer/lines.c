/* Records over several streams: in the order in which they were written, whatever each stream does. Between the two engines' rings
 * stand threads, which move bytes like a gate and a client. */
#include "landline/transfer/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "landline/error.h"
#include "landline/transfer/io.h"

enum { SOURCE, SINK, SIDES };

/* One stream: a ring at either side, and who moves between them. */
struct stream {
    struct ring ours[SIDES];
    int bells[SIDES][2]; /* the engine's, ours */
    int memory[SIDES];
    size_t piece; /* at most so many bytes are moved at once */
    int first[2]; /* a pipe: written to when something has gone to the sink */
    pthread_t mover;
};

struct world {
    struct ring first[SIDES];
    struct lines lines[SIDES];
    struct transfer_io io[SIDES];
    int control[SIDES][2]; /* ours, the engine's */
    struct stream streams[TREE_STREAMS];
    bool moving[TREE_STREAMS];
};

static bool move(struct ring *from, struct ring *to, size_t most) {
    int64_t n = ring_readable(from), room = ring_room(to);
    assert_true(n >= 0 && room >= 0);
    n = n < room ? n : room;
    n = n < (int64_t)most ? n : (int64_t)most;
    if (n == 0)
        return false;
    memcpy(ring_back(to), ring_front(from), (size_t)n);
    ring_put(to, (size_t)n);
    ring_take(from, (size_t)n);
    ring_tell(to);
    return true;
}

/* Nothing can be moved that way, and the bell will ring when something can. */
static bool may_wait(struct ring *from, struct ring *to) {
    return ring_readable(from) > 0 ? ring_want_room(to, 1) : ring_want_bytes(from, 0);
}

/* Until one of the engines has gone; then the other hears of it. */
static void *mover(void *arg) {
    struct stream *s = arg;
    struct ring *a = &s->ours[SOURCE], *b = &s->ours[SINK];
    for (bool alive = true, told = false; alive;) {
        bool down = move(a, b, s->piece), up = move(b, a, s->piece);
        if (down && !told)
            told = write(s->first[1], "", 1) == 1;
        if (down || up)
            continue;
        bool idle = may_wait(a, b);
        if (!may_wait(b, a) || !idle)
            continue;
        struct pollfd p[] = {{.fd = a->bell, .events = POLLIN}, {.fd = b->bell, .events = POLLIN}};
        assert_true(poll(p, 2, -1) > 0);
        alive = (p[0].revents == 0 || ring_hear(a)) && (p[1].revents == 0 || ring_hear(b));
    }
    shutdown(a->bell, SHUT_RDWR);
    shutdown(b->bell, SHUT_RDWR);
    return NULL;
}

static void open_stream(struct world *w, unsigned number, size_t piece) {
    struct stream *s = &w->streams[number];
    s->piece = piece;
    assert_int_equal(pipe(s->first), 0);
    for (int side = 0; side < SIDES; side++) {
        s->memory[side] = ring_memory(RING_SIZE);
        assert_true(s->memory[side] >= 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->bells[side]), 0);
        assert_int_equal(ring_open(&s->ours[side], s->memory[side], s->bells[side][1], true), 0);
    }
    assert_int_equal(pthread_create(&s->mover, NULL, mover, s), 0);
    w->moving[number] = true;
}

/* Lets one side know of it. */
static void join(struct world *w, unsigned number, int side) {
    struct stream *s = &w->streams[number];
    assert_int_equal(ring_send_end(w->control[side][0], (uint8_t)number, s->bells[side][0], s->memory[side]), 0);
    close(s->bells[side][0]);
    s->bells[side][0] = -1;
}

static void lose(struct world *w, unsigned number) {
    struct stream *s = &w->streams[number];
    if (!w->moving[number])
        return;
    shutdown(s->bells[SOURCE][1], SHUT_RDWR);
    shutdown(s->bells[SINK][1], SHUT_RDWR);
    pthread_join(s->mover, NULL);
    w->moving[number] = false;
}

static int set_up(void **state) {
    static struct world worlds[1];
    struct world *w = worlds;
    memset(w, 0, sizeof *w);
    open_stream(w, 0, 3000);
    for (int side = 0; side < SIDES; side++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w->control[side]), 0);
        assert_int_equal(ring_open(&w->first[side], w->streams[0].memory[side], w->streams[0].bells[side][0], false),
                         0);
        lines_begin(&w->lines[side], &w->first[side], w->control[side][1]);
        assert_int_equal(transfer_io_init_lines(&w->io[side], &w->lines[side]), 0);
    }
    w->io[SOURCE].spreads = true;
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    for (int side = 0; side < SIDES; side++) {
        transfer_io_free(&w->io[side]);
        lines_end(&w->lines[side]);
    }
    for (unsigned i = 0; i < TREE_STREAMS; i++) {
        lose(w, i);
        struct stream *s = &w->streams[i];
        if (s->ours[SOURCE].map == NULL)
            continue;
        for (int side = 0; side < SIDES; side++) {
            close(s->first[side]);
            ring_close(&s->ours[side]);
            close(s->memory[side]);
            close(s->bells[side][1]);
            if (s->bells[side][0] >= 0)
                close(s->bells[side][0]);
        }
    }
    for (int side = 0; side < SIDES; side++) {
        ring_close(&w->first[side]);
        close(w->control[side][0]);
        close(w->control[side][1]);
    }
    return 0;
}

/* ---- records ---- */

enum { RECORDS = 600 };

static uint32_t next_random(uint32_t *r) {
    *r = *r * 1664525 + 1013904223;
    return *r >> 8;
}

static size_t length_of(uint32_t *r) {
    return 1 + next_random(r) % (next_random(r) % 4 == 0 ? TREE_PIECE : 300);
}

static void fill(uint8_t *bytes, size_t n, uint32_t r) {
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(next_random(&r));
}

struct sending {
    struct world *w;
    int result;
};

/* In every way there is to write one. */
static void *send_all(void *arg) {
    struct sending *s = arg;
    struct transfer_io *io = &s->w->io[SOURCE];
    static uint8_t bytes[TREE_PIECE];
    uint32_t r = 1;
    for (unsigned i = 0; i < RECORDS && s->result == 0; i++) {
        size_t n = length_of(&r);
        fill(bytes, n, i);
        uint8_t *place;
        if (i % 3 == 0 && n > 0 && (place = transfer_io_reserve(io, n)) != NULL) {
            memcpy(place, bytes, n);
            transfer_io_commit(io, TREE_DATA, n);
        } else if (i % 3 == 0) {
            s->result = LL_ELOST;
        } else if (i % 3 == 1) {
            s->result = transfer_io_send(io, TREE_DATA, (struct slice){bytes, 1}, (struct slice){bytes + 1, n - 1});
        } else {
            size_t mark = tree_begin(&io->writing, TREE_PACKED);
            buf_add(&io->writing, bytes, n);
            tree_finish(&io->writing, mark);
            s->result = transfer_io_settle(io);
        }
    }
    if (s->result == 0)
        s->result = transfer_io_flush(io);
    uint8_t kind;
    struct slice payload;
    if (s->result == 0) /* the answer, on the first stream */
        s->result = transfer_io_next(io, true, &kind, &payload) == 1 && kind == TREE_SUMMARY ? 0 : LL_ELOST;
    return NULL;
}

/* How many came before the end, each as it was sent. */
static unsigned receive_all(struct world *w, int *result) {
    static uint8_t bytes[TREE_PIECE];
    struct transfer_io *io = &w->io[SINK];
    uint8_t kind;
    struct slice payload;
    uint32_t r = 1;
    unsigned i = 0;
    while (i < RECORDS && (*result = transfer_io_next(io, true, &kind, &payload)) == 1) {
        size_t n = length_of(&r);
        assert_int_equal(payload.size, n);
        assert_int_equal(kind, i % 3 == 2 ? TREE_PACKED : TREE_DATA);
        fill(bytes, n, i);
        assert_memory_equal(payload.data, bytes, n);
        i++;
    }
    if (i == RECORDS) {
        tree_put_summary(&io->writing, &(struct tree_summary){0});
        *result = transfer_io_flush(io);
    }
    return i;
}

static unsigned used(const struct lines *lines) {
    unsigned n = 0;
    for (unsigned i = 1; i < TREE_STREAMS; i++)
        n += lines->joined[i].used;
    return n;
}

static void in_their_order(void **state) {
    struct world *w = *state;
    struct sending s = {.w = w};
    struct pollfd other[TREE_STREAMS] = {{.fd = -1}};
    pthread_t thread;
    int result;
    for (unsigned i = 1; i < TREE_STREAMS; i++) { /* fast and slow ones */
        open_stream(w, i, 1000 * i);
        join(w, i, SINK);
        join(w, i, SOURCE);
        other[i] = (struct pollfd){.fd = w->streams[i].first[0], .events = POLLIN};
    }
    assert_int_equal(pthread_create(&thread, NULL, send_all, &s), 0);
    assert_true(poll(other, TREE_STREAMS, -1) > 0); /* while nobody reads, the first one fills */
    assert_int_equal(receive_all(w, &result), RECORDS);
    pthread_join(thread, NULL);
    assert_int_equal(result, 0);
    assert_int_equal(s.result, 0);
    assert_true(used(&w->lines[SOURCE]) >= 1);
    assert_int_equal(used(&w->lines[SOURCE]), used(&w->lines[SINK]));
}

static void one_alone(void **state) {
    struct world *w = *state;
    struct sending s = {.w = w};
    pthread_t thread;
    int result;
    assert_int_equal(pthread_create(&thread, NULL, send_all, &s), 0);
    assert_int_equal(receive_all(w, &result), RECORDS);
    pthread_join(thread, NULL);
    assert_true(result == 0 && s.result == 0 && used(&w->lines[SOURCE]) == 0);
}

/* A stream that comes while the source waits for room is used at once, and its loss ends both sides. */
static void joined_late_and_lost(void **state) {
    struct world *w = *state;
    struct sending s = {.w = w};
    pthread_t thread;
    int result = 0;
    assert_int_equal(pthread_create(&thread, NULL, send_all, &s), 0); /* nobody reads: it waits */
    open_stream(w, 3, 100000);
    join(w, 3, SINK);
    join(w, 3, SOURCE);
    char byte; /* … and goes on there */
    assert_int_equal(read(w->streams[3].first[0], &byte, 1), 1);
    lose(w, 3);
    unsigned n = receive_all(w, &result);
    assert_true(n > 0 && n < RECORDS);
    assert_true(result == LL_ELOST || result == LL_EOF);
    lose(w, 0);
    pthread_join(thread, NULL);
    assert_int_equal(s.result, LL_ELOST);
}

static void an_unused_one_is_not_missed(void **state) {
    struct world *w = *state;
    struct sending s = {.w = w};
    pthread_t thread;
    int result;
    open_stream(w, 2, 1000);
    join(w, 2, SINK); /* the source never hears of it */
    struct ring *ring;
    assert_false(w->lines[SINK].joined[2].was);
    lose(w, 2);
    assert_int_equal(pthread_create(&thread, NULL, send_all, &s), 0);
    assert_int_equal(receive_all(w, &result), RECORDS);
    pthread_join(thread, NULL);
    assert_true(result == 0 && s.result == 0);
    assert_int_equal(lines_use(&w->lines[SINK], 2, &ring), LL_ELOST);
    assert_int_equal(lines_use(&w->lines[SINK], 3, &ring), LL_EPROTOCOL);
}

/* ---- a source that lies ---- */

static void say_turn(struct world *w, const void *payload, size_t n) {
    struct transfer_io *io = &w->io[SOURCE];
    io->lines = NULL; /* this test chooses */
    size_t mark = tree_begin(&io->writing, TREE_TURN);
    buf_add(&io->writing, payload, n);
    tree_finish(&io->writing, mark);
    assert_int_equal(transfer_io_flush(io), 0);
}

static void turns_that_are_none(void **state) {
    static const struct {
        const char *payload;
        size_t n;
        int result;
    } cases[] = {
        {"", 0, LL_EFORMAT},     {"\1\1", 2, LL_EFORMAT}, {"\x08", 1, LL_EFORMAT},
        {"\xff", 1, LL_EFORMAT}, {"\1", 1, LL_EPROTOCOL}, {"\7", 1, LL_EPROTOCOL},
    };
    uint8_t kind;
    struct slice payload;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *w = *state;
        say_turn(w, cases[i].payload, cases[i].n);
        assert_int_equal(transfer_io_next(&w->io[SINK], true, &kind, &payload), cases[i].result);
        tear_down(state);
        set_up(state);
    }
}

static void a_turn_that_is_not_taken(void **state) {
    struct world *w = *state;
    uint8_t kind;
    struct slice payload;
    open_stream(w, 4, 1000);
    join(w, 4, SINK);
    say_turn(w, "\4", 1);
    char byte; /* until it is there */
    assert_int_equal(read(w->streams[0].first[0], &byte, 1), 1);
    assert_int_equal(transfer_io_next(&w->io[SINK], false, &kind, &payload), 0);
    lose(w, 4);
    assert_int_equal(transfer_io_next(&w->io[SINK], true, &kind, &payload), LL_EOF);
    struct ring *ring;
    open_stream(w, 5, 1000); /* its number does not come back */
    assert_int_equal(ring_send_end(w->control[SINK][0], 4, w->streams[5].bells[SINK][0], w->streams[5].memory[SINK]),
                     0);
    assert_int_equal(lines_use(&w->lines[SINK], 5, &ring), LL_EPROTOCOL);
}

/* Who is a source takes no turn from the other side. */
static void a_sink_gives_none(void **state) {
    struct world *w = *state;
    uint8_t kind;
    struct slice payload;
    tree_put_turn(&w->io[SINK].writing, 0);
    assert_int_equal(transfer_io_flush(&w->io[SINK]), 0);
    assert_int_equal(transfer_io_next(&w->io[SOURCE], true, &kind, &payload), 1);
    assert_int_equal(kind, TREE_TURN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(joined_late_and_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unused_one_is_not_missed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(turns_that_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_turn_that_is_not_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sink_gives_none, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
