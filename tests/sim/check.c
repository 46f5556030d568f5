/* What must hold whatever the network and the machines did. */
#include "tests/sim/sim.h"

#include <string.h>

/* --- at the moment --- */

void check_opened(struct world *w, struct sim_client *client) {
    struct model_run *run = client->target;
    if (memcmp(client->key, run->key, LEDGER_KEY) != 0)
        sim_fail(w, "a stranger was let in");
    if (call_response(client->call).state != RUN_FINISHED && run->effects != 1)
        sim_fail(w, "said to run, and was started %u times", run->effects);
    run->known_at = w->now < run->known_at ? w->now : run->known_at;
}

void check_told(struct world *w, struct sim_client *client) {
    struct model_run *run = client->target;
    if (client->outcome != CALL_RESULT || call_result(client->call)->kind == RUN_LOST)
        return;
    if (!run->finished)
        sim_fail(w, "said to have ended, and runs");
    run->told_at = w->now < run->told_at ? w->now : run->told_at;
}

/* Whether it was told that it watches, and neither it nor the server has said anything else. */
static bool watches(const struct sim_client *client) {
    const struct connection *c = client->connection;
    if (!client->used || client->call == NULL || client->opened_at == NEVER || c == NULL || c->cut || c->gate == NULL)
        return false;
    for (uint32_t stream = 0; (stream = session_each(c->gate, stream)) != 0;)
        if (stream == call_stream(client->call))
            return true;
    return false;
}

/* A run is about to be killed because nobody watches it. */
void check_unwatched(struct world *w, const struct model_run *run) {
    for (int i = 0; i < CLIENTS; i++)
        if (w->clients[i].target == run && watches(&w->clients[i]))
            sim_fail(w, "run %td is killed though client %d watches it", run - w->runs, i);
    if (run->on_loss != RUN_KILL && run->keep_s == RUN_FOREVER)
        sim_fail(w, "run %td is killed though it is to be kept", run - w->runs);
}

/* --- when all is over --- */

static bool first_to_run(const struct sim_client *client) {
    return client->runner && client->own == client->target;
}

/* Another one watches, or watched, the run. */
static bool shared(const struct world *w, const struct sim_client *client) {
    for (int i = 0; i < CLIENTS; i++)
        if (w->clients[i].used && &w->clients[i] != client && w->clients[i].call != NULL &&
            w->clients[i].target == client->target)
            return true;
    return false;
}

static void check_delivered(struct world *w, const struct sim_client *client, int i) {
    if (client->stopped[i])
        return;
    const struct model_run *run = client->target;
    const struct run_result *result = call_result(client->call);
    uint8_t channel = (uint8_t)(i + 1);
    uint64_t total = i == 0 ? result->total1 : result->total2, have = call_have(client->call, channel);
    uint64_t dropped = call_dropped(client->call, channel);
    bool first = first_to_run(client);
    if (have != total)
        sim_fail(w, "a clean end at %llu of %llu", (unsigned long long)have, (unsigned long long)total);
    bool may_drop = run->spool[i].overflow == RUN_DROP || run->outputs_cut || run->named || shared(w, client) || !first;
    if (dropped > 0 && !may_drop)
        sim_fail(w, "%llu bytes were dropped", (unsigned long long)dropped);
    if (dropped == 0 && first && total > 0 && client->delivered[i] != total)
        sim_fail(w, "nothing was dropped, but %llu of %llu came", (unsigned long long)client->delivered[i],
                 (unsigned long long)total);
    if (dropped == 0 && first && !call_verified(client->call, channel))
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

/* Whether somebody who was to feed the run could not say any more what. */
static bool input_lost(const struct world *w, const struct model_run *run) {
    for (int i = 0; i < CLIENTS; i++)
        if (w->clients[i].used && w->clients[i].target == run && w->clients[i].input_lost)
            return true;
    return false;
}

static void check_exit(struct world *w, const struct model_run *run, const struct run_result *result) {
    if (run->effects != 1 || !run->finished || run->why != 0 || run->killed_by != 0 || result->code != run->code)
        sim_fail(w, "said to have exited %u; effects %u, code %u", result->code, run->effects, run->code);
    if (result->total1 != run->planned[0] || result->total2 != run->planned[1])
        sim_fail(w, "it wrote %llu and %llu bytes, and %llu and %llu are told", (unsigned long long)run->planned[0],
                 (unsigned long long)run->planned[1], (unsigned long long)result->total1,
                 (unsigned long long)result->total2);
    if (run->wants_input && !input_lost(w, run) && run->input != run->input_total)
        sim_fail(w, "it ended with %llu of %llu bytes of input", (unsigned long long)run->input,
                 (unsigned long long)run->input_total);
}

static void check_result(struct world *w, const struct sim_client *client) {
    const struct model_run *run = client->target;
    const struct run_result *result = call_result(client->call);
    switch (result->kind) {
    case RUN_EXITED:
        check_exit(w, run, result);
        break;
    case RUN_SIGNALLED:
        if (!run->kill_asked || result->code != 9 || run->killed_by != 9)
            sim_fail(w, "said to be killed by signal %u", result->code);
        break;
    case RUN_UNWATCHED:
        if (run->why != RUN_UNWATCHED || (result->code != 9 && result->code != 15))
            sim_fail(w, "said to be killed for nobody watched");
        break;
    case RUN_LOST:
        if (!w->keeper_restarted || (run->finished && !run->expired))
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

static bool is_fed(const struct world *w, const struct model_run *run) {
    for (int i = 0; i < w->watcher_top; i++)
        if (w->watchers[i].used && w->watchers[i].run == run && w->watchers[i].feeds)
            return true;
    return false;
}

/* A program may wait for ever for input that nobody is left to give: who was to feed it did not live, or was told that
 * nobody can know whether it ever started (and a first request that had been held up started it after that), or lost the input
 * to one that did not live. */
static bool starves(const struct world *w, const struct sim_client *client) {
    const struct model_run *run = client->target;
    if (!run->running || !run->wants_input || run->input_ended || is_fed(w, run))
        return false;
    return run->input_taken || !first_to_run(client);
}

static void check_client(struct world *w, const struct sim_client *client) {
    const struct model_run *run = client->target;
    if (client->detached || client->errand != NO_ERRAND)
        return;
    if (w->sweep && client->runner && client->outcome != CALL_RESULT)
        sim_fail(w, "no result: outcome %d", client->outcome);
    switch (client->outcome) {
    case CALL_PENDING:
        if (!starves(w, client) && !(w->forgets && run->effects == 0)) /* its small memory is full of what runs */
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
        if (!client->gave_up && !w->ledger_lost && !(w->young && w->keeper_restarted) && !w->forgets &&
            client->boots == 1 && client->runner)
            sim_fail(w, "the outcome is unknown, and nothing was lost");
        break;
    }
}

static void check_run(struct world *w, const struct model_run *run) {
    if (run->effects > 1)
        sim_fail(w, "run %td was started %u times", run - w->runs, run->effects);
    bool may_stay = run->on_loss != RUN_KILL && run->keep_s == RUN_FOREVER;
    for (int i = 0; i < w->watcher_top; i++)
        may_stay = may_stay || (w->watchers[i].used && w->watchers[i].run == run);
    if (run->running && !may_stay && run->why == 0 && run->unwatched_at == NEVER)
        sim_fail(w, "run %td is not watched, and is not killed", run - w->runs);
}

void check_history(struct world *w) {
    for (int i = 0; i < RUNS; i++)
        if (w->runs[i].used)
            check_run(w, &w->runs[i]);
    for (int i = 0; i < CLIENTS; i++)
        if (w->clients[i].used && w->clients[i].errand == NO_ERRAND)
            check_client(w, &w->clients[i]);
        else if (w->clients[i].used && !w->clients[i].over)
            sim_fail(w, "client %d has no answer", i);
}
