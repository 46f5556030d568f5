/* What a world is to be: by chance, or what a sweep's worlds have in common. */
#include "tests/sim/sim.h"

#include <string.h>

static void plan_end(struct world *w, struct model_run *run) {
    struct chance *c = &w->chance;
    run->code = (uint32_t)chance_below(c, 256);
    run->on_loss = chance_percent(c, 10) ? RUN_KILL : RUN_KEEP;
    run->keep_s = chance_percent(c, 30) ? 1 + (uint32_t)chance_size(c, 600) : RUN_FOREVER;
    run->obeys = chance_percent(c, 70);
    run->known_at = run->told_at = run->unwatched_at = run->kill_at = NEVER;
}

static void plan_run(struct world *w, struct model_run *run) {
    struct chance *c = &w->chance;
    uint8_t random[RUN_ID_RANDOM];
    for (size_t i = 0; i < sizeof random; i++)
        random[i] = (uint8_t)chance_next(c);
    run->used = true;
    run->key[0] = 1;
    run->id = run_id_make(sim_ms(w), random);
    run->seed = chance_next(c);
    run->terminal = chance_percent(c, 25);
    run->wants_input = chance_percent(c, 40);
    run->input_total = run->wants_input ? chance_size(c, chance_percent(c, 5) ? 200000 : 20000) : 0;
    plan_end(w, run);
    bool large = chance_percent(c, 5);
    enum run_overflow overflow = chance_percent(c, 20) ? RUN_DROP : RUN_BLOCK;
    for (int i = 0; i < 2; i++) {
        run->planned[i] = chance_size(c, large ? 200000 : i == 0 ? 40000 : 10000);
        run->spool[i] = spool_make(256 + chance_size(c, large ? 100000 : 20000), overflow);
    }
}

void plan_shape(struct world *w, const struct shape *shape) {
    w->sweep = true;
    w->calm_at = 0;
    w->end_at = 4 * 3600 * SECOND;
    w->window_max = shape->window;
    w->gate_restart_at = w->keeper_restart_at = w->sweep_at = w->results_age = NEVER;
    memcpy(w->cuts, shape->cuts, sizeof w->cuts);
    server_begin(w);
    struct model_run *run = &w->runs[0];
    plan_run(w, run);
    run->wants_input = shape->input > 0;
    run->input_total = shape->input;
    run->on_loss = RUN_KEEP;
    run->keep_s = RUN_FOREVER;
    for (int i = 0; i < 2; i++) {
        run->planned[i] = shape->planned[i];
        run->spool[i] = spool_make(shape->spool, RUN_BLOCK);
    }
    for (unsigned i = 0; i <= shape->watchers; i++) {
        struct sim_client *client = &w->clients[i == 0 ? 0 : i + 1];
        client->runner = i == 0;
        client->key[0] = 1;
        client->target = run;
        client_begin(w, client);
        client->connect_at = (int64_t)i * 20 * MS;
    }
}

static void plan_server(struct world *w) {
    struct chance *c = &w->chance;
    w->gate_restart_at = chance_percent(c, 30) ? (int64_t)chance_size(c, 60000) * MS : NEVER;
    w->keeper_restart_at = chance_percent(c, 15) ? (int64_t)chance_size(c, 60000) * MS : NEVER;
    w->forgets = chance_percent(c, 10);
    w->sweep_at = w->forgets ? 0 : NEVER;
    w->results_age = w->forgets ? (int64_t)chance_size(c, 3600) * SECOND : NEVER;
    server_begin(w);
}

static void plan_runner(struct world *w, struct sim_client *client, struct model_run *run, bool named) {
    plan_run(w, run);
    run->named = named;
    run->terminal = run->terminal || named;
    client->runner = true;
    client->key[0] = 1;
    client->target = run;
    client_begin(w, client);
}

void plan_chance(struct world *w) {
    struct chance *c = &w->chance;
    w->calm_at = (int64_t)chance_size(c, 600) * SECOND;
    w->end_at = w->calm_at + 4 * 3600 * SECOND;
    w->faults = (unsigned)chance_below(c, 100);
    w->window_max = (uint32_t)(1000 + chance_size(c, 400000));
    plan_server(w);
    unsigned runners = chance_percent(c, 30) ? 2 : 1;
    bool named = chance_percent(c, 20 * runners);
    for (unsigned i = 0; i < runners; i++)
        plan_runner(w, &w->clients[i], &w->runs[i], named);
    if (w->forgets || chance_percent(c, 10))
        plan_runner(w, &w->clients[CLIENTS - 1], &w->runs[RUNS - 1], false);
    for (int i = 2; i < CLIENTS - 1; i++) {
        struct sim_client *client = &w->clients[i];
        if (!chance_percent(c, i == 2 ? 50 : 20))
            continue;
        client->key[0] = chance_percent(c, 90) ? 1 : 2;
        client->target = &w->runs[0];
        if (i < 4)
            client_begin(w, client);
        else
            client_begin_errand(w, client, (enum errand)(1 + chance_below(c, 3)));
    }
}
