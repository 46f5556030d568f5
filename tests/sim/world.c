/* A world, from its seed to its end. */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint8_t sim_byte(uint64_t seed, unsigned channel, uint64_t offset) {
    uint64_t z = (seed + channel) * UINT64_C(0x9e3779b97f4a7c15) + (offset + 1) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint8_t)((z ^ z >> 29) * UINT64_C(0x94d049bb133111eb) >> 56);
}

uint64_t sim_ms(const struct world *w) {
    return UINT64_C(1790000000000) + (uint64_t)(w->now / MS);
}

void sim_fail(struct world *w, const char *format, ...) {
    if (w->failure[0] != 0)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(w->failure, sizeof w->failure, format, args);
    va_end(args);
    w->end_at = w->now;
}

void sim_trace(const struct world *w, const char *format, ...) {
    if (!w->verbose)
        return;
    va_list args;
    va_start(args, format);
    printf("%10.3f  ", (double)w->now / 1e9);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

static bool all_over(const struct world *w) {
    for (int i = 0; i < CLIENTS; i++)
        if (w->clients[i].used && !w->clients[i].over)
            return false;
    return true;
}

static void live(struct world *w) {
    int64_t settled_at = NEVER;
    for (unsigned long steps = 0; w->now < w->end_at && w->now < settled_at; steps++) {
        network_step(w);
        server_step(w);
        client_step(w);
        if (all_over(w) && settled_at == NEVER) /* what is still under way may arrive, and must do no harm */
            settled_at = w->now + 300 * SECOND;
        int64_t next = network_next(w), server = server_next(w), client = client_next(w);
        next = server < next ? server : next;
        next = client < next ? client : next;
        if (next == NEVER)
            break;
        if (next > w->now)
            w->now = next;
        if (steps > 10 * 1000 * 1000)
            sim_fail(w, "it does not come to rest");
    }
}

/* How things stand, for the one who has to find out why. */
static void dump(const struct world *w) {
    for (int i = 0; i < RUNS && w->verbose; i++) {
        const struct model_run *r = &w->runs[i];
        sim_trace(w, "run %d: running %d finished %d input %llu ended %d wanted %d", i, r->running, r->finished,
                  (unsigned long long)r->input, r->input_ended, r->wants_input);
        for (int k = 0; k < 2; k++)
            sim_trace(w, "  output %d: planned %llu base %llu acknowledged %llu end %llu cap %llu", k + 1,
                      (unsigned long long)r->planned[k], (unsigned long long)r->spool[k].base,
                      (unsigned long long)r->spool[k].acknowledged, (unsigned long long)r->spool[k].end,
                      (unsigned long long)r->spool[k].cap);
    }
    for (int i = 0; i < WATCHERS && w->verbose; i++)
        if (w->watchers[i].used)
            sim_trace(w, "watcher on %td, stream %u: acknowledged %llu %llu",
                      w->watchers[i].connection - w->connections, w->watchers[i].stream,
                      (unsigned long long)w->watchers[i].acknowledged[0],
                      (unsigned long long)w->watchers[i].acknowledged[1]);
    for (int i = 0; i < CLIENTS && w->verbose; i++)
        if (w->clients[i].used && w->clients[i].call != NULL)
            sim_trace(w, "client %d: over %d session %d stream %u have %llu %llu input %llu of %llu", i,
                      w->clients[i].over, w->clients[i].session != NULL, call_stream(w->clients[i].call),
                      (unsigned long long)call_have(w->clients[i].call, 1),
                      (unsigned long long)call_have(w->clients[i].call, 2),
                      (unsigned long long)w->clients[i].input_given,
                      (unsigned long long)w->clients[i].target->input_total);
}

bool world_simulate(uint64_t seed, const struct world_options *options, uint64_t passed[2]) {
    struct world *w = calloc(1, sizeof *w);
    if (w == NULL)
        abort();
    w->seed = w->chance.state = seed;
    w->verbose = options->verbose;
    w->mutation = options->mutation;
    if (options->shape != NULL)
        plan_shape(w, options->shape);
    else
        plan_chance(w);
    live(w);
    if (w->failure[0] == 0)
        check_history(w);
    bool good = w->failure[0] == 0;
    if (!good && !options->quiet)
        printf("seed %llu, at %.3f s: %s\n", (unsigned long long)seed, (double)w->now / 1e9, w->failure);
    if (!good)
        dump(w);
    if (passed != NULL)
        memcpy(passed, w->passed, sizeof w->passed);
    for (int i = 0; i < CLIENTS; i++)
        client_end(&w->clients[i]);
    server_end(w);
    free(w);
    return good;
}
