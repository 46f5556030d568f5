/* A client: one call or question, and connections for it until it is over. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <string.h>

/* The process has gone: what the system still has of its connection goes out, and nobody listens. */
static void leave_connection(struct world *w, struct sim_client *client) {
    if (client->call != NULL)
        call_cut(client->call);
    session_free(client->session);
    client->session = NULL;
    client->stream = 0;
    client->opened_at = NEVER;
    if (client->connection != NULL)
        network_close(w, client->connection, CLIENT_SIDE);
    client->connection = NULL;
}

void client_boot(struct world *w, struct sim_client *client) {
    client->boots++;
    client->clock_at = w->now - 24 * 3600 * SECOND - (int64_t)chance_size(&w->chance, 3600 * 1000) * MS;
    client->clock_gains = (int64_t)chance_below(&w->chance, 6001) - 3000;
}

uint64_t client_clock(const struct world *w, const struct sim_client *client) {
    int64_t ms = (w->now - client->clock_at) / MS;
    return (uint64_t)(ms + ms * client->clock_gains / 1000000);
}

void client_end(struct sim_client *client) {
    if (!client->used)
        return;
    if (client->call != NULL)
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
        while (client->call != NULL && call_data(client->call, head, &payload)) {
            network_write(w, client->connection, CLIENT_SIDE, head, sizeof head);
            network_write(w, client->connection, CLIENT_SIDE, payload.data, payload.size);
        }
    } while (session_output(client->session).size > 0);
}

static void retry_later(struct world *w, struct sim_client *client) {
    client->connect_at = w->now + client->pause + (int64_t)chance_below(&w->chance, (uint64_t)client->pause);
    if (client->session == NULL && w->now < w->calm_at && chance_percent(&w->chance, 2)) {
        int64_t halt = (int64_t)chance_size(&w->chance, 600) * SECOND;
        client->halted_until = w->now + halt;
        client->clock_at += halt;
    }
    if (client->pause < 10 * SECOND)
        client->pause *= 2;
}

void client_over(struct world *w, struct sim_client *client) {
    client->over = true;
    client->connect_at = client->give_up_at = client->restart_at = client->consume_at = NEVER;
    client->leave_at = client->stop_at = client->act_at = client->move_at = NEVER;
    if (client->call != NULL) {
        client->outcome = call_outcome(client->call);
        check_told(w, client);
    }
    sim_trace(w, "client %td is over: outcome %d", client - w->clients, client->outcome);
    if (client->session != NULL)
        flush(w, client);
    leave_connection(w, client);
}

static void on_call_event(struct world *w, struct sim_client *client, const struct session_event *event) {
    struct call_output output;
    int e = call_event(client->call, event, &output);
    if (e < 0)
        sim_fail(w, "client %td found fault with an honest server: %d", client - w->clients, e);
    if (e == CALL_OPENED)
        client_opened(w, client);
    if (e == CALL_OUTPUT)
        client_output(w, client, &output);
    if (e == CALL_RESUME) {
        client->opened_at = NEVER;
        retry_later(w, client);
    }
    if (e == CALL_OVER || e < 0)
        client_over(w, client);
}

static void on_event(struct world *w, struct sim_client *client, const struct session_event *event) {
    if (event->type == MESSAGE_CLOSE) /* nothing more will come, and nobody waits for it */
        client_gone(w, client);
    else if (client->errand != NO_ERRAND)
        errand_event(w, client, event);
    else
        on_call_event(w, client, event);
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
        session_set_clock(client->session, client_clock(w, client));
        int e = session_next(client->session, bytes, n, w->now, &used, &event);
        bytes += used;
        n -= used;
        if (e == 0)
            return;
        if (e == 1) {
            on_event(w, client, &event);
            continue;
        }
        if (e != LL_EOF)
            sim_fail(w, "a client found fault with the server: %s", session_close_text(client->session));
        client_gone(w, client);
    }
}

/* A new process goes on from what the old one had stored. */
static void restart(struct world *w, struct sim_client *client) {
    struct buf saved;
    char boot[16];
    buf_init(&saved, 1 << 20);
    snprintf(boot, sizeof boot, "%u", client->boots);
    call_save(client->call, boot, sim_ms(w), client_clock(w, client), &saved);
    if (chance_percent(&w->chance, 20))
        client_boot(w, client);
    snprintf(boot, sizeof boot, "%u", client->boots);
    leave_connection(w, client);
    call_free(client->call);
    if (call_restore(&client->call, (struct slice){buf_front(&saved), buf_size(&saved)}, boot) < 0)
        sim_fail(w, "a stored call was not taken");
    buf_free(&saved);
    sim_trace(w, "client %td restarts", client - w->clients);
    call_input_end(client->call);
    client->input_lost = true;
    client->sized = false;
    client->restart_at = NEVER;
    client->consume_at = NEVER;
    retry_later(w, client);
}

static void connect_or_open(struct world *w, struct sim_client *client) {
    client->connect_at = NEVER;
    if (client->session == NULL) {
        const struct session_client_config config = {.greeting_deadline = w->now + 10 * SECOND,
                                                     .window_max = w->window_max};
        client->connection = network_connect(w, client);
        if (client->connection == NULL) {
            retry_later(w, client);
            return;
        }
        client->session = session_new_client(&config, w->now);
        session_set_clock(client->session, client_clock(w, client));
    }
    client_ask(w, client);
}

/* Says that it leaves, and comes back after a while on the connection that it has, or another. */
static void leave(struct world *w, struct sim_client *client) {
    client->leave_at = NEVER;
    if (client->session == NULL || call_stream(client->call) == 0)
        return;
    sim_trace(w, "client %td leaves", client - w->clients);
    call_detach(client->call);
    client->opened_at = NEVER;
    client->pause = 10 * MS + (int64_t)chance_size(&w->chance, 5000) * MS;
    retry_later(w, client);
}

/* Its address changes: it notices, and goes on from another one. */
static void move(struct world *w, struct sim_client *client) {
    client->move_at = w->now < w->calm_at ? w->now + (int64_t)chance_size(&w->chance, 20000) * MS : NEVER;
    if (client->act_at != NEVER) /* mostly a new place goes with another size of the window */
        client->act_at = w->now + (int64_t)chance_size(&w->chance, 1000) * MS;
    if (client->connection == NULL)
        return;
    sim_trace(w, "client %td moves", client - w->clients);
    flush(w, client);
    network_abandon(w, client->connection);
    client->connection = NULL;
    client_gone(w, client);
}

static void stop_output(struct world *w, struct sim_client *client) {
    client->stop_at = NEVER;
    client->stopped[client->stops - 1] = true;
    sim_trace(w, "client %td wants no more of channel %d", client - w->clients, client->stops);
    if (call_stop_output(client->call, client->stops) < 0)
        sim_fail(w, "STOP was not taken");
}

static int64_t next_of(const struct sim_client *c) {
    const int64_t all[] = {c->connect_at, c->give_up_at, c->restart_at, c->consume_at,
                           c->leave_at,   c->stop_at,    c->act_at,     c->move_at};
    int64_t next = c->session != NULL ? session_deadline(c->session) : NEVER;
    bool gives = c->session != NULL && c->call != NULL && c->input_at != 0 && c->input_known && !c->input_lost;
    if (gives && call_input_wanted(c->call) && c->input_at < next)
        next = c->input_at;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        next = all[i] < next ? all[i] : next;
    return next > c->halted_until ? next : c->halted_until;
}

int64_t client_next(const struct world *w) {
    int64_t next = NEVER;
    for (int i = 0; i < CLIENTS; i++)
        if (w->clients[i].used && !w->clients[i].over && next_of(&w->clients[i]) < next)
            next = next_of(&w->clients[i]);
    return next;
}

static void give_up(struct world *w, struct sim_client *client) {
    if (client->call != NULL)
        call_give_up(client->call);
    client->gave_up = true;
    client_over(w, client);
}

static void step(struct world *w, struct sim_client *client) {
    if (w->now < client->halted_until)
        return;
    if (client->give_up_at <= w->now) {
        give_up(w, client);
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
    if (client->act_at <= w->now)
        client_act(w, client);
    if (client->move_at <= w->now)
        move(w, client);
    if (client->connect_at <= w->now)
        connect_or_open(w, client);
    if (client->consume_at <= w->now) {
        for (uint8_t i = 0; i < 2; i++)
            call_consumed(client->call, (uint8_t)(i + 1), client->to_consume[i]);
        client->consume_at = NEVER;
    }
    if (client->session == NULL)
        return;
    client_give_input(w, client);
    flush(w, client);
}

void client_step(struct world *w) {
    for (int i = 0; i < CLIENTS; i++)
        if (w->clients[i].used && !w->clients[i].over)
            step(w, &w->clients[i]);
}
