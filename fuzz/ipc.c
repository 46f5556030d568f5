/* What gate and keeper say to each other: a side that was taken over sends any bytes, in pieces of any size. Every message
 * that is let through is one that the other side may send, as long as its row of the table says, for the connection and
 * stream that it needs; after what breaks the rules nothing is.
 *
 * The first byte: odd for the keeper's ear, even for the gate's; the second the size of the pieces. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "landline/server/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct row {
    enum ipc_side side;
    size_t least, most;
};

static const struct row rows[256] = {
#define ROW(name, number, side, least, most) [number] = {IPC_##side, least, most},
    IPC_LIST(ROW)
#undef ROW
};

static void take_all(struct ipc *ipc) {
    struct ipc_message m;
    while (ipc_next(ipc, &m) == 1) {
        const struct row *row = &rows[m.type];
        volatile uint8_t sum = 0;
        if (row->side == 0 || row->side == ipc->self || m.payload.size < row->least || m.payload.size > row->most)
            abort();
        for (size_t i = 0; i < m.payload.size; i++)
            sum = (uint8_t)(sum + m.payload.data[i]);
        if (m.fd >= 0)
            close(m.fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int ends[2];
    struct ipc ipc;
    if (size < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return 0;
    ipc_init(&ipc, ends[0], data[0] % 2 != 0 ? IPC_FROM_KEEPER : IPC_FROM_GATE);
    size_t piece = (size_t)data[1] * 16 + 1;
    for (size_t at = 2; at < size && !ipc.ended; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        if (write(ends[1], data + at, n) != (ssize_t)n)
            break;
        ipc_fill(&ipc);
        take_all(&ipc);
    }
    close(ends[1]);
    if (!ipc.ended) {
        ipc_fill(&ipc);
        take_all(&ipc);
    }
    if (!ipc.ended)
        abort();
    ipc_free(&ipc);
    return 0;
}
