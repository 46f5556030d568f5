/* A client: one call, and connections for it until it is over. */
#include "tests/sim/sim.h"

#include <string.h>

static struct slice text_slice(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void begin_run(struct world *w, struct sim_client *client) {
    struct chance *c = &w->chance;
    struct model_run *run = client->target;
    const struct slice argv[] = {text_slice("command")};
    struct run_request request = run_request_default();
    request.id = run->id;
    request.argc = 1;
    request.argv = argv;
    request.flags = chance_percent(c, 20) ? RUN_TTY : 0;
    if (!run->wants_input)
        request.flags |= RUN_NO_STDIN;
    request.on_loss = run->kill_on_loss ? RUN_KILL : RUN_KEEP;
    request.overflow = run->spool[0].overflow;
    call_new_run(&client->call, "run", &request);
    client->input_total = run->wants_input ? chance_size(c, chance_percent(c, 5) ? 200000 : 20000) : 0;
}

static void begin_attach(struct world *w, struct sim_client *client) {
    const struct run_attach attach = {.id = client->target->id,
                                      .flags = chance_percent(&w->chance, 30) ? RUN_FROM_NOW : 0};
    call_new_attach(&client->call, &attach);
}

void client_begin(struct world *w, struct sim_client *client) {
    struct chance *c = &w->chance;
    client->used = true;
    client->pause = 10 * MS;
    client->consume_at = NEVER;
    client->connect_at = (int64_t)chance_size(c, client->runner ? 100 : 20000) * MS;
    client->give_up_at = chance_percent(c, 15) ? (int64_t)chance_size(c, 600) * SECOND : NEVER;
    client->restart_at = chance_percent(c, 30) ? (int64_t)chance_size(c, 60000) * MS : NEVER;
    client->leave_at = chance_percent(c, 15) ? (int64_t)chance_size(c, 20000) * MS : NEVER;
    client->stop_at = chance_percent(c, 10) ? (int64_t)chance_size(c, 20000) * MS : NEVER;
    client->stops = (uint8_t)(1 + chance_below(c, 2));
    if (w->sweep)
        client->give_up_at = client->restart_at = client->leave_at = client->stop_at = NEVER;
    if (client->runner)
        begin_run(w, client);
    else
        begin_attach(w, client);
}

/* The process has gone: what the system still has of its connection goes out, and nobody listens. */
static void leave_connection(struct world *w, struct sim_client *client) {
    call_cut(client->call);
    session_free(client->session);
    client->session = NULL;
    if (client->connection != NULL)
        network_close(w, client->connection, CLIENT_SIDE);
    client->connection = NULL;
}

void client_end(struct sim_client *client) {
    if (!client->used)
        return;
    call_cut(client->call);
    session_free(client->session);
    call_free(client->call);
}

/* Output first, then data, as the session wants it. */
static void flush(struct world *w, struct sim_client *client) {
    uint8_t head[MESSAGE_DATA_HEAD];
    struct slice payload;
    do {
        struct slice out = session_output(client->session);
        network_write(w, client->connection, CLIENT_SIDE, out.data, out.size);
        session_sent(client->session, out.size);
        while (call_data(client->call, head, &payload)) {
            network_write(w, client->connection, CLIENT_SIDE, head, sizeof head);
            network_write(w, client->connection, CLIENT_SIDE, payload.data, payload.size);
        }
    } while (session_output(client->session).size > 0);
}

static void retry_later(struct world *w, struct sim_client *client) {
    client->connect_at = w->now + client->pause + (int64_t)chance_below(&w->chance, (uint64_t)client->pause);
    if (client->pause < 10 * SECOND)
        client->pause *= 2;
}

static void over(struct world *w, struct sim_client *client) {
    client->over = true;
    client->outcome = call_outcome(client->call);
    client->connect_at = client->give_up_at = client->restart_at = client->consume_at = NEVER;
    client->leave_at = client->stop_at = NEVER;
    sim_trace(w, "client %td is over: outcome %d", client - w->clients, client->outcome);
    if (client->session != NULL)
        flush(w, client);
    leave_connection(w, client);
}

static void on_output(struct world *w, struct sim_client *client, const struct call_output *output) {
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

static void on_event(struct world *w, struct sim_client *client, const struct session_event *event) {
    struct call_output output;
    if (event->type == MESSAGE_CLOSE) { /* nothing more will come, and nobody waits for it */
        client_gone(w, client);
        return;
    }
    int e = call_event(client->call, event, &output);
    if (e < 0)
        sim_fail(w, "client %td found fault with an honest server: %d", client - w->clients, e);
    if (e == CALL_OPENED) {
        client->pause = 10 * MS;
        if (client->key[0] != 1)
            sim_fail(w, "a stranger was let in");
    }
    if (e == CALL_OUTPUT)
        on_output(w, client, &output);
    if (e == CALL_RESUME)
        retry_later(w, client);
    if (e == CALL_OVER || e < 0)
        over(w, client);
}

void client_gone(struct world *w, struct sim_client *client) {
    sim_trace(w, "client %td is cut off", client - w->clients);
    leave_connection(w, client);
    if (!client->over)
        retry_later(w, client);
}

void client_bytes(struct world *w, struct sim_client *client, const uint8_t *bytes, size_t n) {
    while (client->session != NULL && n > 0) {
        struct session_event event;
        size_t used;
        int e = session_next(client->session, bytes, n, w->now, &used, &event);
        bytes += used;
        n -= used;
        if (e == 0)
            return;
        if (e == 1) {
            on_event(w, client, &event);
            continue;
        }
        if (e != -4097)
            sim_fail(w, "a client found fault with the server: %s", session_close_text(client->session));
        client_gone(w, client);
    }
}

/* A new process goes on from what the old one had stored. */
static void restart(struct world *w, struct sim_client *client) {
    struct buf saved;
    buf_init(&saved, 1 << 20);
    call_save(client->call, &saved);
    leave_connection(w, client);
    call_free(client->call);
    if (call_restore(&client->call, (struct slice){buf_front(&saved), buf_size(&saved)}) < 0)
        sim_fail(w, "a stored call was not taken");
    buf_free(&saved);
    sim_trace(w, "client %td restarts", client - w->clients);
    call_input_end(client->call);
    client->input_lost = true;
    client->restart_at = NEVER;
    client->consume_at = NEVER;
    retry_later(w, client);
}

static void connect_or_open(struct world *w, struct sim_client *client) {
    client->connect_at = NEVER;
    if (client->session == NULL) {
        const struct session_client_config config = {
            .unix_ms = sim_ms(w), .greeting_deadline = w->now + 10 * SECOND, .window_max = w->window_max};
        client->connection = network_connect(w, client);
        if (client->connection == NULL) {
            retry_later(w, client);
            return;
        }
        client->session = session_new_client(&config, w->now);
    }
    if (call_open(client->call, client->session, sim_ms(w)) < 0)
        sim_fail(w, "OPEN was not taken");
    sim_trace(w, "client %td opens on %td", client - w->clients, client->connection - w->connections);
}

static void give_input(struct world *w, struct sim_client *client) {
    static uint8_t bytes[8192];
    if (!client->runner || client->input_lost || !call_input_wanted(client->call))
        return;
    uint64_t left = client->input_total - client->input_given, room = call_input_room(client->call);
    uint64_t n = left < room ? left : room;
    n = n < sizeof bytes ? n : sizeof bytes;
    for (uint64_t i = 0; i < n; i++)
        bytes[i] = sim_byte(client->target->seed, 0, client->input_given + i);
    if (n > 0)
        client->input_given += (uint64_t)call_input(client->call, bytes, n);
    if (client->input_given == client->input_total)
        call_input_end(client->call);
    (void)w;
}

/* Says that it leaves, and comes back after a while on the connection that it has, or another. */
static void leave(struct world *w, struct sim_client *client) {
    client->leave_at = NEVER;
    if (client->session == NULL || call_stream(client->call) == 0)
        return;
    sim_trace(w, "client %td leaves", client - w->clients);
    call_detach(client->call);
    client->pause = 10 * MS + (int64_t)chance_size(&w->chance, 5000) * MS;
    retry_later(w, client);
}

static void stop_output(struct world *w, struct sim_client *client) {
    client->stop_at = NEVER;
    client->stopped[client->stops - 1] = true;
    sim_trace(w, "client %td wants no more of channel %d", client - w->clients, client->stops);
    if (call_stop_output(client->call, client->stops) < 0)
        sim_fail(w, "STOP was not taken");
}

static int64_t next_of(const struct sim_client *c) {
    int64_t next = c->connect_at;
    next = c->give_up_at < next ? c->give_up_at : next;
    next = c->restart_at < next ? c->restart_at : next;
    next = c->consume_at < next ? c->consume_at : next;
    next = c->leave_at < next ? c->leave_at : next;
    next = c->stop_at < next ? c->stop_at : next;
    if (c->session != NULL && session_deadline(c->session) < next)
        next = session_deadline(c->session);
    return next;
}

int64_t client_next(const struct world *w) {
    int64_t next = NEVER;
    for (int i = 0; i < CLIENTS; i++)
        if (w->clients[i].used && !w->clients[i].over && next_of(&w->clients[i]) < next)
            next = next_of(&w->clients[i]);
    return next;
}

static void step(struct world *w, struct sim_client *client) {
    if (client->give_up_at <= w->now) {
        call_give_up(client->call);
        client->gave_up = true;
        over(w, client);
        return;
    }
    if (client->restart_at <= w->now)
        restart(w, client);
    if (client->session != NULL && session_tick(client->session, w->now) < 0) {
        flush(w, client);
        client_gone(w, client);
    }
    if (client->leave_at <= w->now)
        leave(w, client);
    if (client->stop_at <= w->now)
        stop_output(w, client);
    if (client->connect_at <= w->now)
        connect_or_open(w, client);
    if (client->consume_at <= w->now) {
        for (uint8_t i = 0; i < 2; i++)
            call_consumed(client->call, (uint8_t)(i + 1), client->to_consume[i]);
        client->consume_at = NEVER;
    }
    if (client->session == NULL)
        return;
    give_input(w, client);
    flush(w, client);
}

void client_step(struct world *w) {
    for (int i = 0; i < CLIENTS; i++)
        if (w->clients[i].used && !w->clients[i].over)
            step(w, &w->clients[i]);
}
