/* What must hold whatever the network and the machines did. */
#include "tests/sim/sim.h"

static void check_delivered(struct world *w, const struct sim_client *client, int i) {
    if (client->stopped[i])
        return;
    const struct model_run *run = client->target;
    const struct run_result *result = call_result(client->call);
    uint64_t total = i == 0 ? result->total1 : result->total2;
    uint64_t dropped = call_dropped(client->call, (uint8_t)(i + 1));
    if (call_have(client->call, (uint8_t)(i + 1)) != total)
        sim_fail(w, "a clean end at %llu of %llu", (unsigned long long)call_have(client->call, (uint8_t)(i + 1)),
                 (unsigned long long)total);
    bool watched = w->clients[2].used || w->clients[3].used;
    bool may_drop = run->spool[i].overflow == RUN_DROP || w->keeper_restarted || watched || !client->runner;
    if (dropped > 0 && !may_drop)
        sim_fail(w, "%llu bytes were dropped", (unsigned long long)dropped);
    if (dropped == 0 && client->runner && total > 0 && client->delivered[i] != total)
        sim_fail(w, "nothing was dropped, but %llu of %llu came", (unsigned long long)client->delivered[i],
                 (unsigned long long)total);
    if (dropped == 0 && client->runner && !call_verified(client->call, (uint8_t)(i + 1)))
        sim_fail(w, "the digest of channel %d was not verified", i + 1);
}

/* A sweep's client comes first and stays: it has all that the program was to write. */
static void check_sweep(struct world *w, const struct sim_client *client) {
    const struct model_run *run = client->target;
    const struct run_result *result = call_result(client->call);
    if (result->kind != RUN_EXITED)
        sim_fail(w, "ended with kind %d", result->kind);
    for (int i = 0; i < 2 && client->runner; i++)
        if (client->first[i] != 0 || client->delivered[i] != run->planned[i])
            sim_fail(w, "channel %d came from %llu to %llu of %llu", i + 1, (unsigned long long)client->first[i],
                     (unsigned long long)client->delivered[i], (unsigned long long)run->planned[i]);
}

static void check_result(struct world *w, const struct sim_client *client) {
    const struct model_run *run = client->target;
    const struct run_result *result = call_result(client->call);
    switch (result->kind) {
    case RUN_EXITED:
        if (run->effects != 1 || !run->finished || run->killed || result->code != run->code)
            sim_fail(w, "said to have exited %u; effects %u, code %u", result->code, run->effects, run->code);
        if (client->runner && run->wants_input && !client->input_lost && run->input != client->input_total)
            sim_fail(w, "it ended with %llu of %llu bytes of input", (unsigned long long)run->input,
                     (unsigned long long)client->input_total);
        break;
    case RUN_UNWATCHED:
        if (!run->killed || !run->kill_on_loss)
            sim_fail(w, "said to be killed for nobody watched");
        break;
    case RUN_LOST:
        if (!w->keeper_restarted || run->finished)
            sim_fail(w, "said to be lost");
        return;
    default:
        sim_fail(w, "result of kind %d", result->kind);
    }
    for (int i = 0; i < 2; i++)
        check_delivered(w, client, i);
    if (w->sweep && client->runner)
        check_sweep(w, client);
}

/* Whether the client that was to feed the run will never do so: it did not live, or was told that nobody can know whether the
 * run ever started (and a first request that had been held up on the way started it after that). */
static bool unfed(const struct world *w, const struct model_run *run) {
    const struct sim_client *feeder = &w->clients[run - w->runs];
    return feeder->gave_up || feeder->outcome == CALL_UNKNOWN;
}

static void check_client(struct world *w, const struct sim_client *client) {
    const struct model_run *run = client->target;
    if (w->sweep && client->runner && client->outcome != CALL_RESULT)
        sim_fail(w, "no result: outcome %d", client->outcome);
    switch (client->outcome) {
    case CALL_PENDING: /* a program may wait for ever for input that nobody is left to give */
        if (client->runner || !unfed(w, run) || !run->running)
            sim_fail(w, "client %td never came to an end", client - w->clients);
        break;
    case CALL_RESULT:
        check_result(w, client);
        break;
    case CALL_REFUSED:
        if (client->runner && run->effects > 0)
            sim_fail(w, "said not to be started, but it was");
        break;
    case CALL_UNKNOWN:
        if (!client->gave_up && !w->ledger_lost && !w->young && client->runner)
            sim_fail(w, "the outcome is unknown, and nothing was lost");
        break;
    }
}

void check_history(struct world *w) {
    for (int i = 0; i < RUNS; i++)
        if (w->runs[i].effects > 1)
            sim_fail(w, "run %d was started %u times", i, w->runs[i].effects);
    for (int i = 0; i < CLIENTS; i++)
        if (w->clients[i].used)
            check_client(w, &w->clients[i]);
}
