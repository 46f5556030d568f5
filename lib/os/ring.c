#include "lib/os/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the two ends tell each other of one lane; each side's words on a cache line of their own. */
struct ring_lane {
    _Alignas(64) _Atomic uint64_t written; /* by the writer, in all */
    _Atomic uint32_t ended, wants_room;    /* so much; 0: does not wait */
    _Alignas(64) _Atomic uint64_t taken;   /* by the reader, in all */
    _Atomic uint32_t wants_bytes;
};

enum { CONTROL = RING_STEP };

_Static_assert(2 * sizeof(struct ring_lane) <= CONTROL, "both lanes fit before the data, on pages of any size");

int ring_memory(size_t size) {
    int fd = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    /* Who could cut it off would kill the other side with SIGBUS. */
    if (ftruncate(fd, (off_t)(CONTROL + 2 * size)) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    int e = -errno;
    close(fd);
    return e;
}

enum { TOGETHER = 2 };

/* One byte, and with it as many descriptors. */
static int send_fds(int socket, uint8_t word, const int *fds, size_t n) {
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(TOGETHER * sizeof(int))];
    } control = {0};
    struct iovec byte = {&word, 1};
    struct msghdr message = {
        .msg_iov = &byte, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(n * sizeof *fds)};
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);
    *item = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(n * sizeof *fds)};
    memcpy(CMSG_DATA(item), fds, n * sizeof *fds);
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* 0, or as ring_receive(). Another number of descriptors is closed again. */
static int receive_fds(int socket, uint8_t *word, int *fds, size_t n) {
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(TOGETHER * sizeof(int))];
    } control;
    int came[TOGETHER];
    struct iovec part = {word, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got <= 0)
        return got < 0 ? -errno : LL_ELOST;
    const struct cmsghdr *item = CMSG_FIRSTHDR(&message);
    if (item == NULL || item->cmsg_type != SCM_RIGHTS)
        return -EPROTO;
    size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof *came;
    memcpy(came, CMSG_DATA(item), count * sizeof *came);
    if (count == n) {
        memcpy(fds, came, n * sizeof *fds);
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        close(came[i]);
    return -EPROTO;
}

int ring_send(int bell, int memory) {
    return send_fds(bell, 0, &memory, 1);
}

int ring_receive(int bell) {
    uint8_t word;
    int fd = -1, e = receive_fds(bell, &word, &fd, 1);
    return e != 0 ? e : fd;
}

int ring_send_end(int socket, uint8_t number, int bell, int memory) {
    return send_fds(socket, number, (const int[]){bell, memory}, 2);
}

int ring_receive_end(int socket, uint8_t *number, int *bell, int *memory) {
    int fds[2], e = receive_fds(socket, number, fds, 2);
    if (e == 0) {
        *bell = fds[0];
        *memory = fds[1];
    }
    return e;
}

static bool map_at(uint8_t *at, size_t size, int fd, off_t offset) {
    return mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset) != MAP_FAILED;
}

static size_t mapped_size(size_t size) {
    return CONTROL + 4 * size;
}

/* The size of a lane, or -EINVAL where it is no such memory. */
static int64_t lane_size(int memory) {
    struct stat st;
    if (fstat(memory, &st) < 0)
        return -errno;
    int64_t size = ((int64_t)st.st_size - CONTROL) / 2;
    bool good = size >= RING_STEP && size <= RING_SIZE && size % RING_STEP == 0 && st.st_size == CONTROL + 2 * size;
    return good ? size : -EINVAL;
}

static void take_ends(struct ring *ring, uint8_t *at, bool first) {
    struct ring_lane *lanes = (struct ring_lane *)(void *)at;
    uint8_t *data[] = {at + CONTROL, at + CONTROL + 2 * ring->size};
    ring->map = at;
    ring->out_lane = &lanes[first ? 0 : 1];
    ring->in_lane = &lanes[first ? 1 : 0];
    ring->out = data[first ? 0 : 1];
    ring->in = data[first ? 1 : 0];
}

int ring_open(struct ring *ring, int memory, int bell, bool first) {
    *ring = (struct ring){.bell = bell};
    int64_t lane = lane_size(memory);
    if (lane < 0)
        return (int)lane;
    size_t size = ring->size = (size_t)lane;
    uint8_t *at = mmap(NULL, mapped_size(size), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return -errno;
    bool mapped = map_at(at, CONTROL, memory, 0);
    for (size_t half = 0; half < 4 && mapped; half++)
        mapped = map_at(at + CONTROL + half * size, size, memory, (off_t)(CONTROL + half / 2 * size));
    if (!mapped) {
        int e = -errno;
        munmap(at, mapped_size(size));
        return e;
    }
    take_ends(ring, at, first);
    return 0;
}

void ring_open_beside(struct ring *ring, const struct ring *first, int bell) {
    *ring = (struct ring){.bell = bell, .size = first->size, .beside = true};
    take_ends(ring, first->map, false);
}

void ring_close(struct ring *ring) {
    if (ring->map != NULL && !ring->beside)
        munmap(ring->map, mapped_size(ring->size));
    ring->map = NULL;
}

/* The bell is full when it rings already. */
static void ring_bell(const struct ring *ring) {
    ssize_t ignored = send(ring->bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)ignored;
}

/* --- reading --- */

int64_t ring_readable(const struct ring *ring) {
    uint64_t n = atomic_load_explicit(&ring->in_lane->written, memory_order_acquire) - ring->taken;
    return n <= ring->size ? (int64_t)n : LL_EPROTOCOL;
}

/* What the writer waits for is free before it is woken, and half of the lane, so that the two do not wake each other for every
 * piece; or all of it. */
void ring_take(struct ring *ring, size_t n) {
    struct ring_lane *lane = ring->in_lane;
    ring->taken += n;
    atomic_store(&lane->taken, ring->taken);
    size_t wanted = atomic_load(&lane->wants_room);
    if (wanted == 0)
        return;
    wanted = wanted < ring->size / 2 ? ring->size / 2 : wanted < ring->size ? wanted : ring->size;
    if (ring_readable(ring) <= (int64_t)(ring->size - wanted) && atomic_exchange(&lane->wants_room, 0) != 0)
        ring_bell(ring);
}

bool ring_has_ended(const struct ring *ring) {
    return atomic_load_explicit(&ring->in_lane->ended, memory_order_acquire) != 0;
}

bool ring_want_bytes(struct ring *ring, size_t have) {
    atomic_store(&ring->in_lane->wants_bytes, 1);
    bool wait = ring_readable(ring) == (int64_t)have && !ring_has_ended(ring);
    if (!wait)
        atomic_store(&ring->in_lane->wants_bytes, 0);
    return wait;
}

/* --- writing --- */

int64_t ring_room(const struct ring *ring) {
    uint64_t n = ring->put - atomic_load_explicit(&ring->out_lane->taken, memory_order_acquire);
    return n <= ring->size ? (int64_t)(ring->size - n) : LL_EPROTOCOL;
}

void ring_put(struct ring *ring, size_t n) {
    ring->put += n;
    atomic_store(&ring->out_lane->written, ring->put);
}

static void wake_reader(struct ring *ring) {
    ring->told = ring->put;
    if (atomic_load(&ring->out_lane->wants_bytes) != 0 && atomic_exchange(&ring->out_lane->wants_bytes, 0) != 0)
        ring_bell(ring);
}

/* Two ends that both wait must not wake each other for nothing. */
void ring_tell(struct ring *ring) {
    if (ring->told != ring->put)
        wake_reader(ring);
}

/* A small ring stands for one of several: who reads them in order waits for the next record of just this one. */
void ring_tell_of_much(struct ring *ring) {
    size_t much = ring->size / (ring->size < RING_SIZE ? 3 : 2);
    if (ring_room(ring) <= (int64_t)(ring->size - much))
        ring_tell(ring);
}

void ring_end(struct ring *ring) {
    atomic_store(&ring->out_lane->ended, 1);
    wake_reader(ring);
}

bool ring_want_room(struct ring *ring, size_t room) {
    atomic_store(&ring->out_lane->wants_room, (uint32_t)(room > 0 ? room : 1));
    int64_t there = ring_room(ring);
    bool wait = there >= 0 && (size_t)there < room;
    if (!wait)
        atomic_store(&ring->out_lane->wants_room, 0);
    else
        ring_tell(ring); /* who does not know of the bytes cannot make room */
    return wait;
}

/* --- the bell --- */

bool ring_hear(struct ring *ring) {
    char rung[64];
    ssize_t n;
    do
        n = recv(ring->bell, rung, sizeof rung, MSG_DONTWAIT);
    while (n == sizeof rung || (n < 0 && errno == EINTR));
    return n > 0 || (n < 0 && errno == EAGAIN);
}

bool ring_wait(struct ring *ring) {
    struct pollfd p = {.fd = ring->bell, .events = POLLIN};
    while (poll(&p, 1, -1) < 0 && errno == EINTR)
        continue;
    return ring_hear(ring);
}
