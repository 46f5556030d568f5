/* What a client wants: its request, its input, and what it does to the run. */
#include "tests/sim/sim.h"

#include <string.h>

static struct slice text_slice(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void begin_run(struct sim_client *client) {
    struct model_run *run = client->own = client->target;
    const struct slice argv[] = {text_slice("command")};
    struct run_request request = run_request_default();
    request.id = run->id;
    request.argc = run->named ? 0 : 1;
    request.argv = argv;
    request.flags = (uint8_t)((run->terminal ? RUN_TTY : 0) | (run->named ? RUN_LOGIN : 0) |
                              (run->wants_input ? 0 : RUN_NO_STDIN) | (client->detaches ? RUN_DETACH : 0));
    request.name = run->named ? text_slice("shell") : text_slice("");
    request.on_loss = run->on_loss;
    request.keep_s = run->keep_s;
    request.overflow = run->spool[0].overflow;
    if (run->terminal)
        request.size = (struct run_window_size){.rows = 1, .columns = 80};
    client->input_known = !run->named;
    call_new_run(&client->call, run->named ? "shell" : "run", &request);
}

static void begin_attach(struct world *w, struct sim_client *client) {
    struct chance *c = &w->chance;
    client->takes = client->target->wants_input && !w->sweep && chance_percent(c, 30);
    uint8_t random[RUN_ID_RANDOM];
    for (size_t i = 0; i < sizeof random; i++)
        random[i] = (uint8_t)chance_next(c);
    const struct run_attach attach = {
        .id = client->target->id,
        .call = run_id_make(sim_ms(w), random),
        .flags = (uint8_t)((chance_percent(c, 30) ? RUN_FROM_NOW : 0) | (client->takes ? RUN_TAKE_INPUT : 0))};
    call_new_attach(&client->call, &attach);
}

static int64_t some_time(struct world *w, unsigned percent) {
    return chance_percent(&w->chance, percent) ? (int64_t)chance_size(&w->chance, 20000) * MS : NEVER;
}

void client_begin(struct world *w, struct sim_client *client) {
    struct chance *c = &w->chance;
    client->used = true;
    client_boot(w, client);
    client->pause = 10 * MS;
    client->consume_at = client->act_at = client->opened_at = NEVER;
    client->connect_at = (int64_t)chance_size(c, client->runner ? 100 : 20000) * MS;
    client->give_up_at = chance_percent(c, 15) ? (int64_t)chance_size(c, 600) * SECOND : NEVER;
    client->restart_at = chance_percent(c, 30) ? (int64_t)chance_size(c, 60000) * MS : NEVER;
    client->leave_at = some_time(w, 15);
    client->stop_at = some_time(w, 10);
    client->act_at = some_time(w, 30);
    client->move_at = some_time(w, 20);
    client->stops = (uint8_t)(1 + chance_below(c, 2));
    client->detaches = client->runner && chance_percent(c, 10);
    if (w->sweep) {
        client->give_up_at = client->restart_at = client->leave_at = client->stop_at = NEVER;
        client->act_at = client->move_at = NEVER;
        client->detaches = false;
    }
    if (client->runner)
        begin_run(client);
    else
        begin_attach(w, client);
}

void client_ask(struct world *w, struct sim_client *client) {
    client->opened_at = NEVER;
    if (client->errand != NO_ERRAND) {
        errand_ask(w, client);
        return;
    }
    if (call_open(client->call, client->session, sim_ms(w), client_clock(w, client)) < 0)
        sim_fail(w, "OPEN was not taken");
    uint32_t stream = call_stream(client->call);
    if (client->sized && stream < sizeof client->connection->controls / sizeof *client->connection->controls)
        client->connection->controls[stream]++; /* the size is said again */
    sim_trace(w, "client %td opens on %td", client - w->clients, client->connection - w->connections);
}

/* --- the answer --- */

void client_opened(struct world *w, struct sim_client *client) {
    client->pause = 10 * MS;
    client->opened_at = w->now;
    if (!run_id_equal(call_id(client->call), &client->target->id))
        client->target = keeper_run(w, call_id(client->call)); /* a shell of that name was there */
    check_opened(w, client);
    if (!client->input_known && client->session != NULL)
        client->input_given = session_offset(client->session, call_stream(client->call), 0);
    client->input_known = true;
    if (!client->detaches)
        return;
    call_detach(client->call);
    client->detached = true;
    client_over(w, client);
}

void client_output(struct world *w, struct sim_client *client, const struct call_output *output) {
    int i = output->channel - 1;
    uint64_t seed = client->target->seed;
    if (!client->began[i])
        client->first[i] = client->delivered[i] = output->offset;
    client->began[i] = true;
    if (output->offset < client->delivered[i])
        sim_fail(w, "channel %d goes back to %llu", i + 1, (unsigned long long)output->offset);
    for (size_t k = 0; k < output->bytes.size; k++)
        if (output->bytes.data[k] != sim_byte(seed, output->channel, output->offset + k)) {
            sim_fail(w, "channel %d differs at %llu", i + 1, (unsigned long long)(output->offset + k));
            return;
        }
    client->delivered[i] = output->offset + output->bytes.size;
    client->to_consume[i] = client->delivered[i];
    if (client->consume_at == NEVER)
        client->consume_at = w->now + (chance_percent(&w->chance, 70) ? 0 : (int64_t)chance_size(&w->chance, 500) * MS);
}

/* --- what it does --- */

void client_give_input(struct world *w, struct sim_client *client) {
    static uint8_t bytes[8192];
    if (client->call == NULL || !client->input_known || client->input_lost || w->now < client->input_at ||
        !call_input_wanted(client->call))
        return;
    uint64_t total = client->target->input_total, room = call_input_room(client->call);
    uint64_t n = client->input_given < total ? total - client->input_given : 0;
    n = n < room ? n : room;
    n = n < sizeof bytes ? n : sizeof bytes;
    bool pauses = !w->sweep && n > 1 && chance_percent(&w->chance, 50);
    if (pauses)
        n = 1 + chance_size(&w->chance, n - 1);
    client->input_at = pauses ? w->now + (int64_t)chance_size(&w->chance, 1000) * MS : 0;
    for (uint64_t i = 0; i < n; i++)
        bytes[i] = sim_byte(client->target->seed, 0, client->input_given + i);
    if (n > 0)
        client->input_given += (uint64_t)call_input(client->call, bytes, n);
    if (client->input_given >= total)
        call_input_end(client->call);
}

static void say_signal(struct world *w, struct sim_client *client) {
    uint8_t signal = (uint8_t)(w->next_signal + 1);
    if (w->next_signal + 1 < SIGNALS && call_signal(client->call, signal) >= 0)
        w->next_signal++;
}

void client_act(struct world *w, struct sim_client *client) {
    uint32_t stream = call_stream(client->call);
    bool resizes = client->target->terminal && chance_percent(&w->chance, 70);
    unsigned none = 0, before = w->next_signal;
    unsigned *said = client->connection != NULL && stream > 0 &&
                             stream < sizeof client->connection->controls / sizeof *client->connection->controls
                         ? &client->connection->controls[stream]
                         : &none;
    client->act_at = chance_percent(&w->chance, 70) ? w->now + (int64_t)chance_size(&w->chance, 3000) * MS : NEVER;
    if (resizes) {
        const struct run_window_size size = {.rows = ++w->next_size, .columns = 80};
        client->sized = true;
        if (w->now < w->calm_at && chance_percent(&w->chance, 30))
            client->move_at = w->now + (int64_t)chance_size(&w->chance, 20) * MS;
        *said += call_window_size(client->call, &size) >= 0 && stream > 0;
    } else {
        say_signal(w, client);
        *said += w->next_signal - before;
    }
    sim_trace(w, "client %td %s", client - w->clients, resizes ? "has another size" : "sends a signal");
}
