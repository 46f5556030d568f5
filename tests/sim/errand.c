/* Clients that ask once: kill, result, runs. After a cut they ask again. */
#include "tests/sim/sim.h"

#include <string.h>

void client_begin_errand(struct world *w, struct sim_client *client, enum errand errand) {
    client->used = true;
    client_boot(w, client);
    client->errand = errand;
    client->pause = 10 * MS;
    client->consume_at = client->act_at = client->opened_at = client->restart_at = NEVER;
    client->leave_at = client->stop_at = client->move_at = NEVER;
    client->connect_at = (int64_t)chance_size(&w->chance, 100000) * MS;
    client->give_up_at = chance_percent(&w->chance, 15) ? (int64_t)chance_size(&w->chance, 600) * SECOND : NEVER;
}

void errand_ask(struct world *w, struct sim_client *client) {
    static const char *const names[] = {[ERRAND_KILL] = "kill", [ERRAND_RESULT] = "result", [ERRAND_RUNS] = "runs"};
    const char *name = names[client->errand];
    struct buf request;
    buf_init(&request, 64);
    if (client->errand == ERRAND_KILL)
        run_kill_put(&request, &(struct run_kill){.id = client->target->id, .signal = 9});
    else if (client->errand == ERRAND_RESULT)
        run_id_put(&request, &client->target->id);
    int64_t stream = session_open(client->session, 0, (struct slice){(const uint8_t *)name, strlen(name)},
                                  (struct slice){buf_front(&request), buf_size(&request)}, SESSION_BULK);
    buf_free(&request);
    if (stream < 0)
        sim_fail(w, "a question was not taken");
    client->stream = (uint32_t)stream;
    client->asked_at = w->now;
    client->listed_size = 0;
    client->target->kill_asked = client->target->kill_asked || client->errand == ERRAND_KILL;
    sim_trace(w, "client %td asks: %s", client - w->clients, name);
}

/* Whether the server must know a run of this key that a client knew of before it asked. */
static bool must_know(const struct world *w, const struct sim_client *client, const struct model_run *run) {
    return run->known_at < client->asked_at && (run->running || run->finished) && !run->expired && !w->ledger_lost &&
           !w->forgets && memcmp(run->key, client->key, LEDGER_KEY) == 0;
}

static void same_result(struct world *w, const struct model_run *run, struct slice bytes) {
    struct run_result r;
    if (run_result_get(bytes, &r) == 0 && r.kind == RUN_LOST) {
        if (!w->keeper_restarted || (run->finished && !run->expired))
            sim_fail(w, "said to be lost");
        return;
    }
    if (run_result_get(bytes, &r) < 0 || !run->finished || r.kind != run->result.kind || r.code != run->result.code ||
        r.total1 != run->result.total1 || r.digest1 != run->result.digest1 || r.total2 != run->result.total2 ||
        r.digest2 != run->result.digest2)
        sim_fail(w, "a result differs, or is told too early");
}

static void check_list(struct world *w, const struct sim_client *client) {
    struct reader r = reader_of(client->listed, client->listed_size);
    bool listed[RUNS] = {false};
    while (reader_left(&r) > 0 && !r.failed) {
        struct run_record record = {0};
        struct slice bytes = reader_str32(&r);
        struct model_run *run = run_record_get(bytes, &record) == 0 ? keeper_run(w, &record.id) : NULL;
        if (run == NULL || memcmp(run->key, client->key, LEDGER_KEY) != 0)
            sim_fail(w, "a run is listed that is none of this key");
        else if (record.state == RUN_FINISHED)
            same_result(w, run, record.result);
        else if (run->told_at < client->asked_at)
            sim_fail(w, "a run that has ended is listed as running");
        if (run != NULL)
            listed[run - w->runs] = true;
        run_record_free(&record);
    }
    if (r.failed)
        sim_fail(w, "a list is cut");
    for (int i = 0; i < RUNS; i++)
        if (!listed[i] && w->runs[i].used && must_know(w, client, &w->runs[i]))
            sim_fail(w, "run %d is not listed", i);
}

static void on_result(struct world *w, struct sim_client *client, struct slice bytes) {
    struct model_run *run = client->target;
    if (client->errand == ERRAND_KILL && run->running)
        sim_fail(w, "it is said to be killed, and runs");
    if (client->errand == ERRAND_RESULT) {
        same_result(w, run, bytes);
        if (run->finished)
            run->told_at = w->now < run->told_at ? w->now : run->told_at;
    }
    if (client->errand == ERRAND_RUNS)
        check_list(w, client);
    session_done(client->session, client->stream);
    client_over(w, client);
}

static void on_refused(struct world *w, struct sim_client *client, uint16_t code) {
    const struct model_run *run = client->target;
    if (code == CODE_STILL_RUNNING && run->told_at < client->asked_at)
        sim_fail(w, "a run that has ended is said to run");
    if (code == CODE_UNKNOWN_RUN && must_know(w, client, run))
        sim_fail(w, "a run is said to be unknown");
    if (code != CODE_STILL_RUNNING && code != CODE_UNKNOWN_RUN)
        sim_fail(w, "an answer with code %u", code);
    client_over(w, client);
}

void errand_event(struct world *w, struct sim_client *client, const struct session_event *event) {
    if (event->stream != client->stream || event->stream == 0)
        return;
    struct slice bytes = event->u.data.bytes;
    switch (event->type) {
    case MESSAGE_DATA:
        if (bytes.size <= KEPT - client->listed_size) {
            memcpy(client->listed + client->listed_size, bytes.data, bytes.size);
            client->listed_size += bytes.size;
        }
        session_consumed(client->session, client->stream, event->channel, event->u.data.offset + bytes.size);
        break;
    case MESSAGE_RESULT:
        on_result(w, client, event->u.result);
        break;
    case MESSAGE_REFUSED:
        on_refused(w, client, event->u.refused.code);
        break;
    default:
        break;
    }
}
