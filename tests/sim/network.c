#include "tests/sim/sim.h"

#include <string.h>

uint64_t chance_next(struct chance *c) { /* splitmix64 */
    uint64_t z = c->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t chance_below(struct chance *c, uint64_t n) {
    return chance_next(c) % n;
}

uint64_t chance_size(struct chance *c, uint64_t most) {
    unsigned bits = 0;
    while (most >> bits > 0)
        bits++;
    uint64_t v = chance_next(c) & ((UINT64_C(1) << chance_below(c, bits + 1)) - 1);
    return v > most ? most : v;
}

bool chance_percent(struct chance *c, unsigned percent) {
    return chance_below(c, 100) < percent;
}

static bool stormy(struct world *w) {
    return w->now < w->calm_at && chance_percent(&w->chance, w->faults);
}

static void wire_begin(struct world *w, struct wire *wire) {
    buf_init(&wire->bytes, 64 << 20);
    wire->cut_after = stormy(w) ? chance_size(&w->chance, 100000) : UINT64_MAX;
    wire->cut_kind = CUT_BY_CHANCE;
    wire->last_at = w->now;
    wire->eof_at = NEVER;
    wire->head = wire->tail = 0;
    wire->delivered = 0;
}

/* A sweep's cut, where this connection is to have one. */
static void plan_cut(struct world *w, struct connection *c) {
    unsigned n = w->connected++;
    c->number = n;
    if (n >= sizeof w->cuts / sizeof w->cuts[0] || w->cuts[n].kind == CUT_BY_CHANCE)
        return;
    struct wire *wire = w->cuts[n].to == SERVER_SIDE ? &c->to_server : &c->to_client;
    wire->cut_after = w->cuts[n].after;
    wire->cut_kind = w->cuts[n].kind;
}

struct connection *network_connect(struct world *w, struct sim_client *owner) {
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &w->connections[i];
        if (c->used)
            continue;
        w->connection_top = i < w->connection_top ? w->connection_top : i + 1;
        memset(c, 0, sizeof *c);
        c->used = true;
        c->owner = owner;
        c->notice[0] = c->notice[1] = NEVER;
        wire_begin(w, &c->to_server);
        wire_begin(w, &c->to_client);
        plan_cut(w, c);
        server_accept(w, c);
        return c;
    }
    return NULL;
}

static struct wire *wire_from(struct connection *c, enum side side) {
    return side == CLIENT_SIDE ? &c->to_server : &c->to_client;
}

static void put_chunk(struct wire *wire, size_t n, int64_t at) {
    if (wire->tail - wire->head == CHUNKS) {
        wire->chunks[(wire->tail - 1) % CHUNKS].n += n;
        return;
    }
    wire->last_at = at > wire->last_at ? at : wire->last_at;
    wire->chunks[wire->tail % CHUNKS].at = wire->last_at;
    wire->chunks[wire->tail++ % CHUNKS].n = n;
}

/* Splits what is written as it likes; joining happens where a chunk waits behind another. */
void network_write(struct world *w, struct connection *c, enum side from, const void *bytes, size_t n) {
    struct wire *wire = wire_from(c, from);
    if (n == 0 || c->cut || c->closed[from])
        return;
    buf_add(&wire->bytes, bytes, n);
    if (stormy(w) && chance_percent(&w->chance, 10)) /* frozen */
        wire->last_at += (int64_t)chance_size(&w->chance, 100) * SECOND;
    for (size_t left = n; left > 0;) {
        size_t piece = chance_percent(&w->chance, 50) ? left : 1 + (size_t)chance_size(&w->chance, left - 1);
        put_chunk(wire, piece, w->now + (int64_t)chance_size(&w->chance, 200) * MS / 4);
        left -= piece;
    }
}

/* What is under way still arrives, then the end. */
void network_close(struct world *w, struct connection *c, enum side side) {
    if (c->closed[side])
        return;
    c->closed[side] = true;
    wire_from(c, side)->eof_at = w->now + (int64_t)chance_size(&w->chance, 100) * MS;
}

void network_abandon(struct world *w, struct connection *c) {
    int64_t late = (int64_t)chance_size(&w->chance, 3000) * MS;
    for (size_t i = c->to_server.head; i < c->to_server.tail; i++)
        c->to_server.chunks[i % CHUNKS].at += late;
    c->closed[CLIENT_SIDE] = true;
    c->notice[CLIENT_SIDE] = NEVER;
}

static void deliver(struct world *w, struct connection *c, enum side to);

/* Everything that is under way to a side arrives now. */
static void hurry(struct world *w, struct connection *c, enum side to) {
    struct wire *wire = to == SERVER_SIDE ? &c->to_server : &c->to_client;
    for (size_t i = wire->head; i < wire->tail; i++)
        wire->chunks[i % CHUNKS].at = w->now;
    wire->cut_after = UINT64_MAX;
    deliver(w, c, to);
}

static void cut(struct world *w, struct connection *c, enum side to, enum cut_kind kind) {
    static const bool hears[CUT_KINDS][2] = {[CUT_RST] = {true, true},
                                             [CUT_FIN] = {true, true},
                                             [CUT_HALF_CLIENT] = {[CLIENT_SIDE] = true},
                                             [CUT_HALF_SERVER] = {[SERVER_SIDE] = true}};
    sim_trace(w, "cut %td, kind %d", c - w->connections, kind);
    if (kind == CUT_FIN)
        hurry(w, c, to == SERVER_SIDE ? CLIENT_SIDE : SERVER_SIDE);
    c->cut = true;
    for (int side = 0; side < 2 && kind != CUT_BY_CHANCE; side++)
        c->notice[side] = hears[kind][side] ? w->now : NEVER;
    for (int side = 0; side < 2 && kind == CUT_BY_CHANCE; side++) {
        bool told = chance_percent(&w->chance, 80);
        c->notice[side] = told ? w->now + (int64_t)chance_size(&w->chance, 1000) * MS : NEVER;
    }
}

static int64_t wire_next(const struct wire *wire) {
    return wire->head < wire->tail ? wire->chunks[wire->head % CHUNKS].at : wire->eof_at;
}

int64_t network_next(const struct world *w) {
    int64_t next = NEVER;
    for (int i = 0; i < w->connection_top; i++) {
        const struct connection *c = &w->connections[i];
        int64_t at[4] = {NEVER, NEVER, NEVER, NEVER};
        if (!c->used)
            continue;
        if (!c->cut) {
            at[0] = c->closed[SERVER_SIDE] ? NEVER : wire_next(&c->to_server);
            at[1] = c->closed[CLIENT_SIDE] ? NEVER : wire_next(&c->to_client);
        }
        at[2] = c->closed[CLIENT_SIDE] ? NEVER : c->notice[CLIENT_SIDE];
        at[3] = c->closed[SERVER_SIDE] ? NEVER : c->notice[SERVER_SIDE];
        for (int k = 0; k < 4; k++)
            next = at[k] < next ? at[k] : next;
    }
    return next;
}

static void end_of(struct world *w, struct connection *c, enum side side) {
    if (c->closed[side])
        return;
    c->notice[side] = NEVER;
    if (side == SERVER_SIDE)
        server_gone(w, c);
    else
        client_gone(w, c->owner);
    network_close(w, c, side);
}

static void deliver(struct world *w, struct connection *c, enum side to) {
    struct wire *wire = wire_from(c, to == SERVER_SIDE ? CLIENT_SIDE : SERVER_SIDE);
    while (c->used && !c->cut && !c->closed[to] && wire_next(wire) <= w->now) {
        if (wire->head == wire->tail) {
            end_of(w, c, to);
            return;
        }
        size_t n = wire->chunks[wire->head++ % CHUNKS].n;
        bool last = wire->delivered + n >= wire->cut_after;
        if (last)
            n = (size_t)(wire->cut_after - wire->delivered);
        wire->delivered += n;
        if (c->number == 0)
            w->passed[to] += n;
        uint8_t bytes[4096];
        for (size_t left = n, piece; left > 0 && !c->closed[to]; left -= piece) {
            piece = left < sizeof bytes ? left : sizeof bytes;
            memcpy(bytes, buf_front(&wire->bytes), piece); /* the receiver may write, and so move the storage */
            buf_consume(&wire->bytes, piece);
            if (to == SERVER_SIDE)
                server_bytes(w, c, bytes, piece);
            else
                client_bytes(w, c->owner, bytes, piece);
        }
        if (last && !c->cut)
            cut(w, c, to, wire->cut_kind);
    }
}

void network_step(struct world *w) {
    for (int i = 0; i < w->connection_top; i++) {
        struct connection *c = &w->connections[i];
        if (!c->used)
            continue;
        deliver(w, c, SERVER_SIDE);
        deliver(w, c, CLIENT_SIDE);
        for (int side = 0; side < 2; side++)
            if (c->notice[side] <= w->now)
                end_of(w, c, (enum side)side);
        if (c->closed[0] && c->closed[1]) {
            buf_free(&c->to_server.bytes);
            buf_free(&c->to_client.bytes);
            c->used = false;
        }
    }
}
