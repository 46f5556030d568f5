#include "landline/client/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "landline/client/moved.h"
#include "lib/base/escape.h"
#include "lib/os/clock.h"

enum {
    LINK_AHEAD = 128 << 10, /* ciphertext ahead of the transport */
    READS = 8,              /* receives in a row before others have their turn */
    MOST_SPLIT = 64 << 10,  /* the most to receive at once where several links carry one transfer */
    FULL_READ = 64 << 10,   /* a receive of so much asks for more room the next time */
    HOLD_MS = 50,           /* link_hold() */
    YOUNG_MS = 1000,        /* before that nobody looks whether our address is still there */
};

static const char AGENT[] = "landline";

struct link {
    ll_loop *loop;
    ll_socket *socket;
    ll_watch *watch;
    ll_timer *timer;
    struct moved *moved;
    struct wire *wire;
    struct session *session;
    const struct link_owner *owner;
    void *arg;
    struct link_user *first_ready, **end_ready;
    size_t want, most;  /* how much to receive at once, now and where much comes */
    int64_t held_until; /* nothing is received before; 0: not held */
    bool is_local, was_answered, was_open, was_in, busy, over;
    struct link_end end;
};

/* Whether a broker has not let us in, and never will: it passes nothing on before our socket has its WELCOME, which from now on
 * takes nothing more. */
static bool stays_silent(struct link *link) {
    char byte;
    ll_socket_shutdown(link->socket, SHUT_RDWR);
    return ll_socket_recv(link->socket, &byte, 1, MSG_PEEK) <= 0;
}

/* Over for a reason; told to the owner by the timer, from a clean stack. */
static void fail(struct link *link, int code) {
    if (link->over)
        return;
    link->over = true;
    struct link_end *end = &link->end;
    end->code = code;
    if (link->is_local && !link->was_in && stays_silent(link))
        session_not_taken(link->session);
    end->was_open = link->was_open;
    end->was_in = link->was_in;
    const char *text = session_close_text(link->session);
    if (session_close_by_peer(link->session))
        end->close_code = session_close_code(link->session);
    if (text[0] == '\0')
        text = wire_sentence(link->wire);
    if (end->text[0] == '\0')
        escape_sentence(end->text, sizeof end->text, text, strlen(text));
    const struct tls_pin *peer = wire_peer(link->wire);
    if (peer != NULL) {
        end->has_peer = true;
        end->peer = *peer;
    }
    ll_watch_touch(link->watch);
    ll_timer_set(link->timer, 0);
}

static void send_pending(struct link *link) {
    size_t before;
    ssize_t sent;
    do {
        before = wire_pending(link->wire);
        sent = wire_send(link->wire, ll_socket_fileno(link->socket));
    } while (sent > 0 && (size_t)sent == before);
    /* What the server said before it closed is still to be read: that is the better reason. */
    if (sent < 0 && sent != -EAGAIN && sent != -EPIPE && sent != -ECONNRESET)
        fail(link, (int)sent);
    if (sent > 0 && wire_error(link->wire) != 0)
        fail(link, wire_error(link->wire));
}

static size_t pending(const struct link *link) {
    return wire_pending(link->wire);
}

/* One frame of DATA of the user whose turn it is: whether there was one. */
static bool write_data(struct link *link) {
    uint8_t head[MESSAGE_DATA_HEAD];
    struct slice payload;
    while (link->first_ready != NULL) {
        struct link_user *user = link->first_ready;
        link->first_ready = user->next_ready;
        if (link->first_ready == NULL)
            link->end_ready = &link->first_ready;
        user->is_ready = false;
        if (user->data == NULL || user->data(user, head, &payload) <= 0)
            continue;
        struct iovec parts[2] = {{head, sizeof head}, {(void *)(uintptr_t)payload.data, payload.size}};
        int error = wire_write(link->wire, parts, 2);
        if (error != 0)
            fail(link, error);
        *link->end_ready = user;
        link->end_ready = &user->next_ready;
        user->next_ready = NULL;
        user->is_ready = true;
        return true;
    }
    return false;
}

static bool write_output(struct link *link) {
    struct slice out = session_output(link->session);
    if (out.size == 0)
        return false;
    size_t n = out.size < LINK_AHEAD ? out.size : LINK_AHEAD;
    struct iovec part = {(void *)(uintptr_t)out.data, n};
    int error = wire_write(link->wire, &part, 1);
    if (error != 0)
        fail(link, error);
    session_sent(link->session, n);
    return true;
}

static void flush(struct link *link) {
    for (;;) {
        while (!link->over && wire_is_open(link->wire) && pending(link) < LINK_AHEAD)
            if (!write_output(link) && !write_data(link) && session_output(link->session).size == 0)
                break; /* asking for data may have put the END of it into the output */
        size_t before = pending(link);
        if (before == 0 || link->over)
            break;
        send_pending(link);
        if (link->over || pending(link) > 0)
            break;
        if (before < LINK_AHEAD)
            break;
    }
    ll_watch_touch(link->watch);
    if (link->over)
        return;
    int64_t deadline = session_deadline(link->session);
    ll_timer_set(link->timer, link->held_until != 0 && link->held_until < deadline ? link->held_until : deadline);
}

static void dispatch(struct link *link, const struct session_event *event) {
    struct link_user *user = event->tag;
    switch (event->type) {
    case MESSAGE_WELCOME:
        link->was_in = true;
        link->owner->welcome(link->arg, &event->u.welcome);
        break;
    case MESSAGE_BUSY:
        link->end.retry_after_ms = event->u.busy.retry_after_ms;
        escape_sentence(link->end.text, sizeof link->end.text, event->u.busy.text.data, event->u.busy.text.size);
        fail(link, LL_EBUSY);
        break;
    case MESSAGE_CLOSE:
        fail(link, message_code_error(event->u.close.code));
        break;
    default:
        if (user != NULL) {
            /* First, for the user may be gone after its event. */
            if (event->type == MESSAGE_CREDIT || event->type == MESSAGE_OPENED)
                link_ready(link, user);
            user->event(user, event);
        }
    }
}

/* Hands plaintext to the session, and its events to their users. */
static void take_plain(struct link *link) {
    const uint8_t *bytes;
    size_t n, used, rest;
    while (!link->over) {
        wire_plain(link->wire, &bytes, &n);
        if (n == 0)
            return;
        struct session_event event;
        int64_t now = ll_loop_now(link->loop);
        const uint8_t *apart = wire_apart(link->wire, &rest);
        int more = apart != NULL ? session_next_apart(link->session, bytes, apart, rest, now, &event)
                                 : session_next(link->session, bytes, n, now, &used, &event);
        if (apart != NULL)
            used = n;
        if (more < 0)
            fail(link, more);
        else if (more > 0)
            dispatch(link, &event);
        wire_consume(link->wire, used);
    }
}

static void note_open(struct link *link) {
    if (link->was_open || !wire_was_open(link->wire))
        return;
    link->was_open = true;
    link->owner->open(link->arg);
}

static void note_answer(struct link *link) {
    if (link->was_answered || link->was_open)
        return;
    link->was_answered = true;
    if (link->owner->answered != NULL)
        link->owner->answered(link->arg);
}

static void end_of_transport(struct link *link, int error) {
    wire_eof(link->wire);
    int code = wire_error(link->wire);
    if (code == LL_ELOST && error != 0 && error != -ECONNRESET)
        code = error;
    fail(link, code != 0 ? code : LL_ELOST);
}

/* Whether there may be more. */
static bool receive(struct link *link) {
    size_t room;
    uint8_t *to = wire_reserve(link->wire, link->want, &room);
    if (to == NULL) {
        fail(link, wire_error(link->wire) != 0 ? wire_error(link->wire) : LL_ELIMIT);
        return false;
    }
    ssize_t n = ll_socket_recv(link->socket, to, room, 0);
    if (n == -EAGAIN)
        return false;
    if (n <= 0) {
        take_plain(link);
        if (!link->over)
            end_of_transport(link, (int)n);
        return false;
    }
    note_answer(link);
    session_set_clock(link->session, clock_boot_ms());
    wire_commit(link->wire, (size_t)n);
    note_open(link);
    take_plain(link);
    if (!link->over && wire_error(link->wire) != 0)
        fail(link, wire_error(link->wire));
    else if (wire_has_ended(link->wire))
        fail(link, LL_ELOST); /* an end without CLOSE is a lost link, however it is put */
    if (link->held_until == 0)
        link->want = n >= FULL_READ || (size_t)n == room ? link->most : TLS_READ;
    return (size_t)n == room && !link->over;
}

static void ready(void *arg, unsigned events) {
    struct link *link = arg;
    link->busy = true;
    if ((events & LL_READ) != 0)
        for (int i = 0; i < READS && link->held_until == 0 && receive(link); i++)
            continue;
    link->busy = false;
    /* The last word waits a pass: mostly it is DONE, and CLOSE follows, or the next request, which then go with it; a broker need not
     * even be told, since closing the socket says the same. */
    if (link->was_in && session_streams(link->session) == 0)
        ll_timer_set(link->timer, ll_loop_now(link->loop) + 1);
    else
        flush(link);
}

static unsigned wants(void *arg) {
    const struct link *link = arg;
    if (link->over)
        return 0;
    return (link->held_until == 0 ? LL_READ : 0) | (pending(link) > 0 ? LL_WRITE : 0);
}

static void timer(void *arg) {
    struct link *link = arg;
    if (!link->over) {
        int error = session_tick(link->session, ll_loop_now(link->loop));
        if (link->held_until <= ll_loop_now(link->loop))
            link->held_until = 0;
        if (error != 0)
            fail(link, error);
        flush(link);
        if (!link->over)
            return;
    }
    while (wire_is_open(link->wire) && write_output(link))
        continue;
    send_pending(link); /* CLOSE, or an alert, as far as it fits */
    ll_timer_set(link->timer, LL_NEVER);
    link->owner->end(link->arg, &link->end);
}

static void address_gone(void *arg) {
    fail(arg, -EADDRNOTAVAIL);
}

/* What is received at once is stored until it is decrypted. Where others carry the same transfer, it is less, for all together. */
static size_t most_at_once(uint32_t window_max) {
    return window_max > 0 ? MOST_SPLIT : TLS_READ_BULK;
}

int link_new(struct link **out, const struct link_config *config, ll_socket *socket, struct wire *wire) {
    struct link *link = calloc(1, sizeof *link);
    *out = NULL;
    if (link == NULL) {
        ll_socket_free(socket);
        wire_free(wire);
        return -ENOMEM;
    }
    *link = (struct link){.loop = config->loop,
                          .socket = socket,
                          .wire = wire,
                          .owner = config->owner,
                          .is_local = wire_is_open(wire), /* only a plain wire is, from the start */
                          .arg = config->arg,
                          .want = TLS_READ,
                          .most = most_at_once(config->window_max)};
    link->end_ready = &link->first_ready;
    struct session_client_config session = {.agent = {(const uint8_t *)AGENT, sizeof AGENT - 1},
                                            .greeting_deadline = config->greeting_deadline,
                                            .enrol = config->enrol,
                                            .window_max = config->window_max,
                                            .window_first = config->window_max,
                                            .dead_after_ms = config->dead_after_ms};
    link->session = session_new_client(&session, clock_now());
    int error = link->session == NULL ? -ENOMEM : 0;
    if (error == 0)
        error = ll_loop_timer(link->loop, LL_NEVER, timer, link, &link->timer);
    if (error == 0)
        error = ll_loop_fd(link->loop, ll_socket_fileno(socket), LL_READ, ready, link, &link->watch);
    if (error == 0 && !link->is_local)
        error = moved_new(&link->moved, link->loop, socket, YOUNG_MS * INT64_C(1000000), address_gone, link);
    if (error != 0) {
        link->over = true;
        link_free(link);
        return error;
    }
    ll_watch_ask(link->watch, wants);
    *out = link;
    return 0;
}

void link_start(struct link *link) {
    link->busy = true;
    note_open(link);
    link->busy = false;
    flush(link);
}

void link_free(struct link *link) {
    if (link == NULL)
        return;
    if (!link->over && link->was_open && !link->is_local) {
        session_close(link->session, CODE_NONE, "");
        while (wire_is_open(link->wire) && pending(link) < LINK_AHEAD && write_output(link))
            continue;
        if (session_output(link->session).size > 0)
            flush(link);
        wire_close(link->wire); /* in one piece with what is pending */
        send_pending(link);
    }
    /* Users outlive the link, and must not believe that the next one has them in its list. */
    for (struct link_user *user = link->first_ready; user != NULL; user = user->next_ready)
        user->is_ready = false;
    moved_free(link->moved);
    ll_watch_free(link->watch);
    ll_timer_free(link->timer);
    ll_socket_free(link->socket);
    wire_free(link->wire);
    session_free(link->session);
    free(link);
}

bool link_is_over(const struct link *link) {
    return link->over;
}

struct session *link_session(struct link *link) {
    return link->session;
}

void link_ready(struct link *link, struct link_user *user) {
    if (user != NULL && !user->is_ready) {
        *link->end_ready = user;
        link->end_ready = &user->next_ready;
        user->next_ready = NULL;
        user->is_ready = true;
    }
    if (!link->busy && !link->over)
        flush(link);
}

static uint8_t *choose(void *arg, const uint8_t *head, size_t n) {
    const struct link *link = arg;
    uint8_t channel;
    struct link_user *user = session_expects(link->session, head, n, &channel);
    return user != NULL && user->place != NULL ? user->place(user, channel, n) : NULL;
}

void link_hold(struct link *link) {
    if (link->held_until != 0)
        return;
    link->held_until = ll_loop_now(link->loop) + HOLD_MS * INT64_C(1000000);
    link->want = TLS_READ; /* what comes then may have to be kept */
    link_ready(link, NULL);
}

void link_go_on(struct link *link) {
    if (link->held_until == 0)
        return;
    link->held_until = 0;
    if (!link->over)
        ll_watch_touch(link->watch);
}

void link_place(struct link *link) {
    wire_place(link->wire, MESSAGE_DATA_HEAD, choose, link);
}

void link_forget(struct link *link, struct link_user *user) {
    struct link_user **at = &link->first_ready;
    while (*at != NULL && *at != user)
        at = &(*at)->next_ready;
    if (*at == NULL)
        return;
    *at = user->next_ready;
    user->is_ready = false;
    if (link->end_ready == &user->next_ready)
        link->end_ready = at;
}

int link_release(struct link *link, ll_socket **socket, struct tls_engine **tls, uint32_t *last_stream) {
    flush(link);
    if (link->over || !link->was_in || pending(link) > 0 || session_streams(link->session) > 0 ||
        !session_is_between_frames(link->session))
        return -EBUSY;
    *last_stream = session_last_stream(link->session);
    moved_free(link->moved);
    link->moved = NULL;
    ll_watch_free(link->watch);
    link->watch = NULL;
    *socket = link->socket;
    link->socket = NULL;
    *tls = wire_release(link->wire);
    link->over = true;
    link_free(link);
    return 0;
}
