/* Whole sessions, cut at every byte in both directions, in every way; and the connection that follows once more. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <string.h>

static const char *const kinds[CUT_KINDS] = {[CUT_RST] = "reset",
                                             [CUT_FIN] = "closed",
                                             [CUT_FREEZE] = "frozen",
                                             [CUT_HALF_CLIENT] = "half closed to the client",
                                             [CUT_HALF_SERVER] = "half closed to the server"};

/* One of them is what a command needs that only writes, one feeds it, one is slow for its store and window are small, one is
 * watched by two more. */
static const struct shape shapes[] = {
    {.name = "output", .planned = {900, 300}, .spool = 4096, .window = 8192},
    {.name = "both directions", .planned = {700, 100}, .input = 900, .spool = 4096, .window = 8192},
    {.name = "small windows", .planned = {2500, 500}, .input = 300, .spool = 256, .window = 400},
    {.name = "two watchers", .planned = {800, 200}, .spool = 4096, .window = 8192, .watchers = 2},
};

struct sweep {
    struct chance chance;
    uint64_t seed, cuts;
};

/* The world of `seed` with a cut at `at`, and half of the time with another on the next connection. */
static bool cut_at(struct sweep *s, const struct shape *shape, enum side to, uint64_t at, enum cut_kind kind) {
    struct shape cut = *shape;
    cut.cuts[0] = (struct cut){.kind = kind, .to = to, .after = at};
    if (chance_percent(&s->chance, 50))
        cut.cuts[1] = (struct cut){.kind = (enum cut_kind)(1 + chance_below(&s->chance, CUT_KINDS - 1)),
                                   .to = (enum side)chance_below(&s->chance, 2),
                                   .after = chance_size(&s->chance, 3000)};
    s->cuts += cut.cuts[1].kind != CUT_BY_CHANCE ? 2 : 1;
    struct world_options options = {.shape = &cut};
    if (world_simulate(s->seed, &options, NULL))
        return true;
    printf("%s: %s after %llu bytes to the %s\n", shape->name, kinds[kind], (unsigned long long)at,
           to == SERVER_SIDE ? "server" : "client");
    options.verbose = true;
    world_simulate(s->seed, &options, NULL);
    return false;
}

static bool sweep_shape(struct sweep *s, const struct shape *shape, unsigned every) {
    uint64_t passed[2], before = s->cuts;
    if (!world_simulate(s->seed, &(struct world_options){.shape = shape}, passed))
        return false;
    for (int to = 0; to < 2; to++)
        for (int kind = CUT_BY_CHANCE + 1; kind < CUT_KINDS; kind++)
            for (uint64_t at = chance_below(&s->chance, every); at <= passed[to]; at += every)
                if (!cut_at(s, shape, (enum side)to, at, (enum cut_kind)kind))
                    return false;
    printf("%s: %llu bytes to the client, %llu to the server, %llu cuts\n", shape->name,
           (unsigned long long)passed[CLIENT_SIDE], (unsigned long long)passed[SERVER_SIDE],
           (unsigned long long)(s->cuts - before));
    return true;
}

bool sweep_all(uint64_t seed, unsigned every) {
    struct sweep s = {.chance = {seed}, .seed = seed};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (!sweep_shape(&s, &shapes[i], every))
            return false;
    printf("%llu cuts, all well\n", (unsigned long long)s.cuts);
    return true;
}
