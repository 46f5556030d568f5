#include "landline/proto/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "landline/error.h"
#include "landline/proto/session_state.h"

static struct session *make(enum message_role role, int64_t greeting_deadline, uint32_t window_max, int64_t now) {
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    const struct ll_frame_format format = {
        .header_size = MESSAGE_HEAD, .limit = LIMIT_OPEN_PAYLOAD, .measure = session_input_measure, .arg = s};
    if (ll_frame_decoder_new(&format, &s->decoder) < 0) {
        free(s);
        return NULL;
    }
    s->role = role;
    s->state = MESSAGE_GREETING;
    buf_init(&s->out, LIMIT_SESSION_OUTPUT);
    s->now = s->last_received = s->last_asked = now;
    s->greeting_deadline = greeting_deadline;
    s->ask_after = LIMIT_PING_AFTER_MS * SESSION_MS;
    s->dead_after = LIMIT_DEAD_AFTER_MS * SESSION_MS;
    s->window_first = LIMIT_WINDOW_BULK;
    s->window_max = window_max > 0 && window_max < LIMIT_WINDOW ? window_max : LIMIT_WINDOW;
    s->max_streams = LIMIT_STREAMS;
    return s;
}

struct session *session_new_client(const struct session_client_config *config, int64_t now) {
    struct session *s = make(MESSAGE_CLIENT, config->greeting_deadline, config->window_max, now);
    if (s == NULL)
        return NULL;
    s->enrol_expected = config->enrol;
    if (config->window_first > 0)
        s->window_first = config->window_first;
    if (config->dead_after_ms > 0 && config->dead_after_ms < LIMIT_DEAD_AFTER_MS) {
        s->dead_after = config->dead_after_ms * SESSION_MS;
        s->ask_after = s->dead_after / 3;
    }
    if (session_put_hello(s, config) < 0) {
        session_free(s);
        return NULL;
    }
    return s;
}

void session_set_clock(struct session *s, uint64_t clock_ms) {
    s->clock_ms = clock_ms;
    if (s->role == MESSAGE_CLIENT && !s->out_touched)
        session_put_clock(s);
}

/* One piece of memory for both texts that WELCOME will need. */
static bool keep_names(struct session *s, const struct session_server_config *config) {
    size_t agent = config->agent.size, name = config->name.size;
    if (agent + name == 0)
        return true;
    s->names = malloc(agent + name);
    if (s->names == NULL)
        return false;
    if (agent > 0)
        memcpy(s->names, config->agent.data, agent);
    if (name > 0)
        memcpy(s->names + agent, config->name.data, name);
    s->welcome.agent = (struct slice){(uint8_t *)s->names, agent};
    s->welcome.name = (struct slice){(uint8_t *)s->names + agent, name};
    return true;
}

struct session *session_new_server(const struct session_server_config *config, int64_t now) {
    struct session *s = make(MESSAGE_SERVER, config->greeting_deadline, config->window_max, now);
    if (s == NULL)
        return NULL;
    if (config->max_streams > 0)
        s->max_streams = config->max_streams;
    s->access = config->access;
    s->busy_ms = config->busy_ms;
    s->welcome.version = MESSAGE_VERSION;
    s->welcome.unix_ms = config->unix_ms;
    s->welcome.verbs = config->verbs;
    s->welcome.max_streams = s->max_streams;
    s->welcome.horizon_s = config->horizon_s;
    memcpy(s->welcome.instance, config->instance, sizeof s->welcome.instance);
    if (!keep_names(s, config)) {
        session_free(s);
        return NULL;
    }
    return s;
}

void session_free(struct session *s) {
    if (s == NULL)
        return;
    session_streams_free(s);
    ll_frame_decoder_free(s->decoder);
    buf_free(&s->out);
    free(s->names);
    free(s);
}

void session_set_close(struct session *s, uint16_t code, const char *text, size_t n, bool by_peer) {
    s->state = MESSAGE_CLOSED;
    s->close_code = code;
    s->close_by_peer = by_peer;
    s->turned_away = by_peer && !s->welcomed;
    size_t fits = n < sizeof s->close_text ? n : sizeof s->close_text - 1;
    memcpy(s->close_text, text, fits);
    s->close_text[fits] = 0;
}

enum message_state session_state(const struct session *s) {
    return s->state;
}

uint16_t session_close_code(const struct session *s) {
    return s->close_code;
}

const char *session_close_text(const struct session *s) {
    return s->close_text;
}

bool session_close_by_peer(const struct session *s) {
    return s->close_by_peer;
}

bool session_untouched(const struct session *s) {
    return !s->out_touched || s->turned_away;
}

void session_not_taken(struct session *s) {
    s->turned_away = s->turned_away || !s->welcomed;
}

uint32_t session_last_stream(const struct session *s) {
    return s->highest;
}

bool session_is_between_frames(const struct session *s) {
    return ll_frame_end(s->decoder) == 0;
}

int64_t session_rtt(const struct session *s) {
    return s->rtt;
}

int64_t session_last_received(const struct session *s) {
    return s->last_received;
}

size_t session_memory(const struct session *s) {
    return sizeof *s + s->out.capacity + s->bucket_count * sizeof(void *) +
           s->stream_count * sizeof(struct session_stream) + s->welcome.agent.size + s->welcome.name.size +
           ll_frame_held(s->decoder);
}

/* --- time --- */

static int64_t ask_at(const struct session *s) {
    int64_t from = s->last_received > s->last_asked ? s->last_received : s->last_asked, at = from + s->ask_after;
    /* What the client's clock shows is asked for again before the two can be far apart. */
    int64_t clock_at = s->role == MESSAGE_SERVER ? s->last_asked + LIMIT_CLOCK_AFTER_MS * SESSION_MS : INT64_MAX;
    return clock_at < at ? clock_at : at;
}

void session_set_window(struct session *s, uint32_t window_max) {
    s->window_max = window_max;
}

int64_t session_deadline(const struct session *s) {
    if (s->state == MESSAGE_CLOSED)
        return INT64_MAX;
    if (!s->welcomed)
        return s->greeting_deadline;
    int64_t dead = s->last_received + s->dead_after, ask = ask_at(s);
    int64_t credit = session_flow_deadline(s), next = ask < dead ? ask : dead;
    return credit < next ? credit : next;
}

int session_tick(struct session *s, int64_t now) {
    if (s->state == MESSAGE_CLOSED)
        return 0;
    s->now = now;
    session_flow_tick(s);
    if (!s->welcomed) {
        if (now < s->greeting_deadline)
            return 0;
        return session_fail(s, LL_ETIMEOUT, CODE_TIMEOUT, "too slow to get in");
    }
    if (now >= s->last_received + s->dead_after)
        return session_fail(s, LL_ETIMEOUT, CODE_TIMEOUT, "nothing heard for %.3g s", (double)s->dead_after / 1e9);
    if (now < ask_at(s))
        return 0;
    int e = session_put_ping(s);
    return e < 0 ? session_fail(s, e, CODE_INTERNAL, "no memory for output") : 0;
}
