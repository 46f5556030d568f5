#include "landline/transfer/lines.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "landline/error.h"

void lines_begin(struct lines *lines, struct ring *first, int control) {
    *lines = (struct lines){.first = first, .control = control};
}

static void leave(struct line *line) {
    if (line->ring.map == NULL)
        return;
    ring_close(&line->ring);
    close(line->ring.bell);
}

void lines_end(struct lines *lines) {
    for (unsigned i = 1; i < TREE_STREAMS; i++)
        leave(&lines->joined[i]);
}

/* Takes both descriptors. One that was not used has ended, or its number would not come again. */
static void join(struct lines *lines, uint8_t number, int bell, int memory) {
    struct line *line = &lines->joined[number % TREE_STREAMS];
    bool fits = line != &lines->joined[0] && !line->used;
    if (fits)
        leave(line);
    if (fits && ring_open(&line->ring, memory, bell, false) == 0)
        line->was = true;
    else
        close(bell);
    close(memory);
}

/* All that wait to join. */
static void take(struct lines *lines) {
    uint8_t number;
    int bell, memory, e = 0;
    while (lines->control >= 0 && e == 0) {
        e = ring_receive_end(lines->control, &number, &bell, &memory);
        if (e == 0)
            join(lines, number, bell, memory);
        else if (e != -EAGAIN && e != -EINTR)
            lines->control = -1;
    }
}

static struct ring *ring_of(const struct lines *lines, unsigned number) {
    struct ring *ring = number == 0 ? lines->first : (struct ring *)(uintptr_t)&lines->joined[number].ring;
    return ring->map != NULL ? ring : NULL;
}

int lines_use(struct lines *lines, unsigned number, struct ring **ring) {
    take(lines);
    *ring = ring_of(lines, number);
    if (*ring == NULL)
        return lines->joined[number].was ? LL_ELOST : LL_EPROTOCOL;
    lines->joined[number].used = true;
    return 0;
}

int lines_next(const struct lines *lines, unsigned after, size_t want, unsigned *number) {
    for (unsigned i = 1; i <= TREE_STREAMS; i++) {
        const struct ring *ring = ring_of(lines, *number = (after + i) % TREE_STREAMS);
        int64_t room = ring != NULL ? ring_room(ring) : 0;
        if (room < 0)
            return (int)room;
        if (room >= (int64_t)want)
            return 1;
    }
    return 0;
}

bool lines_want_room(struct lines *lines, size_t room) {
    bool wait = true;
    for (unsigned i = 0; i < TREE_STREAMS; i++) {
        struct ring *ring = ring_of(lines, i);
        if (ring != NULL && !ring_want_room(ring, room))
            wait = false;
    }
    return wait;
}

bool lines_wait(struct lines *lines) {
    struct pollfd p[TREE_STREAMS + 1];
    bool good = true;
    for (unsigned i = 0; i < TREE_STREAMS; i++) {
        const struct ring *ring = ring_of(lines, i);
        p[i] = (struct pollfd){.fd = ring != NULL ? ring->bell : -1, .events = POLLIN};
    }
    p[TREE_STREAMS] = (struct pollfd){.fd = lines->control, .events = POLLIN};
    while (poll(p, TREE_STREAMS + 1, -1) < 0 && errno == EINTR)
        continue;
    for (unsigned i = 0; i < TREE_STREAMS; i++) {
        if (p[i].revents == 0 || ring_hear(ring_of(lines, i)))
            continue;
        if (i > 0 && !lines->joined[i].used)
            leave(&lines->joined[i]); /* nobody misses it */
        else
            good = false;
    }
    if (p[TREE_STREAMS].revents != 0)
        take(lines);
    return good;
}
